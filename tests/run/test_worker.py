"""One pack trained and published in this process, read back from a real store."""

import hashlib
import json
import os
import pickle
import threading
import uuid

import pyarrow.compute as pc
import pytest

from explorer.datasets import load_dataset
from explorer.errors import EnvironmentFailure
from explorer.packing import pack_of
from explorer.result_rows import failed_row, provenance
from explorer.store import Store
from explorer.store.schema import CURVES_SCHEMA, TRIALS_SCHEMA
from explorer.training import train_pack
from explorer.worker import PackRun, one_line


@pytest.fixture(scope="module")
def digits():
    return load_dataset("digits")


@pytest.fixture
def store(tmp_path):
    return Store.open(str(tmp_path / "store"), create=True)


@pytest.fixture
def pack(make_trial):
    """Three ordinary trials of different lengths, and one that diverges."""
    ordinary = [make_trial(seed=s, budget_value=600 - 200 * s) for s in range(3)]
    return pack_of([*ordinary, make_trial(learning_rate=1e20, momentum=0.9, budget_value=600)])


def run_to_end(run, seconds=0.01):
    reports = [run.step(seconds)]
    while not reports[-1].done:
        reports.append(run.step(seconds))
        assert len(reports) < 10_000
    return reports


def test_published_rows_are_the_results(pack, store, digits):
    reports = run_to_end(PackRun(pack, digits, store))
    expected = train_pack(pack.configurations, digits)
    trials, curves = store.snapshot()
    assert trials.schema.names == TRIALS_SCHEMA.names
    assert curves.schema.names == CURVES_SCHEMA.names
    rows = {row["trial_id"]: row for row in trials.to_pylist()}
    assert len(rows) == trials.num_rows == 4
    for result in expected:
        c, row = result.configuration, rows[result.configuration.trial_id]
        assert {name: row[name] for name in c.as_dict()} == c.as_dict()
        assert (row["status"], row["steps"], row["steps_done"], row["n_classes"]) == (
            result.status,
            c.steps,
            result.steps_done,
            10,
        )
        points = curves.filter(pc.equal(curves["trial_id"], c.trial_id)).to_pylist()
        assert [p["step"] for p in points] == [e.step for e in result.evaluations]
        for name in ("epoch", "train_loss", "train_accuracy", "test_loss", "test_accuracy"):
            assert [p[name] for p in points] == [getattr(e, name) for e in result.evaluations]
        if result.evaluations:
            assert row["test_accuracy"] == result.evaluations[-1].test_accuracy
            assert row["train_loss"] == result.evaluations[-1].train_loss
            assert row["best_test_accuracy"] == max(e.test_accuracy for e in result.evaluations)
        else:
            assert row["test_accuracy"] is None
            assert row["best_test_accuracy"] is None
        assert row["validation_loss"] is None
        assert row["error"] is None
        assert row["data_sha256"] == digits.sha256
        assert (row["pack_id"], row["pack_size"], row["device"]) == (pack.pack_id, 4, "cpu")
        assert row["wall_seconds"] > 0
        assert row["finished_at"].utcoffset().total_seconds() == 0
        assert uuid.UUID(row["attempt"])
    last = reports[-1]
    assert sorted(index for index, *_ in last.outcomes) == [0, 1, 2, 3]
    for index, status, accuracy, loss in last.outcomes:
        row = rows[pack.configurations[index].trial_id]
        assert (status, accuracy, loss) == (row["status"], row["test_accuracy"], row["test_loss"])
    assert (last.finished, last.diverged, last.error) == (4, 1, None)
    assert last.steps_done == last.steps_total


def test_reports_are_light_until_the_end(pack, store, digits):
    reports = run_to_end(PackRun(pack, digits, store), seconds=1e-3)
    assert len(reports) > 10
    done = [report.steps_done for report in reports]
    assert done == sorted(done)
    assert all(not report.outcomes for report in reports[:-1])
    assert store.statuses().keys() == {c.trial_id for c in pack.configurations}


def test_a_stopped_pack_keeps_its_finished_members(pack, store, digits):
    run = PackRun(pack, digits, store)
    for _ in range(1_000):
        if run.step(1e-3).finished >= 2:
            break
        assert store.statuses() == {}
    run.close()
    kept = store.statuses()
    assert len(kept) >= 2
    run.close()  # again, as a worker that is stopped twice
    assert store.statuses() == kept
    expected = {r.configuration.trial_id: r for r in train_pack(pack.configurations, digits)}
    for row in store.trials().to_pylist():
        assert row["steps_done"] == expected[row["trial_id"]].steps_done


def test_a_pack_stopped_before_its_first_step_publishes_nothing(pack, store, digits):
    PackRun(pack, digits, store).close()
    assert store.statuses() == {}


def test_a_long_pack_publishes_on_the_way_and_each_trial_once(pack, store, digits):
    run = PackRun(pack, digits, store, publish_every=0.0)
    run_to_end(run, seconds=1e-3)
    files = os.listdir(os.path.join(store.location, "trials"))
    assert len(files) > 1
    assert store.trials().num_rows == 4
    assert len({row["attempt"] for row in store.trials().to_pylist()}) == len(files)


def test_an_error_of_the_training_is_told_and_finished_members_are_kept(
    pack, store, digits, monkeypatch
):
    run = PackRun(pack, digits, store)
    for _ in range(1_000):
        if run.step(1e-3).finished >= 1:
            break

    def broken(seconds):
        raise RuntimeError("out of memory\nsecond line")

    monkeypatch.setattr(run._trainer, "advance", broken)
    report = run.step(1.0)
    assert report.done
    assert report.error == "RuntimeError: out of memory"
    assert "second line" in report.details
    finished = {pack.configurations[index].trial_id for index, *_ in report.outcomes}
    assert finished == store.statuses().keys()
    assert 1 <= len(finished) < 4


def test_a_model_that_cannot_be_built_is_told(make_trial, store, digits):
    def factory(input_shape, n_classes):
        raise ValueError(f"no model for {n_classes} classes")

    pack = pack_of([make_trial(model="factory", model_source="ab")])
    report = PackRun(pack, digits, store, model_factory=factory).step(1.0)
    assert report.done
    assert "no model for 10 classes" in report.error
    assert report.outcomes == ()
    assert store.statuses() == {}


def test_a_store_that_fails_is_no_error_of_the_training(pack, store, digits, monkeypatch):
    def full(*args, **kwargs):
        raise EnvironmentFailure("The store is full.")

    monkeypatch.setattr(store, "publish", full)
    report = run_to_end(PackRun(pack, digits, store))[-1]
    assert (report.environment, report.error, report.outcomes) == ("The store is full.", None, ())


def test_failed_rows_are_publishable_and_a_later_success_wins(pack, store, digits):
    common = provenance(digits.sha256, "cpu", 4)
    store.publish(
        pack_id=pack.pack_id,
        attempt=uuid.uuid4().hex,
        trials=[{**failed_row(c, "ValueError: no"), **common} for c in pack.configurations],
        curves=[],
    )
    assert set(store.statuses().values()) == {"failed"}
    assert store.trials().to_pylist()[0]["error"] == "ValueError: no"
    run_to_end(PackRun(pack, digits, store))
    assert sorted(store.statuses().values()) == ["completed"] * 3 + ["diverged"]


def test_one_line():
    assert one_line(ValueError("a\nb")) == "ValueError: a"
    assert one_line(KeyError()) == "KeyError"
    assert one_line(EnvironmentFailure("The disk is full.")) == "The disk is full."


def saved(run, folder):
    """Step until there is something to save, and save it."""
    while not run.checkpoint_due:
        assert not run.step(0.002).done
    folder.mkdir()
    run.save(folder)
    return folder


@pytest.fixture
def always_due(monkeypatch):
    """However long saving takes."""
    monkeypatch.setattr("explorer.worker.CHECKPOINT_SHARE", 1e9)


@pytest.mark.usefixtures("always_due")
def test_a_pack_goes_on_from_its_checkpoint(pack, store, digits, tmp_path):
    first = PackRun(pack, digits, store, checkpoint_every=0.0)
    while not first.step(0.002).finished:
        pass
    folder = saved(first, tmp_path / "first")
    assert {path.name for path in folder.iterdir()} == {"pack.json", "pack.pt"}
    assert not first.checkpoint_due
    published = set(store.statuses())

    second = PackRun(pack, digits, store)
    second.resume(folder)
    reports = run_to_end(second)
    assert reports[0].resumed_steps > 0
    assert 1 <= len(published) < 4
    assert sorted(index for index, *_ in reports[-1].outcomes) == [0, 1, 2, 3]
    assert reports[-1].finished == 4
    trials, curves = store.snapshot()
    assert set(trials["trial_id"].to_pylist()) >= published
    assert trials.num_rows == 4
    points = {(p["trial_id"], p["step"]): p["test_loss"] for p in curves.to_pylist()}
    for result in train_pack(pack.configurations, digits):
        for e in result.evaluations:
            assert points.pop((result.configuration.trial_id, e.step)) == e.test_loss
    assert not points


@pytest.mark.parametrize(("seconds", "due"), [(0.0, True), (60.0, False)])
def test_saving_that_fails_slowly_is_tried_seldom(pack, store, digits, seconds, due):
    run = PackRun(pack, digits, store, checkpoint_every=0.0)
    while not run.checkpoint_due:
        assert not run.step(0.002).done
    run._saving_took = 0.0  # of the state, on a busy machine
    run.not_saved(OSError("slow"), seconds)
    report = run.step(0.002)
    assert report.save_error == "OSError: slow"
    assert (report.done, run.checkpoint_due) == (False, due)


@pytest.mark.usefixtures("always_due")
@pytest.mark.parametrize("spoil", ["torn", "other pack", "no sidecar", "not json", "hostile"])
def test_a_checkpoint_of_no_use_is_left_aside(pack, store, digits, tmp_path, spoil):
    first = PackRun(pack, digits, store, checkpoint_every=0.0)
    first.step(0.01)
    folder = saved(first, tmp_path / "first")
    state, sidecar = folder / "pack.pt", folder / "pack.json"
    if spoil == "torn":
        state.write_bytes(state.read_bytes()[:-100])
    elif spoil == "no sidecar":
        sidecar.unlink()
    elif spoil == "not json":
        sidecar.write_text("{")
    elif spoil == "hostile":  # a pickle whose hash is right: it must not run
        mark = tmp_path / "ran"
        content = pickle.dumps(Hostile(str(mark)))
        told = json.loads(sidecar.read_text())
        state.write_bytes(content)
        sidecar.write_text(json.dumps({**told, "sha256": hashlib.sha256(content).hexdigest()}))
    members = pack.configurations[1:] if spoil == "other pack" else pack.configurations
    second = PackRun(pack_of(members), digits, store)
    second.resume(folder)
    reports = run_to_end(second)
    assert reports[-1].resumed_steps == 0
    assert len(reports[-1].outcomes) == len(members)
    assert not (tmp_path / "ran").exists()


class Hostile:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (self.path, "w")


def test_a_model_that_no_state_can_hold_trains_without_checkpoints(store, digits, make_trial):
    """Training changes an object of the module that only the module understands."""
    import torch

    class Counter(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.lock = threading.Lock()
            self.seen = iter(range(10**9))

        def forward(self, x):
            next(self.seen)
            return x

    def counted(input_shape, n_classes):
        return torch.nn.Sequential(
            torch.nn.Flatten(), Counter(), torch.nn.Linear(64, n_classes), torch.nn.Dropout(0.1)
        )

    trial = make_trial(model="counted", model_source="x", budget_value=40)
    run = PackRun(pack_of([trial]), digits, store, model_factory=counted, checkpoint_every=0.0)
    reports = run_to_end(run, 0.001)
    assert reports[-1].error is None
    assert not run.checkpoint_due
    assert list(store.statuses().values()) == ["completed"]


def test_a_model_that_cannot_be_saved_is_trained_all_the_same(store, digits, make_trial):
    """A sparse buffer, which no state file takes."""
    import torch

    class Sparse(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("table", torch.eye(4).to_sparse())

        def forward(self, x):
            return x

    def sparse(input_shape, n_classes):
        return torch.nn.Sequential(torch.nn.Flatten(), Sparse(), torch.nn.Linear(64, n_classes))

    trial = make_trial(model="sparse", model_source="x", budget_value=40)
    run = PackRun(pack_of([trial]), digits, store, model_factory=sparse, checkpoint_every=0.0)
    assert run_to_end(run, 0.001)[-1].error is None
    assert list(store.statuses().values()) == ["completed"]
