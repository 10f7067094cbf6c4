"""Looks from time to time whether the store of a run is still there."""

from __future__ import annotations

import logging
import time

from explorer.errors import ExplorerError
from explorer.store import Store

logger = logging.getLogger(__name__)

#: Seconds between two looks whether the store is still there.
WATCH_EVERY = 10.0


class StoreWatch:
    """Notices that a store is gone before hours of training cannot be published.

    Args:
        store: the store.
        every: seconds between two looks.
    """

    def __init__(self, store: Store, every: float = WATCH_EVERY) -> None:
        self._store = store
        self._every = every
        self._next = time.monotonic() + every

    def trouble(self) -> str | None:
        """Return one sentence if the store is gone; None, too, where it is not time to look."""
        if time.monotonic() < self._next:
            return None
        self._next = time.monotonic() + self._every
        try:
            there = Store.exists(self._store.location)
        except ExplorerError as error:  # a network's hiccup; publishing decides what it means
            logger.info("%s", error)
            return None
        return None if there else f"The store {self._store} is gone."
