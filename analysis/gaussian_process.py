"""Gaussian-process curves over log batch size, with hyperparameters shared by many curves."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

#: Standard deviation of the cliff's position around the given edge, in octaves.
_EDGE_DEVIATION = 0.1
#: Standard deviation of the cliff's height around the given one, as a share of it.
_HEIGHT_DEVIATION = 0.3
LENGTH_SCALES = tuple(0.6 * 2.0 ** (i / 2) for i in range(9))
AMPLITUDES = tuple(2.0**i for i in range(-3, 5))
#: Factors on the noise variance, for curves whose noise no repetition tells.
UNKNOWN_NOISE = tuple(4.0**i for i in range(-4, 5))
#: Grid points with less posterior weight than the best ones that hold this share are left out.
_KEPT_WEIGHT = 0.98
_MAX_KEPT = 24
_JITTER = 1e-9
#: More curves than this add nothing to what is known of the shared hyperparameters.
_MAX_CURVES = 64
#: The evidence of all curves counts as that of so many: they are alike in their smoothness, but no
#: curve is a draw of this process, and at full weight one grid point, another in each sweep, would
#: decide for all.
_EFFECTIVE_CURVES = 8
#: Larger than any y' K^-1 y, so that the bordered matrix is positive definite.
_BORDER = 1e30


@dataclass(frozen=True, order=True)
class Foot:
    """How a curve may bend near its edge: two rival ways, chosen by their likelihood.

    Attributes:
        warp: octaves; the length scale grows in proportion to depth + warp (inf: constant).
        width: octaves; a logistic cliff of this scale stands below the smooth curve (0: none).
    """

    warp: float
    width: float


#: Grids that the shared hyperparameters are averaged over (a flat prior on the grid).
FEET = (
    *(Foot(np.inf, width) for width in (0.0, 0.15, 0.25, 0.4, 0.6)),
    *(Foot(warp, 0.0) for warp in (0.25, 1.0)),
)


@dataclass(frozen=True, eq=False)
class Curve:
    """One condition's cell means.

    Attributes:
        x: log2 batch size, ascending, shape (n,).
        y: mean accuracy, shape (n,).
        variance: variance of each mean, shape (n,); positive.
        edge: log2 batch size that depth is measured from, at or below x[0].
        cliff: accuracy lost below the edge; 0 where no cliff was sampled.
    """

    x: Array
    y: Array
    variance: Array
    edge: float
    cliff: float = 0.0


@dataclass(frozen=True)
class Hyperparameters:
    """One point of the grid, with its posterior weight.

    Attributes:
        foot: how the curve bends near its edge.
        length_scale: octaves, at depth 1.
        amplitude: prior standard deviation of the curve around its level, in accuracy.
        noise_factor: multiplies the given noise variances; 1 where they are known.
        weight: posterior weight.
    """

    foot: Foot
    length_scale: float
    amplitude: float
    noise_factor: float
    weight: float


@dataclass(frozen=True, eq=False)
class Posterior:
    """One curve's posterior on a grid of log2 batch sizes.

    Attributes:
        x: shape (g,).
        mean, standard_deviation: of the mean accuracy, shape (g,); the mean is twiced.
        draws: posterior draws of the curve around that mean, shape (draws, g).
    """

    x: Array
    mean: Array
    standard_deviation: Array
    draws: Array


def warped(x: Array, edge: float, warp: float) -> Array:
    """Octaves stretched near the edge: (1 + w) ln(depth + w), slope 1 at depth 1; w = inf keeps x.

    Near the cliff a curve bends within half an octave, far from it over several; a stationary
    kernel of the warped coordinate has a length scale proportional to depth + w.
    """
    depth = x - edge
    if np.isinf(warp):
        return depth
    return (1.0 + warp) * np.log(np.maximum(depth, 0.0) + warp)


def matern52(distance: Array) -> Array:
    """Matern correlation with nu = 5/2 (Rasmussen & Williams 2006, eq. 4.17).

    >>> bool(matern52(np.array([0.0]))[0] == 1.0)
    True
    """
    r = np.sqrt(5.0) * np.abs(distance)
    return np.asarray((1.0 + r + r * r / 3.0) * np.exp(-r))


def logistic_foot(x: Array, edge: float, width: float) -> Array:
    """Share of the cliff's height that is lost at x: 1 / (1 + exp((x - edge) / width))."""
    return np.asarray(1.0 / (1.0 + np.exp(np.clip((x - edge) / width, -60.0, 60.0))))


def fit_shared(
    curves: Sequence[Curve], scale: float, noise_factors: Sequence[float] = (1.0,)
) -> tuple[Hyperparameters, ...]:
    """Posterior weights of the hyperparameters, shared by all curves, on a grid.

    Each curve is level + cliff + Gaussian process + noise of known variance. The level has a flat
    prior (Rasmussen & Williams 2006, section 2.7); the cliff is a logistic of the shared width
    whose height and position are known from the curve to 30 % and 0.1 octave, so that a steep foot
    does not decide how smooth the top is taken to be. Averaging over the grid, rather than taking
    its best point, carries the uncertainty of the hyperparameters into the draws.

    Args:
        curves: at least one, of two cells or more each; of more than 64, evenly spaced ones.
        scale: typical height of the curves, in accuracy; the amplitudes are multiples of it.
        noise_factors: grid of factors on the noise variances.

    The likelihood of more than 8 curves is tempered to that of 8 (a power posterior): without
    it the exponents of laws scattered more between sweeps than their errors said.

    Returns:
        The points that hold 98 % of the weight, heaviest first, weights summing to 1.
    """
    grid = list(itertools.product(FEET, LENGTH_SCALES, AMPLITUDES, noise_factors))
    log_likelihood = np.zeros(len(grid))
    every = max(1, math.ceil(len(curves) / _MAX_CURVES))
    for curve in curves[::every]:
        log_likelihood += _log_likelihoods(curve, grid, scale)
    log_likelihood *= min(1.0, _EFFECTIVE_CURVES / len(curves[::every]))
    weight = np.exp(log_likelihood - log_likelihood.max())
    weight /= weight.sum()
    order = np.argsort(-weight, kind="stable")
    n = int(np.searchsorted(np.cumsum(weight[order]), _KEPT_WEIGHT)) + 1
    order = order[: min(n, _MAX_KEPT)]
    total = float(weight[order].sum())
    return tuple(
        Hyperparameters(foot, ell, a * scale, factor, float(weight[i]) / total)
        for i in order
        for foot, ell, a, factor in [grid[i]]
    )


def _log_likelihoods(
    curve: Curve, grid: Sequence[tuple[Foot, float, float, float]], scale: float
) -> Array:
    """Log marginal likelihood of one curve at every grid point, level integrated out."""
    pairs = {(f, ell): i for i, (f, ell) in enumerate(dict.fromkeys((f, e) for f, e, _, _ in grid))}
    which = [pairs[f, ell] for f, ell, _, _ in grid]
    z = np.stack([warped(curve.x, curve.edge, f.warp) / ell for f, ell in pairs])
    correlation = matern52(z[:, :, None] - z[:, None, :])[which]
    cliffs = {f: _cliff(curve, f, curve.x) for f in dict.fromkeys(f for f, _, _, _ in grid)}
    spread = np.stack([cliffs[f].spread @ cliffs[f].spread.T for f, _ in pairs])[which]
    lost = np.stack([cliffs[f].lost for f, _ in pairs])[which]
    amplitude = np.array([a * scale for _, _, a, _ in grid])
    factor = np.array([f for _, _, _, f in grid])
    K = amplitude[:, None, None] ** 2 * correlation + spread
    K += factor[:, None, None] * np.diag(curve.variance)
    # One Cholesky factor of K bordered by (1, y) holds L and L^-1 (1, y) at once.
    n = len(curve.y)
    bordered = np.zeros((len(grid), n + 2, n + 2))
    bordered[:, :n, :n] = K
    bordered[:, n, :n], bordered[:, n + 1, :n] = 1.0, curve.y + lost
    bordered[:, [n, n + 1], [n, n + 1]] = _BORDER
    factor_rows = np.linalg.cholesky(bordered)
    L, half = factor_rows[:, :n, :n], factor_rows[:, n:, :n].swapaxes(1, 2)
    information = (half[:, :, 0] ** 2).sum(1)
    level = (half[:, :, 0] * half[:, :, 1]).sum(1) / information
    residual = half[:, :, 1] - level[:, None] * half[:, :, 0]
    log_det = 2.0 * np.log(np.diagonal(L, axis1=1, axis2=2)).sum(1)
    return np.asarray(-0.5 * ((residual**2).sum(1) + log_det + np.log(information)))


@dataclass(frozen=True, eq=False)
class _Cliff:
    """A curve's cliff at some x: accuracy lost, shape (g,), and its spread, shape (g, 2).

    The columns of `spread` are the changes by one standard deviation of height and of position.
    """

    lost: Array
    spread: Array


def _cliff(curve: Curve, foot: Foot, x: Array) -> _Cliff:
    if not foot.width or not curve.cliff:
        return _Cliff(np.zeros(len(x)), np.zeros((len(x), 2)))
    share = logistic_foot(x, curve.edge, foot.width)
    slope = share * (1.0 - share) / foot.width
    columns = [_HEIGHT_DEVIATION * share, _EDGE_DEVIATION * slope]
    return _Cliff(curve.cliff * share, curve.cliff * np.column_stack(columns))


def posterior(
    curve: Curve,
    shared: Sequence[Hyperparameters],
    x: Array,
    n_draws: int,
    rng: np.random.Generator,
) -> Posterior:
    """The curve's posterior at `x`, averaged over the shared hyperparameters, and twiced.

    Smoothing pulls a maximum towards the gentler side of its curve. The smoothed residuals are
    added back (Tukey 1977, section 16: twicing), to the mean and so to every draw: that takes most
    of the bias for little variance (docs/calibration.md).

    Args:
        curve: the data.
        shared: what `fit_shared` returned.
        x: log2 batch sizes to evaluate at, shape (g,).
        n_draws: draws of the whole curve; each grid point gets its share of them.
        rng: source of the draws.
    """
    everywhere = np.concatenate([x, curve.x])
    counts = _shares(np.array([h.weight for h in shared]), n_draws)
    smoother = np.zeros((len(everywhere), len(curve.x)))
    smoothed = np.zeros(len(everywhere))
    square = np.zeros(len(x))
    draws = []
    for h, count in zip(shared, counts, strict=True):
        S, mean, covariance = _conditional(curve, h, everywhere, len(x))
        smoother += h.weight * S
        smoothed += h.weight * mean
        square += h.weight * (np.diag(covariance) + mean[: len(x)] ** 2)
        if count:
            jitter = _JITTER * float(np.max(np.diag(covariance))) * np.eye(len(x))
            L = np.linalg.cholesky(covariance + jitter)
            draws.append(mean[: len(x)] + rng.standard_normal((count, len(x))) @ L.T)
    deviation = np.sqrt(np.maximum(square - smoothed[: len(x)] ** 2, 0.0))
    lost = smoother[: len(x)] @ (curve.y - smoothed[len(x) :])
    return Posterior(x, smoothed[: len(x)] + lost, deviation, np.concatenate(draws) + lost)


def _shares(weights: Array, n: int) -> NDArray[np.int64]:
    """Integers that divide n in proportion to the weights, by largest remainders."""
    exact = weights * n
    counts = np.floor(exact).astype(np.int64)
    rest = np.argsort(counts - exact, kind="stable")[: n - int(counts.sum())]
    counts[rest] += 1
    return counts


def _conditional(
    curve: Curve, h: Hyperparameters, x: Array, n_covariance: int
) -> tuple[Array, Array, Array]:
    """Smoother and mean at x, and the covariance of its first points, level integrated out.

    Rasmussen & Williams 2006, eq. 2.41-2.42. The smoother S, shape (len(x), n), says how the mean
    changes with the data: mean(y + d) = mean(y) + S d.
    """
    z, z_new = warped(curve.x, curve.edge, h.foot.warp), warped(x, curve.edge, h.foot.warp)
    here, there = _cliff(curve, h.foot, curve.x), _cliff(curve, h.foot, x)
    v = h.amplitude**2
    K = v * matern52((z[:, None] - z) / h.length_scale) + here.spread @ here.spread.T
    K += h.noise_factor * np.diag(curve.variance)
    K_new = v * matern52((z_new[:, None] - z) / h.length_scale) + there.spread @ here.spread.T
    L = np.linalg.cholesky(K)
    ones = np.linalg.solve(L, np.ones(len(z)))
    cross = np.linalg.solve(L, K_new.T)
    information = float(ones @ ones)
    rest = 1.0 - cross.T @ ones
    S = np.linalg.solve(L.T, cross + np.outer(ones, rest) / information).T
    mean = S @ (curve.y + here.lost) - there.lost
    z_new, cross, rest = z_new[:n_covariance], cross[:, :n_covariance], rest[:n_covariance]
    spread = there.spread[:n_covariance]
    covariance = v * matern52((z_new[:, None] - z_new) / h.length_scale) + spread @ spread.T
    covariance += -cross.T @ cross + np.outer(rest, rest) / information
    return S, mean, 0.5 * (covariance + covariance.T)
