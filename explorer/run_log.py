"""The log of one run, beside the data of a local store."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from explorer.errors import EnvironmentFailure
from explorer.store import Store
from explorer.store.location import LOGS


def local_folder(store: Store) -> Path | None:
    """The store's folder, when it lies in one."""
    return None if "://" in store.location else Path(store.location)


class _QuietFile(logging.FileHandler):
    """A log that may fall silent: a full disk is told of by what publishes results."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  (logging's name)
        """Say nothing; the line is lost."""

    def close(self) -> None:
        """Close the file, whether or not its last lines can be written."""
        with suppress(OSError):
            super().close()


@contextmanager
def log_file(store: Store) -> Iterator[str | None]:
    """A log of this run beside a local store's data; yields its path."""
    handler: logging.Handler = logging.NullHandler()
    path = None
    if folder := local_folder(store):
        name = f"run-{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{os.getpid()}.log"
        path = folder / LOGS / name
        try:
            path.parent.mkdir(exist_ok=True)
            handler = _QuietFile(path, encoding="utf-8")
        except OSError as error:
            raise EnvironmentFailure(f"The log {path} cannot be written: {error}.") from error
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    ours = logging.getLogger("explorer")
    level = ours.level
    ours.addHandler(handler)
    if not ours.isEnabledFor(logging.INFO):
        ours.setLevel(logging.INFO)
    try:
        yield str(path) if path else None
    finally:
        ours.removeHandler(handler)
        ours.setLevel(level)
        handler.close()
