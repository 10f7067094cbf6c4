"""Against statsmodels (another implementation), against a grid search, and by simulation."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from statsmodels.stats.meta_analysis import combine_effects

from analysis.meta_regression import meta_regression, steadied


def _data(seed: int, k: int, tau: float, slope: float = 0.7):
    rng = np.random.default_rng(seed)
    X = np.column_stack([np.ones(k), rng.normal(size=k)])
    variance = rng.uniform(0.02, 0.2, k) ** 2
    y = X @ [1.0, slope] + tau * rng.normal(size=k) + np.sqrt(variance) * rng.normal(size=k)
    return X, y, variance


def _raised(variance):
    """Variances below the median raised to it, one by one."""
    middle = sorted(variance)
    k = len(middle)
    median = middle[(k - 1) // 2]
    return np.array([v if v > median else median for v in variance])


@pytest.mark.parametrize("tau", [0.0, 0.05, 0.5])
@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_mean_agrees_with_statsmodels_meta_analysis(seed, tau):
    # With a constant alone the regression is a meta-analysis; statsmodels iterates the
    # Paule-Mandel equation where we bracket its root, and has Knapp-Hartung as use_t.
    _, y, variance = _data(seed, 12, tau, slope=0.0)
    mine = meta_regression(np.ones((12, 1)), y, variance)
    # Their Newton iteration climbs from 0 and gives up once rounding takes it past the root, so
    # it is told to stop short of the last digits.
    theirs = combine_effects(y, _raised(variance), "iterated", use_t=True, atol=1e-5, maxiter=500)
    assert mine.tau2 == pytest.approx(theirs.tau2, rel=1e-4, abs=1e-12)
    assert mine.coefficients[0] == pytest.approx(theirs.mean_effect_re, abs=1e-5)
    assert np.sqrt(mine.covariance[0, 0]) == pytest.approx(theirs.sd_eff_w_re_hksj, rel=1e-4)
    low, high = theirs.conf_int()[3]
    assert (mine.low[0], mine.high[0]) == pytest.approx((low, high), abs=1e-4)
    assert mine.converged


@pytest.mark.parametrize("seed", [4, 5])
def test_regression_agrees_with_statsmodels_weighted_least_squares(seed):
    X, y, variance = _data(seed, 15, 0.3)
    mine = meta_regression(X, y, variance)
    assert mine.variance == pytest.approx(_raised(variance), rel=1e-15)
    theirs = sm.WLS(y, X, weights=1.0 / (_raised(variance) + mine.tau2)).fit()
    assert mine.coefficients == pytest.approx(theirs.params, rel=1e-10)
    assert mine.covariance == pytest.approx(theirs.cov_params(), rel=1e-9)
    assert np.column_stack([mine.low, mine.high]) == pytest.approx(theirs.conf_int(), rel=1e-9)
    assert mine.residuals == pytest.approx(theirs.resid, abs=1e-12)
    hat = sm.OLS(theirs.model.wendog, theirs.model.wexog).fit().get_influence().hat_matrix_diag
    assert mine.leverages == pytest.approx(hat, rel=1e-9)


def test_between_condition_variance_solves_its_equation_by_brute_force():
    X, y, variance = _data(6, 20, 0.4)
    mine = meta_regression(X, y, variance)

    def q(tau2: float) -> float:
        fit = sm.WLS(y, X, weights=1.0 / (_raised(variance) + tau2)).fit()
        return float(np.sum(fit.wresid**2))

    best = min(np.linspace(0.0, 1.0, 2001), key=lambda tau2: abs(q(tau2) - 18))
    assert mine.tau2 == pytest.approx(best, abs=5e-4)


def test_heterogeneity_is_cochrans_q_of_the_raised_variances():
    X, y, variance = _data(7, 12, 0.1)
    theirs = sm.WLS(y, X, weights=1.0 / _raised(variance)).fit()
    assert meta_regression(X, y, variance).heterogeneity == pytest.approx(
        float(np.sum(theirs.wresid**2)), rel=1e-10
    )


def test_raised_variances_are_never_smaller_and_keep_their_order():
    variance = np.random.default_rng(8).lognormal(-4.0, 1.0, 31)
    raised = steadied(variance)
    assert raised == pytest.approx(_raised(variance), rel=1e-15)
    assert np.all(raised >= variance)
    assert np.all(np.diff(raised[np.argsort(variance)]) >= 0.0)
    assert np.sum(raised > variance) == 15
    assert steadied(np.array([])).shape == (0,)


def test_agreeing_conditions_have_no_between_condition_variance():
    X = np.column_stack([np.ones(6), np.arange(6.0)])
    mine = meta_regression(X, X @ [1.0, 2.0], np.full(6, 0.01))
    assert mine.tau2 == 0.0
    assert mine.converged
    assert mine.coefficients == pytest.approx([1.0, 2.0])


def test_without_degrees_of_freedom_there_is_an_estimate_but_no_interval():
    X = np.column_stack([np.ones(2), [0.0, 1.0]])
    mine = meta_regression(X, np.array([1.0, 3.0]), np.array([0.1, 0.1]))
    assert mine.coefficients == pytest.approx([1.0, 2.0])
    assert np.isnan(mine.low).all()
    assert not mine.converged


@pytest.mark.parametrize("tau", [0.0, 0.1, 0.5])
def test_intervals_cover_a_planted_slope(tau, binomial_band):
    n = 600
    hits = 0
    for seed in range(n):
        X, y, variance = _data(1000 + seed, 9, tau)
        mine = meta_regression(X, y, variance)
        hits += mine.low[1] <= 0.7 <= mine.high[1]
    low, high = binomial_band(0.95, n)
    # Nominal up to the approximation of a t distribution with weights that are estimated:
    # 0.934 to 0.952 was measured with 5,000 repetitions.
    assert low - 0.01 <= hits / n <= high + 0.01


def test_intervals_cover_where_the_given_variances_say_nothing(binomial_band):
    # True and given variances both spread by half an e-fold, independently. Weighing by the given
    # ones as they are covers 0.91 to 0.92.
    n = 1500
    X = np.column_stack([np.ones(9), np.linspace(-1.0, 1.0, 9)])
    rng = np.random.default_rng(9)
    hits = 0
    for _ in range(n):
        true, given = np.exp(0.5 * rng.standard_normal((2, 9))) * 0.1
        mine = meta_regression(X, true * rng.standard_normal(9), given**2)
        hits += mine.low[1] <= 0.0 <= mine.high[1]
    low, high = binomial_band(0.94, n)
    assert low <= hits / n <= high
