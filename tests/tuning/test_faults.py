"""Workers that die, run out of memory, or must not train: real Ray, in this process."""

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from explorer import checkpoints
from explorer.claims import Claims
from explorer.datasets import load_dataset
from explorer.errors import EnvironmentFailure
from explorer.pack_queue import PackQueue
from explorer.packing import make_packs, shape_key
from explorer.planning import plan_of
from explorer.progress import Silent
from explorer.run import run_study
from explorer.strategies import GridStrategy
from explorer.training import train_pack
from explorer.worker_checks import DriverMark, driver_mark

pytestmark = pytest.mark.usefixtures("ray_folder")

#: Notes its worker's process id, so that the test can kill it.
NOTED = """
import os, torch
def noted(input_shape, n_classes):
    with open({notes!r}, "a") as file:
        file.write(f"{{os.getpid()}}\\n")
    return torch.nn.Sequential(
        torch.nn.Flatten(), torch.nn.Linear(64, 16), torch.nn.ReLU(), torch.nn.Linear(16, n_classes)
    )
"""

#: Lets its worker have little more memory than it has when the first model is built.
LARGE = """
import os, resource, torch
LIMIT = []
def large(input_shape, n_classes):
    if not LIMIT and os.getpid() != {driver}:  # the test itself stays as it is
        pages = int(open("/proc/self/statm").read().split()[0])
        LIMIT.append(pages * resource.getpagesize() + {spare})
        resource.setrlimit(resource.RLIMIT_AS, (LIMIT[0], resource.RLIM_INFINITY))
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, {width}),
        torch.nn.ReLU(), torch.nn.Linear({width}, n_classes))
"""


def assert_same_bits(store, loaded, factory=None):
    """Every trial's curve is the one that undisturbed training without Ray gives."""
    trials, curves = store.snapshot()
    configurations = list(loaded.space.configurations())
    assert sorted(trials["trial_id"].to_pylist()) == sorted(c.trial_id for c in configurations)
    points = {(p["trial_id"], p["step"]): p for p in curves.to_pylist()}
    count = 0
    for result in train_pack(configurations, load_dataset("digits"), model_factory=factory):
        for evaluation in result.evaluations:
            point = points[result.configuration.trial_id, evaluation.step]
            assert point["test_loss"] == evaluation.test_loss
            assert point["train_loss"] == evaluation.train_loss
            count += 1
    assert count == len(points) == curves.num_rows


class Heard(Silent):
    """Keeps what the user is told."""

    def __init__(self):
        self.told = []

    def say(self, text):
        self.told.append(text)


@pytest.mark.parametrize("kept", [True, False], ids=["kept", "deleted"])
def test_a_killed_worker_goes_on_from_the_checkpoint(kept, space_of, store, tmp_path):
    """And from the start, if somebody deletes the checkpoints; saving then fails, training not."""
    from explorer import tuning
    from explorer.ray_session import Session

    notes = tmp_path / "notes"
    loaded = space_of(
        NOTED.format(notes=str(notes)),
        model="noted",
        learning_rate=[0.05, 0.1],
        budget="[steps(100), steps(3_000)]",
        evaluate=4,
    )
    progress = Heard()
    saved = tmp_path / "saved"
    storage = tuning.Storage(None, str(saved), "run")
    queue = PackQueue(
        GridStrategy(loaded.space.configurations()),
        lambda configurations: make_packs(configurations, 2, 4),
        lambda pack, members, error: None,
        progress,
        store.statuses,
    )
    killed = []

    def kill():
        deadline = time.monotonic() + 300
        # The second one is there: the driver knows of the first, at least.
        pattern = "run-0/*/checkpoint_000001/pack.json"
        while time.monotonic() < deadline and not list(saved.glob(pattern)):
            time.sleep(0.02)
        if not kept:
            os.rename(saved / "run-0", tmp_path / "gone")  # at once: workers write there
        while time.monotonic() < deadline and not kept and not progress.told:
            time.sleep(0.02)
        killed.append(int(notes.read_text().splitlines()[-1]))
        os.kill(killed[0], signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    tuning.run_packs(
        queue,
        Session(lambda: 2, tmp_path),
        store=store,
        datasets={"digits": load_dataset("digits")},
        model_factories=loaded.space.model_factories,
        import_path=str(tmp_path),
        storage=storage,
        checkpoint_every=0.5,
    )
    killer.join()
    assert killed
    assert killed[0] != int(notes.read_text().splitlines()[-1])
    counts = queue.counts
    assert (counts.completed, counts.retried, counts.resumed) == (4, 1, kept)
    unsaved = [text for text in progress.told if "could not be saved; its pack trains on" in text]
    assert len(unsaved) == (not kept)
    assert kept or unsaved[0].endswith("the run's folder for checkpoints is gone")
    # What had finished was published before the checkpoint, and not trained again with it.
    files = list(Path(store.location, "trials").iterdir())
    assert len(files) == (2 if kept else 3)
    (factory,) = loaded.space.model_factories.values()
    assert_same_bits(store, loaded, factory)


def test_the_next_run_goes_on_from_a_dead_runs_checkpoint(space_of, store, monkeypatch):
    """The first run is interrupted in the middle of a pack; the second finishes that pack."""
    from explorer import execution

    loaded = space_of(
        learning_rate=[0.05, 0.1],
        budget="[steps(100), steps(60_000)]",
        evaluate=4,
    )

    class Stopping(execution.Interruption):
        """As if the user pressed Ctrl-C once there is a checkpoint."""

        @property
        def requested(self):
            found = Path(store.location, "checkpoints").glob("*/*/*/pack.json")
            return self._asked or any(found)

        @requested.setter
        def requested(self, value):
            self._asked = value

    with monkeypatch.context() as patch:
        patch.setattr("explorer.run.Interruption", Stopping)
        first = run_study(loaded, store=store, study="s", pack_size=4, checkpoint_every=0.5)
    assert first.interrupted
    assert first.trained == 2
    (saved,) = checkpoints.saved_packs(store, lambda run: True)
    assert len(saved.alive) == 2
    assert saved.steps_done > 100
    left = [path for path in Path(store.location, "checkpoints").rglob("*") if path.is_file()]
    assert {path.name for path in left} == {"pack.json", "pack.pt"}  # none of Ray's pickles

    second = run_study(loaded, store=store, study="s", pack_size=4)
    assert (second.already_done, second.trained, second.resumed) == (2, 2, 1)
    assert [p for p in Path(store.location, "checkpoints").rglob("*") if p.is_file()] == []
    assert_same_bits(store, loaded)


def test_a_pack_without_memory_is_cut_and_the_size_is_kept(space_of, store):
    """A real allocation failure: the worker may have little more memory than it starts with."""
    source = LARGE.format(spare=650 * 2**20, width=16_000, driver=os.getpid())
    loaded = space_of(source, model="large", seeds=16, budget="steps(3)", evaluate=1)
    first = run_study(loaded, store=store, study="s", pack_size=16, fresh_actors=True)
    assert (first.trained, first.failed, first.retried) == (16, 0, 0)
    assert first.split >= 1
    (sizes,) = store.read_notes("pack_sizes").values()
    configuration = loaded.space.configurations()[0]
    most = sizes[shape_key(configuration)]
    assert 1 <= most <= 8
    largest = max(row["pack_size"] for row in store.trials().to_pylist())
    assert largest <= most

    more = space_of(source, model="large", seeds=32, budget="steps(3)", evaluate=1)
    second = run_study(more, store=store, study="s", pack_size=16, fresh_actors=True)
    assert (second.already_done, second.trained, second.split) == (16, 16, 0)


def test_another_program_or_another_store_is_refused_before_training(space_of, store, tmp_path):
    from explorer import tuning
    from explorer.ray_session import Session

    loaded = space_of(seeds=2)
    plan = store.write_plan(plan_of(loaded, "s", list(loaded.space.configurations())))
    good = driver_mark(plan)
    for mark, told in [
        (DriverMark("0.0.1", good.code, plan), r"runs explorer 0\.1\.0 .* the driver 0\.0\.1"),
        (DriverMark(good.version, "0" * 64, plan), "install the same on every node"),
        (DriverMark(good.version, good.code, "other.parquet"), "does not see the driver's store"),
    ]:
        queue = PackQueue(
            GridStrategy(loaded.space.configurations()),
            lambda configurations: make_packs(configurations, 2),
            lambda pack, members, error: None,
            Silent(),
            store.statuses,
        )
        with pytest.raises(EnvironmentFailure, match=told):
            tuning.run_packs(
                queue,
                Session(lambda: 2, tmp_path),
                store=store,
                datasets={"digits": load_dataset("digits")},
                model_factories={},
                import_path=str(tmp_path),
                mark=mark,
            )
        assert store.statuses() == {}


def test_what_another_living_run_holds_is_left_to_it(space_of, store, monkeypatch):
    """The other run holds half of the trials, and finishes them while this one waits."""
    loaded = space_of(seeds=8)
    configurations = list(loaded.space.configurations())
    theirs = configurations[:4]
    other = Claims(store)
    assert other.take([c.trial_id for c in theirs]) == {c.trial_id for c in theirs}
    monkeypatch.setattr("explorer.pack_queue.LOOK_EVERY", 0.2)
    done = threading.Event()

    def finish():
        while len(store.statuses()) < 4 and not done.is_set():
            time.sleep(0.1)
        half = space_of(name="half", seeds=4)
        from explorer.packing import pack_of
        from explorer.worker import PackRun

        pack = pack_of(list(half.space.configurations()))
        PackRun(pack, load_dataset("digits"), store).step(60)
        other.close()

    thread = threading.Thread(target=finish)
    thread.start()
    try:
        summary = run_study(loaded, store=store, study="s", pack_size=2)
    finally:
        done.set()
        thread.join()
    assert (summary.planned, summary.trained, summary.elsewhere) == (8, 4, 4)
    assert store.read_notes("claim") == {}
    rows = [
        row
        for path in Path(store.location, "trials").iterdir()
        for row in [path.name.partition("-")[0]]
    ]
    assert len(rows) == 3  # two packs of ours, one of theirs: nothing was trained twice
    assert_same_bits(store, loaded)
