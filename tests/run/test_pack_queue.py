"""The queue against a runner that is played by hand: no Ray, no training."""

import pytest

from explorer.blame import MAX_LOST_AFTER_SUCCESS, MAX_LOST_IN_A_ROW
from explorer.pack_queue import MAX_DIED_ALONE, MAX_TRIES, PackQueue
from explorer.packing import make_packs
from explorer.strategies import GridStrategy, Outcome
from explorer.worker import PackReport


class Recorder:
    """Progress and failure records, kept."""

    def __init__(self):
        self.updates, self.failed, self.error, self.said = [], [], None, []
        self.statuses = {}

    def say(self, text):
        self.said.append(text)

    def update(self, **numbers):
        self.updates.append(numbers)

    def record_failed(self, pack, members, error):
        if self.error:
            raise self.error
        self.failed += [(pack.pack_id, member, error) for member in members]


class TwoRounds:
    """Asks for a second round only when it knows how the first one went."""

    def __init__(self, first, second):
        self._rounds, self.told, self._waiting = [first, second], [], 0

    @property
    def finished(self):
        return not self._rounds and not self._waiting

    def ask(self, n):
        if self._waiting or not self._rounds:
            return []
        asked = self._rounds.pop(0)[:n]
        self._waiting = len(asked)
        return asked

    def tell(self, outcomes):
        self.told += outcomes
        self._waiting -= len(outcomes)


def report(pack, status="completed", finished=None, **fields):
    """The last report of a pack whose first `finished` members ended."""
    members = range(len(pack.configurations) if finished is None else finished)
    outcomes = tuple((i, status, 0.5, 1.0) for i in members)
    return PackReport(
        done=True,
        steps_done=10,
        steps_total=10,
        finished=len(outcomes),
        diverged=len(outcomes) if status == "diverged" else 0,
        outcomes=outcomes,
        **fields,
    ).as_dict()


@pytest.fixture
def recorder():
    return Recorder()


@pytest.fixture
def queue_of(recorder):
    def build(strategy, pack_size=None, slots=2):
        if isinstance(strategy, list):
            strategy = GridStrategy(strategy)
        return PackQueue(
            strategy,
            lambda configurations: make_packs(configurations, slots, pack_size),
            recorder.record_failed,
            recorder,
            lambda: recorder.statuses,
        )

    return build


@pytest.fixture
def trials(make_trial):
    return [make_trial(seed=s) for s in range(8)]


def test_all_goes_well(queue_of, trials, recorder):
    queue = queue_of(trials, pack_size=3)
    seen = []
    while not queue.idle:
        pack = queue.take()
        seen += pack.configurations
        assert queue.running == 1
        queue.done(pack, report(pack, "diverged" if len(seen) == 3 else "completed"))
    assert sorted(seen, key=trials.index) == trials
    assert (queue.counts.completed, queue.counts.diverged, queue.counts.failed) == (5, 3, 0)
    assert queue.counts.packs == 3
    assert queue.take() is None
    assert recorder.updates[-1]["done"] == 8
    assert queue.trouble is None


def test_longest_first(queue_of, make_trial):
    queue = queue_of([make_trial(budget_value=n, batch_size=n) for n in (10, 40, 20)], 1)
    assert [queue.take().configurations[0].steps for _ in range(3)] == [40, 20, 10]


def test_a_pack_that_raises_is_tried_again_one_by_one(queue_of, trials, recorder):
    queue = queue_of(trials, pack_size=8)
    bad = trials[5]
    pack = queue.take()
    queue.done(pack, report(pack, finished=2, error="ValueError: no", details="Traceback ..."))
    assert queue.counts.completed == 2
    assert not queue.idle
    alone = []
    while not queue.idle:
        single = queue.take()
        (member,) = single.configurations
        alone.append(member)
        if member == bad:
            queue.done(single, report(single, finished=0, error="ValueError: no", details=""))
        else:
            queue.done(single, report(single))
    assert alone == list(pack.configurations[2:])
    assert MAX_TRIES == 2
    assert [(member, error) for _, member, error in recorder.failed] == [(bad, "ValueError: no")]
    assert (queue.counts.completed, queue.counts.failed) == (7, 1)
    assert queue.trouble is None


def test_work_done_ends_at_the_predicted_work(queue_of, trials, recorder):
    planned = sum(pack.cost for pack in make_packs(trials, 2, 3))
    queue = queue_of(trials, pack_size=3)
    raised = False
    while not queue.idle:
        pack = queue.take()
        if not raised:
            raised = True
            queue.done(pack, report(pack, finished=0, error="E: x", details=""))
        else:
            queue.done(pack, report(pack))
    assert recorder.updates[-1]["seconds_of_work"] == pytest.approx(planned)


def test_a_lost_pack_fails_where_a_trial_is_alone_and_the_others_go_on(queue_of, trials, recorder):
    queue = queue_of(trials, pack_size=4)
    bad = trials[1]
    sizes = []
    while not queue.idle:
        pack = queue.take()
        sizes.append(len(pack.configurations))
        if bad in pack.configurations:
            queue.lost(pack, "the worker died")
        else:
            queue.done(pack, report(pack))
    assert sizes == [4, 4, 2, 2, 1, 1]  # in halves, after what is not at fault
    assert [(m, error) for _, m, error in recorder.failed] == [(bad, "the worker died")]
    assert recorder.said == ["A trial failed: the worker died"]
    assert (queue.counts.completed, queue.counts.failed) == (7, 1)
    assert queue.trouble is None


def test_too_little_memory_for_a_large_pack_fails_nothing(queue_of, trials, recorder):
    queue = queue_of(trials, pack_size=8)
    planned = sum(pack.cost for pack in make_packs(trials, 2, 8))
    while not queue.idle:
        pack = queue.take()
        if len(pack.configurations) > 2:
            queue.lost(pack, "out of memory")
        else:
            queue.done(pack, report(pack))
    assert recorder.failed == []
    assert queue.counts.completed == 8
    assert queue.trouble is None
    assert recorder.updates[-1]["seconds_of_work"] == pytest.approx(planned)


def test_what_a_lost_pack_had_published_is_done(queue_of, trials, recorder):
    strategy = TwoRounds(trials[:4], trials[4:])
    queue = queue_of(strategy, pack_size=4)
    pack = queue.take()
    first, second, third, fourth = pack.configurations
    recorder.statuses = {
        first.trial_id: "completed",
        second.trial_id: "diverged",
        third.trial_id: "failed",  # of an earlier run
    }
    queue.lost(pack, "killed")
    assert (queue.counts.completed, queue.counts.diverged, queue.counts.failed) == (1, 1, 0)
    assert strategy.told == [Outcome(first, "completed"), Outcome(second, "diverged")]
    assert [queue.take().configurations for _ in range(2)] == [(third,), (fourth,)]
    assert recorder.failed == []


def test_a_lost_pack_that_had_published_everything_is_done(queue_of, trials, recorder):
    queue = queue_of(trials[:1])
    recorder.statuses = {trials[0].trial_id: "completed"}
    queue.lost(queue.take(), "killed")
    assert queue.idle
    assert recorder.failed == []
    assert queue.counts.completed == 1


def test_trials_that_kill_even_alone_do_not_kill_for_ever(queue_of, trials, recorder):
    queue = queue_of(trials, pack_size=8)
    deaths = 0
    while not queue.idle:
        queue.lost(queue.take(), "killed")
        deaths += 1
    assert {member for _, member, _ in recorder.failed} == set(trials)
    assert len(recorder.failed) == queue.counts.failed == 8
    assert deaths == 1 + 2 + 4 + MAX_DIED_ALONE
    assert queue.trouble is None  # one pack of one model is no proof against the machine


def test_a_store_that_cannot_be_read_after_a_death_is_trouble(trials, recorder):
    def unreadable():
        raise OSError("stale file handle")

    queue = PackQueue(
        GridStrategy(trials),
        lambda configurations: make_packs(configurations, 2),
        recorder.record_failed,
        recorder,
        unreadable,
    )
    queue.lost(queue.take(), "killed")
    assert "stale file handle" in queue.trouble
    assert recorder.failed == []


def test_a_pack_that_ends_without_all_results_is_an_error(queue_of, trials, recorder):
    queue = queue_of(trials, pack_size=8)
    pack = queue.take()
    queue.done(pack, report(pack, finished=6))
    alone = [queue.take() for _ in range(2)]
    assert [single.configurations for single in alone] == [(m,) for m in pack.configurations[6:]]
    queue.done(alone[0], report(alone[0]))
    queue.done(alone[1], report(alone[1], finished=0))
    assert queue.idle
    ((_, member, error),) = recorder.failed
    assert member == pack.configurations[7]
    assert error == "The pack ended without 1 of its 1 results."
    assert (queue.counts.completed, queue.counts.failed) == (7, 1)


def test_workers_that_die_again_and_again_are_trouble(queue_of, trials):
    queue = queue_of(trials, pack_size=1)
    for i in range(MAX_LOST_IN_A_ROW):
        assert queue.trouble is None, i
        queue.lost(queue.take(), "killed")
    assert "killed" in queue.trouble


def test_after_a_success_the_packs_are_blamed_longer_than_the_machine(queue_of, make_trial):
    """A dozen packs that kill their workers are recorded as failed, if others came through."""
    queue = queue_of([make_trial(seed=s) for s in range(20)], pack_size=1)
    pack = queue.take()
    queue.done(pack, report(pack))
    for i in range(MAX_LOST_AFTER_SUCCESS):
        assert queue.trouble is None, i
        queue.lost(queue.take(), "killed")
    assert "killed" in queue.trouble


def test_a_model_that_kills_every_worker_does_not_stop_the_others(queue_of, make_trial, recorder):
    """A dozen deadly packs come first, since they cost the most."""
    deadly = [make_trial(seed=s, model="deadly", budget_value=5000) for s in range(12)]
    good = [make_trial(seed=s, budget_value=50) for s in range(12)]
    queue = queue_of([*deadly, *good], pack_size=1)
    finished, taken = [], []
    while not queue.idle and queue.trouble is None:
        pack = queue.take()
        taken.append(pack.configurations[0].model)
        if pack.configurations[0].model == "deadly":
            queue.lost(pack, "killed")
        else:
            finished += pack.configurations
            queue.done(pack, report(pack))
    assert queue.trouble is None
    assert (len(finished), queue.counts.failed) == (12, 12)
    assert taken[0] == "deadly"
    assert set(taken[4:10]) == {"mlp-8"}  # behind those that were claimed with the first


def test_a_machine_that_breaks_on_the_way_is_trouble(queue_of, make_trial):
    """The model that dies now has come through before."""
    queue = queue_of([make_trial(seed=s) for s in range(40)], pack_size=1)
    for _ in range(5):
        pack = queue.take()
        queue.done(pack, report(pack))
    deaths = 0
    while queue.trouble is None:
        queue.lost(queue.take(), "killed")
        deaths += 1
    assert deaths == MAX_LOST_AFTER_SUCCESS


def test_a_success_between_deaths_is_no_trouble(queue_of, trials):
    queue = queue_of(trials, pack_size=1)
    for _ in range(MAX_LOST_IN_A_ROW - 1):
        queue.lost(queue.take(), "killed")
    pack = queue.take()
    queue.done(pack, report(pack))
    queue.lost(queue.take(), "killed")
    assert queue.trouble is None


def test_an_unwritable_store_is_trouble_not_a_failed_trial(queue_of, trials, recorder):
    queue = queue_of(trials, pack_size=8)
    pack = queue.take()
    queue.done(pack, report(pack, finished=0, environment="The store is full."))
    assert queue.trouble == "The store is full."
    assert recorder.failed == []
    assert queue.counts.failed == 0


def test_a_failure_that_cannot_be_recorded_is_trouble(queue_of, trials, recorder):
    recorder.error = OSError("disk full")
    queue = queue_of(trials, pack_size=1)
    queue.lost(queue.take(), "killed")
    assert "disk full" in queue.trouble


def test_progress_counts_members_of_running_packs(queue_of, trials, recorder):
    queue = queue_of(trials, pack_size=4)
    first, second = queue.take(), queue.take()
    running = PackReport(done=False, steps_done=5, steps_total=20, finished=1, diverged=1)
    queue.heard(first, running.as_dict())
    last = recorder.updates[-1]
    assert (last["done"], last["diverged"]) == (1, 1)
    assert last["seconds_of_work"] == pytest.approx(first.cost / 4)
    queue.done(second, report(second))
    assert recorder.updates[-1]["done"] == 5
    queue.done(first, report(first))
    assert recorder.updates[-1]["done"] == 8
    queue.heard(first, running.as_dict())  # a late report of a closed pack
    assert recorder.updates[-1]["done"] == 8


def test_an_adaptive_strategy_is_waited_for_and_told_everything(queue_of, trials):
    strategy = TwoRounds(trials[:4], trials[4:])
    queue = queue_of(strategy, pack_size=2)
    first, second = queue.take(), queue.take()
    assert queue.take() is None  # it must be told first
    assert not queue.idle
    queue.done(first, report(first))
    assert queue.take() is None
    queue.lost(second, "killed")
    assert not queue.idle
    while not queue.idle:
        pack = queue.take()
        if set(pack.configurations) < set(second.configurations):
            queue.lost(pack, "killed")
        else:
            queue.done(pack, report(pack))
    assert {outcome.configuration for outcome in strategy.told} == set(trials)
    assert [o.status for o in strategy.told].count("failed") == 2
    assert Outcome(first.configurations[0], "completed", 0.5, 1.0) in strategy.told
