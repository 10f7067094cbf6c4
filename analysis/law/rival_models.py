"""Rival laws of ln B, and their weighted fits to many subsets of the conditions at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

_STEPS = 100
_TOLERANCE = 1e-10


@dataclass(frozen=True, eq=False)
class RivalModel:
    """A mean of ln B with parameters theta.

    Attributes:
        name: as listed in the results.
        formula: in words of the field.
        mean: theta of shape (F, p) to ln B of shape (F, k).
        jacobian: theta of shape (F, p) to d mean / d theta, shape (F, k, p) or (1, k, p).
        start: theta to begin with, shape (p,).
        linear: one Gauss-Newton step solves it.
        bounds: of theta, for a nonlinear model.
    """

    name: str
    formula: str
    mean: Callable[[Array], Array]
    jacobian: Callable[[Array], Array]
    start: Array
    linear: bool
    bounds: tuple[float, float] = (-np.inf, np.inf)


def linear_model(name: str, formula: str, columns: Array, offset: Array, y: Array) -> RivalModel:
    """Ln B = offset + columns . theta; the first column is the constant."""
    start = np.zeros(columns.shape[1])
    start[0] = float(np.mean(y - offset))
    return RivalModel(
        name,
        formula,
        mean=lambda theta: offset + theta @ columns.T,
        jacobian=lambda theta: columns[None],
        start=start,
        linear=True,
    )


def exact_model(name: str, formula: str, logs: Array, y: Array) -> RivalModel:
    """B = N / (1 + G), G = g (1-m)/eps; theta = ln g (Smith & Le 2018, equation 11, with 1/(1-m)).

    ln B = ln N - ln(1 + exp(theta - ln(eps/(1-m)))), so that B stays below N.
    """
    log_n = logs[:, 1]
    effective = logs[:, 0] + logs[:, 2]
    # As if B were well below N.
    start = np.array([float(np.median(log_n + effective - y))])
    return RivalModel(
        name,
        formula,
        mean=lambda theta: log_n - np.logaddexp(0.0, theta - effective),
        jacobian=lambda theta: -_logistic(theta - effective)[:, :, None],
        start=start,
        linear=False,
        # Below the lower bound B is N in all conditions, above the upper it is below one sample.
        bounds=(float(effective.min()) - 12.0, float((effective + log_n).max()) + 5.0),
    )


def _logistic(x: Array) -> Array:
    return 0.5 * (1.0 + np.tanh(0.5 * x))


@dataclass(frozen=True, eq=False)
class Fits:
    """Fits of one model to F subsets.

    Attributes:
        theta: shape (F, p).
        tau2: Paule-Mandel variance between conditions, shape (F,).
        bread: (J' W J)^-1, shape (F, p, p).
        scale: weighted sum of squares over degrees of freedom, shape (F,).
        converged: tau2 and theta settled, theta inside its bounds, shape (F,).
    """

    theta: Array
    tau2: Array
    bread: Array
    scale: Array
    converged: Mask


def fit_subsets(model: RivalModel, y: Array, variance: Array, keep: Mask) -> Fits:
    """Least squares with Paule-Mandel's variance between conditions, for each subset of them.

    tau2 solves Q(tau2) = conditions - parameters by Newton's method, whose slope is
    -sum(w^2 r^2) since the parameters minimise Q. Q is convex where the model is linear, so that
    the iteration climbs to the root from 0 (DerSimonian & Kacker 2007).

    Args:
        model: the mean.
        y: ln B, shape (k,).
        variance: of y, shape (k,).
        keep: the subsets, shape (F, k).
    """
    F = len(keep)
    p = len(model.start)
    freedom = keep.sum(axis=1) - p
    theta = np.repeat(model.start[None], F, axis=0)
    tau2 = np.zeros(F)
    typical = float(np.mean(variance))
    converged = np.zeros(F, dtype=bool)
    for _ in range(_STEPS):
        weight = keep / (variance + tau2[:, None])
        theta, settled = minimise(model, y, weight, theta)
        r2 = (y - model.mean(theta)) ** 2
        excess = (weight * r2).sum(axis=1) - freedom
        slope = np.maximum((weight**2 * r2).sum(axis=1), 1e-300)
        new = np.where(freedom > 0, np.maximum(tau2 + excess / slope, 0.0), 0.0)
        moved = np.abs(new - tau2)
        tau2 = new
        converged = settled & (moved <= _TOLERANCE * (tau2 + typical))
        if converged.all():
            break
    weight = keep / (variance + tau2[:, None])
    theta, settled = minimise(model, y, weight, theta)
    bread = np.linalg.pinv(_normal(model, theta, weight), rcond=1e-12, hermitian=True)
    q = (weight * (y - model.mean(theta)) ** 2).sum(axis=1)
    scale = np.divide(q, freedom, out=np.full(F, np.nan), where=freedom > 0)
    inside = ((theta > model.bounds[0]) & (theta < model.bounds[1])).all(axis=1)
    return Fits(theta, tau2, np.asarray(bread), scale, converged & settled & inside & (freedom > 0))


def minimise(model: RivalModel, y: Array, weight: Array, theta: Array) -> tuple[Array, Mask]:
    """Theta of least weighted squares by Gauss-Newton, and where it settled, for each row."""
    settled = np.zeros(len(theta), dtype=bool)
    for _ in range(40):
        J = model.jacobian(theta)
        residual = y - model.mean(theta)
        gradient = np.einsum(
            "fk,fkp->fp", weight * residual, np.broadcast_to(J, (*weight.shape, J.shape[2]))
        )
        inverse = np.linalg.pinv(_normal(model, theta, weight), rcond=1e-12, hermitian=True)
        step = np.einsum("fpq,fq->fp", inverse, gradient)
        if model.linear:
            return theta + step, np.ones(len(theta), dtype=bool)
        # A step of one e-fold at most: the exact law is flat where B approaches N.
        new = np.clip(theta + np.clip(step, -1.0, 1.0), *model.bounds)
        settled = np.abs(new - theta).max(axis=1) < 1e-9
        theta = new
        if settled.all():
            break
    return theta, settled


def _normal(model: RivalModel, theta: Array, weight: Array) -> Array:
    J = model.jacobian(theta)
    if len(J) == 1:
        return np.asarray(np.tensordot(weight, J[0][:, :, None] * J[0][:, None, :], axes=1))
    return np.asarray(np.einsum("fk,fkp,fkq->fpq", weight, J, J))


def log_likelihood(model: RivalModel, y: Array, variance: Array) -> tuple[float, float]:
    """The largest log-likelihood of normal errors with a random shift, and its tau2.

    The profile over tau2 is scanned on a grid that is refined around its best point, which finds
    the highest of several maxima.
    """
    typical = float(np.mean(variance))
    grid = np.concatenate([[0.0], typical * np.logspace(-4, 5, 91)])
    best, tau2 = -np.inf, 0.0
    for _ in range(6):
        total = variance + grid[:, None]
        theta = np.repeat(model.start[None], len(grid), axis=0)
        theta, _ = minimise(model, y, 1.0 / total, theta)
        r2 = (y - model.mean(theta)) ** 2
        values = -0.5 * (np.log(2.0 * np.pi * total) + r2 / total).sum(axis=1)
        i = int(np.argmax(values))
        if values[i] > best:
            best, tau2 = float(values[i]), float(grid[i])
        grid = np.linspace(grid[max(i - 1, 0)], grid[min(i + 1, len(grid) - 1)], 41)
    return best, tau2


def rival_models(
    logs: Array, y: Array, columns: Array, *, train_size_varied: bool
) -> tuple[RivalModel, ...]:
    """The rivals, in the order in which they are named.

    Args:
        logs: ln eps, ln N, ln 1/(1-m), shape (k, 3).
        y: ln B, shape (k,).
        columns: the free law's design, shape (k, 1 + r).
        train_size_varied: N varied; without that, laws with and without it are the same.
    """
    one = np.ones((len(y), 1))
    powers: Mapping[str, tuple[str, tuple[float, float, float]]] = {
        "linear": ("c * eps*N/(1-m)", (1.0, 1.0, 1.0)),
        "without_train_size": ("c * eps/(1-m)", (1.0, 0.0, 1.0)),
        "square_root": ("c * (eps/(1-m))^2", (2.0, 0.0, 2.0)),
        "square_root_with_train_size": ("c * (eps*N/(1-m))^2", (2.0, 2.0, 2.0)),
        "constant": ("c", (0.0, 0.0, 0.0)),
    }
    models = [
        linear_model(name, formula, one, logs @ np.array(power), y)
        for name, (formula, power) in powers.items()
        if train_size_varied or "train_size" not in name
    ]
    models.append(exact_model("exact", "N / (1 + g*(1-m)/eps)", logs, y))
    free = linear_model("free", "c * eps^a * N^b / (1-m)^g", columns, np.zeros(len(y)), y)
    return (*models, free)
