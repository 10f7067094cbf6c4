"""Weighted regression with a random shift for each condition, and t intervals."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats

Array = NDArray[np.float64]

_TOLERANCE = 1e-12


@dataclass(frozen=True, eq=False)
class MetaRegression:
    """y = X beta + shift + error with known error variances.

    Attributes:
        coefficients: beta, shape (p,).
        covariance: of beta, Knapp-Hartung, shape (p, p); NaN without degrees of freedom.
        low, high: t intervals, shape (p,); NaN without degrees of freedom.
        tau2: between-condition variance, Paule-Mandel.
        heterogeneity: Cochran's Q at tau2 = 0, chi-squared with `degrees_of_freedom` if the
            conditions scatter by their own errors alone.
        scale: Knapp-Hartung's factor q: mean squared residual in units of its variance.
        variance: of each y as it was weighed by, without tau2, shape (k,).
        residuals: y - X beta, shape (k,).
        leverages: share of each condition in its own fitted value, shape (k,).
        degrees_of_freedom: k - p.
        quantile: of the t distribution, for the intervals; NaN without degrees of freedom.
        converged: the Paule-Mandel equation was solved (or its root is 0).
    """

    coefficients: Array
    covariance: Array
    low: Array
    high: Array
    tau2: float
    heterogeneity: float
    scale: float
    variance: Array
    residuals: Array
    leverages: Array
    degrees_of_freedom: int
    quantile: float
    converged: bool

    def half_width(self, direction: Array) -> float:
        """Half the interval of direction . beta."""
        return self.quantile * float(np.sqrt(direction @ self.covariance @ direction))


def meta_regression(
    X: Array, y: Array, variance: Array, level: float = 0.95, steady: bool = True
) -> MetaRegression:
    """Fit y = X beta with a random shift of variance tau2 for each row.

    tau2 solves Q(tau2) = k - p (Paule & Mandel 1982; DerSimonian & Kacker 2007): Q falls as tau2
    grows, so the root is unique, and it is 0 where Q(0) <= k - p. The covariance is that of
    weighted least squares times q = Q(tau2) / (k - p), with k - p degrees of freedom (Knapp &
    Hartung 2003). Where tau2 > 0, q is 1. Where the conditions scatter less than their errors
    say, q < 1 narrows the intervals, which is kept: errors of peaks were measured to be too wide
    rather than too narrow (docs/methods.md).

    Given variances are estimates: see `steadied` for those that are taken for too small.

    Args:
        X: design, shape (k, p), full column rank.
        y: one value a condition, shape (k,).
        variance: of each y, shape (k,), positive.
        level: coverage of the intervals.
        steady: raise the smallest variances; False takes all as they are.
    """
    k, p = X.shape
    variance = steadied(variance) if steady else variance
    freedom = k - p
    tau2, converged = _paule_mandel(X, y, variance, freedom)
    beta, bread = _weighted(X, y, 1.0 / (variance + tau2))
    residuals = y - X @ beta
    weight = 1.0 / (variance + tau2)
    leverages = weight * np.einsum("ij,jk,ik->i", X, bread, X)
    q = float(weight @ residuals**2) / freedom if freedom > 0 else math.nan
    scale = q
    covariance = scale * bread
    half = float(stats.t.ppf(0.5 + level / 2, freedom)) if freedom > 0 else math.nan
    error = np.sqrt(np.diag(covariance))
    return MetaRegression(
        coefficients=beta,
        covariance=covariance,
        low=beta - half * error,
        high=beta + half * error,
        tau2=tau2,
        heterogeneity=_q(X, y, 1.0 / variance),
        scale=scale,
        variance=variance,
        residuals=residuals,
        leverages=leverages,
        degrees_of_freedom=freedom,
        quantile=half,
        converged=converged,
    )


def steadied(variance: Array) -> Array:
    """The variances with those below their (lower) median raised to it; twice changes nothing.

    The variance of a peak is itself known to a factor of two or so, and a regression weighted by
    it trusts those most that came out too small by chance: with variances that say nothing (both
    true and given ones spread by half an e-fold) nominal 95 % intervals of weighted fits covered
    0.91 to 0.92, those of steadied ones 0.93 to 0.95 (docs/methods.md).

    Args:
        variance: shape (k,), positive.
    """
    if not len(variance):
        return variance
    return np.asarray(np.maximum(variance, np.sort(variance)[(len(variance) - 1) // 2]))


def _weighted(X: Array, y: Array, weight: Array) -> tuple[Array, Array]:
    """Coefficients and (X' W X)^-1 of weighted least squares, by QR."""
    root = np.sqrt(weight)
    Q, R = np.linalg.qr(root[:, None] * X)
    beta = np.linalg.solve(R, Q.T @ (root * y))
    inverse = np.linalg.inv(R)
    return beta, inverse @ inverse.T


def _q(X: Array, y: Array, weight: Array) -> float:
    beta, _ = _weighted(X, y, weight)
    return float(weight @ (y - X @ beta) ** 2)


def _paule_mandel(X: Array, y: Array, variance: Array, freedom: int) -> tuple[float, bool]:
    """The between-condition variance and whether its equation was solved."""
    if freedom <= 0:
        return 0.0, False

    def excess(tau2: float) -> float:
        return _q(X, y, 1.0 / (variance + tau2)) - freedom

    if excess(0.0) <= 0.0:
        return 0.0, True
    upper = float(np.mean(variance))
    for _ in range(200):
        if excess(upper) < 0.0:
            break
        upper *= 2.0
    else:
        return math.nan, False
    root, report = optimize.brentq(
        excess, 0.0, upper, xtol=_TOLERANCE * upper, rtol=1e-14, full_output=True
    )
    return float(root), bool(report.converged)
