"""The edge of trainability: the batch size at half the height of the cliff, for every condition."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from analysis.cells import Condition
from analysis.estimates import UNKNOWN, BatchSizeEstimate
from analysis.trained_share import TrainedShares
from analysis.trained_side import TrainedSide, trained_side

Array = NDArray[np.float64]

#: Cells within this many octaves of the interpolated edge take part.
_REACH = 1.25
#: Residuals are divided by (1 - leverage)^this (1: HC2, 2: HC3; MacKinnon & White 1985): between
#: the two the measured coverage was closest to nominal.
_LEVERAGE_POWER = 1.5
#: Added to p (1 - p) in the variance of a height: scatter that does not vanish on the plateau.
_FLOOR = 0.02
_STARTS = (0.1, 0.25, 0.5)
_MAX_STEPS = 100
_TOLERANCE = 1e-8
_WIDTHS = (0.02, 3.0)
#: Octaves on either side of an edge that say nothing any more.
_ANYWHERE = 64.0


@dataclass(frozen=True)
class EdgeFit:
    """The cliffs of one group.

    Attributes:
        edges: one estimate a condition, in their order; open_low where no cell below half height
            was sampled.
        width: logistic scale of the cliff that all conditions share, octaves; NaN without a fit.
        dispersion: mean squared residual in units of (p (1 - p) + 0.02) / seeds; NaN where seeds
            either train or do not, and the edge is that of their share.
        n_cells, n_conditions: that the width was fitted to.
        converged: the Gauss-Newton steps ended, and all starts agree.
    """

    edges: tuple[BatchSizeEstimate, ...]
    width: float
    dispersion: float
    n_cells: int
    n_conditions: int
    converged: bool


def fit_edges(conditions: Sequence[Condition], chance: float, level: float = 0.95) -> EdgeFit:
    """Fit height = 1 / (1 + exp(-(log2 B - edge) / width)) to the cells around every cliff.

    The height of a cell is its mean above chance as a share of the condition's best cell. The
    width is shared by the group; the edges are free. Quasi-likelihood for a share (Papke &
    Wooldridge 1996): the scatter is measured, not assumed binomial, so that seeds may fall into
    two heaps on the cliff or not. Where nothing is left to measure it by, the edge is the
    interpolated one and its interval the two neighbouring batch sizes.

    Args:
        conditions: cell means of an accuracy, the training accuracy where there is one.
        chance: accuracy of an untrained model.
        level: coverage of the intervals.
    """
    sides = [trained_side(condition, chance) for condition in conditions]
    found = [i for i, side in enumerate(sides) if side.has_cliff]
    cliffs = [_Cliff.around(sides[i], chance) for i in found]
    n_cells = sum(len(c.x) for c in cliffs)
    freedom = n_cells - len(cliffs) - 1
    fits = [_fit(cliffs, width) for width in _STARTS] if cliffs and freedom > 0 else []
    fits = [fit for fit in fits if math.isfinite(fit.loss)]
    best = min(fits, key=lambda fit: fit.loss) if fits else None
    estimates = [_open(side) for side in sides]
    for k, i in enumerate(found):
        if best is not None and best.converged:
            estimates[i] = _estimate(best, k, level)
        else:
            estimates[i] = _interpolated(sides[i])
    near = 1e-3 * best.loss + 1e-9 if best else 0.0
    agree = best is not None and all(abs(f.loss - best.loss) <= near for f in fits)
    return EdgeFit(
        tuple(estimates),
        best.width if best else math.nan,
        best.loss / freedom if best else math.nan,
        n_cells,
        len(cliffs),
        best is not None and best.converged and agree,
    )


def edges_of_shares(
    shares: TrainedShares, conditions: Sequence[Condition], chance: float, level: float = 0.95
) -> EdgeFit:
    """Edges where seeds either train or do not: the batch size at which half of them train.

    Args:
        shares: fitted to the same conditions.
        conditions: cell means of an accuracy.
        chance: accuracy of an untrained model.
        level: coverage of the intervals.
    """
    estimates = []
    n_cells = n_conditions = 0
    for i, condition in enumerate(conditions):
        side = trained_side(condition, chance)
        if not side.has_cliff:
            estimates.append(_open(side))
            continue
        grid, weight = shares.position(i)
        cumulative = np.cumsum(weight) - 0.5 * weight
        tail = 0.5 * (1.0 - level)
        low, middle, high = np.interp([tail, 0.5, 1.0 - tail], cumulative, grid)
        mean = float(weight @ grid)
        step = float(grid[1] - grid[0])
        deviation = math.sqrt(float(weight @ (grid - mean) ** 2) + step**2 / 12.0)
        estimates.append(
            BatchSizeEstimate(2.0**middle, 2.0**low, 2.0**high, deviation * math.log(2.0))
        )
        n_cells += len(condition.cells)
        n_conditions += 1
    width = float(shares.weights @ shares.widths)
    return EdgeFit(tuple(estimates), width, math.nan, n_cells, n_conditions, n_conditions > 0)


@dataclass(frozen=True, eq=False)
class _Cliff:
    """Cells around one edge: log2 batch sizes, heights in [0, 1], seeds; all of shape (n,)."""

    start: float
    x: Array
    height: Array
    n: Array

    @classmethod
    def around(cls, side: TrainedSide, chance: float) -> _Cliff:
        cells = side.condition.cells
        x = np.log2([c.batch_size for c in cells])
        near = np.abs(x - side.edge) <= _REACH
        near[[side.first - 1, side.first]] = True
        means = np.array([c.mean for c in cells])
        height = np.clip((means - chance) / side.height, 0.0, 1.0)
        return cls(side.edge, x[near], height[near], np.array([c.n for c in cells], float)[near])


@dataclass(frozen=True, eq=False)
class _Fit:
    """Edges and width, the variance of the edges with its degrees of freedom, and the loss."""

    edges: Array
    width: float
    variance: Array
    freedom: float
    loss: float
    converged: bool


def _fit(cliffs: Sequence[_Cliff], width: float) -> _Fit:
    """Gauss-Newton from one width; the edges are eliminated, as each has only its own cells."""
    x, height, n = (
        np.concatenate([getattr(c, name) for c in cliffs]) for name in ("x", "height", "n")
    )
    owner = np.repeat(np.arange(len(cliffs)), [len(c.x) for c in cliffs])
    edges = np.array([c.start for c in cliffs])
    log_width = math.log(width)
    converged = False
    for _ in range(_MAX_STEPS):
        scale = math.exp(log_width)
        z = (x - edges[owner]) / scale
        p = special.expit(z)
        weight = n / (p * (1.0 - p) + _FLOOR)
        slope = p * (1.0 - p)
        by_edge, by_width = -slope / scale, -slope * z
        a = _sums(owner, weight * by_edge**2, len(edges))
        b = _sums(owner, weight * by_edge * by_width, len(edges))
        residual = height - p
        r_edge = _sums(owner, weight * by_edge * residual, len(edges))
        a = np.maximum(a, 1e-12)
        d = float(np.sum(weight * by_width**2) - np.sum(b**2 / a))
        d = max(d, 1e-12)
        step_width = (
            float(np.sum(weight * by_width * residual)) - float(np.sum(b * r_edge / a))
        ) / d
        step_width = float(np.clip(step_width, -0.5, 0.5))
        step_edges = np.clip((r_edge - b * step_width) / a, -0.5, 0.5)
        edges = edges + step_edges
        log_width = float(np.clip(log_width + step_width, *np.log(_WIDTHS)))
        if max(abs(step_width), float(np.abs(step_edges).max())) < _TOLERANCE:
            converged = True
            break
    # The scatter that moves an edge is that of the cells on its slope, not of the plateau:
    # residuals weigh by their cell's information on the edge.
    information = weight * by_edge**2
    leverage = information / a[owner] + weight * (by_width - by_edge * (b / a)[owner]) ** 2 / d
    rest = np.maximum(1.0 - leverage, 1e-3)
    squares = weight * residual**2 / rest**_LEVERAGE_POWER
    scatter = float(np.sum(information * squares) / np.sum(information))
    freedom = float(np.sum(information * rest) ** 2 / np.sum(information**2 * rest))
    variance = (1.0 / a + (b / a) ** 2 / d) * scatter
    loss = float(np.sum(weight * residual**2))
    return _Fit(edges, math.exp(log_width), variance, max(freedom, 1.0), loss, converged)


def _sums(owner: NDArray[np.int64], values: Array, n: int) -> Array:
    return np.asarray(np.bincount(owner, weights=values, minlength=n), dtype=np.float64)


def _estimate(fit: _Fit, k: int, level: float) -> BatchSizeEstimate:
    deviation = math.sqrt(float(fit.variance[k]))
    half = float(stats.t.ppf(0.5 + level / 2, fit.freedom)) * deviation
    half = min(half, _ANYWHERE)
    edge = float(fit.edges[k])
    return BatchSizeEstimate(
        2.0**edge, 2.0 ** (edge - half), 2.0 ** (edge + half), deviation * math.log(2.0)
    )


def _interpolated(side: TrainedSide) -> BatchSizeEstimate:
    cells = side.condition.cells
    low, high = cells[side.first - 1].batch_size, cells[side.first].batch_size
    uniform = math.log(high / low) / math.sqrt(12.0)
    return BatchSizeEstimate(2.0**side.edge, float(low), float(high), uniform)


def _open(side: TrainedSide) -> BatchSizeEstimate:
    """No cell below half height: the edge, if there is one, lies below the sampled batch sizes."""
    smallest = side.condition.cells[0].batch_size
    if side.height <= 0:
        return UNKNOWN
    return BatchSizeEstimate(math.nan, math.nan, float(smallest), math.nan, open_low=True)
