"""Data collapse against splines and refits written out, and on curves that do or do not."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.interpolate import CubicSpline

from analysis.law.collapse import FORMULAS, KNOTS, _rows, collapse
from analysis.law.natural_spline import natural_basis, quantile_knots

NOISE = {"optimum": (20.0, 1.0, 1.0, 1.0)}
WITHOUT_N = {"optimum": (20.0, 1.0, 0.0, 1.0)}


def by_name(found):
    return {v.name: v for v in found.variables}


def test_spline_is_scipys_natural_spline_and_linear_outside():
    rng = np.random.default_rng(1)
    knots = np.sort(rng.normal(size=6))
    values = rng.normal(size=6)
    beta = np.linalg.solve(natural_basis(knots, knots), values)
    theirs = CubicSpline(knots, values, bc_type="natural")
    x = np.linspace(knots[0], knots[-1], 200)
    assert natural_basis(x, knots) @ beta == pytest.approx(theirs(x), abs=1e-9)
    beyond = natural_basis(knots[-1] + np.arange(4.0), knots) @ beta
    assert np.diff(beyond, 2) == pytest.approx(0.0, abs=1e-8)
    assert np.diff(beyond)[0] == pytest.approx(float(theirs(knots[-1], 1)), rel=1e-6)


def test_every_variable_has_the_same_flexibility(peaks_of, grids):
    rows = _rows(peaks_of(np.random.default_rng(2), grids["full"], NOISE))
    for x in rows.logs.values():
        basis = natural_basis(x, quantile_knots(x, KNOTS))
        assert basis.shape[1] == np.linalg.matrix_rank(basis) == KNOTS


def test_r2_agrees_with_refits_one_by_one(peaks_of, grids):
    peaks = peaks_of(np.random.default_rng(3), grids["twenty"], NOISE, tau=0.2)
    found = collapse(peaks, n_resamples=50)
    rows = _rows(peaks)
    for name, x in rows.logs.items():
        basis = natural_basis(x, quantile_knots(x, KNOTS))
        root = np.sqrt(rows.weight)
        error = total = 0.0
        for c in np.unique(rows.condition):
            out, rest = rows.condition == c, rows.condition != c
            w = rows.weight[out]
            beta = np.linalg.lstsq(root[rest, None] * basis[rest], (root * rows.y)[rest])[0]
            error += np.sum(w * (rows.y[out] - basis[out] @ beta) ** 2)
            mean = np.average(rows.y[rest], weights=rows.weight[rest])
            total += np.sum(w * (rows.y[out] - mean) ** 2)
        assert by_name(found)[name].r2 == pytest.approx(1 - error / total, abs=1e-6)
    assert found.n_cells == len(rows.y)
    assert found.n_parameters == KNOTS


def test_rows_hold_the_variables(peaks_of, grids):
    (peak,) = peaks_of(np.random.default_rng(4), [(0.2, 0.5, 2000)], NOISE)
    rows = _rows([peak])
    cell = min(peak.cells, key=lambda c: c.batch_size)
    b = cell.batch_size
    values = {name: math.exp(x[0]) for name, x in rows.logs.items()}
    assert values["noise_scale"] == pytest.approx(0.2 * 2000 / (b * 0.5))
    assert values["exact_noise_scale"] == pytest.approx(0.2 * (2000 / b - 1) / 0.5)
    assert values["without_train_size"] == pytest.approx(0.2 / (b * 0.5))
    assert values["ratio"] == pytest.approx(b / 0.2)
    assert values["batch_size"] == pytest.approx(b)
    assert rows.y[0] == pytest.approx(cell.mean / peak.accuracy_opt)


@pytest.mark.parametrize(
    ("laws", "best"), [(NOISE, "noise_scale"), (WITHOUT_N, "without_train_size")]
)
def test_the_variable_that_curves_follow_wins(laws, best, peaks_of, grids):
    found = by_name(collapse(peaks_of(np.random.default_rng(5), grids["full"], laws)))
    assert max(found.values(), key=lambda v: v.r2).name == best
    assert found[best].r2 > 0.9
    if best == "noise_scale":
        assert all(found[n].difference_low > 0 for n in ("batch_size", "ratio"))
    else:
        assert found[best].difference_high < 0


def test_intervals_cover_the_mean_over_landscapes(peaks_of, grids, binomial_band):
    rng, n = np.random.default_rng(6), 60
    draws = [
        by_name(collapse(peaks_of(rng, grids["rates"], NOISE, tau=0.3), n_resamples=200))
        for _ in range(n)
    ]
    for name in ("noise_scale", "batch_size"):
        mean = np.mean([d[name].r2 for d in draws])
        covered = np.mean([d[name].low <= mean <= d[name].high for d in draws])
        assert covered >= binomial_band(0.93, n)[0]


def test_a_sweep_of_the_learning_rate_cannot_tell_g_from_the_ratio(peaks_of, grids):
    found = collapse(peaks_of(np.random.default_rng(7), grids["rates"], NOISE))
    variables = by_name(found)
    for name in ("ratio", "without_train_size"):
        assert not variables[name].identifiable
        assert math.isnan(variables[name].difference)
        assert variables[name].r2 == pytest.approx(variables["noise_scale"].r2, abs=1e-6)
    assert variables["batch_size"].identifiable
    assert "Not identifiable here" in found.sentence


def test_noise_explains_nothing(peaks_of, grids):
    peaks = peaks_of(np.random.default_rng(8), grids["full"], NOISE)
    rng = np.random.default_rng(9)
    flat = [
        replace(p, cells=tuple(replace(c, mean=0.47 + 0.004 * rng.normal()) for c in p.cells))
        for p in peaks
    ]
    assert all(abs(v.r2) < 0.05 for v in collapse(flat).variables)


def test_equal_accuracies_have_nothing_to_explain(peaks_of, grids):
    peaks = peaks_of(np.random.default_rng(8), grids["rates"], NOISE)
    flat = [replace(p, cells=tuple(replace(c, mean=0.47) for c in p.cells)) for p in peaks]
    found = collapse(flat, n_resamples=30)
    assert all(math.isnan(v.r2) and math.isnan(v.low) for v in found.variables)
    assert "unknown" in found.sentence


def test_untrained_and_full_batch_cells_take_no_part(peaks_of, grids):
    peaks = peaks_of(np.random.default_rng(10), grids["rates"], NOISE)
    before = collapse(peaks, n_resamples=30)
    cliff = replace(peaks[0].cells[0], batch_size=1, mean=0.1, fitted=False)
    full = replace(peaks[0].cells[0], batch_size=1000, mean=0.3)
    changed = [replace(peaks[0], cells=(cliff, *peaks[0].cells, full)), *peaks[1:]]
    after = collapse(changed, n_resamples=30)
    assert after.variables == before.variables
    assert after.n_full_batch == before.n_full_batch + 1


def test_unknown_errors_are_taken_as_equal(peaks_of, grids):
    peaks = peaks_of(np.random.default_rng(11), grids["rates"], NOISE)
    blind = [
        replace(p, cells=tuple(replace(c, standard_error=math.nan) for c in p.cells)) for p in peaks
    ]
    one, two = by_name(collapse(peaks)), by_name(collapse(blind))
    assert two["noise_scale"].r2 == pytest.approx(one["noise_scale"].r2, rel=1e-9)


def test_neither_the_order_of_conditions_nor_of_cells_matters(peaks_of, grids):
    rng = np.random.default_rng(12)
    peaks = peaks_of(rng, grids["twenty"], NOISE)
    shuffled = [
        replace(p, cells=tuple(p.cells[i] for i in rng.permutation(len(p.cells))))
        for p in (peaks[i] for i in rng.permutation(len(peaks)))
    ]
    assert collapse(peaks, n_resamples=40) == collapse(shuffled, n_resamples=40)


@pytest.mark.parametrize("k", [0, 1, 2])
def test_few_conditions_give_reasons(k, peaks_of, grids):
    found = collapse(peaks_of(np.random.default_rng(13), grids["rates"][:k], NOISE))
    assert [v.name for v in found.variables] == list(FORMULAS)
    assert all(math.isnan(v.r2) and v.reason for v in found.variables)
