"""Coefficients against scipy, plain counting and statsmodels; the interval by its coverage."""

from __future__ import annotations

import math

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from analysis.correlation.coefficients import (
    kendall,
    partial_spearman,
    pearson,
    rho_interval,
    spearman,
    t_approximation,
)

VALUES = st.lists(st.integers(-3, 3), min_size=4, max_size=30)


@given(VALUES, st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_coefficients_agree_with_scipy_also_with_ties(values, seed):
    x = np.array(values, dtype=float)
    y = np.random.default_rng(seed).integers(0, 5, len(x)).astype(float)
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        assert all(math.isnan(f(x, y)) for f in (spearman, kendall, pearson))
        return
    oracle = stats.spearmanr(x, y)
    rho = spearman(x, y)
    assert rho == pytest.approx(oracle.statistic, abs=1e-12)
    if abs(rho) < 1:
        assert t_approximation(rho, len(x)) == pytest.approx(oracle.pvalue, rel=1e-9)
    assert pearson(x, y) == pytest.approx(stats.pearsonr(x, y).statistic, abs=1e-12)
    assert kendall(x, y) == pytest.approx(counted_tau(x, y), abs=1e-12)


def counted_tau(x, y) -> float:
    """Tau-b by looking at every pair."""
    pairs = [(np.sign(a - b), np.sign(c - d)) for a, c in zip(x, y) for b, d in zip(x, y)]  # noqa: B905
    u, v = np.array(pairs).T
    return float(u @ v / math.sqrt((u @ u) * (v @ v)))


def test_a_perfect_order_has_p_zero_by_t():
    x = np.arange(20.0)
    rho = spearman(x, -np.exp(x))
    assert rho == -1.0
    assert t_approximation(rho, 20) == 0.0


def test_tiny_p_keeps_its_digits():
    # 2 * P(T > t), from the log of scipy's survival function
    n, rho = 400, -0.98
    t = abs(rho) * math.sqrt((n - 2) / (1 - rho**2))
    expected = (math.log(2) + stats.t.logsf(t, n - 2)) / math.log(10)
    assert math.log10(t_approximation(rho, n)) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("f", [spearman, kendall])
def test_rank_coefficients_do_not_depend_on_the_base_of_the_logarithm(f):
    rng = np.random.default_rng(5)
    x, y = rng.random(30) + 0.1, rng.random(30)
    assert f(np.log2(x), y) == f(np.log10(x), y) == f(x, y)


def test_partial_rho_is_the_correlation_of_what_ranks_leave():
    rng = np.random.default_rng(6)
    z = rng.normal(size=80)
    x, y = z + rng.normal(size=80), z + rng.normal(size=80)
    ranks = [stats.rankdata(v) for v in (x, y, z)]
    given_z = sm.add_constant(ranks[2])
    rest = [sm.OLS(r, given_z).fit().resid for r in ranks[:2]]
    assert partial_spearman(x, y, z) == pytest.approx(np.corrcoef(rest)[0, 1], abs=1e-12)
    # Its p is that of x's coefficient in a regression of y's ranks on x's and z's.
    both = sm.OLS(ranks[1], sm.add_constant(np.column_stack([ranks[0], ranks[2]]))).fit()
    found = t_approximation(partial_spearman(x, y, z), 80, controlled=1)
    assert found == pytest.approx(both.pvalues[1], rel=1e-9)


def test_partial_rho_is_unknown_where_a_variable_is_a_function_of_the_third():
    x = np.arange(10.0)
    assert math.isnan(partial_spearman(np.random.default_rng(0).random(10), x, x**3))


@pytest.mark.parametrize(("r", "n"), [(0.0, 20), (0.5, 20), (0.9, 20), (-0.8, 50), (0.95, 200)])
def test_the_interval_covers_the_rho_of_a_bivariate_normal(r, n):
    """True rho is 6/pi asin(r/2) (Pearson 1907); 2,000 draws, band of +-2 points about 95 %."""
    true = 6 / math.pi * math.asin(r / 2)
    rng = np.random.default_rng(7)
    x = rng.standard_normal((2000, n))
    y = r * x + math.sqrt(1 - r**2) * rng.standard_normal((2000, n))
    rank_x, rank_y = stats.rankdata(x, axis=1), stats.rankdata(y, axis=1)
    centre = (n + 1) / 2
    rhos = np.mean((rank_x - centre) * (rank_y - centre), axis=1) / ((n * n - 1) / 12)
    intervals = [rho_interval(float(rho), n, 0.95) for rho in rhos]
    covered = np.mean([low <= true <= high for low, high in intervals])
    assert 0.93 <= covered <= 0.98


def test_the_interval_at_a_perfect_order_is_closed_at_one_and_open_below():
    low, high = rho_interval(1.0, 10, 0.95)
    assert high == 1.0
    assert 0.5 < low < 1.0
    assert rho_interval(-1.0, 10, 0.95) == (-1.0, -low)
    assert all(math.isnan(v) for v in rho_interval(0.5, 3, 0.95))
