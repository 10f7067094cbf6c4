"""What a run does before Ray: the plan, what is subtracted, what a dry run says, Ctrl-C."""

import os
import signal
import uuid
from pathlib import Path

import pytest

from explorer import run as runs
from explorer.errors import EnvironmentFailure, InputError
from explorer.run import dry_run, run_study
from explorer.space import load_space
from explorer.store import Store
from explorer.worker import failed_row, provenance

TEXT = """
from explorer.space import SearchSpace, steps

def small_batches(batch_size):
    "Only batches below 64"
    return batch_size < 64

space = SearchSpace(
    dataset="digits",
    model="mlp-8",
    train_size=200,
    batch_size=[16, 32, 64, 512],
    learning_rate=[0.1, 0.2],
    seeds=3,
    budget=steps(50),
    rules=[small_batches],
)
"""


@pytest.fixture
def loaded(tmp_path):
    path = tmp_path / "space.py"
    path.write_text(TEXT)
    return load_space(path)


@pytest.fixture
def store(tmp_path):
    return Store.open(str(tmp_path / "store"), create=True)


@pytest.fixture
def publish(store):
    """Put trials into the store that nobody trained."""

    def put(configurations, status):
        common = provenance("ab", "cpu", 1)
        rows = [{**failed_row(c, None), **common, "status": status} for c in configurations]
        attempt = uuid.uuid4().hex
        store.publish(pack_id="p", attempt=attempt, trials=rows, curves=[])

    return put


@pytest.fixture
def no_training(monkeypatch):
    """Whoever gets as far as loading data has passed all that these tests look at."""

    class ReachedError(Exception):
        pass

    def load(*args, **kwargs):
        raise ReachedError

    monkeypatch.setattr(runs, "load_dataset", load)
    return ReachedError


def files_in(folder):
    return sorted(path for path in Path(folder).rglob("*") if path.is_file())


def test_the_plan_is_written_first(loaded, store, no_training):
    with pytest.raises(no_training):
        run_study(loaded, store=store, study="my study")
    (plan,) = store.plans("my study")
    assert plan.trial_ids == [c.trial_id for c in loaded.space.configurations()]
    assert (plan.source_name, plan.source_text) == ("space.py", TEXT)
    assert plan.left_out == tuple(loaded.space.left_out)
    assert len(plan.left_out) == 2


def test_limit_is_the_first_trials_whatever_the_store_holds(loaded, store, publish, no_training):
    everything = list(loaded.space.configurations())
    publish(everything[2:8], "completed")
    with pytest.raises(no_training):
        run_study(loaded, store=store, study="s", limit=5, pack_size=2)
    assert store.plans("s")[0].trial_ids == [c.trial_id for c in everything[:5]]
    assert dry_run(loaded, store=store, study="s", limit=5).already_done == 3
    summary = dry_run(loaded, store=store, study="s", limit=1000)
    assert (summary.trials, summary.already_done) == (12, 6)


def test_everything_done_needs_no_data(loaded, store, publish, no_training):
    everything = list(loaded.space.configurations())
    publish(everything[:6], "completed")
    publish(everything[6:], "diverged")
    summary = run_study(loaded, store=store, study="s")
    assert (summary.planned, summary.already_done, summary.trained) == (12, 12, 0)
    assert not summary.interrupted
    assert Path(summary.log_file).parent == Path(store.location, "logs")


def test_failed_trials_are_missing(loaded, store, publish):
    everything = list(loaded.space.configurations())
    publish(everything[:4], "failed")
    publish(everything[4:8], "diverged")
    assert dry_run(loaded, store=store, study="s").already_done == 4


def test_a_dry_run_says_and_writes_nothing(loaded, store, publish, no_training):
    publish(list(loaded.space.configurations())[:2], "completed")
    before = files_in(store.location)
    plan = dry_run(loaded, store=store, study="s", pack_size=2)
    assert (plan.trials, plan.already_done, plan.packs) == (12, 2, 6)  # 4 and 6 of one shape
    assert plan.left_out == tuple(loaded.space.left_out)
    assert plan.predicted_seconds > 0
    assert plan.predicted_bytes > 0
    assert files_in(store.location) == before
    assert dry_run(loaded, store=None, study="s").already_done == 0


def test_a_dry_run_of_nothing(loaded, store, publish):
    publish(list(loaded.space.configurations()), "completed")
    plan = dry_run(loaded, store=store, study="s")
    assert (plan.packs, plan.predicted_seconds, plan.predicted_bytes) == (0, 0, 0)


def test_ctrl_c_before_ray_interrupts_at_once(loaded, store, monkeypatch):
    def load(*args, **kwargs):
        os.kill(os.getpid(), signal.SIGINT)
        raise AssertionError("the signal came too late")

    monkeypatch.setattr(runs, "load_dataset", load)
    handler = signal.getsignal(signal.SIGINT)
    summary = run_study(loaded, store=store, study="s")
    assert summary.interrupted
    assert (summary.trained, summary.failed) == (0, 0)
    assert signal.getsignal(signal.SIGINT) == handler


@pytest.mark.parametrize("call", [run_study, dry_run])
def test_an_unknown_device_is_refused(loaded, store, call):
    with pytest.raises(InputError, match="device must be one of cpu, cuda, not 'gpu'"):
        call(loaded, store=store, study="s", device="gpu")


def test_a_store_that_cannot_be_written_stops_before_the_plan(loaded, store, no_training):
    os.rename(os.path.join(store.location, "tmp"), os.path.join(store.location, "moved"))
    with pytest.raises(EnvironmentFailure, match="cannot be written"):
        run_study(loaded, store=store, study="s")
    assert store.plans() == []
