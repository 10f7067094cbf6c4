"""Where one curve has its maximum, and how surely: from a smooth fit or from the samples alone."""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.gaussian_process import (
    LENGTH_SCALES,
    Curve,
    Hyperparameters,
    Posterior,
    posterior,
)
from analysis.trained_side import TrainedSide

#: Accuracy within which a batch size counts as near-optimal: half a percentage point.
NEAR_OPTIMAL = 0.005
#: A peak is censored when at least this share of the draws peaks at the edge of the batch sizes.
CENSORED_MASS = 0.10
LEVEL = 0.95

_N_DRAWS = 2000
_PER_OCTAVE = 16
_SEED = 20_251


@dataclass(frozen=True)
class CurvePoint:
    """The smooth curve at one batch size: posterior mean and pointwise 95 % band."""

    batch_size: float
    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Maximum:
    """What is known of one peak, batch sizes as log2; NaN where it is not known."""

    flags: tuple[str, ...]
    x_opt: float = math.nan
    low: float = math.nan
    high: float = math.nan
    deviation: float = math.nan
    edge_low: float = math.nan
    edge_high: float = math.nan
    open_low: bool = False
    open_high: bool = False
    accuracy: float = math.nan
    near_low: float = math.nan
    near_high: float = math.nan
    converged: bool = False
    curve: tuple[CurvePoint, ...] = ()


def nowhere(flags: Sequence[str]) -> Maximum:
    """The maximum of a condition that has none."""
    return Maximum(tuple(flags))


def best_sampled(trained: TrainedSide, flags: Sequence[str]) -> Maximum:
    """Too few cells for a curve: the best sampled batch size, give or take one sampled step."""
    cells = trained.condition.cells
    means = np.array([c.mean for c in cells])
    x = np.log2([c.batch_size for c in cells])
    best = int(np.argmax(means))
    near = np.flatnonzero(means >= means[best] - NEAR_OPTIMAL)
    return Maximum(
        flags=tuple(flags),
        x_opt=float(x[best]),
        low=float(x[max(best - 1, 0)]),
        high=float(x[min(best + 1, len(x) - 1)]),
        open_low=best == 0,
        open_high=best == len(x) - 1,
        accuracy=float(means[best]),
        near_low=float(x[near[0]]),
        near_high=float(x[near[-1]]),
    )


def smooth_maximum(
    curve: Curve, shared: Sequence[Hyperparameters], flags: Sequence[str], key: str
) -> Maximum:
    """The maximisers of posterior draws on a grid of 1/16 octave between the curve's ends.

    Where a cliff was sampled the curve starts at its half height, so that the peak may lie
    between the edge and the first fitted cell.

    Args:
        curve: cell means of one condition.
        shared: hyperparameters, see `fit_shared`.
        flags: what is already known to beware of.
        key: names the condition; its draws depend on nothing else.
    """
    rng = np.random.default_rng([_SEED, zlib.crc32(key.encode())])
    span = float(curve.x[-1] - curve.x[0])
    x = np.linspace(curve.x[0], curve.x[-1], max(2, math.ceil(span * _PER_OCTAVE) + 1))
    smooth = posterior(curve, shared, x, _N_DRAWS, rng)
    top = np.argmax(smooth.draws, axis=1)
    edge_low, edge_high = float(np.mean(top == 0)), float(np.mean(top == len(x) - 1))
    between = rng.uniform(-0.5, 0.5, len(top)) * (x[1] - x[0])  # undo the grid's rounding
    maximisers = np.clip(x[top] + between, x[0], x[-1])
    tail = 50.0 * (1.0 - LEVEL)
    low, middle, high = np.percentile(maximisers, [tail, 50.0, 100.0 - tail])
    best = int(np.argmax(smooth.mean))
    near_low, near_high = _around(smooth.mean >= smooth.mean[best] - NEAR_OPTIMAL, best)
    if near_low == 0 and near_high == len(x) - 1:
        flags = [*flags, "flat"]
    rough = sum(h.weight for h in shared if h.length_scale == LENGTH_SCALES[0]) >= 0.5
    if rough:
        flags = [*flags, "rough"]
    return Maximum(
        flags=tuple(flags),
        x_opt=float(middle),
        low=float(low),
        high=float(high),
        deviation=float(np.std(maximisers)),
        edge_low=edge_low,
        edge_high=edge_high,
        open_low=edge_low >= CENSORED_MASS,
        open_high=edge_high >= CENSORED_MASS,
        accuracy=float(smooth.mean[best]),
        near_low=float(x[near_low]),
        near_high=float(x[near_high]),
        converged=not rough and bool(np.all(np.isfinite(smooth.mean))),
        curve=_drawn(smooth),
    )


def _around(inside: NDArray[np.bool_], best: int) -> tuple[int, int]:
    """First and last index of the unbroken run of True around `best`."""
    outside = np.flatnonzero(~inside)
    low = outside[outside < best]
    high = outside[outside > best]
    return (
        int(low[-1]) + 1 if len(low) else 0,
        int(high[0]) - 1 if len(high) else len(inside) - 1,
    )


def _drawn(smooth: Posterior) -> tuple[CurvePoint, ...]:
    half = 1.959963984540054 * smooth.standard_deviation
    return tuple(
        CurvePoint(float(2.0**x), float(m), float(m - h), float(m + h))
        for x, m, h in zip(smooth.x, smooth.mean, half, strict=True)
    )
