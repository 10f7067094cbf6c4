"""Several runs on one store: what another trains, or has finished meanwhile, is left to it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from explorer.store.schema import COMPLETED, DIVERGED
from explorer.trial import Configuration

logger = logging.getLogger(__name__)


class Claiming(Protocol):
    """What `explorer.claims.Claims` offers."""

    def take(self, trial_ids: Sequence[str]) -> set[str]:
        """Claim trials; returns those that are this run's now."""
        ...

    def release(self, trial_ids: Sequence[str]) -> None:
        """Give trials back."""
        ...

    def alone(self) -> bool:
        """Whether no other run was seen on the store."""
        ...


@dataclass(frozen=True)
class Division:
    """Who does which of some trials.

    Attributes:
        ours: to be trained by this run.
        finished: trained by another run meanwhile, with their status.
        busy: another run is at them; ask again later.
    """

    ours: list[Configuration]
    finished: dict[Configuration, str]
    busy: list[Configuration]


class SharedWork:
    """Divides trials between this run and others on the same store.

    Args:
        claims: None where this run is taken to be the only one.
        statuses: the store's trials by id.
    """

    def __init__(
        self, claims: Claiming | None = None, statuses: Callable[[], Mapping[str, str]] = dict
    ) -> None:
        self._claims = claims
        self._statuses = statuses
        self._read: Mapping[str, str] | None = None
        self._read_again = 0.0

    def divide(self, members: Sequence[Configuration]) -> Division:
        """Claim these trials."""
        if self._claims is None or not members:
            return Division(list(members), {}, [])
        taken = self._claims.take([member.trial_id for member in members])
        ours = [member for member in members if member.trial_id in taken]
        busy = [member for member in members if member.trial_id not in taken]
        finished: dict[Configuration, str] = {}
        if not self._claims.alone():
            finished = self._finished_meanwhile(members)
            ours = [member for member in ours if member not in finished]
            busy = [member for member in busy if member not in finished]
            self.release([member for member in finished if member.trial_id in taken])
        return Division(ours, finished, busy)

    def release(self, members: Sequence[Configuration]) -> None:
        """These trials are done with, or given back."""
        if self._claims is not None and members:
            self._claims.release([member.trial_id for member in members])

    def _lately(self) -> Mapping[str, str]:
        """The store's trials; read anew only so often that reading takes a tenth of the time."""
        if self._read is None or time.monotonic() >= self._read_again:
            began = time.monotonic()
            self._read = self._statuses()
            took = time.monotonic() - began
            self._read_again = time.monotonic() + 10 * took
        return self._read

    def _finished_meanwhile(self, members: Sequence[Configuration]) -> dict[Configuration, str]:
        try:
            statuses = self._lately()
        except Exception as error:  # then a trial may be trained twice, which readers settle
            logger.info("What other runs did cannot be read: %s", error)
            return {}
        return {
            member: statuses[member.trial_id]
            for member in members
            if statuses.get(member.trial_id) in (COMPLETED, DIVERGED)
        }
