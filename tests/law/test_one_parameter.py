"""The law with one constant, against a weighted mean written out."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from analysis.law.condition import LawPoint
from analysis.law.one_parameter import one_parameter_law
from analysis.meta_regression import steadied


@pytest.mark.parametrize(
    ("variable", "power"), [("eps*N/(1-m)", (1, 1, 1)), ("eps/(1-m)", (1, 0, 1))]
)
def test_constant_interval_and_r2_written_out(variable, power, draw, grids):
    points = draw(np.random.default_rng(1), grids["full"], (0.9, 0.6, 1.0), tau=0.2)
    law = one_parameter_law(points, variable)
    y = np.array([p.log_batch_size for p in points])
    offset = np.array([p.logs for p in points]) @ power
    v = steadied(np.array([p.variance for p in points]))
    k = len(points)
    # The variance between conditions makes the weighted squares their degrees of freedom.
    w = 1.0 / (v + law.tau2)
    mean = np.average(y - offset, weights=w)
    squares = np.sum(w * (y - offset - mean) ** 2)
    assert squares == pytest.approx(k - 1, rel=1e-6)
    half = stats.t.ppf(0.975, k - 1) * math.sqrt(squares / (k - 1) / w.sum())
    shown = (law.constant, law.low, law.high)
    assert np.log(shown) == pytest.approx([mean, mean - half, mean + half], rel=1e-9)
    total = np.sum(w * (y - np.average(y, weights=w)) ** 2)
    assert law.r2 == pytest.approx(1 - squares / total, rel=1e-9)
    assert law.residuals == pytest.approx(y - offset - mean)
    assert law.converged


def test_a_constant_batch_size_makes_r2_negative(draw, grids):
    law = one_parameter_law(draw(np.random.default_rng(2), grids["rates"], (0.0, 0.0, 0.0)))
    assert law.r2 < -1.0
    assert law.against_free.p < 0.05


def test_intervals_cover_the_planted_constant(draw, grids, binomial_band):
    rng, n = np.random.default_rng(3), 300
    laws = [one_parameter_law(draw(rng, grids["rates"], tau=0.2)) for _ in range(n)]
    low, high = binomial_band(0.95, n)
    assert low - 0.01 <= np.mean([law.low <= 0.02 <= law.high for law in laws]) <= high


def test_one_or_no_condition():
    assert math.isnan(one_parameter_law([]).constant)
    one = one_parameter_law([LawPoint(0.1, 0.9, 1000, 3.0, 0.01)])
    assert one.constant == pytest.approx(math.exp(3.0) / 1000)
    assert math.isnan(one.low)
    assert math.isnan(one.r2)
    assert not one.converged
