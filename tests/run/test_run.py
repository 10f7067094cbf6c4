"""What a run does before Ray: the plan, what is subtracted, what a dry run says, Ctrl-C."""

import os
import shutil
import signal
import uuid
from pathlib import Path

import pytest

from explorer import run as runs
from explorer.claims import Claims
from explorer.errors import EnvironmentFailure, InputError
from explorer.execution import Execution, Inputs, Request
from explorer.interruption import Interruption
from explorer.pack_queue import PackQueue
from explorer.packing import make_packs
from explorer.planning import dry_run
from explorer.progress import Silent
from explorer.request import pack_resources
from explorer.result_rows import failed_row, provenance
from explorer.run import run_study
from explorer.space import load_space
from explorer.store import Store
from explorer.store_watch import StoreWatch
from explorer.strategies import GridStrategy

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


@pytest.fixture
def nothing_to_train(monkeypatch):
    """A run goes as far as training, and does none."""
    monkeypatch.setattr(Execution, "run", lambda *arguments: None)


def files_in(folder):
    return sorted(path for path in Path(folder).rglob("*") if path.is_file())


def test_the_plan_is_written_before_training(loaded, store, nothing_to_train):
    run_study(loaded, store=store, study="my study")
    (plan,) = store.plans("my study")
    assert plan.trial_ids == [c.trial_id for c in loaded.space.configurations()]
    assert (plan.source_name, plan.source_text) == ("space.py", TEXT)
    assert plan.left_out == tuple(loaded.space.left_out)
    assert len(plan.left_out) == 2


def test_a_store_is_made_where_there_is_none(loaded, tmp_path, nothing_to_train):
    run_study(loaded, store=str(tmp_path / "new"), study="s")
    assert Store.open(str(tmp_path / "new")).studies() == ["s"]


@pytest.mark.parametrize(
    ("settings", "kind", "text"),
    [
        ({"address": "ray://x:1"}, InputError, "ray://x:1.*Ray Client"),
        ({"address": "nonsense"}, InputError, "'nonsense' must be `auto` or HOST:PORT"),
        ({"address": "host:0"}, InputError, "'host:0' must be `auto` or HOST:PORT"),
        ({"device": "foo"}, InputError, "--device must be one of cpu, cuda, not 'foo'"),
        ({"device": "cuda:1"}, InputError, "--device .* not 'cuda:1': packs are given GPUs by Ray"),
        ({"device": "cuda"}, EnvironmentFailure, "--device cuda: torch finds no GPU"),
    ],
)
def test_a_request_that_cannot_work_leaves_nothing_behind(
    loaded, tmp_path, store, no_training, monkeypatch, settings, kind, text
):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    before = files_in(store.location)
    for place in (store, store.location, str(tmp_path / "new")):
        with pytest.raises(kind, match=text):
            run_study(loaded, store=place, study="s", **settings)
        with pytest.raises(kind, match=text):
            dry_run(loaded, store=place, **settings)
    assert not (tmp_path / "new").exists()
    assert files_in(store.location) == before


@pytest.mark.parametrize("address", ["10.0.0.1:6379", "auto"])
def test_a_clusters_gpus_are_the_clusters_to_know(loaded, store, no_training, monkeypatch, address):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(no_training):
        run_study(loaded, store=store, study="s", device="cuda", address=address)


def test_this_machines_gpu_is_taken(loaded, store, no_training, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    with pytest.raises(no_training):
        run_study(loaded, store=store, study="s", device="cuda")
    assert dry_run(loaded, store=store, device="cuda").slots == 1


def test_data_that_cannot_be_had_leave_nothing_behind(loaded, store, tmp_path, monkeypatch):
    def load(*args, **kwargs):
        raise EnvironmentFailure("The data cannot be downloaded.")

    monkeypatch.setattr(runs, "load_dataset", load)
    before = files_in(store.location)
    for place in (store, str(tmp_path / "new")):
        with pytest.raises(EnvironmentFailure, match="cannot be downloaded"):
            run_study(loaded, store=place, study="s")
    assert files_in(store.location) == before
    assert not (tmp_path / "new").exists()


def test_limit_is_the_first_trials_whatever_the_store_holds(
    loaded, store, publish, nothing_to_train
):
    everything = list(loaded.space.configurations())
    publish(everything[2:8], "completed")
    run_study(loaded, store=store, study="s", limit=5, pack_size=2)
    assert store.plans("s")[0].trial_ids == [c.trial_id for c in everything[:5]]
    assert dry_run(loaded, store=store, limit=5).already_done == 3
    summary = dry_run(loaded, store=store, limit=1000)
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
    assert dry_run(loaded, store=store).already_done == 4


def test_a_dry_run_says_and_writes_nothing(loaded, store, publish, no_training):
    publish(list(loaded.space.configurations())[:2], "completed")
    before = files_in(store.location)
    plan = dry_run(loaded, store=store, pack_size=2)
    assert (plan.trials, plan.already_done, plan.packs) == (12, 2, 6)  # 4 and 6 of one shape
    assert plan.left_out == tuple(loaded.space.left_out)
    assert plan.predicted_seconds > 0
    assert plan.predicted_bytes > 0
    assert files_in(store.location) == before
    assert dry_run(loaded, store=str(Path(store.location, "nowhere"))).already_done == 0


def test_a_dry_run_of_nothing(loaded, store, publish):
    publish(list(loaded.space.configurations()), "completed")
    plan = dry_run(loaded, store=store)
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


def test_a_store_that_cannot_be_written_stops_before_the_plan(loaded, store, no_training):
    os.rename(os.path.join(store.location, "tmp"), os.path.join(store.location, "moved"))
    with pytest.raises(EnvironmentFailure, match="cannot be written"):
        run_study(loaded, store=store, study="s")
    assert store.plans() == []


def test_a_store_that_disappears_stops_the_run(loaded, store):
    request = Request(pack_resources())
    training = Execution(loaded, store, [], Inputs({}, {}), request, Silent(), Interruption())
    training._watch = StoreWatch(store, every=0.0)
    queue = PackQueue(
        GridStrategy([]), make_packs, training._record_failed, Silent(), store.statuses
    )
    stopping = training._stopping(queue, Claims(store))
    assert not stopping()
    assert queue.trouble is None
    shutil.rmtree(store.location)
    assert not stopping()  # nobody asked for it
    assert queue.trouble == f"The store {store.location} is gone."
