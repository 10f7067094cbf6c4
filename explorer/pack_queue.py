"""The driver's account of a run: packs to do, running and done, and what becomes of failures."""

from __future__ import annotations

import logging
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from explorer.packing import Pack, pack_of
from explorer.progress import Progress
from explorer.store.schema import COMPLETED, DIVERGED, FAILED
from explorer.strategies import Outcome, Strategy
from explorer.trial import Configuration

logger = logging.getLogger(__name__)

#: Times a trial is tried when its pack raises an error, the last time alone in a pack.
MAX_TRIES = 2
#: Packs in a row whose worker died, again and again, after which the machine is at fault; and
#: trials of one pack whose worker died though they were alone, after which the rest is given up.
MAX_LOST_IN_A_ROW = 3
#: Trials asked of a strategy at once: a grid hands over everything, so that packing sees it all.
ASK = 10_000_000


@dataclass(slots=True)
class Counts:
    """What a run has done so far: trials by how they ended, and packs."""

    completed: int = 0
    diverged: int = 0
    failed: int = 0
    packs: int = 0


class PackQueue:
    """Feeds packs to whatever runs them, hears what became of them, and tells the strategy.

    A pack that raises an error is tried again without its finished members, one member a pack, so
    that the member at fault fails alone. A pack whose worker dies is the runner's to retry; it is
    called lost when the runner gives up. What it had published counts; the rest is tried again in
    halves, since memory is the usual cause, and fails where a trial is alone.

    Args:
        strategy: asked for trials, told their outcomes.
        make_packs: divides trials into packs, the costliest first.
        record_failed: writes failed trials of a pack, with their error, to the store.
        progress: shows how far the run is.
        statuses: the store's trials by id, asked after a worker's death.

    Attributes:
        counts: what was done so far.
        trouble: one sentence once the run cannot go on: the store or the cluster is at fault.
    """

    def __init__(
        self,
        strategy: Strategy,
        make_packs: Callable[[Sequence[Configuration]], list[Pack]],
        record_failed: Callable[[Pack, Sequence[Configuration], str], None],
        progress: Progress,
        statuses: Callable[[], Mapping[str, str]],
    ) -> None:
        self._strategy = strategy
        self._make_packs = make_packs
        self._record_failed = record_failed
        self._progress = progress
        self._statuses = statuses
        self._ready: deque[Pack] = deque()
        self._running: dict[str, Pack] = {}
        self._reports: dict[str, Mapping[str, Any]] = {}
        self._tries: Counter[str] = Counter()
        self._cost_done = 0.0
        self._lost_in_a_row = 0
        # The lost pack that a part was cut from, and how many of its trials died alone, in a row.
        self._cut_from: dict[str, str] = {}
        self._died_alone: Counter[str] = Counter()
        self.counts = Counts()
        self.trouble: str | None = None

    @property
    def idle(self) -> bool:
        """True when nothing is running and nothing is left to run."""
        if self._running:
            return False
        self._refill()
        return not self._ready

    @property
    def running(self) -> int:
        """Packs taken and not heard of to the end."""
        return len(self._running)

    def take(self) -> Pack | None:
        """Return the next pack to run; None when there is none now, or none at all (see `idle`)."""
        self._refill()
        if not self._ready:
            return None
        pack = self._ready.popleft()
        self._running[pack.pack_id] = pack
        return pack

    def heard(self, pack: Pack, report: Mapping[str, Any]) -> None:
        """Take in a report (`PackReport.as_dict`) of a running pack; a later one replaces it."""
        if pack.pack_id in self._running:
            self._reports[pack.pack_id] = report
            self._show()

    def done(self, pack: Pack, report: Mapping[str, Any]) -> None:
        """Take in the last report of a pack."""
        self._close(pack)
        self._lost_in_a_row = 0
        self._died_alone.pop(self._origin(pack), None)
        logger.info("Pack %s of %d trials done", pack.pack_id, len(pack.configurations))
        members = pack.configurations
        outcomes = [
            Outcome(members[index], status, accuracy, loss)
            for index, status, accuracy, loss in report["outcomes"]
        ]
        self._tell(outcomes)
        finished = {outcome.configuration for outcome in outcomes}
        unfinished = [member for member in members if member not in finished]
        if report["environment"]:
            self.trouble = str(report["environment"])
        elif report["error"]:
            logger.info("Pack %s: %s\n%s", pack.pack_id, report["error"], report["details"])
            self._retry_or_fail(pack, unfinished, str(report["error"]))
        elif unfinished:
            error = f"The pack ended without {len(unfinished)} of its {len(members)} results."
            logger.warning("Pack %s: %s", pack.pack_id, error)
            self._retry_or_fail(pack, unfinished, error)
        self._show()

    def lost(self, pack: Pack, error: str) -> None:
        """Take in that a pack's worker died, once more than the runner would try again."""
        logger.info("Pack %s lost: %s", pack.pack_id, error)
        self._close(pack)
        try:
            statuses = self._statuses()
        except Exception as raised:  # nothing can be said of the members, so nothing is
            self.trouble = str(raised)
            self._show()
            return
        published = {
            member: statuses[member.trial_id]
            for member in pack.configurations
            if statuses.get(member.trial_id) in (COMPLETED, DIVERGED)
        }
        self._tell([Outcome(member, status) for member, status in published.items()])
        rest = [member for member in pack.configurations if member not in published]
        origin = self._origin(pack)
        if origin == pack.pack_id:  # parts of a lost pack say nothing new of the machine
            self._lost_in_a_row += 1
        if len(pack.configurations) > 1:
            self._halve(pack, rest)
        elif rest:
            self._fail(pack, rest, error)
            self._died_alone[origin] += 1
            if self._died_alone[origin] >= MAX_LOST_IN_A_ROW:
                self._give_up_parts(origin, error)
        if self._lost_in_a_row >= MAX_LOST_IN_A_ROW and not self.trouble:
            self.trouble = f"Workers die again and again, the last one so: {error}"
        self._show()

    def retried(self, error: str) -> None:
        """Take in that a worker died, and that the runner tries its pack again."""
        logger.info("A worker died: %s", error)
        self._progress.say(f"A worker died and is replaced: {error}")

    def _refill(self) -> None:
        if not self._ready and not self._strategy.finished:
            self._ready.extend(self._make_packs(self._strategy.ask(ASK)))

    def _close(self, pack: Pack) -> None:
        self._running.pop(pack.pack_id, None)
        self._reports.pop(pack.pack_id, None)
        self._cost_done += pack.cost
        self.counts.packs += 1

    def _retry_or_fail(self, pack: Pack, unfinished: list[Configuration], error: str) -> None:
        self._tries.update(member.trial_id for member in unfinished)
        again = [member for member in unfinished if self._tries[member.trial_id] < MAX_TRIES]
        given_up = [member for member in unfinished if self._tries[member.trial_id] >= MAX_TRIES]
        # The cost was counted as done with the pack; it is paid a second time.
        share = pack.cost / len(pack.configurations)
        self._cost_done -= share * len(again)
        self._ready.extendleft(pack_of([member], share) for member in reversed(again))
        if given_up:
            self._fail(pack, given_up, error)

    def _origin(self, pack: Pack) -> str:
        return self._cut_from.get(pack.pack_id, pack.pack_id)

    def _halve(self, pack: Pack, rest: Sequence[Configuration]) -> None:
        """Put the rest of a lost pack last in the queue, where it holds up nothing, in two."""
        share = pack.cost / len(pack.configurations)
        middle = (len(rest) + 1) // 2
        for members in (rest[:middle], rest[middle:]):
            if members:
                part = pack_of(members, share * len(members))
                self._cut_from[part.pack_id] = self._origin(pack)
                self._ready.append(part)
        self._cost_done -= share * len(rest)

    def _give_up_parts(self, origin: str, error: str) -> None:
        parts = [pack for pack in self._ready if self._origin(pack) == origin]
        self._ready = deque(pack for pack in self._ready if self._origin(pack) != origin)
        for part in parts:
            self._close(part)
            self._fail(part, part.configurations, error)

    def _fail(self, pack: Pack, members: Sequence[Configuration], error: str) -> None:
        if not self.counts.failed:
            self._progress.say(f"A trial failed: {error}")
        try:
            self._record_failed(pack, members, error)
        except Exception as raised:
            self.trouble = str(raised)
        self._tell([Outcome(member, FAILED) for member in members])

    def _tell(self, outcomes: list[Outcome]) -> None:
        for outcome in outcomes:
            self.counts.completed += outcome.status == COMPLETED
            self.counts.diverged += outcome.status == DIVERGED
            self.counts.failed += outcome.status == FAILED
        if outcomes:
            self._strategy.tell(outcomes)

    def _show(self) -> None:
        """Show finished packs and the running ones' finished members, published or not."""
        running = self._reports.items()
        self._progress.update(
            done=self.counts.completed
            + self.counts.diverged
            + sum(report["finished"] for _, report in running),
            diverged=self.counts.diverged + sum(report["diverged"] for _, report in running),
            failed=self.counts.failed,
            seconds_of_work=self._cost_done
            + sum(
                self._running[pack_id].cost * report["steps_done"] / max(1, report["steps_total"])
                for pack_id, report in running
            ),
        )
