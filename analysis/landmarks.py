"""Landmarks of curves: the optimum, the near-optimal range and the half-fall, draw by draw."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Landmarks:
    """Where each of many curves has its landmarks, as log2 batch size.

    Attributes:
        optimum: of the highest point, shape (n,).
        near_low, near_high: ends of the unbroken range within `tolerance` of the highest point,
            shape (n,).
        half_fall: above the optimum, where half of the fall to the last point is lost, shape (n,);
            NaN where the last point is the highest.
        at_start, at_end: the highest point is the first, the last, shape (n,).
        near_open_low, near_open_high: the range reaches the first, the last point, shape (n,).
        height: of the highest point, shape (n,).
        fall: from the highest to the last point, shape (n,).
    """

    optimum: Array
    near_low: Array
    near_high: Array
    half_fall: Array
    at_start: NDArray[np.bool_]
    at_end: NDArray[np.bool_]
    near_open_low: NDArray[np.bool_]
    near_open_high: NDArray[np.bool_]
    height: Array
    fall: Array


def landmarks(x: Array, curves: Array, tolerance: float) -> Landmarks:
    """Find the landmarks of each row of `curves`.

    Ends are interpolated between grid points; the optimum is a grid point.

    Args:
        x: ascending log2 batch sizes, shape (g,).
        curves: accuracies, shape (n, g).
        tolerance: accuracy below the best that still counts as near-optimal.
    """
    rows = np.arange(len(curves))
    top = np.argmax(curves, axis=1)
    height = curves[rows, top]
    near_low, open_low = _left(x, curves, top, height - tolerance)
    near_high, open_high = _right(x, curves, top, height - tolerance)
    fall = height - curves[:, -1]
    half_fall, _ = _right(x, curves, top, height - 0.5 * fall)
    return Landmarks(
        optimum=x[top],
        near_low=near_low,
        near_high=near_high,
        half_fall=np.where(fall > 0, half_fall, np.nan),
        at_start=top == 0,
        at_end=top == len(x) - 1,
        near_open_low=open_low,
        near_open_high=open_high,
        height=height,
        fall=fall,
    )


def _right(
    x: Array, curves: Array, top: NDArray[np.int64], level: Array
) -> tuple[Array, NDArray[np.bool_]]:
    """Where each curve first falls below its level beyond its top; the last x where never."""
    below = curves < level[:, None]
    # The smallest integers that will do: comparing every point would else take most of the time.
    kind = np.min_scalar_type(len(x))
    below &= np.arange(len(x), dtype=kind) > top.astype(kind)[:, None]
    first = np.argmax(below, axis=1)
    never = ~below[np.arange(len(curves)), first]
    after = np.where(never, len(x) - 1, first)
    return _crossing(x, curves, after - 1, after, level, never, float(x[-1])), never


def _left(
    x: Array, curves: Array, top: NDArray[np.int64], level: Array
) -> tuple[Array, NDArray[np.bool_]]:
    """The same towards small x."""
    place, never = _right(-x[::-1], curves[:, ::-1], len(x) - 1 - top, level)
    return -place, never


def _crossing(
    x: Array,
    curves: Array,
    inside: NDArray[np.int64],
    outside: NDArray[np.int64],
    level: Array,
    never: NDArray[np.bool_],
    otherwise: float,
) -> Array:
    rows = np.arange(len(curves))
    a, b = curves[rows, inside], curves[rows, outside]
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.clip((a - level) / (a - b), 0.0, 1.0)
    place = x[inside] + share * (x[outside] - x[inside])
    return np.where(never, otherwise, place)
