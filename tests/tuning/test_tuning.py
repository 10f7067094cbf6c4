"""Real runs on a real Ray of two slots, in this process."""

import json
import logging
import os
import threading
from collections import Counter
from pathlib import Path

import pytest

from explorer.datasets import load_dataset
from explorer.errors import EnvironmentFailure, InputError
from explorer.pack_queue import PackQueue
from explorer.packing import make_packs
from explorer.progress import Silent
from explorer.request import PackResources
from explorer.run import run_study
from explorer.strategies import GridStrategy
from explorer.training import train_pack

pytestmark = pytest.mark.usefixtures("ray_folder")

# A user's model that leaves a line in a file each time it is built in a worker.
NOTING_MODEL = """
import os, signal, torch
NOTES = {notes!r}
def note(name):
    with open(NOTES, "a") as file:
        file.write(f"{{name}} {{os.getpid()}}\\n")
def noted(input_shape, n_classes):
    note("noted")
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, n_classes))
"""

# Models that go wrong: one raises, one always kills its worker, one kills the first only.
DISASTERS = """
def broken(input_shape, n_classes):
    if os.path.exists(NOTES + "-broken"):
        raise RuntimeError("this model is broken")
    return noted(input_shape, n_classes)
def deadly(input_shape, n_classes):
    if os.path.exists(NOTES + "-broken"):
        note("deadly")
        os.kill(os.getpid(), signal.SIGKILL)
    return noted(input_shape, n_classes)
def fragile(input_shape, n_classes):
    if not os.path.exists(NOTES + "-killed"):
        open(NOTES + "-killed", "w").close()
        os.kill(os.getpid(), signal.SIGKILL)
    return noted(input_shape, n_classes)
"""


@pytest.fixture
def notes(tmp_path):
    return tmp_path / "notes"


@pytest.fixture
def queue_for(store):
    def build(loaded, pack_size=None, progress=None):
        return PackQueue(
            GridStrategy(loaded.space.configurations()),
            lambda configurations: make_packs(configurations, 2, pack_size),
            lambda pack, members, error: None,
            progress or Silent(),
            store.statuses,
        )

    return build


def test_a_study_is_trained_resumed_and_extended(space_of, store):
    ours = logging.getLogger("explorer")
    loggers = (ours.level, ours.handlers[:])
    small = space_of(batch_size=[16, 32], learning_rate=[0.1, 1e20], momentum=0.9, seeds=3)
    first = run_study(small, store=store, study="s")
    assert (first.planned, first.already_done, first.trained) == (12, 0, 12)
    assert (first.diverged, first.failed, first.interrupted) == (6, 0, False)
    assert first.packs >= 2
    assert first.predicted_seconds > 0
    assert Counter(store.statuses().values()) == {"completed": 6, "diverged": 6}
    assert store.planned("s").num_rows == 12

    files = sorted(Path(store.location, "trials").iterdir())
    again = run_study(small, store=store, study="s")
    assert (again.already_done, again.trained, again.packs) == (12, 0, 0)  # diverged ones too
    assert sorted(Path(store.location, "trials").iterdir()) == files

    larger = space_of(batch_size=[16, 32, 64], learning_rate=[0.1, 1e20], momentum=0.9, seeds=3)
    second = run_study(larger, store=store, study="s", pack_size=1)
    assert (second.planned, second.already_done, second.trained) == (18, 12, 6)
    assert second.packs == 6
    assert (ours.level, ours.handlers) == loggers

    rows = {row["trial_id"]: row for row in store.trials().to_pylist()}
    assert rows.keys() == {c.trial_id for c in larger.space.configurations()}
    digits = load_dataset("digits")
    for batch_size in (16, 32, 64):  # the same bits without Ray, and in other packs
        members = [c for c in larger.space.configurations() if c.batch_size == batch_size]
        for result in train_pack(members, digits):
            row = rows[result.configuration.trial_id]
            assert (row["status"], row["steps_done"]) == (result.status, result.steps_done)
            last = result.evaluations[-1] if result.evaluations else None
            for metric in ("train_loss", "train_accuracy", "test_loss", "test_accuracy"):
                assert row[metric] == (getattr(last, metric) if last else None)


def test_every_slot_works_and_workers_are_reused(space_of, store, notes):
    loaded = space_of(NOTING_MODEL.format(notes=str(notes)), model="noted", seeds=24)
    summary = run_study(loaded, store=store, study="s", pack_size=1)
    assert (summary.trained, summary.packs) == (24, 24)
    by_worker = Counter(notes.read_text().splitlines())
    # Building a model calls its factory several times a pack.
    assert len(by_worker) == 2
    assert min(by_worker.values()) >= sum(by_worker.values()) / 4


def test_fresh_actors_are_new_processes(space_of, store, notes):
    loaded = space_of(NOTING_MODEL.format(notes=str(notes)), model="noted", seeds=3)
    summary = run_study(loaded, store=store, study="s", pack_size=1, fresh_actors=True)
    assert summary.trained == 3
    assert len(set(notes.read_text().splitlines())) == 3


def test_disasters_are_recorded_others_go_on_and_the_next_run_tries_again(space_of, store, notes):
    flag = Path(f"{notes}-broken")
    flag.touch()
    loaded = space_of(
        NOTING_MODEL.format(notes=str(notes)) + DISASTERS,
        model="['mlp-8', fragile, broken, deadly]",
        seeds=2,
    )
    first = run_study(loaded, store=store, study="s")
    assert (first.trained, first.failed, first.interrupted) == (4, 4, False)
    rows = store.trials().to_pylist()
    statuses = Counter((row["model"], row["status"]) for row in rows)
    assert statuses == {
        ("mlp-8", "completed"): 2,
        ("fragile", "completed"): 2,  # its worker was replaced
        ("broken", "failed"): 2,
        ("deadly", "failed"): 2,
    }
    errors = {row["model"]: row["error"] for row in rows}
    assert errors["broken"].endswith("this model is broken.")
    assert "died" in errors["deadly"]
    assert errors["mlp-8"] is None
    tried = [line for line in notes.read_text().splitlines() if line.startswith("deadly")]
    # Both together, then each alone; and twice again, each time by a new worker.
    assert len(set(tried)) == len(tried) == 9
    log = Path(first.log_file).read_text()
    assert "in broken" in log  # the traceback
    assert "died" in log

    flag.unlink()
    second = run_study(loaded, store=store, study="s")
    assert (second.already_done, second.trained, second.failed) == (4, 4, 0)
    assert set(store.statuses().values()) == {"completed"}

    for name in ("fragile", "deadly"):  # replaced workers change nothing
        members = [c for c in loaded.space.configurations() if c.model == name]
        factory = loaded.space.model_factories[name]
        losses = {row["trial_id"]: row["test_loss"] for row in store.trials().to_pylist()}
        for result in train_pack(members, load_dataset("digits"), model_factory=factory):
            assert losses[result.configuration.trial_id] == result.evaluations[-1].test_loss


def test_packs_beyond_one_fit_and_what_tune_keeps_of_a_pack(space_of, store, queue_for, tmp_path):
    from explorer import tuning
    from explorer.ray_session import Session

    loaded = space_of(learning_rate=[0.1, 0.2], seeds=70)
    queue = queue_for(loaded)
    folder = tmp_path / "tune"
    tuning.run_packs(
        queue,
        Session(lambda: 2, tmp_path),
        store=store,
        datasets={"digits": load_dataset("digits")},
        model_factories={},
        import_path=str(tmp_path),
        packs_per_fit=5,
    )
    assert queue.counts.completed == 140
    fits = sorted(folder.glob("*/experiment_state-*.json"))
    packs = [len(json.loads(path.read_text())["trial_data"]) for path in fits]
    assert len(fits) >= 2
    assert sum(packs) == queue.counts.packs
    assert max(packs) <= 5
    # 64 trials a pack: everything that Tune writes of one is far below the trials' own size.
    assert sum(path.stat().st_size for path in fits) / sum(packs) < 20_000


def test_a_full_store_stops_the_run(space_of, store, monkeypatch, tmp_path):
    if os.geteuid() == 0:
        # Root ignores permissions: take the folder away instead.
        def spoil():
            os.rename(os.path.join(store.location, "tmp"), tmp_path / "gone")
    else:

        def spoil():
            os.chmod(os.path.join(store.location, "tmp"), 0o500)

    from explorer import tuning

    loaded = space_of(seeds=4)
    original = tuning.run_packs

    def run_packs(*args, **kwargs):
        spoil()
        return original(*args, **kwargs)

    monkeypatch.setattr(tuning, "run_packs", run_packs)
    with pytest.raises(EnvironmentFailure, match=r"store .* cannot be written"):
        run_study(loaded, store=store, study="s", pack_size=1)


def test_an_interrupted_run_keeps_what_is_finished(space_of, store, queue_for, tmp_path):
    from explorer import tuning
    from explorer.ray_session import Session

    class Watch(Silent):
        done = 0

        def update(self, **numbers):
            self.done = numbers["done"]

    # One short trial and one that would take many minutes, in one pack.
    loaded = space_of(budget="[steps(50), steps(3_000_000)]")
    watch = Watch()
    queue = queue_for(loaded, 2, watch)
    tuning.run_packs(
        queue,
        Session(lambda: 2, tmp_path),
        store=store,
        datasets={"digits": load_dataset("digits")},
        model_factories={},
        import_path=str(tmp_path),
        interrupted=lambda: watch.done >= 1,
    )
    assert list(store.statuses().values()) == ["completed"]
    assert queue.counts.completed == 0  # the driver was not told; a run counts in the store


@pytest.mark.parametrize(
    ("account", "line"),
    [
        (
            "The actor died because of an error raised in its creation task, "
            "\x1b[36mray::ResourceTrainable.__init__()\x1b[39m (pid=1)\n"
            "           ^^^^^^^^^^\n"
            '  File "tuning.py", line 3, in setup\n    import torch\n'
            "ModuleNotFoundError: No module named 'torch'\n",
            "ModuleNotFoundError: No module named 'torch'",
        ),
        (
            "The actor died unexpectedly before finishing this task.\n\tclass_name: X\n\tpid: 7\n",
            "The actor died unexpectedly before finishing this task.",
        ),
        ("", "the worker died"),
    ],
)
def test_the_telling_line_of_a_failure(account, line):
    from explorer.tuning import summarized

    assert summarized(account) == line


@pytest.mark.parametrize(
    ("resources", "text"),
    [
        (PackResources("cuda", 1, 1), "no node with 1 CPU and 1 GPU free .* device 'cuda'"),
        (PackResources("cpu", 64, 0), "no node with 64 CPUs free .* device 'cpu'"),
    ],
)
def test_nothing_to_run_on_is_said(tmp_path, resources, text):
    from explorer import ray_session

    with (
        pytest.raises(EnvironmentFailure, match=text),
        ray_session.session(None, resources, bytes_shared=0, folder=tmp_path),
    ):
        pass


def test_a_factory_that_cannot_travel_is_said():
    from explorer import tuning

    lock = threading.Lock()

    def locked(input_shape, n_classes):
        with lock:
            raise AssertionError("it is not called")

    with pytest.raises(InputError, match="locked cannot be sent to workers"):
        tuning._shipped({"locked": locked})
