"""The map's cells, landmarks and sentences: every number against the trials."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from analysis.charts.landscape_chart import landscape_panels
from analysis.charts.landscape_data import (
    ALL_DIVERGED,
    LEFT_OUT,
    MISSING,
    PARTLY,
    TRAINED,
    UNTRAINED,
    landscape_info,
)
from analysis.landscape import CONFIGURATION_COLUMNS
from analysis.planted import PlantedLaw, plant

CELL = ["learning_rate", "momentum", "train_size", "batch_size"]
CONDITION = CELL[:3]


def key(c):
    return c.learning_rate, c.momentum, c.train_size, c.batch_size


def sizes_of(trials, *keys):
    return {k: int(n) for k, n in trials.groupby(list(keys)).size().items()}


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


def test_cells_of_a_condition_at_chance_are_told_from_those_left_out(messy, svg_of):
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


def test_the_standard_error_is_pooled_where_trained_and_the_cells_own_elsewhere(info_of):
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


def test_single_seeds_have_no_error_and_it_is_said(planted, info_of):
    found = info_of(planted[planted["seed"] == 0])
    assert {c.standard_error for c in found.cells} == {None}
    assert found.notes[-1] == "Every cell holds a single seed, so no mean has an error."
    assert "±" not in found.answer
    assert "(1 seed)" in found.answer


def test_without_training_accuracy_there_is_none_for_diverged_cells_either(planted, info_of):
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


def test_close_values_are_told_apart(planted, info_of, svg_of):
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


def test_a_missing_trial_of_a_cell_with_results_is_told(planted, info_of):
    missing = planted.iloc[:1][list(CONFIGURATION_COLUMNS)]
    found = info_of(planted.iloc[1:], missing)
    assert found.notes[0] == "1 trial planned and missing in all."
    assert [c.n_missing for c in found.cells if c.n_missing] == [1]
    assert all(c.state != MISSING for c in found.cells)


def test_a_study_without_trouble_has_no_note_on_it(info_of):
    law = PlantedLaw(learning_rates=(0.1, 0.2), n_seeds=2, per_octave=1, below=1.5)
    found = info_of(plant(law, seed=1).landscape.trials)
    words = " ".join(found.notes)
    for word in ("diverged", "missing", "failed", "without a result", "single seed"):
        assert word not in words
