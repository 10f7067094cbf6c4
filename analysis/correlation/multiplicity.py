"""Corrections for many tests at once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def holm(p: Array) -> Array:
    """Holm's (1979) step-down p values, which bound the chance of any false finding.

    The i-th smallest of m becomes max over j <= i of (m - j + 1) p_j, at most 1.

    Args:
        p: [m]; NaN is no test and stays NaN.
    """
    return _stepwise(p, lambda sorted_p, m: np.maximum.accumulate(sorted_p * np.arange(m, 0, -1)))


def benjamini_hochberg(p: Array) -> Array:
    """Benjamini & Hochberg's (1995) p values, which bound the share of false findings.

    The i-th smallest of m becomes min over j >= i of p_j m / j, at most 1.

    Args:
        p: [m]; NaN is no test and stays NaN.
    """

    def adjust(sorted_p: Array, m: int) -> Array:
        scaled = sorted_p * m / np.arange(1, m + 1)
        return np.asarray(np.minimum.accumulate(scaled[::-1])[::-1])

    return _stepwise(p, adjust)


def _stepwise(p: Array, adjust: Callable[[Array, int], Array]) -> Array:
    result = np.full(len(p), np.nan)
    tested = np.flatnonzero(~np.isnan(p))
    order = tested[np.argsort(p[tested], kind="stable")]
    result[order] = np.minimum(adjust(p[order], len(order)), 1.0)
    return result
