"""The judge sees each kind of damage: a judge that finds nothing would prove nothing."""

import shutil
import uuid
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from chaos.judge import bits, judge
from explorer.store import Store
from explorer.store.fragments import encoded


def verdict(store, truth, failing=None):
    found = judge(store.location, truth, failing)
    return found.lost, found.doubled, found.differing, found.retrained


def some_file(store, folder):
    return min((Path(store.location) / folder).iterdir())


def rewrite(path, change):
    """Change a file's rows, and seal it again, as if it had been published so."""
    table = pq.read_table(path)
    changed = pa.Table.from_pylist(change(table.to_pylist()), schema=table.schema)
    path.write_bytes(encoded(changed, path.parent.name))


def again(store, truth, attempt, **changes):
    """Publish the trials once more as another attempt."""
    trials, curves = store.snapshot()
    rows = [{**row, "attempt": attempt, "pack_id": "p", **changes} for row in trials.to_pylist()]
    points = [{**row, "attempt": attempt} for row in curves.to_pylist()]
    store.publish(pack_id="p", attempt=attempt, trials=rows, curves=points)


def test_an_undisturbed_store_is_as_it_must_be(store, truth):
    assert len(truth) == 4
    assert {each.status for each in truth.values()} == {"completed", "diverged"}
    assert max(len(each.curve) for each in truth.values()) == 2
    found = judge(store.location, truth)
    assert (found.planned, found.unreadable, found.examples) == (4, 0, ())
    assert verdict(store, truth) == (0, 0, 0, 0)


def test_a_missing_pack_is_lost(store, truth):
    some_file(store, "trials").unlink()
    found = judge(store.location, truth)
    assert (found.lost, found.doubled, found.differing) == (2, 0, 0)
    assert len(found.examples) == 2
    assert found.examples[0].startswith("lost: trial ")


def test_a_torn_file_is_lost_and_counted(store, truth):
    path = some_file(store, "trials")
    path.write_bytes(path.read_bytes()[:-10])
    found = judge(store.location, truth)
    assert (found.lost, found.unreadable) == (2, 1)


def test_a_failed_trial_is_lost(store, truth):
    rewrite(some_file(store, "trials"), lambda rows: [{**row, "status": "failed"} for row in rows])
    assert judge(store.location, truth).lost == 2


@pytest.mark.parametrize("column", ["test_loss", "train_accuracy"])
def test_one_bit_of_a_final_metric_differs(store, truth, column):
    def change(rows):
        first = next(row for row in rows if row[column] is not None)
        first[column] = float(np.nextafter(first[column], 2.0))
        return rows

    rewrite(some_file(store, "trials"), change)
    assert verdict(store, truth) == (0, 0, 1, 0)


def test_steps_done_differ(store, truth):
    def change(rows):
        rows[0]["steps_done"] += 1
        return rows

    rewrite(some_file(store, "trials"), change)
    assert verdict(store, truth) == (0, 0, 1, 0)


@pytest.mark.parametrize("column", ["epoch", "test_accuracy"])
def test_one_bit_of_an_evaluation_differs(store, truth, column):
    def change(rows):
        rows[0][column] = float(np.nextafter(rows[0][column], 2.0))
        return rows

    rewrite(some_file(store, "curves"), change)
    assert verdict(store, truth) == (0, 0, 1, 0)


def test_a_missing_evaluation_differs(store, truth):
    rewrite(some_file(store, "curves"), lambda rows: rows[1:])
    assert verdict(store, truth) == (0, 0, 1, 0)


def test_missing_curves_differ(store, truth):
    path = some_file(store, "curves")
    members = len(set(pq.read_table(path)["trial_id"].to_pylist()))
    path.unlink()
    assert verdict(store, truth) == (0, 0, members, 0)


def test_an_equal_second_attempt_is_a_retraining_and_no_more(store, truth):
    again(store, truth, uuid.uuid4().hex)
    assert verdict(store, truth) == (0, 0, 0, 4)


def test_a_second_attempt_that_readers_do_not_choose_must_be_equal_too(store, truth):
    again(store, truth, "f" * 33, test_loss=0.5)
    assert verdict(store, truth)[2:] == (4, 4)


def test_a_compacted_store_is_as_it_must_be(store, truth):
    kept = Path(store.location).with_name("kept")
    shutil.copytree(store.location, kept)
    store.compact(grace_seconds=0)
    for folder in ("trials", "curves"):  # as where a compactor was killed before it deleted
        for path in (kept / folder).iterdir():
            shutil.copy(path, Path(store.location) / folder)
    assert len(list((Path(store.location) / "trials").iterdir())) == 3
    assert verdict(store, truth) == (0, 0, 0, 0)


def test_a_reader_that_doubles_or_omits_is_seen(store, truth, monkeypatch):
    trials, curves = store.snapshot()
    twice = pa.concat_tables([trials, trials.slice(0, 1)]), curves
    monkeypatch.setattr(Store, "snapshot", lambda self: twice)
    assert verdict(store, truth) == (0, 1, 0, 0)
    points = trials, pa.concat_tables([curves, curves.slice(0, 1)])
    monkeypatch.setattr(Store, "snapshot", lambda self: points)
    assert verdict(store, truth) == (0, 1, 0, 0)
    fewer = trials.slice(1), curves.filter(pa.array([False] * curves.num_rows))
    monkeypatch.setattr(Store, "snapshot", lambda self: fewer)
    assert verdict(store, truth)[2] >= 3


def test_a_reader_that_chooses_another_attempt_is_seen(store, truth, monkeypatch):
    first = store.snapshot()
    again(store, truth, "0" * 32)
    assert verdict(store, truth)[:3] == (0, 0, 0)
    monkeypatch.setattr(Store, "snapshot", lambda self: first)
    assert verdict(store, truth)[:3] == (0, 0, 4)


def test_failing_trials_must_be_recorded_with_their_error(store, truth):
    ids = sorted(truth)
    rest = {trial_id: truth[trial_id] for trial_id in ids[1:]}
    assert verdict(store, rest, {ids[0]: "no"})[0] == 1  # it completed

    def change(rows):
        return [
            {**row, "status": "failed", "error": "no model"} if row["trial_id"] == ids[0] else row
            for row in rows
        ]

    for path in (Path(store.location) / "trials").iterdir():
        rewrite(path, change)
    assert verdict(store, rest, {ids[0]: "no model"}) == (0, 0, 0, 0)
    assert verdict(store, rest, {ids[0]: "out of memory"})[0] == 1


def test_a_trial_that_nobody_planned_is_named(store, truth):
    rest = dict(list(truth.items())[1:])
    assert any("not planned" in text for text in judge(store.location, rest).examples)


def test_bits():
    assert bits(None) is None
    assert bits(0.0) != bits(-0.0)
    assert bits(float("nan")) == bits(float("nan"))
