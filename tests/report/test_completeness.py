"""The map of planned trials, against plans and results written down here."""

import math
import re
from collections import Counter
from dataclasses import replace

import pandas as pd
import pytest
import vl_convert

from analysis.charts.completeness_chart import completeness, completeness_panels
from analysis.charts.completeness_data import (
    ALL_DIVERGED,
    ALL_MISSING,
    DONE,
    MAX_CELLS,
    MAX_ROWS,
    SOME_DIVERGED,
    SOME_FAILED,
    SOME_MISSING,
    completeness_info,
)
from analysis.landscape import CONFIGURATION_COLUMNS, Landscape


def _plan(batch_sizes, rates, *, momenta=(0.9,), sizes=(1000,), n_seeds=2) -> pd.DataFrame:
    rows = [
        {
            "dataset": "planted",
            "model": "planted",
            "budget": "steps",
            "budget_value": 100.0,
            "learning_rate": eps,
            "momentum": m,
            "train_size": n,
            "batch_size": b,
            "seed": seed,
        }
        for eps in rates
        for m in momenta
        for n in sizes
        for b in batch_sizes
        for seed in range(n_seeds)
    ]
    return pd.DataFrame(rows).reindex(columns=list(CONFIGURATION_COLUMNS))


def _landscape(plan: pd.DataFrame, statuses: dict[tuple[float, int], str]) -> Landscape:
    """One letter a seed: completed, diverged, failed, or - for one that has not run."""
    words = {"c": "completed", "d": "diverged", "f": "failed", "-": None}
    found = plan.assign(
        status=[
            words[statuses[row.learning_rate, row.batch_size][row.seed]]
            for row in plan.itertuples()
        ]
    )
    trials = found[found["status"].notna()].reset_index(drop=True)
    return replace(Landscape.from_frame(trials, "here"), planned=plan)


STATUSES = {
    (0.1, 4): "dd",
    (0.1, 8): "cd",
    (0.1, 16): "cc",
    (0.2, 4): "--",
    (0.2, 8): "c-",
    (0.2, 16): "cf",
}


@pytest.fixture
def small() -> Landscape:
    return _landscape(_plan((4, 8, 16), (0.1, 0.2)), STATUSES)


def test_each_cell_has_its_worst_state(small):
    info = completeness_info(small)
    assert {(c.value, c.batch_size): c.state for c in info.cells} == {
        (0.1, 4): ALL_DIVERGED,
        (0.1, 8): SOME_DIVERGED,
        (0.1, 16): DONE,
        (0.2, 4): ALL_MISSING,
        (0.2, 8): SOME_MISSING,
        (0.2, 16): SOME_FAILED,
    }
    assert info.axis == "learning rate"
    assert info.answer == (
        "Of 12 planned trials, 5 completed, 3 diverged, 1 failed and 3 are missing."
    )


def test_the_table_counts_every_trial(small):
    table = completeness_info(small).table()
    assert table.columns == (
        "learning rate",
        "batch size",
        "planned",
        "completed",
        "diverged",
        "failed",
        "missing",
        "state",
    )
    letters = {key: [text.count(c) for c in "cdf-"] for key, text in STATUSES.items()}
    assert [row[:7] for row in table.rows] == [
        (eps, b, 2, *letters[eps, b]) for eps in (0.1, 0.2) for b in (4, 8, 16)
    ]


def test_counts_are_summed_over_momenta_and_sizes():
    plan = _plan((4, 8), (0.1, 0.2), momenta=(0.0, 0.9), sizes=(500, 1000, 2000))
    statuses = {(eps, b): "c-" for eps in (0.1, 0.2) for b in (4, 8)}
    info = completeness_info(_landscape(plan, statuses))
    assert [(c.planned, c.completed, c.missing) for c in info.cells] == [(12, 6, 6)] * 4
    assert {c.state for c in info.cells} == {SOME_MISSING}


def test_cells_meet_half_way_and_leave_gaps_where_none_was_planned():
    plan = _plan((4, 8, 16, 128), (0.1, 0.2))
    info = completeness_info(_landscape(plan, dict.fromkeys(STATUSES, "cc") | _at_128()))
    first = [c for c in info.cells if c.value == 0.1]
    assert [c.low for c in first[:3]] == pytest.approx([4 / math.sqrt(2), math.sqrt(32), 128**0.5])
    assert [c.high for c in first[:2]] == pytest.approx([c.low for c in first[1:3]])
    assert first[2].high < first[3].low
    assert first[3].low < 128 < first[3].high


def _at_128():
    return {(0.1, 128): "cc", (0.2, 128): "cc"}


@pytest.mark.parametrize(
    ("changes", "axis"),
    [
        ({"sizes": (500, 1000)}, "train size"),
        ({"momenta": (0.0, 0.9)}, "momentum"),
        ({}, "learning rate"),
    ],
)
def test_the_rows_are_the_axis_that_varies(changes, axis):
    plan = _plan((4, 8), (0.1,), **changes)
    info = completeness_info(_landscape(plan, {(0.1, 4): "cc", (0.1, 8): "cc"}))
    assert info.axis == axis
    assert info.table().columns[0] == axis


def test_a_file_says_that_nobody_said_what_was_planned(demo):
    info = completeness_info(demo.landscape)
    assert {(c.planned, c.missing) for c in info.cells} == {(None, None)}
    assert info.answer.endswith("what was planned is not known.")
    assert info.notes == (
        "This source does not say what was planned, so missing trials cannot be counted.",
    )
    counted = demo.landscape.trials.groupby(["learning_rate", "batch_size"]).size()
    assert [c.completed for c in info.cells] == counted.tolist()


def test_many_values_share_cells_and_lose_no_trial():
    rates = [0.01 * 1.1**k for k in range(MAX_ROWS + 8)]
    plan = _plan(range(2, MAX_CELLS + 30), rates, n_seeds=1)
    statuses = {(eps, b): "c" for eps in rates for b in range(2, MAX_CELLS + 30)}
    info = completeness_info(_landscape(plan, statuses))
    assert len({c.value for c in info.cells}) == MAX_ROWS
    assert len(info.cells) == MAX_ROWS * MAX_CELLS
    assert sum(c.completed for c in info.cells) == len(plan)
    assert len(info.rows) == len(plan)
    assert any("share a cell" in note for note in info.notes)
    merged = next(c for c in info.cells if c.batch_size < c.batch_size_high)
    assert merged.batch_sizes == f"{merged.batch_size} to {merged.batch_size_high}"


def test_nothing_planned_and_nothing_found():
    info = completeness_info(Landscape.from_frame(_plan((4,), (0.1,)).iloc[:0], "here"))
    assert (info.cells, info.table().rows, completeness_panels(info)) == ((), (), ())
    assert info.answer == "No trial was found."


def test_a_plan_of_which_nothing_ran():
    plan = _plan((4, 8), (0.1,))
    info = completeness_info(_landscape(plan, {(0.1, 4): "--", (0.1, 8): "--"}))
    assert [c.state for c in info.cells] == [ALL_MISSING] * 2
    assert info.answer == "Of 4 planned trials, 0 completed, none failed and 4 are missing."


def test_every_cell_is_a_rectangle_and_a_mark(small):
    spec = completeness(completeness_info(small)).to_dict()
    svg = vl_convert.vegalite_to_svg({**spec, "width": 700})
    roles = re.findall(r'role="graphics-symbol" aria-roledescription="([^"]+)"', svg)
    counts = Counter(roles)
    assert (counts["rect mark"], counts["point"]) == (6, 6)


def test_one_missing_trial_is_said_as_one():
    plan = _plan([4, 8], [0.1])
    info = completeness_info(_landscape(plan, {(0.1, 4): "cc", (0.1, 8): "c-"}))
    assert info.answer == "Of 4 planned trials, 3 completed, none failed and 1 is missing."
