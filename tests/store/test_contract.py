"""What every store promises, wherever it lies."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest

from explorer.errors import InputError
from explorer.store import Plan, Store, plan_table
from explorer.store.location import Location
from explorer.store.schema import CURVES_SCHEMA, PLAN_SCHEMA, TRIALS_SCHEMA
from explorer.trial import Configuration

pytestmark = pytest.mark.everywhere

Publish = Callable[..., str]


def test_a_missing_store_is_named_with_the_command_that_makes_it(address: str) -> None:
    assert not Store.exists(address)
    with pytest.raises(InputError, match=r"no store at .*`explorer run SPACE"):
        Store.open(address)
    Store.open(address, create=True)
    assert Store.exists(address)
    assert Store.open(address).statuses() == {}


def test_making_a_store_twice_keeps_what_it_holds(
    store: Store, address: str, publish: Publish
) -> None:
    publish(store, [1])
    assert len(Store.open(address, create=True).statuses()) == 1


def test_an_empty_store_has_empty_tables_of_the_full_schema(store: Store) -> None:
    trials, curves = store.snapshot()
    assert trials.num_rows == curves.num_rows == store.planned().num_rows == 0
    assert trials.schema.equals(TRIALS_SCHEMA, check_metadata=True)
    assert curves.schema.equals(CURVES_SCHEMA, check_metadata=True)
    assert store.planned().schema.equals(PLAN_SCHEMA, check_metadata=True)
    assert store.studies() == []
    assert store.plans() == []


def test_rows_come_back_as_published(
    store: Store, trial_row: Callable[..., Any], curve_row: Callable[..., Any]
) -> None:
    finished = datetime(2026, 2, 3, 4, 5, 6, 789, tzinfo=UTC)
    row = trial_row(4, "diverged", train_loss=float("inf"), n_classes=10, finished_at=finished)
    steps = [curve_row(4, step, test_accuracy=step / 100, train_loss=0.1) for step in (100, 50)]
    store.publish(pack_id="p", attempt="a", trials=[row], curves=steps)

    trials, curves = store.snapshot()
    assert trials.schema.equals(TRIALS_SCHEMA, check_metadata=True)
    missing = dict.fromkeys(TRIALS_SCHEMA.names)
    assert trials.to_pylist() == [missing | row | {"attempt": "a", "pack_id": "p"}]
    assert curves.schema.equals(CURVES_SCHEMA, check_metadata=True)
    missing = dict.fromkeys(CURVES_SCHEMA.names)
    assert curves.to_pylist() == [missing | r | {"attempt": "a"} for r in reversed(steps)]


def test_the_publishing_time_is_filled_in(store: Store, publish: Publish) -> None:
    before = datetime.now(UTC)
    publish(store, [1])
    assert before <= store.trials()["finished_at"][0].as_py() <= datetime.now(UTC)


@pytest.mark.parametrize("compacted", [False, True])
def test_one_whole_attempt_is_chosen_best_status_then_smallest_id(
    store: Store,
    publish: Publish,
    configuration: Callable[[int], Configuration],
    compacted: bool,
) -> None:
    publish(store, {1: "failed", 2: "diverged"}, attempt="a", mark=0.1)
    publish(store, {1: "completed", 2: "failed"}, attempt="c", mark=0.3)
    publish(store, {1: "completed", 2: "diverged"}, attempt="b", mark=0.2)
    if compacted:
        store.compact(grace_seconds=0)
    trials, curves = store.snapshot()
    chosen = {row["seed"]: (row["status"], row["attempt"], row["test_accuracy"])
              for row in trials.to_pylist()}  # fmt: skip
    assert chosen == {1: ("completed", "b", 0.2), 2: ("diverged", "a", 0.1)}
    ids = {configuration(n).trial_id: n for n in (1, 2)}
    assert {(ids[r["trial_id"]], r["step"], r["attempt"], r["test_accuracy"])
            for r in curves.to_pylist()} == {(1, 50, "b", 0.2), (1, 100, "b", 0.2),
                                             (2, 50, "a", 0.1), (2, 100, "a", 0.1)}  # fmt: skip
    assert curves.num_rows == 4
    assert store.statuses() == {i: chosen[n][0] for i, n in ids.items()}


def test_publishing_again_changes_nothing_and_other_trials_are_refused(
    store: Store, publish: Publish
) -> None:
    publish(store, [1, 2], attempt="a", mark=0.1)
    publish(store, [1, 2], attempt="a", mark=0.9)
    assert store.trials()["test_accuracy"].to_pylist() == [0.1, 0.1]
    with pytest.raises(ValueError, match="publishes once"):
        publish(store, [3], attempt="a")
    assert store.trials().num_rows == 2


def test_curves_without_trials_are_invisible_and_a_retry_completes_them(
    store: Store, publish: Publish
) -> None:
    name = publish(store, [1], attempt="a")
    Location(store.location).delete("trials", name)  # as if killed between the two files
    assert store.statuses() == {}
    assert store.curves().num_rows == 0
    publish(store, [1], attempt="a")
    assert store.curves().num_rows == 2


def test_columns_are_chosen_in_order(store: Store, publish: Publish) -> None:
    publish(store, [1])
    assert store.trials(columns=["seed", "model"]).to_pylist() == [{"seed": 1, "model": "mlp-64"}]
    with pytest.raises(InputError, match="no column 'sead'"):
        store.trials(columns=["sead"])


def test_trials_are_sorted_by_id_and_curves_by_step(store: Store, publish: Publish) -> None:
    for n in (5, 3, 8, 1):
        publish(store, [n, n + 100])
    ids = store.trials()["trial_id"].to_pylist()
    assert len(ids) == 8
    assert ids == sorted(ids)
    curves = store.curves().select(["trial_id", "step"]).to_pylist()
    assert curves == [{"trial_id": i, "step": step} for i in ids for step in (50, 100)]


def test_curves_of_some_trials(store: Store, publish: Publish) -> None:
    for n in range(4):
        publish(store, [n])
    ids = store.trials()["trial_id"].to_pylist()
    assert set(store.curves(trial_ids={ids[2]})["trial_id"].to_pylist()) == {ids[2]}
    assert store.curves(trial_ids=[]).num_rows == store.curves(trial_ids=["none"]).num_rows == 0


def test_a_plan_comes_back_and_an_identical_one_adds_no_file(
    store: Store, configuration: Callable[[int], Configuration]
) -> None:
    table = plan_table([configuration(n) for n in (3, 1, 2)])
    plan = Plan("Größe/1 ../x", table, "grid.py", "space = 'ä'\n", (("B above N", 4),))
    store.write_plan(plan)
    assert store.plans() == [plan]
    assert store.plans()[0].trials.schema.equals(PLAN_SCHEMA, check_metadata=True)
    assert store.plans()[0].source_sha256 == plan.source_sha256
    store.write_plan(Plan(plan.study, table.take([1, 0, 2]), "moved.py", plan.source_text))
    assert len(Location(store.location).list("plans")) == 1
    store.write_plan(Plan(plan.study, table, "grid.py", "space = 'b'\n"))
    store.write_plan(Plan("grosse 1 x", table, "grid.py", plan.source_text))
    assert len(Location(store.location).list("plans")) == 3
    assert store.studies() == ["Größe/1 ../x", "grosse 1 x"]
    assert len(store.plans("Größe/1 ../x")) == 2


def test_a_study_is_the_union_of_its_plans_in_the_order_of_planning(
    store: Store, publish: Publish, configuration: Callable[[int], Configuration]
) -> None:
    for day, numbers in ((2, [4, 2, 9]), (1, [5, 4])):
        table = plan_table([configuration(n) for n in numbers])
        made = datetime(2026, 1, day, tzinfo=UTC)
        store.write_plan(Plan("one", table, "a.py", "a", created_at=made))
    store.write_plan(Plan("two", plan_table([configuration(4), configuration(7)]), "b.py", "b"))
    publish(store, [4, 5, 7, 8])

    assert store.planned("one")["seed"].to_pylist() == [5, 4, 2, 9]
    assert store.planned()["seed"].to_pylist() == [5, 4, 2, 9, 7]
    assert sorted(store.trials("one", ["seed"])["seed"].to_pylist()) == [4, 5]
    assert set(store.statuses("two")) == {configuration(n).trial_id for n in (4, 7)}
    trials, curves = store.snapshot("two")
    assert sorted(trials["seed"].to_pylist()) == [4, 7]
    assert curves.num_rows == 4
    one_of_other = configuration(5).trial_id
    assert store.curves("two", [one_of_other]).num_rows == 0
    assert store.curves("one", [one_of_other]).num_rows == 2


def test_the_study_that_is_meant(
    store: Store, configuration: Callable[[int], Configuration]
) -> None:
    with pytest.raises(InputError, match="holds no study"):
        store.resolve_study(None)
    table = plan_table([configuration(1)])
    store.write_plan(Plan("one", table, "a.py", ""))
    assert store.resolve_study(None) == store.resolve_study("one") == "one"
    with pytest.raises(InputError, match="no study 'two': it has one"):
        store.trials("two")
    store.write_plan(Plan("two", table, "a.py", ""))
    with pytest.raises(InputError, match="one, two"):
        store.resolve_study(None)


def test_compaction_keeps_every_answer(store: Store, publish: Publish) -> None:
    for n in range(0, 12, 2):
        publish(store, {n: "completed", n + 1: "failed"})
        publish(store, {n + 1: "completed"})
    before = store.snapshot()
    report = store.compact(grace_seconds=0)
    assert (report.fragments_before, report.fragments_after) == (12, 1)
    assert (report.trials, report.curves_rows, report.left_alone) == (12, 24, ())
    location = Location(store.location)
    assert location.list("trials").keys() == location.list("curves").keys()
    assert len(location.list("trials")) == 1
    for old, new in zip(before, store.snapshot(), strict=True):
        assert old.equals(new, check_metadata=True)
    assert store.compact(grace_seconds=0).fragments_before == 1
    publish(store, [50])
    assert store.compact(grace_seconds=0).fragments_before == 2
    assert store.trials().num_rows == 13
    assert store.curves().num_rows == 26


def test_full_fragments_are_left_alone(
    store: Store, publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("explorer.store.compaction.FULL_TRIALS", 10)
    for n in range(12):
        publish(store, [3 * n, 3 * n + 1, 3 * n + 2])
    before = store.snapshot()
    report = store.compact(grace_seconds=0)
    assert report.fragments_after == 3  # 12, 12, 12: cut at whole packs
    assert store.compact(grace_seconds=0) == type(report)(3, 3, 0, 0)
    for old, new in zip(before, store.snapshot(), strict=True):
        assert old.equals(new)


def test_a_pickled_store_finds_its_location(store: Store, publish: Publish) -> None:
    copy = pickle.loads(pickle.dumps(store))
    assert copy.location == store.location
    publish(copy, [1])
    assert len(Store.open(store.location).statuses()) == 1


def test_a_writable_store_keeps_no_trace_of_the_check(store: Store) -> None:
    store.check_writable()
    assert Location(store.location).list("tmp") == {}


def test_types_read_are_those_of_the_schema_after_mixed_writes(
    store: Store, trial_row: Callable[..., Any]
) -> None:
    store.publish(pack_id="p", attempt="a", trials=[trial_row(1, budget_value=3)], curves=[])
    store.publish(pack_id="p", attempt="b", trials=[trial_row(2, n_classes=10)], curves=[])
    trials = store.trials()
    assert trials["budget_value"].type == pa.float64()
    assert sorted(trials["n_classes"].to_pylist(), key=str) == [10, None]
