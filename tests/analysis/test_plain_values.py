"""What we report as JSON, strict and whole."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from analysis import plain_values, tables


@dataclass(frozen=True)
class Inner:
    when: datetime
    value: float


@dataclass(frozen=True)
class Outer:
    inner: tuple[Inner, ...]
    count: object


def test_dataclasses_datetimes_and_numbers_of_numpy_become_plain():
    moment = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
    value = Outer((Inner(moment, float("nan")), Inner(moment, 0.1)), {1: np.int64(3), "x": None})
    found = tables.plain(value)
    assert found == {
        "inner": [
            {"when": "2026-01-02T03:04:00+00:00", "value": None},
            {"when": "2026-01-02T03:04:00+00:00", "value": 0.1},
        ],
        "count": {"1": 3, "x": None},
    }
    assert type(found["count"]["1"]) is int
    json.dumps(found, allow_nan=False)
    assert tables.plain(np.float64("inf")) is None
    assert tables.plain([True, "text"]) == [True, "text"]


def test_the_tables_and_the_light_module_share_one_function():
    assert tables.plain is plain_values.plain
