"""Is it the ratio: permutation within ratios, splines, and the exponent of the best predictor."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats
from scipy.interpolate import CubicSpline

from analysis.cells import GroupCells
from analysis.correlation.ratio import (
    best_exponent,
    compare_predictors,
    examine_ratio,
    refined_minimum,
    within_ratio,
)
from analysis.correlation.splines import (
    left_out_errors,
    natural_spline,
    r_squared,
    with_constant,
)
from analysis.correlation.strata import Cells

SMALL = {"sizes": (4, 8, 16, 32, 64, 128, 256), "rates": (0.05, 0.1, 0.2, 0.4, 0.8)}


def test_he_et_als_grid_has_255_ratios_and_208_cells_that_share_theirs(cells, truths):
    found = cells(truths["ratio"], 0)
    assert len(np.unique(found.ratio)) == 255
    within = within_ratio(found, 0.95)
    assert (within.n, within.n_ratios) == (208, 63)


def test_within_ratio_p_is_the_share_of_all_moves_within_ratios():
    """Three ratios with 3, 3 and 2 cells: 72 moves, all of them by hand."""
    b = np.array([4, 8, 16, 4, 8, 16, 32, 64, 4], dtype=float)
    ratio = np.array([40, 40, 40, 80, 80, 80, 160, 160, 320], dtype=float)
    y = np.array([0.5, 0.47, 0.46, 0.44, 0.45, 0.41, 0.4, 0.38, 0.3])
    found = within_ratio(
        Cells(b, b / ratio, y, np.zeros(9, dtype=np.int64), GroupCells((), 0, True, 0, 0, 0, ())),
        0.95,
    )
    groups = [[0, 1, 2], [3, 4, 5], [6, 7]]
    x = np.log2(b)

    def statistic(values):
        return sum(
            np.sum((x[g] - x[g].mean()) * values[i]) for i, g in enumerate(map(np.array, groups))
        )

    moves = itertools.product(*(itertools.permutations(y[g]) for g in groups))
    every = np.array([abs(statistic([np.array(m) for m in move])) for move in moves])
    here = abs(statistic([y[g] for g in groups]))
    exact = np.mean(every >= here - 1e-12)
    assert len(every) == 72
    assert found.p == pytest.approx(exact, abs=4 * np.sqrt(exact / 20_000))
    assert (found.n, found.n_ratios) == (8, 3)


def test_the_slope_within_ratios_is_that_of_least_squares_with_a_constant_each(cells, truths):
    found = cells(truths["ratio_and_batch_size"], 2)
    within = within_ratio(found, 0.95)
    ratio, size = np.unique(found.ratio, return_counts=True)
    keep = np.isin(found.ratio, ratio[size >= 2])
    dummies = (found.ratio[keep][:, None] == ratio[size >= 2]).astype(float)
    design = np.column_stack([np.log2(found.batch_size[keep]), dummies])
    fit = sm.OLS(found.accuracy[keep], design).fit()
    assert within.per_doubling == pytest.approx(fit.params[0], rel=1e-9)
    assert (within.low, within.high) == pytest.approx(tuple(fit.conf_int()[0]), rel=1e-9)
    without = sm.OLS(found.accuracy[keep], dummies).fit()
    assert within.explained == pytest.approx(1 - fit.ssr / without.ssr, rel=1e-9)


@pytest.mark.parametrize("truth", ["no_effect", "ratio", "peaked"])
def test_within_ratio_p_is_uniform_where_the_ratio_is_all(truth, cells, truths):
    """Whatever the curve, and with noise that grows at small ratios."""
    noise = (lambda b, e: 0.03 * (b / e / 80) ** -0.5) if truth == "ratio" else 0.01
    p = [within_ratio(cells(truths[truth], s, noise, **SMALL), 0.95).p for s in range(200)]
    assert stats.kstest(p, "uniform").pvalue > 1e-3


def test_the_slope_within_ratios_covers(cells, truths, binomial_band):
    true = -0.01 * np.log(2)  # the ratio_and_batch_size truth falls by 0.01 an e-fold of B
    found = [
        within_ratio(cells(truths["ratio_and_batch_size"], s, **SMALL), 0.95) for s in range(200)
    ]
    low, high = binomial_band(0.95, 200)
    assert low <= np.mean([w.low <= true <= w.high for w in found]) <= high


def test_a_natural_spline_is_one():
    """Its basis reproduces scipy's natural cubic spline on the same knots, to rounding."""
    x = np.sort(np.random.default_rng(0).random(60))
    knots = np.quantile(x, np.linspace(0, 1, 7))
    curve = CubicSpline(knots, np.random.default_rng(1).random(7), bc_type="natural")(x)
    design = with_constant(natural_spline(x, 6))
    assert design.shape == (60, 7)
    fitted = design @ np.linalg.lstsq(design, curve, rcond=None)[0]
    assert fitted == pytest.approx(curve, abs=1e-9)


def test_left_out_errors_are_those_of_fits_without_the_fold():
    rng = np.random.default_rng(2)
    X, y = with_constant(rng.random((30, 2))), rng.random(30)
    folds = np.arange(30) % 4
    found = left_out_errors(X, y, folds)
    for fold in range(4):
        fit = sm.OLS(y[folds != fold], X[folds != fold]).fit()
        assert found[folds == fold] == pytest.approx(
            y[folds == fold] - fit.predict(X[folds == fold])
        )
    total = np.sum((y - y.mean()) ** 2)
    assert r_squared(found, y)[0] == pytest.approx(1 - found @ found / total)


def test_batch_size_helps_where_it_matters_and_not_where_it_does_not(cells, truths):
    gains = {
        truth: [compare_predictors(cells(truths[truth], s), 0.95) for s in range(20)]
        for truth in ("ratio", "ratio_and_batch_size")
    }
    assert all(p.gain_low > 0 for p in gains["ratio_and_batch_size"])
    assert sum(p.gain_low > 0 for p in gains["ratio"]) <= 2
    first = gains["ratio"][0]
    assert first.ratio > 0.9 > first.batch_size > first.learning_rate


@pytest.mark.parametrize(
    ("k", "truth"),
    [(1.0, "ratio"), (0.75, "ratio_and_batch_size"), (0.5, None), (1.0, "peaked")],
)
def test_the_exponent_is_found_and_its_interval_covers(k, truth, cells, truths, binomial_band):
    """0.03 log(B/eps) + 0.01 log B is 0.04 log(B/eps^0.75)."""

    def root(b, eps):
        return 0.9 - 0.01 * np.log(b / np.sqrt(eps)) ** 1.5

    planted = root if truth is None else truths[truth]
    found = [best_exponent(cells(planted, s + 500, **SMALL), 0.95) for s in range(80)]
    assert np.mean([e.k for e in found]) == pytest.approx(k, abs=0.05)
    assert np.mean([e.low <= k <= e.high for e in found]) >= binomial_band(0.95, 80)[0]
    assert all(e.converged for e in found)


def test_the_exponent_is_not_identifiable_without_an_effect(cells, truths):
    found = [best_exponent(cells(truths["no_effect"], s), 0.95) for s in range(10)]
    assert sum(not e.identifiable for e in found) >= 8
    assert all(e.at_end for e in found if not e.identifiable)
    text = examine_ratio("s", cells(truths["no_effect"], 0), 0.95).sentences[2]
    assert "not identifiable" in text


def test_an_exponent_beyond_the_grid_is_flagged(cells):
    found = best_exponent(cells(lambda b, e: 0.5 + 0.1 * np.log(e), 1), 0.95)
    assert found.at_end
    assert not found.converged


def test_a_parabolas_minimum_is_found_between_grid_points():
    grid = np.arange(0.0, 1.01, 0.1)
    values = (grid[None, :] - np.array([[0.37], [0.5], [-1.0]])) ** 2
    assert refined_minimum(grid, values) == pytest.approx([0.37, 0.5, 0.0])


def test_where_nothing_shares_its_ratio_it_is_said(cells, truths):
    found = cells(truths["ratio"], 0, sizes=(4, 9, 17), rates=(0.1, 0.23, 0.31))
    within = within_ratio(found, 0.95)
    assert within.reason == "no cell shares its ratio with another"
    assert best_exponent(found, 0.95).reason == "fewer than 20 cells"
    assert "not tested" in examine_ratio("s", found, 0.95).sentences[0]


def test_sentences_name_the_finding(cells, truths):
    yes = " ".join(examine_ratio("s", cells(truths["ratio_and_batch_size"], 1), 0.95).sentences)
    assert "batch size still explains accuracy" in yes
    assert "differs from the ratio's 1" in yes
    no = " ".join(examine_ratio("s", cells(truths["ratio"], 1), 0.95).sentences)
    assert "batch size does not explain accuracy" in no
    assert "consistent with the ratio's 1" in no
