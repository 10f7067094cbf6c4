"""F tests against statsmodels, and their p values where the law is true."""

from __future__ import annotations

import math

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats

from analysis.law.condition import AXES, LawPoint
from analysis.law.free_law import free_law
from analysis.law.one_parameter import one_parameter_law
from analysis.law.tests import exponent_tests


def _weights(law):
    """1/(variance + tau2), no variance being trusted beyond the median one."""
    variance = np.array([p.variance for p in law.points])
    return 1.0 / (np.maximum(variance, np.sort(variance)[(len(variance) - 1) // 2]) + law.fit.tau2)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("grid", ["rates", "twenty", "full"])
def test_agrees_with_statsmodels_f_test(seed, grid, draw, grids):
    points = draw(np.random.default_rng(seed), grids[grid], (0.9, 0.8, 1.1), tau=0.2)
    law = free_law(points)
    tests = exponent_tests(law)
    free = [AXES.index(a) for a in law.design.identifiable]
    X = sm.add_constant(np.array([p.logs for p in points])[:, free])
    y = [p.log_batch_size for p in points]
    if free != [0, 1, 2]:
        y = y - np.delete(np.array([p.logs for p in points]), free, axis=1).sum(axis=1)
    theirs = sm.WLS(y, X, weights=_weights(law)).fit()
    q = len(free)
    L = np.eye(q + 1)[1:]
    joint = theirs.f_test((L, np.ones(q)))
    assert tests.joint.statistic == pytest.approx(float(joint.fvalue), rel=1e-7)
    assert tests.joint.p == pytest.approx(float(joint.pvalue), rel=1e-6)
    assert (tests.joint.df1, tests.joint.df2) == (joint.df_num, joint.df_denom)
    for row, i in zip(L, free, strict=True):
        alone = theirs.t_test((row[None], np.ones(1)))
        mine = tests.by_axis[AXES[i]]
        assert mine.statistic == pytest.approx(float(np.squeeze(alone.tvalue)) ** 2, rel=1e-7)
        assert mine.p == pytest.approx(float(np.squeeze(alone.pvalue)), rel=1e-6)


@pytest.mark.parametrize("tau", [0.0, 0.3])
def test_comparing_sums_of_squares_is_the_joint_test_in_another_form(tau, draw, grids):
    points = draw(np.random.default_rng(7), grids["full"], (0.9, 0.5, 1.0), tau=tau)
    law = free_law(points)
    weight = _weights(law)
    left = law.log_batch_sizes - np.array([sum(p.logs) for p in points])
    narrow = weight @ (left - weight @ left / weight.sum()) ** 2
    wide = weight @ law.fit.residuals**2
    statistic = (narrow - wide) / 3 / (wide / 44)
    assert exponent_tests(law).joint.statistic == pytest.approx(statistic, rel=1e-9)
    assert one_parameter_law(points).against_free.statistic == pytest.approx(statistic, rel=1e-9)


# Shares of p below 0.05 measured with 1,000 draws: rates 0.047 to 0.061, twenty 0.042 to 0.053,
# full 0.047 to 0.070, where tau2 is estimated from errors that differ by a factor of 25.
@pytest.mark.parametrize("tau", [0.0, 0.1, 0.4])
@pytest.mark.parametrize("grid", ["rates", "twenty", "full"])
def test_p_values_are_uniform_under_the_truth(grid, tau, draw, grids, binomial_band):
    n = 200
    rng = np.random.default_rng(11)
    tests = [exponent_tests(free_law(draw(rng, grids[grid], tau=tau))) for _ in range(n)]
    joint = np.array([t.joint.p for t in tests])
    low, high = binomial_band(0.05, n)
    assert low - 0.01 <= np.mean(joint < 0.05) <= high + 0.02
    assert stats.kstest(joint, "uniform").statistic < 1.95 / math.sqrt(n) + 0.03
    single = [t.by_axis["learning_rate"].p for t in tests]
    assert stats.kstest(single, "uniform").statistic < 1.95 / math.sqrt(n) + 0.03


def test_a_false_law_is_found(draw, grids):
    rng = np.random.default_rng(12)
    tests = [exponent_tests(free_law(draw(rng, grids["full"], (1, 0.4, 1)))) for _ in range(50)]
    assert all(t.joint.p < 1e-3 for t in tests)
    assert all(t.by_axis["train_size"].p < 1e-3 for t in tests)
    assert np.mean([t.by_axis["momentum"].p < 0.05 for t in tests]) < 0.25


def test_axes_in_step_are_tested_together(draw):
    # eps and N in step: only their sum of exponents is known, and 1 + 1 is tested.
    conditions = [(0.05 * 2**i, 0.9, 500 * 2**i) for i in range(6)]
    rng = np.random.default_rng(13)
    right = exponent_tests(free_law(draw(rng, conditions, (1.5, 0.5, 1), errors=(0.05, 0.1))))
    wrong = exponent_tests(free_law(draw(rng, conditions, (1.0, 0.0, 1), errors=(0.05, 0.1))))
    assert right.joint.df1 == wrong.joint.df1 == 1
    assert right.joint.p > 0.01
    assert wrong.joint.p < 0.01
    assert math.isnan(right.by_axis["learning_rate"].p)


def test_without_freedom_or_scatter_there_is_no_silent_number():
    def exact(k: int, slope: float) -> list[LawPoint]:
        return [LawPoint(0.1 * 2**i, 0.9, 1000, slope * i * math.log(2.0), 0.01) for i in range(k)]

    for k in (0, 1, 2):
        assert math.isnan(exponent_tests(free_law(exact(k, 1.0))).joint.p)
    assert exponent_tests(free_law(exact(5, 0.5))).joint.p == pytest.approx(0.0, abs=1e-12)
    certain = exponent_tests(free_law(exact(5, 1.0)))
    assert math.isnan(certain.joint.p)
    assert math.isnan(certain.by_axis["learning_rate"].p)
