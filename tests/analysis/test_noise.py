"""Pooled variances: right on average, local, and defined whatever is missing."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.cells import CellMean
from analysis.noise import ASSUMED, pooled_variance


def _cell(batch_size, variance, n):
    return CellMean(batch_size, 0.5, variance, 0.4, 0.6, n, 0, n, 0.5, variance, 0.5)


def test_equal_noise_is_recovered_far_better_than_by_one_cell():
    rng = np.random.default_rng(1)
    sizes = [8, 11, 16, 23, 32, 45, 64]
    conditions = []
    for _ in range(12):
        values = 0.01 * rng.standard_normal((len(sizes), 3))
        cells = [_cell(b, float(v.var(ddof=1)), 3) for b, v in zip(sizes, values, strict=True)]
        conditions.append((cells, 2.5))
    ratio = np.concatenate(pooled_variance(conditions)) * 3 / 0.01**2
    assert ratio.min() > 0.7
    assert ratio.max() < 1.4


def test_noise_of_another_depth_is_not_lent():
    near, far = [_cell(8, 1e-2, 5), _cell(256, 1e-4, 5)], 3.0
    (variance,) = pooled_variance([(near, far)])
    assert variance * 5 == pytest.approx([1e-2, 1e-4], rel=1e-3)


def test_more_seeds_weigh_by_their_degrees_of_freedom():
    cells = [_cell(16, 1.0, 2), _cell(16, 4.0, 5)]
    (variance,) = pooled_variance([(cells, 3.0)])
    assert variance == pytest.approx([(1 * 1.0 + 4 * 4.0) / 5 / 2, (1 * 1.0 + 4 * 4.0) / 5 / 5])


def test_single_seeds_borrow_and_nothing_to_borrow_is_assumed():
    cells = [_cell(16, np.nan, 1), _cell(16, 4.0, 5)]
    (variance,) = pooled_variance([(cells, 3.0)])
    assert variance[0] == pytest.approx(4.0)
    (variance,) = pooled_variance([([_cell(16, np.nan, 1)], 3.0)])
    assert variance.tolist() == [ASSUMED**2]


def test_equal_seeds_keep_a_positive_variance():
    (variance,) = pooled_variance([([_cell(16, 0.0, 4)], 3.0)])
    assert variance[0] > 0
