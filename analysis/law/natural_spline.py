"""A natural cubic spline: a smooth function of one variable with a set number of parameters."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def quantile_knots(x: Array, n: int) -> Array:
    """Knots at equally spaced quantiles of the distinct values, first and last included.

    Args:
        x: the variable.
        n: number of knots, at most the number of distinct values.
    """
    return np.asarray(np.quantile(distinct(x), np.linspace(0.0, 1.0, n)))


def distinct(x: Array) -> Array:
    """The distinct values, those that differ by rounding taken as one."""
    values: Array = np.sort(x)
    first = np.diff(values, prepend=-np.inf) > 1e-9
    return np.asarray(values[first])


def natural_basis(x: Array, knots: Array) -> Array:
    """Basis of cubic splines that are linear beyond the outer knots, shape (len(x), len(knots)).

    The truncated powers of Hastie, Tibshirani & Friedman (2009, equations 5.4 and 5.5), with x in
    units of the knots' span: a constant, x, and one function for each inner knot.

    Args:
        x: where to evaluate.
        knots: increasing, at least two.
    """
    span = knots[-1] - knots[0]
    t = (x - knots[0]) / span
    inner = (knots - knots[0]) / span

    def ramp(k: int) -> Array:
        cubes = np.maximum(t - inner[k], 0.0) ** 3 - np.maximum(t - inner[-1], 0.0) ** 3
        return np.asarray(cubes / (inner[-1] - inner[k]))

    last = ramp(len(knots) - 2)
    columns = [np.ones_like(t), t, *(ramp(k) - last for k in range(len(knots) - 2))]
    return np.column_stack(columns)
