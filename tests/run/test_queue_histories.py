"""Random histories of a queue: memory, deaths, checkpoints and other runs, all at once."""

import random

import pytest

from explorer.pack_queue import PackQueue
from explorer.packing import make_packs, pack_of, shape_key
from explorer.progress import Silent
from explorer.shared_work import SharedWork
from explorer.strategies import GridStrategy
from explorer.worker import PackReport


class OtherRun:
    """Claims as a living other run leaves them: it holds some trials, and ends them in its time."""

    def __init__(self, held, statuses, draw):
        self.held, self._statuses, self._draw = set(held), statuses, draw
        self.ours = set()

    def take(self, trial_ids):
        for trial_id in sorted(self.held):  # meanwhile it works
            if self._draw.random() < 0.3:
                self.held.remove(trial_id)
                if self._draw.random() < 0.8:  # else it gave up
                    self._statuses[trial_id] = self._draw.choice(["completed", "diverged"])
        taken = set(trial_ids) - self.held
        self.ours |= taken
        return taken

    def release(self, trial_ids):
        self.ours -= set(trial_ids)

    def alone(self):
        return False


class Counting(GridStrategy):
    """Notes what it is told."""

    def __init__(self, configurations):
        super().__init__(configurations)
        self.told = []

    def tell(self, outcomes):
        self.told += [(o.configuration, o.status) for o in outcomes]


@pytest.mark.parametrize("seed", range(150))
def test_every_trial_ends_once_whatever_happens(make_trial, monkeypatch, seed):
    monkeypatch.setattr("explorer.pack_queue.LOOK_EVERY", 0.0)
    monkeypatch.setattr("explorer.blame.MAX_LOST_IN_A_ROW", 10**6)
    monkeypatch.setattr("explorer.blame.MAX_LOST_AFTER_SUCCESS", 10**6)
    monkeypatch.setattr("explorer.pack_queue.MAX_DIED_ALONE", 10**6)
    draw = random.Random(seed)
    trials = [
        make_trial(seed=n, batch_size=size) for size in (16, 32) for n in range(draw.randint(1, 20))
    ]
    deadly = set(draw.sample(trials, draw.randint(0, 1)))
    broken = set(draw.sample(trials, draw.randint(0, 2))) - deadly
    room = draw.choice([1, 2, 5, 100])  # members that memory can hold
    statuses, failed, learnt = {}, [], {}
    strategy = Counting(trials)
    others = OtherRun(
        {t.trial_id for t in draw.sample(trials, draw.randint(0, len(trials) // 2))}, statuses, draw
    )
    # A checkpoint of an earlier run: some of its members were finished then.
    before = [make_trial(seed=100 + n, batch_size=16) for n in range(draw.randint(0, 3))]
    alive = draw.sample([t for t in trials if t.batch_size == 16], 1)
    resumed = [(pack_of([*before, *alive], 1.0), frozenset(alive), "a/b/c")]
    queue = PackQueue(
        strategy,
        lambda members: make_packs(members, 2, draw.choice([None, 1, 4, 64])),
        lambda pack, members, error: failed.extend(members),
        Silent(),
        lambda: statuses,
        shared=SharedWork(others, lambda: statuses),
        learn=lambda member, most: learnt.__setitem__(shape_key(member), most),
        resumed=resumed if draw.random() < 0.5 else [],
    )
    running = []
    for _ in range(10_000):
        if queue.idle:
            break
        pack = queue.take() if len(running) < 3 else None
        if pack is not None:
            ids = [t.trial_id for t in pack.configurations]
            if not queue.saved(pack):
                assert set(ids) <= others.ours
                assert not set(pack.configurations) & {m for p in running for m in p.configurations}
            running.append(pack)
            continue
        if not running:
            continue
        pack = running.pop(draw.randrange(len(running)))
        members = pack.configurations
        if len(members) > room:
            outcomes, fields = [], {"error": "OutOfMemory", "out_of_memory": True}
        elif deadly & set(members) or draw.random() < 0.05:
            for member in members:
                if member not in deadly | broken and draw.random() < 0.3:
                    statuses[member.trial_id] = "completed"
            queue.lost(pack, "the worker died")
            continue
        elif broken & set(members):
            outcomes, fields = [m for m in members if m not in broken], {"error": "E: broken"}
            outcomes = draw.sample(outcomes, draw.randint(0, len(outcomes)))
        else:
            outcomes, fields = list(members), {}
        statuses.update((m.trial_id, "completed") for m in outcomes)
        told = tuple((members.index(m), "completed", 0.5, 1.0) for m in outcomes)
        steps = len(members)
        queue.done(pack, PackReport(True, steps, steps, len(told), 0, told, **fields).as_dict())
    assert queue.idle
    assert queue.running == 0
    assert queue.trouble is None
    ended = [configuration for configuration, _ in strategy.told]
    assert sorted(t.trial_id for t in ended) == sorted(t.trial_id for t in trials)
    assert {c for c, status in strategy.told if status == "failed"} == set(failed)
    counts = queue.counts
    assert counts.completed + counts.diverged + counts.failed + counts.elsewhere == len(trials)
    if not deadly:  # trials that fail are those that are broken, or sat beside a deadly one
        assert set(failed) <= broken | {t for t in trials if t.trial_id not in statuses}
    if room == 100:
        assert counts.split == 0
    assert all(most >= 1 for most in learnt.values())


def test_memory_cuts_what_waits_and_keeps_the_order(make_trial):
    """Of 4 packs of 8 the first does not fit: everything of its shape has 4 members from then."""
    trials = [make_trial(seed=n) for n in range(32)]
    other = [make_trial(seed=n, batch_size=16) for n in range(8)]
    learnt = []
    queue = PackQueue(
        GridStrategy(trials + other),
        lambda members: make_packs(members, 2, 8),
        lambda pack, members, error: None,
        Silent(),
        dict,
        learn=lambda member, most: learnt.append((member.batch_size, most)),
    )
    first = queue.take()
    size = first.configurations[0].batch_size
    report = PackReport(True, 0, 1, 0, 0, error="E: no memory", out_of_memory=True)
    queue.done(first, report.as_dict())
    assert learnt == [(size, 4)]
    seen = {16: [], 32: []}
    while (pack := queue.take()) is not None:
        seen[pack.configurations[0].batch_size].append(len(pack.configurations))
    assert set(seen[size]) == {4}
    assert set(seen[48 - size]) == {8}
    assert (sum(seen[32]), sum(seen[16])) == (32, 8)


def test_one_trial_that_does_not_fit_alone_fails(make_trial):
    failed = []
    queue = PackQueue(
        GridStrategy([make_trial()]),
        lambda members: make_packs(members, 1),
        lambda pack, members, error: failed.append(error),
        Silent(),
        dict,
    )
    report = PackReport(True, 0, 1, 0, 0, error="E: no memory", out_of_memory=True).as_dict()
    while not queue.idle:
        queue.done(queue.take(), report)
    assert failed == ["E: no memory"]
    assert (queue.counts.failed, queue.counts.split) == (1, 0)


def test_a_death_for_want_of_memory_is_learnt_and_another_is_not(make_trial):
    learnt = []
    queue = PackQueue(
        GridStrategy([make_trial(seed=n) for n in range(8)]),
        lambda members: make_packs(members, 1, 8),
        lambda pack, members, error: None,
        Silent(),
        dict,
        learn=lambda member, most: learnt.append(most),
    )
    queue.lost(queue.take(), "The actor died unexpectedly.")
    assert learnt == []
    queue.lost(queue.take(), "ray.exceptions.OutOfMemoryError: Task was killed")
    assert learnt == [2]
