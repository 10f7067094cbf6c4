"""The two-sided p of a Spearman coefficient by the t approximation, far below what floats hold."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betainc, betaln

Array = NDArray[np.float64]

_SERIES_BELOW = 1e-200
_COMPLEMENT_FROM = 0.5
_FEWEST = 3


def log10_p(rho: ArrayLike, n: int) -> Array:
    """log10 of the two-sided p of Spearman's rho among n pairs, by Student's t with n-2 degrees.

    t = rho * sqrt((n-2) / (1-rho^2)) gives p = I_x((n-2)/2, 1/2), x = 1 - rho^2, with I the
    regularized incomplete beta function. Where it is below 1e-200 its logarithm is summed from

        I_x(a, b) = x^a (1-x)^b / (a B(a,b)) * sum_k x^k prod_{j<k} (a+b+j) / (a+1+j)

    (Abramowitz & Stegun 1964, 26.5.4), so that a p of 1e-400 keeps its digits.

    Args:
        rho: any shape, in [-1, 1].
        n: pairs, at least 3.

    Returns:
        The shape of rho; -inf where |rho| is 1.

    Raises:
        ValueError: n below 3, or a rho outside [-1, 1].
    """
    magnitude = np.abs(np.asarray(rho, dtype=np.float64))
    if n < _FEWEST or not np.all(magnitude <= 1.0):
        raise ValueError(f"needs n >= {_FEWEST} and |rho| <= 1, got n = {n}, rho = {rho!r}")
    x = (1.0 - magnitude) * (1.0 + magnitude)
    a = (n - 2) / 2
    p = betainc(a, 0.5, x)
    with np.errstate(divide="ignore"):
        # Near 1 the complement keeps what 1 - p would lose.
        log_p = np.where(p > _COMPLEMENT_FROM, np.log1p(-betainc(0.5, a, magnitude**2)), np.log(p))
        tiny = np.less(p, _SERIES_BELOW) & np.greater(x, 0.0)
        log_p = np.where(tiny, _log_series(np.where(tiny, x, 0.5), a), log_p)
    return np.asarray(log_p / np.log(10.0), dtype=np.float64)


def _log_series(x: Array, a: float) -> Array:
    """Log of I_x(a, 1/2), natural, x in (0, 1)."""
    term, total, k = np.ones_like(x), np.ones_like(x), 0
    while np.any(term > np.finfo(np.float64).eps * total):
        term = term * x * (a + 0.5 + k) / (a + 1.0 + k)
        total = total + term
        k += 1
    head = a * np.log(x) + 0.5 * np.log1p(-x) - np.log(a) - betaln(a, 0.5)
    return np.asarray(head + np.log(total), dtype=np.float64)


@lru_cache(maxsize=256)
def attainable_magnitudes(n: int, tied_pairs: int = 0) -> Array:
    """The |rho| that n pairs can have when `tied_pairs` pairs of values of one side are tied.

    Without ties rho = 1 - 6 D / (n (n^2-1)), D the sum of squared rank differences, and every even
    D from 0 to (n^3-n)/3 occurs (from n = 4). With k tied pairs, midranks give
    rho = (2 S - T - D) / (2 sqrt(S (S-T))), S = (n^3-n)/12, T = k/2 (Kendall 1948, chapter 3), and
    D can only be T, T+1, T+2 ... up to 4S-3T; which of these occur is not asked, so the set may be
    too large with ties, never too small.

    Returns:
        Ascending, shape [number of values].

    Raises:
        ValueError: n below 4, or more tied pairs than fit.
    """
    if n <= _FEWEST or not 0 <= 2 * tied_pairs <= n:
        raise ValueError(f"no {tied_pairs} tied pairs among {n} values, or n below 4")
    s, t = (n**3 - n) / 12, tied_pairs / 2
    d = np.arange(t, 4 * s - 3 * t + 0.25, 2.0 if tied_pairs == 0 else 1.0)
    rho = (2 * s - t - d) / (2 * np.sqrt(s * (s - t)))
    found = np.unique(np.minimum(np.abs(rho), 1.0))
    found.setflags(write=False)
    return found


@lru_cache(maxsize=256)
def attainable_log10_p(n: int, tied_pairs: int = 0) -> Array:
    """`log10_p` of `attainable_magnitudes`, in their order."""
    found = log10_p(attainable_magnitudes(n, tied_pairs), n)
    found.setflags(write=False)
    return found
