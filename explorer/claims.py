"""Which trials the runs on one store are at work on, so that two runs do not train the same ones.

Every run keeps one note in the store, which it alone writes: the trials it wants, those it holds,
and a beat that shows that it lives. To take trials, a run writes them as wanted, reads the others'
notes, and holds what no other run holds or wants. Of two runs that ask at the same moment at least
one reads the other's note after it was written. So they cannot both hold a trial: whoever sees a
rival that wants it too gives way if its own owner id is the larger one, and otherwise looks again
until the rival holds the trial or has given way.

Claims save work and decide nothing. A trial that is trained twice has the same result twice, and
readers count it once; so a store in trouble, a folder on a network that shows new files late, or a
run that was given up for dead too soon costs no more than time.
"""

from __future__ import annotations

import logging
import os
import socket
import time
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from explorer.process_token import has_ended, is_alive, process_token
from explorer.store import Store

logger = logging.getLogger(__name__)

T = TypeVar("T")

_KIND = "claim"
#: Trial ids are hexadecimal digests; so many of their digits tell 64,000 of them apart. Two that
#: begin alike wait for each other, which is harmless.
_DIGITS = 12
#: Seconds between looks at a rival that is about to hold a trial or to give way, which takes it
#: some milliseconds; whoever still waits after the last one gives way.
_PAUSES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6)


class Claims:
    """One run's claims on the trials of a store.

    Trouble with the store is logged and then taken for being alone. One thread uses a `Claims`.

    Args:
        store: that the runs have in common.
        every: seconds between two beats.
        expiry: seconds without a beat of another run, by this process's clock, after which it
            counts as dead; many times `every`.
        now: the clock, in seconds from any start.
        pause: waits so many seconds for a rival.

    Attributes:
        owner: this run's id, and the name of its note.

    Raises:
        EnvironmentFailure: the first note cannot be written.
    """

    def __init__(
        self,
        store: Store,
        *,
        every: float = 5.0,
        expiry: float = 60.0,
        now: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.owner = uuid.uuid4().hex
        self._store = store
        self._every = every
        self._expiry = expiry
        self._now = now
        self._pause = pause
        self._wanted: set[str] = set()
        self._held: set[str] = set()
        self._process = process_token(os.getpid())
        self._beat = 0
        self._written = now()
        self._closed = False
        self._seen: dict[str, tuple[object, float]] = {}
        self._rivals: list[_Rival] = []
        self._met = self._met_before = False
        self._write()
        self._safely(self._look)

    def take(self, trial_ids: Sequence[str]) -> set[str]:
        """Claim trials; return those of them that are this run's, those it had already included.

        The others are a living run's, which holds them or was about to. Writes one note, or two
        beside another run; waits for about a second at most.
        """
        asked = {trial_id: trial_id[:_DIGITS] for trial_id in trial_ids}
        wanted = set(asked.values()) - self._held
        if wanted and not self._closed:
            self._met_before, self._met = self._met, False
            self._wanted = wanted
            won = self._safely(self._contest)
            self._held |= wanted if won is None else won
            self._wanted = set()
            if self._rivals:  # they wait to hear; a run that comes later hears with the next beat
                self._safely(self._write)
        return {trial_id for trial_id, short in asked.items() if short in self._held}

    def release(self, trial_ids: Collection[str]) -> None:
        """Give trials back, finished or not; the others hear of it with the next beat."""
        self._held.difference_update(trial_id[:_DIGITS] for trial_id in trial_ids)

    def beat(self) -> None:
        """Show that this run lives, and see who else does; nothing until `every` has passed."""
        if not self._closed and self._now() - self._written >= self._every:
            self._safely(self._write_and_look)

    def alone(self) -> bool:
        """Whether no other run was seen since the `take` before the last one; asks nobody.

        Then nobody else has published what was taken last: its status need not be read again.
        """
        return not (self._met or self._met_before)

    def look(self) -> None:
        """Read the other runs' notes now.

        Raises:
            EnvironmentFailure: the store cannot be read.
        """
        self._look()

    def await_beats(self, owners: Collection[str], seconds: float | None = None) -> None:
        """Wait for a sign of life of these runs; those that give none are taken for dead.

        Args:
            owners: of their notes.
            seconds: to wait at most; three beats by default.
        """
        seconds = 3 * self._every if seconds is None else seconds
        before = {owner: self._seen[owner][0] for owner in owners if owner in self._seen}
        deadline = self._now() + seconds
        while before and self._now() < deadline:
            self._pause(min(1.0, self._every))
            self.beat()
            self._safely(self._look)
            before = {
                owner: beat
                for owner, beat in before.items()
                if self._seen.get(owner, (None, 0.0))[0] == beat
            }
        for owner in before:
            self._seen[owner] = (before[owner], self._now() - self._expiry)
        if before:
            self._safely(self._look)

    def living(self) -> frozenset[str]:
        """The owners of the other runs that live, as last read; asks nobody."""
        return frozenset(rival.owner for rival in self._rivals)

    def close(self) -> None:
        """Give everything back: delete the note. Nothing is claimed from here on."""
        if not self._closed:
            self._closed = True
            self._held = set()
            self._delete(self.owner)

    def _contest(self) -> set[str]:
        """What of `wanted` no other run holds or wants: it is this run's, once that was written."""
        self._write()
        mine = set(self._wanted)
        for pause in (*_PAUSES, None):
            self._look()
            undecided: set[str] = set()
            for rival in self._rivals:
                mine -= rival.held
                if self.owner > rival.owner:
                    mine -= rival.wanted
                else:
                    undecided |= rival.wanted
            if pause is None or mine.isdisjoint(undecided):
                break
            self._pause(pause)
        return mine - undecided

    def _write(self) -> None:
        self._written = self._now()  # also where it fails: a store in trouble is not hurried
        self._beat += 1
        values = {
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "process": self._process,
            "beat": self._beat,
            "wanted": sorted(self._wanted),
            "held": sorted(self._held),
        }
        self._store.write_note(_KIND, self.owner, values)

    def _write_and_look(self) -> None:
        """Look only where writing went well: a store that is gone looks like one without notes."""
        self._write()
        self._look()

    def _look(self) -> None:
        """Read the other runs' notes; the dead ones' are deleted."""
        notes = self._store.read_notes(_KIND)
        notes.pop(self.owner, None)
        self._met = self._met or bool(notes)
        seen: dict[str, tuple[object, float]] = {}
        rivals: list[_Rival] = []
        now = self._now()
        for owner, note in notes.items():
            beat = note.get("beat")
            last = self._seen.get(owner)
            seen[owner] = last if last is not None and last[0] == beat else (beat, now)
            silent = now - seen[owner][1] >= self._expiry
            elsewhere = note.get("process") != self._process  # else it was left behind here
            if (silent and not (elsewhere and is_alive(note))) or has_ended(note):
                logger.info("A run has ended without a word: its claim %s is deleted", owner)
                self._delete(owner)
                continue
            if last is None:
                where = f"process {note.get('pid')} on {note.get('host')}"
                logger.info("Another run is at work on this store: %s", where)
            rivals.append(_Rival(owner, _ids(note, "wanted"), _ids(note, "held")))
        self._seen, self._rivals = seen, rivals

    def _delete(self, owner: str) -> None:
        self._safely(lambda: self._store.delete_note(_KIND, owner))

    def _safely(self, act: Callable[[], T]) -> T | None:
        """The act's result; None after trouble of any kind, which no run should end for."""
        try:
            return act()
        except Exception as error:
            logger.info("Claims are left aside: %s", error)
            return None


@dataclass(frozen=True, slots=True)
class _Rival:
    """Another living run, as its note describes it."""

    owner: str
    wanted: frozenset[str]
    held: frozenset[str]


def _ids(note: Mapping[str, Any], field: str) -> frozenset[str]:
    """Ids that a note lists; none where it lists something else."""
    listed = note.get(field)
    if not isinstance(listed, list):
        return frozenset()
    return frozenset(text for text in listed if isinstance(text, str))
