"""The law with censored conditions as inequalities: a Tobit regression with a random shift."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special, stats

from analysis.law.condition import AXES, LawPoint, design_of
from analysis.law.exponent import Exponent
from analysis.law.free_law import LEVEL

Array = NDArray[np.float64]

_GRADIENT = 1e-4
_AGREEMENT = 1e-6


@dataclass(frozen=True)
class CensoredFit:
    """The law fitted to all conditions, censored ones included.

    Attributes:
        exponents: by axis, in the order of AXES.
        log_likelihood: at the optimum.
        tau2: variance of ln B between conditions beyond their own errors.
        gradient: largest derivative of the log-likelihood at the optimum, in units of one
            standard deviation of a column or of one typical variance; 0 at a perfect optimum.
        n_starts, n_agreeing: starts, and how many reached the best log-likelihood to 1e-6.
        converged: the gradient is below 1e-4 and at least two starts agree.
        n: conditions in the likelihood, n_censored of them as inequalities.
        n_left_out: conditions with an inequality that say nothing: open on both sides, without
            a bound, or at values of an axis that no uncensored condition has.
        degrees_of_freedom: uncensored conditions less parameters.
        reason: why there is no fit; empty where there is one.
    """

    exponents: Mapping[str, Exponent]
    log_likelihood: float
    tau2: float
    gradient: float
    n_starts: int
    n_agreeing: int
    converged: bool
    n: int
    n_censored: int
    n_left_out: int
    degrees_of_freedom: int
    reason: str = ""


@dataclass(frozen=True, eq=False)
class _Problem:
    """X, y, variances; side is 0 for a value, 1 for "at least y", -1 for "at most y".

    Parameters are the coefficients and, last, tau2 in units of `typical`.
    """

    X: Array
    y: Array
    variance: Array
    side: Array
    typical: float

    def value(self, theta: Array) -> float:
        """Minus the log-likelihood."""
        total, residual, u, _ = self._parts(theta)
        exact = -0.5 * (np.log(2.0 * math.pi * total) + residual**2 / total)
        terms = np.where(self.side == 0, exact, special.log_ndtr(-u))
        return -float(np.asarray(terms).sum())

    def gradient(self, theta: Array) -> Array:
        """Of `value`."""
        total, residual, u, hazard = self._parts(theta)
        mean = np.where(self.side == 0, residual / total, self.side * hazard / np.sqrt(total))
        spread = np.where(self.side == 0, residual**2 / total - 1.0, u * hazard) / (2.0 * total)
        return -np.concatenate([self.X.T @ mean, [self.typical * spread.sum()]])

    def hessian(self, theta: Array) -> Array:
        """Of `value`."""
        total, residual, u, hazard = self._parts(theta)
        slope = hazard * (hazard - u)
        known = self.side == 0
        mm = np.where(known, -1.0, -slope) / total
        ms = np.where(
            known, -residual / total**2, -self.side * (u * slope + hazard) / (2.0 * total**1.5)
        )
        ss = np.where(
            known,
            0.5 / total**2 - residual**2 / total**3,
            -u * (u * slope + 3.0 * hazard) / (4.0 * total**2),
        )
        p = self.X.shape[1]
        H = np.empty((p + 1, p + 1))
        H[:p, :p] = self.X.T @ (mm[:, None] * self.X)
        H[:p, p] = H[p, :p] = self.typical * (self.X.T @ ms)
        H[p, p] = self.typical**2 * ss.sum()
        return -H

    def scale(self, theta: Array) -> float:
        """Mean expected squared residual in units of its variance, over conditions - parameters.

        For a censored condition the expectation is over the normal tail beyond its bound.
        """
        total, residual, u, hazard = self._parts(theta)
        squares = np.where(self.side == 0, residual**2 / total, 1.0 + u * hazard)
        k, p = self.X.shape
        return float(np.asarray(squares).sum()) / int(k - p)

    def _parts(self, theta: Array) -> tuple[Array, Array, Array, Array]:
        total = self.variance + max(theta[-1], 0.0) * self.typical
        residual = self.y - self.X @ theta[:-1]
        u = self.side * residual / np.sqrt(total)
        log_density = -0.5 * (u**2 + math.log(2.0 * math.pi))
        return total, residual, u, np.exp(log_density - special.log_ndtr(-u))


def censored_fit(points: Sequence[LawPoint], level: float = LEVEL) -> CensoredFit:
    """Maximum likelihood of the free law, with censored conditions as inequalities.

    A condition whose landmark may lie above (below) contributes the probability that a value
    with its error variance and tau2 lies above (below) its bound (Tobin 1958, with known error
    variances); where its own variance is unknown, the median of the others is taken. Intervals
    are from the observed information, scaled by the mean squared residual over conditions -
    parameters, as Knapp & Hartung's are, with Student's t for uncensored conditions - parameters.

    Args:
        points: all conditions of one group.
        level: coverage of the intervals.
    """
    exact = [p for p in points if p.usable]
    design = design_of(exact, points)
    p = design.matrix.shape[1]
    freedom = len(exact) - p
    informative = [q for q in points if _is_bound(q) and exact and design.spans(q.logs)]
    n_bounds = sum(q.open_low or q.open_high for q in points)
    counts = {
        "n": len(exact) + len(informative),
        "n_censored": len(informative),
        "n_left_out": n_bounds - len(informative),
        "degrees_of_freedom": max(freedom, 0),
    }
    if freedom < 0 or not exact:
        nothing = {a: _unknown(a, design.reasons[a]) for a in AXES}
        reason = "there are fewer uncensored conditions than parameters"
        return CensoredFit(
            nothing, math.nan, math.nan, math.nan, 0, 0, False, **counts, reason=reason
        )
    problem = _problem(exact, informative, design.matrix, [design.row(q.logs) for q in informative])
    starts = _starts(problem)
    ends = sorted((_climb(problem, start) for start in starts), key=lambda end: end[0])
    value, theta = ends[0]
    agreeing = sum(end[0] - value <= _AGREEMENT for end in ends)
    slope = _projected(problem, theta)
    covariance = _covariance(problem, theta)
    quantile = float(stats.t.ppf(0.5 + level / 2, freedom)) if freedom > 0 else math.nan
    exponents = {}
    for axis in AXES:
        if design.reasons[axis]:
            exponents[axis] = _unknown(axis, design.reasons[axis])
            continue
        direction = design.direction(axis)
        estimate = float(direction @ theta[:-1])
        half = quantile * math.sqrt(max(float(direction @ covariance @ direction), 0.0))
        exponents[axis] = Exponent(axis, estimate, estimate - half, estimate + half, True)
    return CensoredFit(
        exponents=exponents,
        log_likelihood=-value,
        tau2=float(theta[-1]) * problem.typical,
        gradient=slope,
        n_starts=len(starts),
        n_agreeing=agreeing,
        converged=slope < _GRADIENT and agreeing >= 2 and freedom > 0,
        **counts,
    )


def _is_bound(point: LawPoint) -> bool:
    return point.open_low != point.open_high and math.isfinite(point.log_batch_size)


def _unknown(axis: str, reason: str) -> Exponent:
    nan = math.nan
    text = reason or "there are fewer uncensored conditions than parameters"
    return Exponent(axis, nan, nan, nan, False, text)


def _problem(
    exact: Sequence[LawPoint], bounds: Sequence[LawPoint], matrix: Array, rows: Sequence[Array]
) -> _Problem:
    typical = float(np.median([q.variance for q in exact]))
    variance = [q.variance for q in exact]
    variance += [q.variance if 0.0 < q.variance < math.inf else typical for q in bounds]
    return _Problem(
        X=np.vstack([matrix, *rows]),
        y=np.array([q.log_batch_size for q in (*exact, *bounds)]),
        variance=np.array(variance),
        side=np.array([0.0] * len(exact) + [1.0 if q.open_high else -1.0 for q in bounds]),
        typical=typical,
    )


def _starts(problem: _Problem) -> list[Array]:
    """Six starting points.

    The fits of the uncensored conditions and of all bounds taken as values, and no slopes, each
    with little and with much variance between conditions.
    """
    X, y = problem.X, problem.y
    known = problem.side == 0
    p = X.shape[1]
    flat = np.zeros(p)
    flat[0] = float(y[known].mean())
    betas = (
        np.linalg.lstsq(X[known], y[known], rcond=None)[0],
        np.linalg.lstsq(X, y, rcond=None)[0],
        flat,
    )
    spread = float(np.var(y - X @ betas[1])) / problem.typical
    return [np.append(beta, tau2) for beta in betas for tau2 in (0.0, 1.0 + spread)]


def _climb(problem: _Problem, start: Array) -> tuple[float, Array]:
    """A local optimum near the start, polished by Newton's steps."""
    bounds = [(None, None)] * (len(start) - 1) + [(0.0, None)]
    found = optimize.minimize(
        problem.value,
        start,
        jac=problem.gradient,
        method="L-BFGS-B",
        bounds=bounds,
        options={"maxiter": 500, "ftol": 1e-13, "gtol": 1e-8},
    )
    theta, value = np.asarray(found.x, dtype=float), float(found.fun)
    for _ in range(4):
        free = _free(problem, theta)
        step = np.zeros_like(theta)
        try:
            H = problem.hessian(theta)[np.ix_(free, free)]
            step[free] = np.linalg.solve(H, problem.gradient(theta)[free])
        except np.linalg.LinAlgError:
            break
        new = theta - step
        new[-1] = max(new[-1], 0.0)
        better = problem.value(new)
        if not better <= value:
            break
        theta, value = new, better
    return value, theta


def _free(problem: _Problem, theta: Array) -> NDArray[np.bool_]:
    """All parameters, but not tau2 where it rests on its bound of 0."""
    free = np.ones(len(theta), dtype=bool)
    free[-1] = theta[-1] > 0.0 or problem.gradient(theta)[-1] < 0.0
    return free


def _projected(problem: _Problem, theta: Array) -> float:
    """The largest derivative, columns in units of their standard deviation."""
    size = np.append(np.sqrt((problem.X**2).mean(axis=0)), 1.0)
    gradient = problem.gradient(theta) / size * np.sqrt(problem.typical)
    gradient[-1] = problem.gradient(theta)[-1]
    return float(np.max(np.abs(gradient[_free(problem, theta)])))


def _covariance(problem: _Problem, theta: Array) -> Array:
    """Of the coefficients, scaled by the mean squared residual."""
    p = len(theta) - 1
    H = problem.hessian(theta)
    free = _free(problem, theta)
    if theta[-1] <= 0.0:
        free[-1] = False
    inverse = np.linalg.pinv(H[np.ix_(free, free)], hermitian=True)[:p, :p]
    k = len(problem.y)
    return np.asarray(inverse * (problem.scale(theta) if k > p else math.nan))
