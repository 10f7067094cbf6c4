"""Rank and linear correlation coefficients with their t approximation and intervals."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

Array = NDArray[np.float64]

_ALL_PAIRS = 500  # values: with more, scipy's counting by merging is faster than every pair


def pearson(x: Array, y: Array) -> float:
    """Pearson's r of two vectors [n]; NaN where either is constant."""
    return float(unit_scores(x) @ unit_scores(y))


def spearman(x: Array, y: Array) -> float:
    """Spearman's rho: Pearson's r of the mid-ranks (Spearman 1904); NaN where one is constant."""
    rho = pearson(mid_ranks(x), mid_ranks(y))
    # A perfect order is exact in theory, and p hangs on 1 - |rho|: rounding must not show there.
    return math.copysign(1.0, rho) if abs(rho) > 1.0 - 1e-14 else rho


def kendall(x: Array, y: Array) -> float:
    """Kendall's tau-b (Kendall 1945); NaN where either is constant."""
    if np.ptp(x) == 0.0 or np.ptp(y) == 0.0:
        return math.nan
    if len(x) > _ALL_PAIRS:
        return float(stats.kendalltau(x, y, method="asymptotic").statistic)
    sign_x, sign_y = np.sign(x[:, None] - x).ravel(), np.sign(y[:, None] - y).ravel()
    # Counts of pairs that are not tied and of concordant less discordant ones, each twice.
    untied_x, untied_y = float(sign_x @ sign_x) / 2.0, float(sign_y @ sign_y) / 2.0
    tau = float(sign_x @ sign_y) / 2.0 / math.sqrt(untied_x) / math.sqrt(untied_y)
    return max(-1.0, min(1.0, tau))


def mid_ranks(values: Array) -> Array:
    """Ranks from 1, ties at their mean rank, [n]: scipy.stats.rankdata, without its overhead."""
    if np.isnan(values).any():
        return np.full(len(values), math.nan)
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]])[: len(values)])
    ends = np.append(starts[1:], len(values))
    ranks = np.empty(len(values))
    ranks[order] = np.repeat(0.5 * (starts + ends + 1), ends - starts)
    return ranks


def unit_scores(values: Array) -> Array:
    """Values centred and scaled to length 1, [n]; NaN where they are constant."""
    centred = values - values.mean()
    length = math.sqrt(float(centred @ centred))
    if np.ptp(values) == 0.0 or length == 0.0:
        return np.full(len(values), math.nan)
    return np.asarray(centred / length)


def t_approximation(rho: float, n: int, controlled: int = 0) -> float:
    """Two-sided p of a correlation, by t = rho sqrt(df / (1 - rho^2)), df = n - 2 - controlled.

    This is what He et al. (2019) print, and scipy.stats.spearmanr. At |rho| = 1 it is 0, which no
    finite sample supports: the permutation p says what n can show.
    """
    freedom = n - 2 - controlled
    if freedom < 1 or math.isnan(rho):
        return math.nan
    if abs(rho) >= 1.0:
        return 0.0
    t = rho * math.sqrt(freedom / ((1.0 - rho) * (1.0 + rho)))
    return float(2.0 * special.stdtr(freedom, -abs(t)))


def rho_interval(rho: float, n: int, level: float) -> tuple[float, float]:
    """Interval of Spearman's rho by Fisher's z with variance (1 + rho^2/2) / (n - 3).

    The variance is Bonett & Wright's (2000, equation 3). Where |rho| = 1 it is taken at the next
    value that n untied ranks can have, and the outer end is 1 or -1.
    """
    if n < 4 or math.isnan(rho):
        return math.nan, math.nan
    nearest = 1.0 - 12.0 / (n * (n * n - 1.0))
    inner = max(-nearest, min(nearest, rho))
    half = float(special.ndtri(0.5 + level / 2)) * math.sqrt((1.0 + inner**2 / 2) / (n - 3))
    low, high = math.tanh(math.atanh(inner) - half), math.tanh(math.atanh(inner) + half)
    return (-1.0 if rho <= -1.0 else low), (1.0 if rho >= 1.0 else high)


def partial_spearman(x: Array, y: Array, given: Array) -> float:
    """Spearman's rho of x and y with the ranks of a third variable held constant.

    Attributes are vectors [n]; (r_xy - r_xz r_yz) / sqrt((1 - r_xz^2)(1 - r_yz^2)), NaN where x
    or y is constant or a monotone function of `given`.
    """
    xy, xz, yz = spearman(x, y), spearman(x, given), spearman(y, given)
    rest = (1.0 - xz**2) * (1.0 - yz**2)
    return (xy - xz * yz) / math.sqrt(rest) if rest > 1e-12 else math.nan
