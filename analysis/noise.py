"""The variance of cell means, pooled over cells at the same distance from the edge."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from analysis.cells import CellMean

Array = NDArray[np.float64]

#: Octaves over which neighbouring depths share their noise.
BANDWIDTH = 0.3
#: Standard deviation of one trial that is taken where seeds agree exactly, in accuracy.
FLOOR = 1e-4
#: Standard deviation of one trial to start from where no cell has two seeds.
ASSUMED = 0.01
_ROWS = 32  # of the kernel at once: they stay in the cache


def pooled_variance(
    conditions: Sequence[tuple[Sequence[CellMean], float]],
) -> list[Array]:
    """Variance of every cell mean.

    A cell's own variance from 3 to 10 seeds is too uncertain to weigh by, and a percentile
    bootstrap covers 0.80 to 0.91 instead of 0.95. So the variance of one trial at depth d
    (octaves above the edge) is the average of the unbiased cell variances, weighted by
    (n - 1) * exp(-((d - d_i) / 0.3)^2 / 2). Near the edge, where some seeds train and others do
    not, a cell in which all happened to train thus gets the variance of its neighbours.

    Args:
        conditions: for each condition its fitted cells and its edge in log2 batch size.

    Returns:
        For each condition the variances of its cell means, in the order of its cells; all
        ASSUMED^2 / n where no cell has two seeds.
    """
    cells = [cell for group, _ in conditions for cell in group]
    depth = np.array([np.log2(c.batch_size) - edge for group, edge in conditions for c in group])
    variance = np.array([c.variance for c in cells])
    n = np.array([c.n for c in cells], dtype=float)
    per_trial = _smooth(depth, variance, np.where(n < 2, 0.0, n - 1.0))
    per_mean = np.maximum(per_trial, FLOOR**2) / n
    ends = np.cumsum([len(group) for group, _ in conditions])
    return np.split(per_mean, ends[:-1]) if len(ends) else []


def _smooth(depth: Array, variance: Array, freedom: Array) -> Array:
    """Kernel average of the variances at each depth, weighted by their degrees of freedom."""
    if not freedom.sum():
        return np.full(len(depth), ASSUMED**2)
    known = np.where(freedom > 0, variance, 0.0)
    has_freedom = freedom > 0
    smooth = np.empty(len(depth))
    for start in range(0, len(depth), _ROWS):
        own = slice(start, start + _ROWS)
        square = (depth[own, None] - depth) / BANDWIDTH
        square *= square
        nearest = np.min(square, axis=1, where=has_freedom, initial=np.inf)
        square -= nearest[:, None]
        square *= -0.5
        weight = np.exp(square, out=square)
        weight *= freedom
        smooth[own] = (weight @ known) / weight.sum(1)
    return smooth
