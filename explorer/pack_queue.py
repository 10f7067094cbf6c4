"""The driver's account of a run: packs to do, running and done, and what becomes of failures."""

from __future__ import annotations

import logging
import re
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from explorer.blame import Blame
from explorer.packing import Pack, pack_of, shape_of
from explorer.progress import Progress
from explorer.shared_work import SharedWork
from explorer.store.schema import COMPLETED, DIVERGED, FAILED
from explorer.strategies import Outcome, Strategy
from explorer.trial import Configuration

logger = logging.getLogger(__name__)

#: Times a trial is tried when its pack raises an error, the last time alone in a pack.
MAX_TRIES = 2
#: Trials of one pack whose worker died though they were alone, after which the rest is given up.
MAX_DIED_ALONE = 3
#: Trials asked of a strategy at once: a grid hands over everything, so that packing sees it all.
ASK = 2**62
#: Packs that are claimed together, before the first of them runs.
CLAIM_AHEAD = 4
#: Seconds between two looks whether another run is done with trials that this one wants.
LOOK_EVERY = 2.0
#: In what is told of a worker's death: its memory was the cause.
_MEMORY = re.compile(r"out.?of.?memory|low on memory", re.IGNORECASE)


@dataclass(slots=True)
class Counts:
    """What a run has done so far.

    Attributes:
        completed, diverged, failed: trials by how they ended.
        packs: packs that were run.
        elsewhere: trials that another run on the same store finished meanwhile.
        retried: packs that were tried again because their worker died.
        split: packs that were cut because they did not fit into memory.
        resumed: packs that went on from a checkpoint.
    """

    completed: int = 0
    diverged: int = 0
    failed: int = 0
    packs: int = 0
    elsewhere: int = 0
    retried: int = 0
    split: int = 0
    resumed: int = 0


class PackQueue:
    """Feeds packs to whatever runs them, hears what became of them, and tells the strategy.

    A pack that raises an error is tried again without its finished members, one member a pack, so
    that the member at fault fails alone. A pack whose worker dies is the runner's to retry; it is
    called lost when the runner gives up. What it had published counts; the rest is tried again in
    halves, since memory is the usual cause, and fails where a trial is alone. A pack that says
    that memory ran out is cut in two, and so is every waiting one of its shape that is as large.

    Args:
        strategy: asked for trials, told their outcomes.
        make_packs: divides trials into packs, the costliest first.
        record_failed: writes failed trials of a pack, with their error, to the store.
        progress: shows how far the run is.
        statuses: the store's trials by id, asked after a worker's death.
        shared: divides the work with other runs on the same store.
        learn: told the number of members that packs of a trial's shape may have, and keeps it.
        packs: of the trials that the strategy will first be asked for, where they are made already.
        resumed: packs to go on with from a checkpoint: the pack, its members that are still to be
            trained, and where the checkpoint is. Their members are among the strategy's.

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
        *,
        shared: SharedWork | None = None,
        learn: Callable[[Configuration, int], None] = lambda member, most: None,
        packs: Sequence[Pack] = (),
        resumed: Iterable[tuple[Pack, frozenset[Configuration], str]] = (),
        claim_ahead: int = CLAIM_AHEAD,
    ) -> None:
        self._strategy = strategy
        self._make_packs = make_packs
        self._record_failed = record_failed
        self._progress = progress
        self._statuses = statuses
        self._shared = shared or SharedWork()
        self._learn = learn
        self._claim_ahead = claim_ahead
        self._ready: deque[Pack] = deque()
        self._claimed: deque[Pack] = deque()
        self._busy: list[Configuration] = []
        self._next_look = 0.0
        # Members of resumed packs that were finished before this run, and the checkpoints' places.
        self._settled: set[Configuration] = set()
        self._saved: dict[str, str] = {}
        self._resumed = list(resumed)
        self._made = list(packs)
        self._running: dict[str, Pack] = {}
        self._reports: dict[str, Mapping[str, Any]] = {}
        self._tries: Counter[str] = Counter()
        self._cost_done = 0.0
        self._blame = Blame()
        # The lost pack that a part was cut from, and how many of its trials died alone, in a row.
        self._cut_from: dict[str, str] = {}
        self._died_alone: Counter[str] = Counter()
        self._told_unsaved = False
        self.counts = Counts()
        self.trouble: str | None = None

    @property
    def idle(self) -> bool:
        """True when nothing is running and nothing is left to run."""
        if self._running or self._claimed or self._busy:
            return False
        self._refill()
        return not self._ready

    @property
    def running(self) -> int:
        """Packs taken and not heard of to the end."""
        return len(self._running)

    @property
    def waiting(self) -> int:
        """Packs that are not taken yet."""
        return len(self._claimed) + len(self._ready)

    def take(self) -> Pack | None:
        """Return the next pack to run; None when there is none now, or none at all (see `idle`)."""
        self._refill()
        while not self._claimed and self._ready:
            self._claim_next()
        if not self._claimed and self._busy and time.monotonic() >= self._next_look:
            self._look_at_busy()
        if not self._claimed:
            return None
        pack = self._claimed.popleft()
        self._running[pack.pack_id] = pack
        return pack

    def saved(self, pack: Pack) -> str | None:
        """Where the checkpoint is that a pack goes on from, if there is one."""
        return self._saved.get(pack.pack_id)

    def heard(self, pack: Pack, report: Mapping[str, Any]) -> None:
        """Take in a report (`PackReport.as_dict`) of a running pack; a later one replaces it."""
        if pack.pack_id in self._running:
            self._reports[pack.pack_id] = report
            if (error := report.get("save_error")) and not self._told_unsaved:
                self._told_unsaved = True
                self._progress.say(f"A checkpoint could not be saved; its pack trains on: {error}")
            self._show()

    def done(self, pack: Pack, report: Mapping[str, Any]) -> None:
        """Take in the last report of a pack."""
        self._close(pack)
        self._died_alone.pop(self._origin(pack), None)
        logger.info("Pack %s of %d trials done", pack.pack_id, len(pack.configurations))
        members = pack.configurations
        outcomes = [
            Outcome(members[index], status, accuracy, loss)
            for index, status, accuracy, loss in report["outcomes"]
            if members[index] not in self._settled
        ]
        self._tell(outcomes)
        self.counts.resumed += bool(report.get("resumed_steps"))
        if not report["environment"]:
            self._blame.ended({outcome.configuration.model for outcome in outcomes})
        finished = {outcome.configuration for outcome in outcomes} | self._settled
        unfinished = [member for member in members if member not in finished]
        if report["environment"]:
            self.trouble = str(report["environment"])
        elif report["error"]:
            logger.info("Pack %s: %s\n%s", pack.pack_id, report["error"], report["details"])
            if report.get("out_of_memory") and len(members) > 1:
                self._split(pack, unfinished)
            else:
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
            and member not in self._settled
        }
        self._tell([Outcome(member, status) for member, status in published.items()])
        over = self._settled | published.keys()
        rest = [member for member in pack.configurations if member not in over]
        origin = self._origin(pack)
        if origin == pack.pack_id:  # parts of a lost pack say nothing new of the machine
            self._blame.lost(pack.configurations[0].model)
        self._put_last(pack.configurations[0].model)
        if len(pack.configurations) > 1:
            if _MEMORY.search(error):
                self._learn(pack.configurations[0], (len(pack.configurations) + 1) // 2)
            self._halve(pack, rest)
        elif rest:
            self._fail(pack, rest, error)
            self._died_alone[origin] += 1
            if self._died_alone[origin] >= MAX_DIED_ALONE:
                self._give_up_parts(origin, error)
        if self._blame.machine and not self.trouble:
            self.trouble = f"Workers die again and again, the last one so: {error}"
        self._show()

    def retried(self, error: str) -> None:
        """Take in that a worker died, and that the runner tries its pack again."""
        self.counts.retried += 1
        logger.info("A worker died: %s", error)
        self._progress.say(f"A worker died and is replaced: {error}")

    def _refill(self) -> None:
        if self._ready or self._strategy.finished:
            return
        asked = self._strategy.ask(ASK)
        made, self._made = self._made, []
        if made and not self._resumed:
            self._ready.extend(made)
            return
        wanted = set(asked)
        for pack, alive, saved in self._resumed:
            if alive <= wanted and wanted.isdisjoint(set(pack.configurations) - alive):
                wanted -= alive
                self._settled.update(set(pack.configurations) - alive)
                self._saved[pack.pack_id] = saved
                self._ready.append(pack)
        self._resumed = []
        self._ready.extend(self._make_packs([member for member in asked if member in wanted]))

    def _claim_next(self) -> None:
        """Claim some of the packs that are ready; what other runs have is taken out of them."""
        packs = [self._ready.popleft() for _ in range(min(self._claim_ahead, len(self._ready)))]
        members = [m for pack in packs for m in pack.configurations if m not in self._settled]
        division = self._shared.divide(members)
        self._finished_elsewhere(division.finished)
        self._busy += division.busy
        not_ours = {*division.finished, *division.busy}
        for pack in packs:
            left = [member for member in pack.configurations if member not in not_ours]
            if len(left) == len(pack.configurations):
                self._claimed.append(pack)
                continue
            share = pack.cost / len(pack.configurations)
            self._cost_done += share * (len(pack.configurations) - len(left))
            if left := [member for member in left if member not in self._settled]:
                self._claimed.append(pack_of(left, share * len(left)))

    def _look_at_busy(self) -> None:
        self._next_look = time.monotonic() + LOOK_EVERY
        division = self._shared.divide(self._busy)
        self._finished_elsewhere(division.finished)
        self._busy = division.busy
        self._claimed.extend(self._make_packs(division.ours))
        self._show()

    def _finished_elsewhere(self, finished: Mapping[Configuration, str]) -> None:
        self.counts.elsewhere += len(finished)
        if finished:
            self._strategy.tell([Outcome(member, status) for member, status in finished.items()])

    def _close(self, pack: Pack) -> None:
        self._running.pop(pack.pack_id, None)
        self._reports.pop(pack.pack_id, None)
        self._cost_done += pack.cost
        self.counts.packs += 1
        self._shared.release(pack.configurations)

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

    def _split(self, pack: Pack, rest: list[Configuration]) -> None:
        """Cut a pack that did not fit, and waiting ones of its shape, to half its size."""
        most = (len(pack.configurations) + 1) // 2
        first = pack.configurations[0]
        self._learn(first, most)
        self.counts.split += 1
        self._progress.say(
            f"Memory ran out in a pack of {len(pack.configurations)} trials: packs of this shape "
            f"have at most {most} from now on."
        )
        self._cost_done -= pack.cost / len(pack.configurations) * len(rest)
        cut = [_part(pack, members) for members in _parts(rest, most)]
        for queue in (self._ready, self._claimed):
            waiting = list(queue)
            queue.clear()
            for other in waiting:
                large = len(other.configurations) > most
                if large and shape_of(other.configurations[0]) == shape_of(first):
                    left = [m for m in other.configurations if m not in self._settled]
                    queue.extend(_part(other, members) for members in _parts(left, most))
                else:
                    queue.append(other)
        self._ready.extendleft(reversed(cut))

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

    def _put_last(self, model: str) -> None:
        """Let other models' packs run first, which tells whether this one is at fault."""
        waiting = [*self._claimed, *self._ready]
        last = [pack for pack in waiting if pack.configurations[0].model == model]
        self._claimed = deque(p for p in self._claimed if p.configurations[0].model != model)
        self._ready = deque(p for p in self._ready if p.configurations[0].model != model)
        self._ready.extend(last)

    def _give_up_parts(self, origin: str, error: str) -> None:
        parts = [p for p in (*self._claimed, *self._ready) if self._origin(p) == origin]
        self._claimed = deque(p for p in self._claimed if self._origin(p) != origin)
        self._ready = deque(p for p in self._ready if self._origin(p) != origin)
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
            + self.counts.elsewhere
            + sum(report["finished"] for _, report in running),
            diverged=self.counts.diverged + sum(report["diverged"] for _, report in running),
            failed=self.counts.failed,
            seconds_of_work=self._cost_done
            + sum(
                self._running[pack_id].cost * report["steps_done"] / max(1, report["steps_total"])
                for pack_id, report in running
            ),
        )


def _parts(members: Sequence[Configuration], most: int) -> list[Sequence[Configuration]]:
    return [members[i : i + most] for i in range(0, len(members), most)]


def _part(pack: Pack, members: Sequence[Configuration]) -> Pack:
    """Some members of a pack, with their share of its cost."""
    return pack_of(members, pack.cost / len(pack.configurations) * len(members))
