"""Gaussian-process curves over log batch size, with hyperparameters shared by many curves."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

#: Grids that the shared hyperparameters are averaged over (a flat prior on the grid).
WARPS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, np.inf)
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
#: Larger than any y' K^-1 y, so that the bordered matrix is positive definite.
_BORDER = 1e30


@dataclass(frozen=True, eq=False)
class Curve:
    """One condition's cell means.

    Attributes:
        x: log2 batch size, ascending, shape (n,).
        y: mean accuracy, shape (n,).
        variance: variance of each mean, shape (n,); positive.
        edge: log2 batch size that depth is measured from, at or below x[0].
    """

    x: Array
    y: Array
    variance: Array
    edge: float


@dataclass(frozen=True)
class Hyperparameters:
    """One point of the grid, with its posterior weight.

    Attributes:
        warp: octaves; the length scale grows in proportion to depth + warp (inf: constant).
        length_scale: octaves, at depth 1.
        amplitude: prior standard deviation of the curve around its level, in accuracy.
        noise_factor: multiplies the given noise variances; 1 where they are known.
        weight: posterior weight.
    """

    warp: float
    length_scale: float
    amplitude: float
    noise_factor: float
    weight: float


@dataclass(frozen=True, eq=False)
class Posterior:
    """One curve's posterior on a grid of log2 batch sizes.

    Attributes:
        x: shape (g,).
        mean, standard_deviation: of the mean accuracy, shape (g,).
        draws: posterior draws of the curve, shape (draws, g).
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


def fit_shared(
    curves: Sequence[Curve], scale: float, noise_factors: Sequence[float] = (1.0,)
) -> tuple[Hyperparameters, ...]:
    """Posterior weights of the hyperparameters, shared by all curves, on a grid.

    Each curve is level + Gaussian process + noise of known variance, where the level has a flat
    prior (Rasmussen & Williams 2006, section 2.7). Averaging over the grid, rather than taking
    its best point, carries the uncertainty of the hyperparameters into the draws.

    Args:
        curves: at least one, of two cells or more each; of more than 64, evenly spaced ones.
        scale: typical height of the curves, in accuracy; the amplitudes are multiples of it.
        noise_factors: grid of factors on the noise variances.

    Returns:
        The points that hold 98 % of the weight, heaviest first, weights summing to 1.
    """
    grid = list(itertools.product(WARPS, LENGTH_SCALES, AMPLITUDES, noise_factors))
    log_likelihood = np.zeros(len(grid))
    every = max(1, math.ceil(len(curves) / _MAX_CURVES))
    for curve in curves[::every]:
        log_likelihood += _log_likelihoods(curve, grid, scale)
    weight = np.exp(log_likelihood - log_likelihood.max())
    weight /= weight.sum()
    order = np.argsort(-weight, kind="stable")
    n = int(np.searchsorted(np.cumsum(weight[order]), _KEPT_WEIGHT)) + 1
    order = order[: min(n, _MAX_KEPT)]
    total = float(weight[order].sum())
    return tuple(
        Hyperparameters(w, ell, a * scale, factor, float(weight[i]) / total)
        for i in order
        for w, ell, a, factor in [grid[i]]
    )


def _log_likelihoods(
    curve: Curve, grid: Sequence[tuple[float, float, float, float]], scale: float
) -> Array:
    """Log marginal likelihood of one curve at every grid point, level integrated out."""
    pairs = {(w, ell): i for i, (w, ell) in enumerate(dict.fromkeys((w, e) for w, e, _, _ in grid))}
    z = np.stack([warped(curve.x, curve.edge, w) / ell for w, ell in pairs])
    which = [pairs[w, ell] for w, ell, _, _ in grid]
    correlation = matern52(z[:, :, None] - z[:, None, :])[which]
    amplitude = np.array([a * scale for _, _, a, _ in grid])
    factor = np.array([f for _, _, _, f in grid])
    K = amplitude[:, None, None] ** 2 * correlation
    K += factor[:, None, None] * np.diag(curve.variance)
    # One Cholesky factor of K bordered by (1, y) holds L and L^-1 (1, y) at once.
    n = len(curve.y)
    bordered = np.zeros((len(grid), n + 2, n + 2))
    bordered[:, :n, :n] = K
    bordered[:, n, :n], bordered[:, n + 1, :n] = 1.0, curve.y
    bordered[:, [n, n + 1], [n, n + 1]] = _BORDER
    factor_rows = np.linalg.cholesky(bordered)
    L, half = factor_rows[:, :n, :n], factor_rows[:, n:, :n].swapaxes(1, 2)
    information = (half[:, :, 0] ** 2).sum(1)
    level = (half[:, :, 0] * half[:, :, 1]).sum(1) / information
    residual = half[:, :, 1] - level[:, None] * half[:, :, 0]
    log_det = 2.0 * np.log(np.diagonal(L, axis1=1, axis2=2)).sum(1)
    return np.asarray(-0.5 * ((residual**2).sum(1) + log_det + np.log(information)))


def posterior(
    curve: Curve,
    shared: Sequence[Hyperparameters],
    x: Array,
    n_draws: int,
    rng: np.random.Generator,
) -> Posterior:
    """The curve's posterior at `x`, averaged over the shared hyperparameters.

    Args:
        curve: the data.
        shared: what `fit_shared` returned.
        x: log2 batch sizes to evaluate at, shape (g,).
        n_draws: draws of the whole curve; each grid point gets its share of them.
        rng: source of the draws.
    """
    weights = np.array([h.weight for h in shared])
    counts = _shares(weights, n_draws)
    mean = np.zeros(len(x))
    square = np.zeros(len(x))
    draws = []
    for h, weight, count in zip(shared, weights, counts, strict=True):
        m, covariance = _conditional(curve, h, x)
        mean += weight * m
        square += weight * (np.diag(covariance) + m * m)
        if count:
            jitter = _JITTER * h.amplitude**2 * np.eye(len(x))
            L = np.linalg.cholesky(covariance + jitter)
            draws.append(m + rng.standard_normal((count, len(x))) @ L.T)
    deviation = np.sqrt(np.maximum(square - mean * mean, 0.0))
    return Posterior(x, mean, deviation, np.concatenate(draws))


def _shares(weights: Array, n: int) -> NDArray[np.int64]:
    """Integers that divide n in proportion to the weights, by largest remainders."""
    exact = weights * n
    counts = np.floor(exact).astype(np.int64)
    rest = np.argsort(counts - exact, kind="stable")[: n - int(counts.sum())]
    counts[rest] += 1
    return counts


def _conditional(curve: Curve, h: Hyperparameters, x: Array) -> tuple[Array, Array]:
    """Mean and covariance at x given the data, level integrated out (R & W 2006, eq. 2.41-2.42)."""
    z, z_new = warped(curve.x, curve.edge, h.warp), warped(x, curve.edge, h.warp)
    v = h.amplitude**2
    K = v * matern52((z[:, None] - z) / h.length_scale)
    K += h.noise_factor * np.diag(curve.variance)
    K_new = v * matern52((z_new[:, None] - z) / h.length_scale)
    L = np.linalg.cholesky(K)
    ones = np.linalg.solve(L, np.ones(len(z)))
    data = np.linalg.solve(L, curve.y)
    cross = np.linalg.solve(L, K_new.T)
    information = float(ones @ ones)
    level = float(ones @ data) / information
    mean = level + cross.T @ (data - level * ones)
    rest = 1.0 - cross.T @ ones
    covariance = v * matern52((z_new[:, None] - z_new) / h.length_scale)
    covariance += -cross.T @ cross + np.outer(rest, rest) / information
    return mean, 0.5 * (covariance + covariance.T)
