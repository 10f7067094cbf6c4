"""The map's rectangles, and what of it is drawn."""

import json
import math
import re
from dataclasses import replace
from itertools import pairwise
from statistics import median

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.charts.landscape_chart import landscape, landscape_panels
from analysis.charts.landscape_data import (
    ALL_DIVERGED,
    MISSING,
    TRAINED,
    landscape_info,
)
from analysis.planted import PlantedLaw, plant

CELL = ["learning_rate", "momentum", "train_size", "batch_size"]
CONDITION = CELL[:3]


def key(c):
    return c.learning_rate, c.momentum, c.train_size, c.batch_size


# The rectangles


def assert_rectangles(values, sides):
    """Sides in ascending order of values: each holds its value, no two overlap.

    Steps up to one and a half times the usual one leave no gap; wider ones do, and a rectangle
    then ends three quarters of the usual step away.
    """
    steps = [b / a for a, b in pairwise(values)]
    for value, (low, high) in zip(values, sides, strict=True):
        assert low < value < high
    if not steps:
        assert sides[0] == pytest.approx((values[0] / math.sqrt(2), values[0] * math.sqrt(2)))
        return
    usual = math.exp(median(math.log(s) for s in steps))
    for step, (_, left), (right, _), a, b in zip(
        steps, sides, sides[1:], values, values[1:], strict=False
    ):
        assert left <= right * (1 + 1e-9)
        if math.log(step) <= 1.5 * math.log(usual) * (1 - 1e-9):
            assert left == pytest.approx(right)
            assert left == pytest.approx(math.sqrt(a * b))
        else:
            assert left == pytest.approx(min(math.sqrt(a * b), a * usual**0.75))
            assert right == pytest.approx(max(math.sqrt(a * b), b / usual**0.75))
    assert sides[0][0] == pytest.approx(values[0] / math.sqrt(usual))
    assert sides[-1][1] == pytest.approx(values[-1] * math.sqrt(usual))


def columns_of(cells):
    conditions = {}
    for c in cells:
        conditions.setdefault(key(c)[:3], []).append(c)
    return conditions


def test_neighbours_touch_and_wide_gaps_stay_open(info):
    wide = 0
    for cells in columns_of(info.cells).values():
        sides = [(c.batch_low, c.batch_high) for c in cells]
        assert_rectangles([c.batch_size for c in cells], sides)
        wide += any(b > a * 1.2 for (_, a), (b, _) in pairwise(sides))
    assert wide > 0, "the planned one lies far beyond the others"
    rows = sorted({(c.row, c.row_low, c.row_high) for c in info.cells})
    assert [r for r, _, _ in rows] == [0.1, 0.2, 0.4]
    assert_rectangles([0.1, 0.2, 0.4], [(low, high) for _, low, high in rows])


def only_missing(law, sizes, rates=(0.1,)):
    """The map of a study of which nothing ran."""
    rows = [
        {"learning_rate": e, "momentum": 0.9, "train_size": 100_000, "batch_size": b}
        for e in rates
        for b in sizes
    ]
    nothing = pd.DataFrame(
        {name: pd.Series(dtype=object) for name in (*CELL, "status", "train_accuracy", "n_classes")}
    )
    return landscape_info(replace(law, peaks=()), trials=nothing, missing=pd.DataFrame(rows))


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.sets(st.integers(1, 100_000), min_size=1, max_size=12),
    rates=st.sets(st.integers(1, 10_000), min_size=1, max_size=6),
)
def test_rectangles_of_any_grid_hold_their_cell_and_do_not_overlap(messy, sizes, rates):
    found = only_missing(messy[0], sizes, [r / 1000 for r in rates])
    for cells in columns_of(found.cells).values():
        assert [c.batch_size for c in cells] == sorted(sizes)
        assert_rectangles(sorted(sizes), [(c.batch_low, c.batch_high) for c in cells])
    rows = sorted({(c.row, c.row_low, c.row_high) for c in found.cells})
    assert_rectangles([r for r, _, _ in rows], [(low, high) for _, low, high in rows])


@pytest.mark.parametrize(
    ("changes", "axis", "rows"),
    [
        ({"momenta": (0.0, 0.5, 0.9), "momentum": 1.0}, "momentum", [1.0, 2.0, 10.0]),
        ({"train_sizes": (500, 2000), "momenta": (0.0, 0.9)}, "train_size", [500.0, 2000.0]),
        ({}, "learning_rate", [0.1]),
    ],
)
def test_what_was_varied_is_the_vertical_axis(changes, axis, rows, info_of):
    law = PlantedLaw(**{"learning_rates": (0.1,), "n_seeds": 2, "per_octave": 1, **changes})
    found = info_of(plant(law, seed=4).landscape.trials)
    assert found.row_axis == axis
    assert sorted({c.row for c in found.cells}) == pytest.approx(rows)
    assert {r.row for r in found.ridge} == {c.row for c in found.cells}
    (panel,) = landscape_panels(found)
    titles = {
        layer["encoding"]["y"]["axis"]["title"]
        for layer in panel.to_dict()["layer"]
        if "axis" in layer["encoding"]["y"]
    }
    words = {"momentum": "momentum", "train_size": "training-set size"}
    assert titles == {words.get(axis, "learning rate")}


# What is drawn


def count(svg, role):
    return svg.count(f'role="graphics-symbol" aria-roledescription="{role}"')


def texts(svg, pattern=r"-?\d+\.\d%"):
    return re.findall(
        rf'role="graphics-symbol" aria-roledescription="text mark"[^>]*>({pattern})<', svg
    )


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_the_chosen_momentum_is_drawn(info, momentum, svg_of):
    svg = svg_of(info, shown_momentum=f"{momentum:g}")
    cells = [c for c in info.cells if c.momentum == momentum]
    ridge = [r for r in info.ridge if r.momentum == momentum]
    assert count(svg, "rect mark") == len(cells)
    marked = sum(c.state != TRAINED for c in cells)
    landmarks = [
        (middle, low, high)
        for r in ridge
        for middle, low, high in (
            (r.batch_size_opt, r.low, r.high),
            (r.edge, r.edge_low, r.edge_high),
        )
        if middle is not None
    ]
    # A mark of a state is a light one in a dark casing, and so is an interval.
    assert count(svg, "point") == 2 * marked + len(landmarks)
    assert count(svg, "rule mark") == 2 * sum(None not in mark for mark in landmarks)
    known = sorted(f"{100 * c.mean:.1f}%" for c in cells if c.mean is not None)
    assert sorted(texts(svg)) == known
    assert count(svg, "area mark") == 1


def test_the_chosen_training_set_size_is_drawn(info_of, svg_of):
    law = PlantedLaw(
        learning_rates=(0.1, 0.2), train_sizes=(500, 2000), n_seeds=2, per_octave=1, train_size=1.0
    )
    trials = plant(law, seed=4).landscape.trials
    fewer = (trials["train_size"] == 500) & (trials["batch_size"] == trials["batch_size"].min())
    found = info_of(trials[~fewer])
    numbers = [sum(c.train_size == n for c in found.cells) for n in (500, 2000)]
    assert numbers[0] < numbers[1]
    drawn = [count(svg_of(found, shown_size=f"{n}"), "rect mark") for n in (500, 2000)]
    assert drawn == numbers


def test_the_colour_can_tell_other_things(info, svg_of):
    shown = [c for c in info.cells if c.momentum == 0.9]
    for measure, name in (
        ("accuracy, near the best", "mean"),
        ("training accuracy", "train_accuracy"),
        ("points below the condition's best", "below_best"),
    ):
        svg = svg_of(info, shown_momentum="0.9", shown_measure=measure).replace("−", "-")
        assert f">Colour: {measure}</text>" in svg
        assert ">accuracy</text>" not in svg
        values = (getattr(c, name) for c in shown)
        expected = [f"{100 * v:.1f}%".replace("-0.0%", "0.0%") for v in values if v is not None]
        found = [text.replace("-0.0%", "0.0%") for text in texts(svg)]
        assert sorted(found) == sorted(expected)


def test_values_stand_only_in_cells_that_are_wide_enough(info, svg_of):
    cells = [c for c in info.cells if c.momentum == 0.9]
    all_of_it = math.log(max(c.batch_high for c in cells) / min(c.batch_low for c in cells))
    shares = [math.log(c.batch_high / c.batch_low) / all_of_it for c in cells if c.mean is not None]
    # So that cells of the usual width get a value, and those cut off by a gap do not.
    width = round(32 / (0.98 * median(shares)))
    fitting = sum(width * share > 32 for share in shares)
    assert 0 < fitting < len(shares)
    assert len(texts(svg_of(info, width=width, shown_momentum="0.9"))) == fitting
    assert texts(svg_of(info, width=width // 2, shown_momentum="0.9")) == []


def test_a_map_of_many_cells_has_no_values_in_it(messy, svg_of):
    found = only_missing(messy[0], range(1, 20), [0.01 * k for k in range(1, 11)])
    valued = tuple(replace(c, mean=0.4, below_best=0.0, n=1, state=TRAINED) for c in found.cells)
    assert len(valued) == 190
    assert texts(svg_of(replace(found, cells=valued), width=3000)) == []
    few = tuple(c for c in valued if c.learning_rate < 0.055)
    assert len(texts(svg_of(replace(found, cells=few), width=3000))) > 10


def test_the_picked_cell_is_outlined(info, svg_of):
    shown = next(i for i, c in enumerate(info.cells) if c.momentum == 0.9)
    for momentum, more in ((0.9, 2), (0.0, 0)):
        svg = svg_of(info, shown_momentum=f"{momentum:g}", picked=shown)
        cells = sum(c.momentum == momentum for c in info.cells)
        assert count(svg, "rect mark") == cells + more


def test_the_first_view_holds_the_best_cell(info):
    spec = landscape(info).to_dict()
    values = {p["name"]: p.get("value") for p in spec["params"]}
    assert values["shown_momentum"] == f"{info.cells[info.best].momentum:g}"
    bound = {p["name"] for p in spec["params"] if "bind" in p}
    assert bound == {"shown_measure", "shown_momentum"}
    assert (spec["width"], len(spec["description"]) > 60) == ("container", True)
    json.dumps(spec, allow_nan=False)


# Maps of little


def test_all_diverged_is_said_and_crossed_out(planted, info_of, svg_of):
    found = info_of(planted.assign(status="diverged"))
    assert found.answer == "Every trial diverged, so no place can be called best."
    assert {c.state for c in found.cells} == {ALL_DIVERGED}
    assert [c.mean for c in found.cells] == pytest.approx([0.1] * len(found.cells))
    shown = found.cells[found.best].momentum
    n = sum(c.momentum == shown for c in found.cells)
    svg = svg_of(found)
    assert "NaN" not in svg
    assert (count(svg, "rect mark"), count(svg, "point")) == (n, 2 * n)


def test_a_single_cell(planted, info_of, svg_of):
    one = planted[(planted["learning_rate"] == 0.2) & (planted["momentum"] == 0.9)]
    one = one[one["batch_size"] == one["batch_size"].max()]
    found = info_of(one)
    ((_, batch),) = {(c.momentum, c.batch_size) for c in found.cells}
    (cell,) = found.cells
    assert (cell.batch_low, cell.batch_high) == pytest.approx(
        (batch / math.sqrt(2), batch * math.sqrt(2))
    )
    assert (cell.row_low, cell.row_high) == pytest.approx((0.2 / math.sqrt(2), 0.2 * math.sqrt(2)))
    assert cell.mean == pytest.approx(one["test_accuracy"].mean())
    assert f"{100 * cell.mean:.1f}" in found.answer
    svg = svg_of(found)
    assert "NaN" not in svg
    assert count(svg, "rect mark") == 1


def test_only_missing_cells_are_outlines(messy, svg_of):
    found = only_missing(messy[0], (4, 8, 16))
    assert found.answer == "No trial has a result yet, so there is nothing to compare."
    assert (found.best, found.ridge) == (None, ())
    assert found.notes == ("3 cells without a result; 3 trials planned and missing in all.",)
    assert {c.state for c in found.cells} == {MISSING}
    svg = svg_of(found)
    assert "NaN" not in svg
    assert (count(svg, "rect mark"), count(svg, "point"), texts(svg)) == (3, 6, [])


def test_nothing_is_nothing(messy):
    law, rows, _, _ = messy
    found = landscape_info(replace(law, peaks=()), trials=rows.iloc[:0])
    assert (found.cells, found.ridge, found.best, found.notes) == ((), (), None, ())
    assert found.table().rows == ()
