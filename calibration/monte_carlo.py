"""Shares and means over landscapes, each with its Monte-Carlo interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats


@dataclass(frozen=True)
class Share:
    """A share of n with its 95 % interval.

    Attributes:
        share, low, high: fractions; NaN for n = 0.
        n: landscapes, or conditions within them.
    """

    share: float
    low: float
    high: float
    n: int

    @property
    def text(self) -> str:
        """`0.953 [0.92, 0.98]`."""
        return f"{self.share:.3f} [{self.low:.3f}, {self.high:.3f}]" if self.n else "-"


def independent_share(hits: Sequence[bool]) -> Share:
    """A share of independent trials, with Clopper & Pearson's (1934) interval."""
    n, k = len(hits), int(sum(hits))
    if not n:
        return Share(math.nan, math.nan, math.nan, 0)
    low = float(stats.beta.ppf(0.025, k, n - k + 1)) if k else 0.0
    high = float(stats.beta.ppf(0.975, k + 1, n - k)) if k < n else 1.0
    return Share(k / n, low, high, n)


def clustered_share(hits: Sequence[Sequence[bool]]) -> Share:
    """A share over the conditions of landscapes, which share one fit and so are not independent.

    The interval is that of a ratio of means over landscapes (linearised, Student's t).
    """
    k = np.array([sum(h) for h in hits], dtype=float)
    n = np.array([len(h) for h in hits], dtype=float)
    total = int(n.sum())
    if not total:
        return Share(math.nan, math.nan, math.nan, 0)
    share = float(k.sum() / n.sum())
    if len(k) < 2:
        return Share(share, math.nan, math.nan, total)
    spread = (k - share * n) / n.mean()
    half = float(stats.t.ppf(0.975, len(k) - 1) * spread.std(ddof=1) / math.sqrt(len(k)))
    return Share(share, max(share - half, 0.0), min(share + half, 1.0), total)
