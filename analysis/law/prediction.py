"""The prediction interval of a law for a new condition."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special, stats

from analysis.law.free_law import LEVEL, FreeLaw

Array = NDArray[np.float64]

_DRAWS = 200
_HALVINGS = 80


@dataclass(frozen=True)
class LogPrediction:
    """ln B of a new condition, with the interval that holds its true value; NaN where unknown."""

    estimate: float
    low: float
    high: float


def predict(law: FreeLaw, row: Array, level: float = LEVEL) -> LogPrediction:
    """Predict ln B at a row of the law's design.

    The interval holds the new condition's own value, its shift included, not an estimate of it.
    It averages the normal predictive distribution over the confidence distribution of tau2
    (Nagashima, Noma & Furukawa 2019, for a mean; here for a regression): its quantile u solves
    Q(tau2) = the 1-u quantile of chi-squared with conditions - parameters degrees of freedom,
    or is 0. With equal error variances and much scatter this is Student's t. Taking the
    estimated tau2 as known is too narrow with few conditions, where it is often 0.

    Args:
        law: with free exponents.
        row: of the new condition, `law.design.row(logs)`, shape (p,).
        level: coverage.
    """
    if law.fit is None:
        return LogPrediction(math.nan, math.nan, math.nan)
    estimate = float(row @ law.fit.coefficients)
    if law.degrees_of_freedom <= 0 or not law.converged:
        return LogPrediction(estimate, math.nan, math.nan)
    X, y, variance = law.design.matrix, law.log_batch_sizes, law.variances
    share = (np.arange(_DRAWS) + 0.5) / _DRAWS
    tau2 = _solve(X, y, variance, stats.chi2.ppf(1.0 - share, law.degrees_of_freedom))
    beta, bread, _ = _weighted(X, y, variance, tau2)
    mean = beta @ row
    spread = np.sqrt(tau2 + np.einsum("p,fpq,q->f", row, bread, row))
    ends = [_quantile(mean, spread, u) for u in (0.5 - level / 2, 0.5 + level / 2)]
    return LogPrediction(estimate, min(ends[0], estimate), max(ends[1], estimate))


def _weighted(X: Array, y: Array, variance: Array, tau2: Array) -> tuple[Array, Array, Array]:
    """Coefficients, (X' W X)^-1 and Q at each tau2."""
    weight = 1.0 / (variance + tau2[:, None])
    # Unit columns keep the normal equations well conditioned.
    size = np.sqrt((X**2).sum(axis=0))
    unit = X / size
    normal = np.tensordot(weight, unit[:, :, None] * unit[:, None, :], axes=1)
    bread = np.linalg.inv(normal)
    beta = np.einsum("fpq,fq->fp", bread, weight @ (unit * y[:, None]))
    q = (weight * (y - beta @ unit.T) ** 2).sum(axis=1)
    return beta / size, bread / np.outer(size, size), q


def _solve(X: Array, y: Array, variance: Array, target: Array) -> Array:
    """tau2 with Q(tau2) = target, or 0 where Q(0) is below it; by bisection, Q falling."""
    low = np.zeros(len(target))
    high = np.full(len(target), float(np.mean(variance)))
    for _ in range(200):
        above = _weighted(X, y, variance, high)[2] > target
        if not above.any():
            break
        high = np.where(above, 2.0 * high, high)
    nothing = _weighted(X, y, variance, low)[2] <= target
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        above = _weighted(X, y, variance, middle)[2] > target
        low, high = np.where(above, middle, low), np.where(above, high, middle)
        if np.all(high - low <= 1e-9 * high):
            break
    return np.where(nothing, 0.0, high)


def _quantile(mean: Array, spread: Array, u: float) -> float:
    """Of the equal mixture of normal distributions."""
    z = float(stats.norm.ppf(u))
    ends = mean + z * spread
    low, high = float(ends.min()), float(ends.max())
    if high - low < 1e-12:
        return low

    def excess(x: float) -> float:
        return float(special.ndtr((x - mean) / spread).mean()) - u

    return float(optimize.brentq(excess, low - 1e-9, high + 1e-9, xtol=1e-10))
