"""Natural cubic splines by plain least squares, and their error on cells left out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def natural_spline(x: Array, columns: int) -> Array:
    """Basis of a natural cubic spline without its constant, [n, columns or fewer].

    columns + 1 knots at equal quantiles of x, linear beyond the outer two (Harrell 2015, equation
    2.25). Fewer distinct values than knots give as many columns as they carry.

    Args:
        x: [n], scaled here to [0, 1].
        columns: degrees of freedom without the constant; 1 is a straight line.
    """
    low, width = float(x.min()), float(np.ptp(x))
    if width == 0.0:
        return np.zeros((len(x), 0))
    z = (x - low) / width
    knots = np.unique(np.quantile(z, np.linspace(0.0, 1.0, columns + 1)))
    if len(knots) < 3:
        return z[:, None]

    def cube(at: float) -> Array:
        return np.maximum(z - at, 0.0) ** 3

    last, before = knots[-1], knots[-2]
    bends = [
        cube(k) + (cube(last) * (before - k) - cube(before) * (last - k)) / (last - before)
        for k in knots[:-2]
    ]
    return np.column_stack([z, *bends])


def left_out_errors(design: Array, y: Array, folds: NDArray[np.integer]) -> Array:
    """Errors of least squares on each fold when it is fitted to the others, [n].

    Args:
        design: [n, p] with its constant column.
        y: [n].
        folds: [n], a fold's number for each row.
    """
    errors = np.empty(len(y))
    for fold in np.unique(folds):
        out = folds == fold
        solution = np.linalg.lstsq(design[~out], y[~out], rcond=None)[0]
        errors[out] = y[out] - design[out] @ solution
    return errors


def with_constant(*parts: Array) -> Array:
    """A design of a constant and the given bases, [n, 1 + columns]."""
    return np.column_stack([np.ones(len(parts[0])), *parts])


def r_squared(errors: Array, y: Array, weights: Array | None = None) -> Array:
    """1 - (sum of squared errors) / (sum of squares about the mean), under each row of weights.

    Args:
        errors: [n], what is not explained.
        y: [n], what is to be explained.
        weights: [draws, n], how often each cell counts; None counts each once.

    Returns:
        [draws].
    """
    w = np.ones((1, len(y))) if weights is None else weights
    mean = (w @ y) / w.sum(axis=1)
    total = w @ y**2 - w.sum(axis=1) * mean**2
    return np.asarray(1.0 - (w @ errors**2) / total)


def interval(draws: Sequence[float] | Array, level: float) -> tuple[float, float]:
    """Percentile interval of bootstrap draws."""
    low, high = np.quantile(draws, [0.5 - level / 2, 0.5 + level / 2])
    return float(low), float(high)
