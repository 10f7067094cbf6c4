"""The test for a peak: its pieces against scipy, its p values on curves with and without one."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize, stats

from analysis import peak_test
from analysis.peak_test import isotonic, peak_p, prefix_losses

SD = 0.004
X = np.arange(10) / 2.0
#: Noise of cell means as it is and where it falls by a factor of four along the curve.
NOISE = {"even": np.full(10, SD**2), "uneven": (SD * np.linspace(2.0, 0.5, 10)) ** 2}


def _monotone_loss(y: np.ndarray, weight: np.ndarray, increasing: bool = True) -> float:
    if not len(y):
        return 0.0
    fit = optimize.isotonic_regression(y, weights=weight, increasing=increasing).x
    return float(weight @ (y - fit) ** 2)


def _unimodal_loss(y: np.ndarray, weight: np.ndarray) -> float:
    """Bounded least squares for every place of the top: the other cells fall away from it."""
    n, root = len(y), np.sqrt(weight)
    best = np.inf
    for top in range(n):
        # f = level - sum of non-negative steps between a cell and the top.
        steps = [
            -np.where((np.arange(n) <= i) if i < top else (np.arange(n) > i), 1.0, 0.0)
            for i in range(n - 1)
        ]
        A = root[:, None] * np.column_stack([np.ones(n), *steps])
        bounds = ([-np.inf, *[0.0] * (n - 1)], np.inf)
        fit = optimize.lsq_linear(A, root * y, bounds, method="bvls", tol=1e-12)
        best = min(best, 2.0 * fit.cost)
    return best


@pytest.mark.parametrize("seed", range(4))
def test_isotonic_agrees_with_scipy(seed):
    rng = np.random.default_rng(seed)
    y, weight = rng.standard_normal(30), rng.lognormal(size=30)
    theirs = optimize.isotonic_regression(y, weights=weight).x
    assert isotonic(y, weight) == pytest.approx(theirs, abs=1e-12)
    y = np.round(y)  # ties
    theirs = optimize.isotonic_regression(y, weights=weight).x
    assert isotonic(y, weight) == pytest.approx(theirs, abs=1e-12)
    rising = np.sort(y)
    assert isotonic(rising, weight).tolist() == rising.tolist()


@pytest.mark.parametrize("level", [0.0, 1e4])
def test_losses_of_prefixes_agree_with_scipy(level):
    # A level far above the noise must not cost digits: losses do not depend on it.
    rng = np.random.default_rng(5)
    y, weight = level + rng.standard_normal((40, 9)), rng.lognormal(size=9)
    y[0] = level  # flat
    mine = prefix_losses(y, weight)
    theirs = [[_monotone_loss(row[:j], weight[:j]) for j in range(10)] for row in y]
    assert mine == pytest.approx(np.array(theirs), abs=1e-10 if level == 0.0 else 1e-6)


@pytest.mark.parametrize("rises", [True, False])
def test_statistic_agrees_with_least_squares_for_every_top(rises):
    rng = np.random.default_rng(6)
    weight = rng.lognormal(size=7)
    rows = rng.standard_normal((25, 7))
    rows[:5].sort(axis=1)
    mine = peak_test._statistic(rows, weight, rises)
    for y, found in zip(rows, mine, strict=True):
        monotone = _monotone_loss(y, weight)
        if not rises:
            monotone = min(monotone, _monotone_loss(y, weight, increasing=False))
        assert found == pytest.approx(monotone - _unimodal_loss(y, weight), abs=1e-9)
    assert mine[:5] == pytest.approx(np.zeros(5), abs=1e-12)


def test_p_agrees_with_a_simulation_of_its_own():
    # Flat means, scipy's regressions and other random numbers.
    rng = np.random.default_rng(7)
    variance = NOISE["uneven"][:6]
    weight = 1.0 / variance

    def statistic(y: np.ndarray) -> float:
        splits = range(7)
        unimodal = min(
            _monotone_loss(y[:j], weight[:j]) + _monotone_loss(y[j:], weight[j:], increasing=False)
            for j in splits
        )
        return _monotone_loss(y, weight) - unimodal

    simulated = np.array(
        [statistic(np.sqrt(variance) * rng.standard_normal(6)) for _ in range(1000)]
    )
    for bend in (0.0, 0.002, 0.004):
        y = -bend * (X[:6] - 1.0) ** 2 + 0.3 * SD * np.array([0.2, -1.0, 0.5, 1.0, -0.4, 0.1])
        expected = np.mean(simulated >= statistic(y))
        error = np.sqrt(expected * (1 - expected) * (1 / 1000 + 1 / 2000)) + 1e-3
        assert abs(peak_p(y, variance, True, "key") - expected) < 4 * error


def _p_values(mean, noise, rises, n, seed):
    rng = np.random.default_rng(seed)
    v = NOISE[noise]
    draws = mean + np.sqrt(v) * rng.standard_normal((n, len(v)))
    return np.array([peak_p(y, v, rises, str(i)) for i, y in enumerate(draws)])


@pytest.mark.parametrize("noise", NOISE)
@pytest.mark.parametrize("rises", [True, False])
def test_p_is_uniform_on_flat_curves(noise, rises, binomial_band):
    # Where a monotone curve fits best p is 1: that happens in about 1 (rises) or 2 of 10 curves.
    # Below that p is uniform.
    n = 200
    p = _p_values(np.zeros(10), noise, rises, n, seed=8)
    below = p[p < 1.0]
    atom = 0.2 if rises else 0.35
    assert len(below) > (1.0 - atom) * n
    assert stats.kstest(below, stats.uniform(0.0, below.max()).cdf).pvalue > 1e-3
    for level in (0.05, 0.2, 0.5):
        low, high = binomial_band(level, n)
        assert low <= np.mean(p <= level) <= high


MONOTONE = {
    "rising": (0.01 * X, (True, False)),
    "falling": (-0.01 * X, (False,)),
    "gently rising": (0.002 * X, (True, False)),
    "gently falling": (-0.002 * X, (False,)),
    "a step up": (0.02 * (X > 2.0), (True, False)),
    "a step down": (-0.02 * (X > 2.0), (False,)),
    "rising, then flat": (np.minimum(0.01 * X, 0.01), (True,)),
}


@pytest.mark.parametrize("name", MONOTONE)
def test_size_on_monotone_curves(name, binomial_band):
    mean, both = MONOTONE[name]
    n = 100
    for rises in both:
        p = _p_values(mean, "even", rises, n, seed=9)
        assert np.mean(p <= 0.05) <= binomial_band(0.07, n)[1]


@pytest.mark.parametrize("noise", NOISE)
@pytest.mark.parametrize("rises", [True, False])
def test_a_clear_peak_is_found(noise, rises):
    # It stands 5 to 10 standard errors above both ends.
    p = _p_values(-0.01 * (X - 2.0) ** 2, noise, rises, 40, seed=10)
    assert np.mean(p <= 0.05) >= 0.9
    weak = _p_values(-0.0015 * (X - 2.0) ** 2, noise, rises, 40, seed=10)
    assert np.mean(p) < np.mean(weak) < 0.5


def test_a_fall_after_a_cliff_is_a_peak_and_without_one_it_is_none():
    mean = -0.01 * X
    assert peak_p(mean, NOISE["even"], True, "key") == 1 / 2000
    assert peak_p(mean, NOISE["even"], False, "key") == 1.0


def test_level_unit_and_name_do_not_matter():
    rng = np.random.default_rng(11)
    y, v = -0.0006 * (X - 2.0) ** 2 + 0.5 * SD * rng.standard_normal(10), NOISE["uneven"]
    for rises in (True, False):
        p = peak_p(y, v, rises, "a")
        assert 0.005 < p < 0.8
        assert peak_p(y, v, rises, "a") == p
        assert peak_p(100.0 * (y + 0.45), 1e4 * v, rises, "a") == pytest.approx(p, abs=0.002)
        assert peak_p(y, v, rises, "b") == pytest.approx(p, abs=0.05)


def test_the_smallest_p_is_one_over_the_simulations_and_one():
    assert peak_p(-0.1 * (X - 2.0) ** 2, NOISE["even"], False, "key") == 1 / 2000
    assert peak_p(0.1 * X, NOISE["even"], True, "key") == 1.0
    assert peak_p(np.full(10, 0.5), NOISE["even"], True, "key") == 1.0


def test_unclear_steps_are_levelled_and_clear_ones_kept():
    weight = np.full(6, 1.0 / SD**2)
    error = SD * np.sqrt(2.0)
    clear = np.cumsum([0.0, 3.0, 3.0, 3.0, 3.0, 3.0]) * error
    assert peak_test._clear_steps(clear, weight).tolist() == clear.tolist()
    mixed = np.cumsum([0.0, 1.0, 9.0, 0.5, 0.0, 0.0]) * error
    levelled = peak_test._clear_steps(mixed, weight)
    assert levelled == pytest.approx([mixed[:2].mean()] * 2 + [mixed[2:].mean()] * 4)
    faint = np.cumsum(np.full(6, 0.1)) * error
    assert peak_test._clear_steps(faint, weight) == pytest.approx(np.full(6, faint.mean()))


@pytest.mark.parametrize("n", [0, 1, 2])
def test_too_few_cells_have_no_p(n):
    assert np.isnan(peak_p(np.zeros(n), np.ones(n), True, "key"))


def test_unknown_values_or_noise_have_no_p():
    y, v = np.zeros(5), np.full(5, SD**2)
    assert np.isnan(peak_p(np.where(np.arange(5) == 2, np.nan, y), v, True, "key"))
    for bad in (0.0, np.nan):
        assert np.isnan(peak_p(y, np.where(np.arange(5) == 2, bad, v), False, "key"))
