"""Where one curve has its maximum, and how surely: from a smooth fit or from the samples alone."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from analysis.estimates import UNKNOWN, BatchSizeEstimate
from analysis.gaussian_process import LENGTH_SCALES, Curve, Hyperparameters, posterior
from analysis.landmarks import Landmarks, landmarks
from analysis.trained_side import TrainedSide

Array = NDArray[np.float64]
#: Draws of the share of trained seeds: (log2 batch sizes, number, generator) to an array of shape
#: (number, batch sizes).
ShareDraws = Callable[[Array, int, np.random.Generator], Array]

#: Accuracy within which a batch size counts as near-optimal: half a percentage point.
NEAR_OPTIMAL = 0.005
#: A landmark is censored when it lies on the edge of the batch sizes in this share of the draws.
CENSORED_MASS = 0.10
LEVEL = 0.95

#: A fall to the largest batch size below this many standard deviations has no half.
_CLEAR_FALL = 2.0
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
    landmarks: Mapping[str, BatchSizeEstimate] = field(default_factory=dict)


def nowhere(flags: Sequence[str]) -> Maximum:
    """The maximum of a condition that has none."""
    return Maximum(tuple(flags))


def best_sampled(trained: TrainedSide, flags: Sequence[str], near_optimal: float) -> Maximum:
    """Too few cells for a curve: the best sampled batch size, give or take one sampled step."""
    cells = trained.condition.cells
    means = np.array([c.mean for c in cells])
    x = np.log2([c.batch_size for c in cells])
    best = int(np.argmax(means))
    near = np.flatnonzero(means >= means[best] - near_optimal)
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
    curve: Curve,
    shared: Sequence[Hyperparameters],
    flags: Sequence[str],
    key: str,
    start: float,
    near_optimal: float = NEAR_OPTIMAL,
    share: ShareDraws | None = None,
    chance: float = 0.0,
) -> Maximum:
    """The landmarks of posterior draws on a grid of 1/16 octave from `start` to the last cell.

    Args:
        curve: cell means of one condition.
        shared: hyperparameters, see `fit_shared`.
        flags: what is already known to beware of.
        key: names the condition; its draws depend on nothing else.
        start: log2 batch size: the edge where a cliff was sampled, so that the peak may lie
            between it and the first fitted cell; else the smallest sampled one.
        near_optimal: accuracy below the best that still counts as near-optimal.
        share: where `curve` is of trained seeds alone, draws of the share that trains: the mean
            accuracy is then chance + share * (curve - chance).
        chance: accuracy of a seed that does not train.
    """
    rng = np.random.default_rng([_SEED, zlib.crc32(key.encode())])
    span = float(curve.x[-1] - start)
    x = np.linspace(start, curve.x[-1], max(2, math.ceil(span * _PER_OCTAVE) + 1))
    smooth = posterior(curve, shared, x, _N_DRAWS, rng)
    draws, mean, deviation = smooth.draws, smooth.mean, smooth.standard_deviation
    if share is not None:
        draws = chance + share(x, len(draws), rng) * (draws - chance)
        mean, deviation = draws.mean(axis=0), draws.std(axis=0)
    of_draws, of_mean = landmarks(x, draws, near_optimal), landmarks(x, mean[None], near_optimal)
    edge_low, edge_high = float(np.mean(of_draws.at_start)), float(np.mean(of_draws.at_end))
    jitter = rng.uniform(-0.5, 0.5, len(draws)) * (x[1] - x[0])  # undo the grid's rounding
    maximisers = np.clip(of_draws.optimum + jitter, x[0], x[-1])
    middle = float(np.median(maximisers))
    optimum = _estimate(middle, maximisers, edge_low, edge_high)
    found = {"optimum": optimum, **_others(of_mean, of_draws, optimum)}
    if of_mean.near_open_low[0] and of_mean.near_open_high[0]:
        flags = [*flags, "flat"]
    rough = sum(h.weight for h in shared if h.length_scale == LENGTH_SCALES[0]) >= 0.5
    if rough:
        flags = [*flags, "rough"]
    return Maximum(
        flags=tuple(flags),
        x_opt=middle,
        low=math.log2(optimum.low),
        high=math.log2(optimum.high),
        deviation=float(np.std(maximisers)),
        edge_low=edge_low,
        edge_high=edge_high,
        open_low=optimum.open_low,
        open_high=optimum.open_high,
        accuracy=float(of_mean.height[0]),
        near_low=float(of_mean.near_low[0]),
        near_high=float(of_mean.near_high[0]),
        converged=not rough and bool(np.all(np.isfinite(mean))),
        curve=_drawn(x, mean, deviation),
        landmarks=found,
    )


def _others(
    of_mean: Landmarks, of_draws: Landmarks, optimum: BatchSizeEstimate
) -> dict[str, BatchSizeEstimate]:
    """Ends of the near-optimal range and the half-fall: of the mean curve, spread of the draws.

    They are measured from the best: where that may lie beyond the batch sizes, so may they.
    """
    open_low = float(np.mean(of_draws.near_open_low))
    open_high = float(np.mean(of_draws.near_open_high))
    best_low, best_high = float(optimum.open_low), float(optimum.open_high)
    half_fall = UNKNOWN
    falls = np.isfinite(of_draws.half_fall)
    if falls.mean() > 1.0 - CENSORED_MASS and math.isfinite(of_mean.half_fall[0]):
        unclear = float(of_mean.fall[0]) < _CLEAR_FALL * float(np.std(of_draws.fall))
        spread = of_draws.half_fall[falls]
        half_fall = _estimate(
            float(of_mean.half_fall[0]), spread, best_low, max(float(unclear), best_high)
        )
    near_low, near_high = float(of_mean.near_low[0]), float(of_mean.near_high[0])
    return {
        "near_optimal_low": _estimate(
            near_low, of_draws.near_low, max(open_low, best_low), best_high
        ),
        "near_optimal_high": _estimate(
            near_high, of_draws.near_high, best_low, max(open_high, best_high)
        ),
        "half_fall": half_fall,
    }


def _estimate(middle: float, draws: Array, at_low: float, at_high: float) -> BatchSizeEstimate:
    """A landmark in samples from its place and its draws in log2 batch size."""
    tail = 50.0 * (1.0 - LEVEL)
    low, high = np.percentile(draws, [tail, 100.0 - tail])
    return BatchSizeEstimate(
        float(2.0**middle),
        float(2.0 ** min(low, middle)),
        float(2.0 ** max(high, middle)),
        float(np.std(draws)) * math.log(2.0),
        open_low=at_low >= CENSORED_MASS,
        open_high=at_high >= CENSORED_MASS,
    )


def _drawn(x: Array, mean: Array, deviation: Array) -> tuple[CurvePoint, ...]:
    half = 1.959963984540054 * deviation
    return tuple(
        CurvePoint(2.0**b, m, low, high)
        for b, m, low, high in zip(
            x.tolist(), mean.tolist(), (mean - half).tolist(), (mean + half).tolist(), strict=True
        )
    )
