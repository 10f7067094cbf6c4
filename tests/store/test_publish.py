"""Rows that do not fit are refused whole."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pyarrow as pa
import pytest

from explorer.errors import InputError
from explorer.store import Plan, Store, plan_table
from explorer.store.location import Location
from explorer.trial import Configuration

MakeRow = Callable[..., dict[str, Any]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"test_acuracy": 0.5}, "no column 'test_acuracy'"),
        ({"seed": None}, "seed must not be null"),
        ({"seed": 1.5}, "seed holds a value of a wrong type"),
        ({"learning_rate": "fast"}, "learning_rate holds"),
        ({"status": "running"}, "a status that is none of"),
        ({"attempt": "other"}, "attempt is not the published 'a'"),
        ({"pack_id": "other"}, "pack_id is not the published 'p'"),
    ],
)
def test_a_trial_that_does_not_fit_is_refused(
    store: Store, trial_row: MakeRow, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        store.publish(
            pack_id="p", attempt="a", trials=[trial_row(1), trial_row(2) | change], curves=[]
        )
    location = Location(store.location)
    assert not any(location.list(folder) for folder in ("trials", "curves", "tmp"))


def test_missing_columns_are_named(store: Store, trial_row: MakeRow) -> None:
    row = trial_row(1)
    del row["host"]
    with pytest.raises(ValueError, match="host must not be null"):
        store.publish(pack_id="p", attempt="a", trials=[row], curves=[])


def test_inconsistent_packs_are_refused(
    store: Store, trial_row: MakeRow, curve_row: MakeRow
) -> None:
    def publish(trials: list[Any], curves: list[Any], pack_id: str = "p") -> None:
        store.publish(pack_id=pack_id, attempt="a", trials=trials, curves=curves)

    with pytest.raises(ValueError, match="without trials"):
        publish([], [])
    with pytest.raises(ValueError, match="a trial twice"):
        publish([trial_row(1), trial_row(1)], [])
    with pytest.raises(ValueError, match="does not hold"):
        publish([trial_row(1)], [curve_row(2, 50)])
    with pytest.raises(ValueError, match="an evaluation twice"):
        publish([trial_row(1)], [curve_row(1, 50), curve_row(1, 50)])
    for unsafe in ("c-1", "../p", "", ".p", "a b", "x" * 200):
        with pytest.raises(ValueError, match="part of a file's name"):
            publish([trial_row(1)], [], pack_id=unsafe)
    assert store.statuses() == {}


def test_plans_that_do_not_fit_are_refused(
    configuration: Callable[[int], Configuration],
) -> None:
    table = plan_table([configuration(1)])
    for name in ("", "  ", "a\nb"):
        with pytest.raises(InputError, match="must be printable text"):
            Plan(name, table, "a.py", "")
    with pytest.raises(ValueError, match="a trial twice"):
        Plan("a", pa.concat_tables([table, table]), "a.py", "")
    with pytest.raises(ValueError, match="PLAN_SCHEMA"):
        Plan("a", table.drop_columns(["seed"]), "a.py", "")
    with pytest.raises(ValueError, match="time zone"):
        Plan("a", table, "a.py", "", created_at=datetime(2026, 1, 1))


def test_a_plan_table_holds_the_configurations(
    configuration: Callable[[int], Configuration],
) -> None:
    configurations = [configuration(n) for n in range(5)]
    rows = plan_table(configurations).to_pylist()
    ids = [row.pop("trial_id") for row in rows]
    assert [Configuration(**row) for row in rows] == configurations
    assert ids == [c.trial_id for c in configurations]
