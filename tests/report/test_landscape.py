"""The map: every number against the trials, its rectangles, its sentences, and what is drawn."""

import json
import math
import re
from dataclasses import replace
from itertools import pairwise
from statistics import median

import numpy as np
import pandas as pd
import pytest
import vl_convert
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.charts.landscape_chart import landscape, landscape_panels
from analysis.charts.landscape_data import (
    ALL_DIVERGED,
    LEFT_OUT,
    MISSING,
    PARTLY,
    TRAINED,
    UNTRAINED,
    landscape_info,
)
from analysis.landscape import CONFIGURATION_COLUMNS, Landscape
from analysis.planted import PlantedLaw, plant
from analysis.scaling import fit_scaling

CELL = ["learning_rate", "momentum", "train_size", "batch_size"]
CONDITION = CELL[:3]
LAW = PlantedLaw(
    learning_rates=(0.1, 0.2, 0.4),
    momenta=(0.0, 0.9),
    momentum=1.0,
    n_seeds=3,
    per_octave=1,
    below=8.0,
    diverge_below=0.5,
)


def fitted(trials):
    """The law of trials of one group, and the group's rows."""
    found = Landscape.from_frame(trials, source="planted")
    ((_, rows),) = found.groups()
    return fit_scaling(found).laws[0], rows


def info_of(trials, missing=None):
    law, rows = fitted(trials)
    return landscape_info(law, trials=rows, missing=missing)


def key(c):
    return c.learning_rate, c.momentum, c.train_size, c.batch_size


def sizes_of(trials, *keys):
    return {k: int(n) for k, n in trials.groupby(list(keys)).size().items()}


@pytest.fixture(scope="module")
def planted():
    return plant(LAW, seed=3).landscape.trials


@pytest.fixture(scope="module")
def messy(planted):
    """Trials of which some failed and one diverged by itself, and what was planned besides.

    At learning rate 0.2 and momentum 0.9 the largest batch size failed as a whole, the second
    largest once, and one seed of the third diverged; a batch size of 1000 never ran.
    """
    trials = planted.copy()
    here = (trials["learning_rate"] == 0.2) & (trials["momentum"] == 0.9)
    third, second, largest = sorted(trials.loc[here, "batch_size"].unique())[-3:]
    trials.loc[here & (trials["batch_size"] == largest), "status"] = "failed"
    first = trials["seed"] == 0
    trials.loc[here & first & (trials["batch_size"] == second), "status"] = "failed"
    trials.loc[here & first & (trials["batch_size"] == third), "status"] = "diverged"
    trials.loc[trials["status"] == "failed", ["test_accuracy", "train_accuracy"]] = math.nan
    never = trials[here & (trials["batch_size"] == largest)].assign(batch_size=1000)
    missing = never[list(CONFIGURATION_COLUMNS)]
    law, rows = fitted(trials)
    return law, rows, missing, (third, second, largest)


@pytest.fixture(scope="module")
def info(messy):
    law, rows, missing, _ = messy
    return landscape_info(law, trials=rows, missing=missing)


# The cells


def test_every_cell_is_the_mean_of_its_trials_with_diverged_ones_at_chance(info, messy):
    rows = messy[1][messy[1]["status"] != "failed"]
    diverged = rows["status"] == "diverged"
    assert diverged.sum() > 6
    for column, name in (("test_accuracy", "mean"), ("train_accuracy", "train_accuracy")):
        means = rows[column].mask(diverged, 0.1).groupby([rows[k] for k in CELL]).mean()
        found = {key(c): getattr(c, name) for c in info.cells if getattr(c, name) is not None}
        assert found == {k: pytest.approx(v) for k, v in means.items()}
    means = rows["test_accuracy"].mask(diverged, 0.1).groupby([rows[k] for k in CELL]).mean()
    below = means - means.groupby(level=CONDITION).transform("max")
    found = {key(c): c.below_best for c in info.cells if c.below_best is not None}
    assert found == {k: pytest.approx(v) for k, v in below.items()}
    assert max(found.values()) == 0.0
    assert (info.best, key(info.cells[info.best])) == (
        max(range(len(info.cells)), key=lambda i: info.cells[i].mean or 0),
        means.idxmax(),
    )


def test_cells_are_those_found_and_those_planned(info, messy):
    _, rows, missing, _ = messy
    found = set(sizes_of(rows, *CELL)) | set(sizes_of(missing, *CELL))
    assert {key(c) for c in info.cells} == found
    order = [(c.momentum, c.train_size, c.learning_rate, c.batch_size) for c in info.cells]
    assert order == sorted(order)


def test_trials_are_counted_by_what_became_of_them(info, messy):
    _, rows, missing, _ = messy
    counted = {
        "n": rows[rows["status"] != "failed"],
        "n_diverged": rows[rows["status"] == "diverged"],
        "n_failed": rows[rows["status"] == "failed"],
        "n_missing": missing,
    }
    for name, part in counted.items():
        sizes = sizes_of(part, *CELL)
        assert sizes
        assert {key(c): getattr(c, name) for c in info.cells if getattr(c, name)} == sizes


def test_states_tell_what_became_of_the_cell(info, messy, planted):
    _, rows, _, (third, second, largest) = messy
    states = {key(c): c.state for c in info.cells}
    assert states[0.2, 0.9, 1000, 1000] == states[0.2, 0.9, 1000, largest] == MISSING
    assert states[0.2, 0.9, 1000, third] == PARTLY
    assert states[0.2, 0.9, 1000, second] == TRAINED
    all_diverged = (planted["status"] == "diverged").groupby([planted[k] for k in CELL]).all()
    assert all_diverged.any()
    assert {k for k, s in states.items() if s == ALL_DIVERGED} == set(
        all_diverged[all_diverged].index
    )
    fitted_cells = {
        (p.learning_rate, p.momentum, p.train_size, c.batch_size): c.fitted
        for p in messy[0].peaks
        for c in p.cells
    }
    untrained = {k for k, s in states.items() if s == LEFT_OUT}
    assert untrained
    assert not any(fitted_cells[k] for k in untrained)
    heights = rows["test_accuracy"].groupby([rows[k] for k in CELL]).mean()
    assert all(heights[k] < heights[k[:3]].max() - 0.1 for k in untrained)


def test_cells_of_a_condition_at_chance_are_told_from_those_left_out(messy):
    law, rows, _, _ = messy
    untrained = replace(law.peaks[0], flags=(*law.peaks[0].flags, "untrained"))
    found = landscape_info(replace(law, peaks=(untrained, *law.peaks[1:])), trials=rows)
    here = (untrained.learning_rate, untrained.momentum, untrained.train_size)
    states = {key(c): c.state for c in found.cells}
    of_condition = {s for k, s in states.items() if k[:3] == here}
    assert of_condition <= {UNTRAINED, ALL_DIVERGED, MISSING}
    n = sum(s == UNTRAINED for s in states.values())
    assert n == sum(states[k] == UNTRAINED for k in states if k[:3] == here) > 3
    assert f"{n} cells in conditions of which none stands out from chance." in found.notes
    assert "edge of trainability" not in " ".join(found.notes)
    assert f">{UNTRAINED}<" in svg_of(found)


def test_the_standard_error_is_pooled_where_trained_and_the_cells_own_elsewhere():
    """Of one condition the noise is known from the batch sizes alone, without its edge."""
    law = PlantedLaw(learning_rates=(0.2,), n_seeds=4, per_octave=2, below=8.0)
    trials = plant(law, seed=6).landscape.trials
    cells = info_of(trials).cells
    by_size = trials.groupby("batch_size")["test_accuracy"]
    variance, own = by_size.var(), by_size.sem()
    trained = [c for c in cells if c.state == TRAINED]
    logs = np.array([math.log2(c.batch_size) for c in trained])
    variances = np.array([variance[c.batch_size] for c in trained])
    assert 6 < len(trained) < len(cells)
    for c in cells:
        expected = own[c.batch_size]
        if c in trained:
            weight = 3 * np.exp(-(((logs - math.log2(c.batch_size)) / 0.3) ** 2) / 2)
            expected = math.sqrt((weight @ variances) / weight.sum() / 4)
            assert expected != pytest.approx(own[c.batch_size], rel=1e-3)
        assert c.standard_error == pytest.approx(expected)


def test_single_seeds_have_no_error_and_it_is_said(planted):
    found = info_of(planted[planted["seed"] == 0])
    assert {c.standard_error for c in found.cells} == {None}
    assert found.notes[-1] == "Every cell holds a single seed, so no mean has an error."
    assert "±" not in found.answer
    assert "(1 seed)" in found.answer


def test_without_training_accuracy_there_is_none_for_diverged_cells_either(planted):
    found = info_of(planted.assign(train_accuracy=None))
    assert any(c.n_diverged for c in found.cells)
    assert {c.train_accuracy for c in found.cells} == {None}
    (panel,) = landscape_panels(found)
    assert "training accuracy" not in json.dumps(
        next(p for p in panel.to_dict()["params"] if p["name"] == "shown_measure")
    )


def test_the_table_holds_every_cell_unrounded(info):
    table = info.table()
    for row, c in zip(table.rows, info.cells, strict=True):
        values = dict(zip(table.columns, row, strict=True))
        assert (values["batch size"], values["mean"], values["state"]) == (
            c.batch_size,
            c.mean,
            c.state,
        )
        assert values["standard error"] == c.standard_error
        assert (values["trials"], values["failed"], values["missing"]) == (
            c.n,
            c.n_failed,
            c.n_missing,
        )
    assert table.percent < set(table.columns)


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
def test_what_was_varied_is_the_vertical_axis(changes, axis, rows):
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


# The ridge


def test_each_condition_has_its_landmarks(info, messy):
    peaks = {(p.learning_rate, p.momentum, p.train_size): p for p in messy[0].peaks}
    assert len(info.ridge) == len(peaks) == 6
    edges = 0
    for r in info.ridge:
        p = peaks[r.learning_rate, r.momentum, r.train_size]
        edge = p.landmark("edge")
        for found, known in (
            (r.batch_size_opt, p.batch_size_opt),
            (r.low, p.low),
            (r.high, p.high),
            (r.near_low, p.near_optimal_low),
            (r.near_high, p.near_optimal_high),
            (r.edge, edge.estimate),
            (r.edge_low, edge.low),
            (r.edge_high, edge.high),
        ):
            assert found == (known if math.isfinite(known) else None)
        assert (r.row, r.censored) == (p.learning_rate, p.censored)
        edges += r.edge is not None
    assert edges > 2


# The sentences


def test_the_answer_names_the_best_cell_and_its_range(info):
    c = info.cells[info.best]
    peak = next(r for r in info.ridge if key(c)[:3] == (r.learning_rate, r.momentum, r.train_size))
    assert info.answer.replace("\u00a0", " ") == (
        f"The highest mean is {100 * c.mean:.1f} % ± {100 * c.standard_error:.2f} % (3 seeds) at "
        f"batch size {c.batch_size}, learning rate {c.learning_rate:g}, momentum {c.momentum:g} "
        f"and 1,000 training samples; on that condition's smooth curve the near-optimal range is "
        f"{peak.near_low:.3g} to {peak.near_high:.3g}."
    )


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [
        (True, False, "is from at most {} to {}."),
        (False, True, "is from {} to at least {}."),
        (True, True, "is from at most {} to at least {}."),
    ],
)
def test_an_end_of_the_range_that_was_not_reached_is_a_bound(messy, low, high, text):
    law, rows, _, _ = messy

    def opened(p):
        ends = {
            f"near_optimal_{end}": replace(p.landmark(f"near_optimal_{end}"), **{name: is_open})
            for end, name, is_open in (("low", "open_low", low), ("high", "open_high", high))
        }
        return replace(p, landmarks={**p.landmarks, **ends})

    found = landscape_info(replace(law, peaks=tuple(map(opened, law.peaks))), trials=rows)
    c = found.cells[found.best]
    near = next(r for r in found.ridge if key(c)[:3] == (r.learning_rate, r.momentum, r.train_size))
    ends = (f"{near.near_low:.3g}", f"{near.near_high:.3g}")
    assert found.answer.endswith("the near-optimal range " + text.format(*ends))


def test_close_values_are_told_apart(planted):
    """A momentum of 0.9995 has three digits "1", and so have 0.9996 and 5123 samples "5120"."""
    close = planted.assign(
        momentum=planted["momentum"].map({0.0: 0.9995, 0.9: 0.9996}), train_size=5123
    )
    found = info_of(close)
    assert f"momentum {found.cells[found.best].momentum:.4f} and 5,123" in found.answer
    rows = planted[planted["learning_rate"] == 0.1]
    for column, values in (("train_size", (5123, 5124)), ("momentum", (0.9995, 0.9996))):
        two = rows.assign(train_size=1000, momentum=0.9)
        two[column] = rows["momentum"].map({0.0: values[0], 0.9: values[1]})
        svg = svg_of(info_of(two))
        assert all(f">{v}</text>" in svg for v in values)


def test_the_notes_count(info, messy):
    law, rows, _, _ = messy
    status = rows["status"].value_counts()
    expected = [
        "2 cells without a result; 3 trials planned and missing in all; 4 trials failed.",
        f"{status['diverged']} of {status['completed'] + status['diverged']} trials diverged and "
        "count at chance.",
        f"{sum(c.state == LEFT_OUT for c in info.cells)} cells left out of the smooth curves: on "
        "their small-batch side less than half of the best cell's height above chance is left.",
    ]
    if censored := sum(p.censored for p in law.peaks):
        expected.append(
            f"{censored} of 6 peaks may lie outside the sampled batch sizes (black inside)."
        )
    assert list(info.notes) == expected
    assert status["failed"] == 4


def test_a_missing_trial_of_a_cell_with_results_is_told(planted):
    missing = planted.iloc[:1][list(CONFIGURATION_COLUMNS)]
    found = info_of(planted.iloc[1:], missing)
    assert found.notes[0] == "1 trial planned and missing in all."
    assert [c.n_missing for c in found.cells if c.n_missing] == [1]
    assert all(c.state != MISSING for c in found.cells)


def test_a_study_without_trouble_has_no_note_on_it():
    law = PlantedLaw(learning_rates=(0.1, 0.2), n_seeds=2, per_octave=1, below=1.5)
    found = info_of(plant(law, seed=1).landscape.trials)
    words = " ".join(found.notes)
    for word in ("diverged", "missing", "failed", "without a result", "single seed"):
        assert word not in words


# What is drawn


def svg_of(found, width=700, **chosen):
    (panel,) = landscape_panels(found)
    spec = panel.to_dict(validate=False)
    for param in spec["params"]:
        if param["name"] in chosen:
            param["value"] = chosen.pop(param["name"])
    assert not chosen
    spec["width"] = width
    return vl_convert.vegalite_to_svg(spec)


def count(svg, role):
    return svg.count(f'role="graphics-symbol" aria-roledescription="{role}"')


def texts(svg, pattern=r"-?\d+\.\d%"):
    return re.findall(
        rf'role="graphics-symbol" aria-roledescription="text mark"[^>]*>({pattern})<', svg
    )


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_the_chosen_momentum_is_drawn(info, momentum):
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


def test_the_chosen_training_set_size_is_drawn():
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


def test_the_colour_can_tell_other_things(info):
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


def test_values_stand_only_in_cells_that_are_wide_enough(info):
    cells = [c for c in info.cells if c.momentum == 0.9]
    all_of_it = math.log(max(c.batch_high for c in cells) / min(c.batch_low for c in cells))
    shares = [math.log(c.batch_high / c.batch_low) / all_of_it for c in cells if c.mean is not None]
    # So that cells of the usual width get a value, and those cut off by a gap do not.
    width = round(32 / (0.98 * median(shares)))
    fitting = sum(width * share > 32 for share in shares)
    assert 0 < fitting < len(shares)
    assert len(texts(svg_of(info, width=width, shown_momentum="0.9"))) == fitting
    assert texts(svg_of(info, width=width // 2, shown_momentum="0.9")) == []


def test_a_map_of_many_cells_has_no_values_in_it(messy):
    found = only_missing(messy[0], range(1, 20), [0.01 * k for k in range(1, 11)])
    valued = tuple(replace(c, mean=0.4, below_best=0.0, n=1, state=TRAINED) for c in found.cells)
    assert len(valued) == 190
    assert texts(svg_of(replace(found, cells=valued), width=3000)) == []
    few = tuple(c for c in valued if c.learning_rate < 0.055)
    assert len(texts(svg_of(replace(found, cells=few), width=3000))) > 10


def test_the_picked_cell_is_outlined(info):
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


def test_all_diverged_is_said_and_crossed_out(planted):
    found = info_of(planted.assign(status="diverged"))
    assert found.answer == "Every trial diverged, so no place can be called best."
    assert {c.state for c in found.cells} == {ALL_DIVERGED}
    assert [c.mean for c in found.cells] == pytest.approx([0.1] * len(found.cells))
    shown = found.cells[found.best].momentum
    n = sum(c.momentum == shown for c in found.cells)
    svg = svg_of(found)
    assert "NaN" not in svg
    assert (count(svg, "rect mark"), count(svg, "point")) == (n, 2 * n)


def test_a_single_cell(planted):
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


def test_only_missing_cells_are_outlines(messy):
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
