"""Whether a printed p follows from the printed coefficient and the number of networks."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from analysis.published.printed_values import PrintedRow, RoundedNumber, rounded_number
from analysis.published.spearman_p import attainable_log10_p, attainable_magnitudes, log10_p

#: Ties considered: accuracies come in steps of 1 in 10,000 test images, so a few are equal.
MOST_TIED_PAIRS = 2
_SMALLEST_GROUP = 4
#: A group larger than this is scanned from three quarters of its size, and has too many
#: attainable coefficients for them to say anything.
_LARGE_GROUP = 100
_SMALLEST_LARGE = 0.75
#: Relative to the 1e-7 and more between attainable values: what float64 may have lost.
_SLACK = 1e-12
_LOWEST_EXPONENT = -320


@dataclass(frozen=True)
class RowCheck:
    """One printed coefficient with its p recomputed.

    Attributes:
        row: what is printed.
        log10_p_low, log10_p_high: log10 of the smallest and largest p that the rounded coefficient
            allows at the nominal n (`spearman_p.log10_p`); -inf where it may be exactly 1.
        printed_log10_p_low, printed_log10_p_high: the same of the printed p's own rounding.
        fits: the two ranges meet.
        fitting_n: the group sizes at which they would meet, among those scanned: 4 to the nominal
            n; for the pooled groups 300 to 400.
        exact_n: those of `fitting_n` at which an attainable coefficient without ties rounds to the
            printed one and has a p that rounds to the printed p. None for groups above 100, where
            attainable values are so dense that any p is one.
        exact_n_tied: the same with up to two pairs of tied accuracies allowed; a size that is not
            here is excluded unless more accuracies were equal.
        possible: some scanned size fits.
        missing_least: nominal n less the largest fitting size; None where none fits.
        corrections: where nothing fits, the same digits with another exponent that fit at n.
    """

    row: PrintedRow
    log10_p_low: float
    log10_p_high: float
    printed_log10_p_low: float
    printed_log10_p_high: float
    fits: bool
    fitting_n: tuple[int, ...]
    exact_n: tuple[int, ...] | None
    exact_n_tied: tuple[int, ...] | None
    possible: bool
    missing_least: int | None
    corrections: tuple[str, ...] = ()

    @property
    def n_for_balance(self) -> tuple[int, ...]:
        """The sizes left by the sharpest check that leaves any."""
        return self.exact_n_tied or self.fitting_n


def check_row(row: PrintedRow) -> RowCheck:
    """Recompute the p of one row over the rounding interval of its coefficient.

    p falls as |rho| grows, so the interval's ends give the ends of p; a printed p fits a size n
    where the rounding intervals of both meet.

    Raises:
        InputError: rho or p is no number.
    """
    n = row.n_nominal
    magnitude = _magnitudes(rounded_number(row.rho))
    printed = _log10(rounded_number(row.p))
    low, high = _p_range(magnitude, n)
    scanned = _scanned(n)
    fitting = tuple(k for k in scanned if _meet(_p_range(magnitude, k), printed))
    exact = tied = None
    if n <= _LARGE_GROUP:
        exact = tuple(k for k in fitting if _attainable(magnitude, printed, k, 0))
        pairs = range(MOST_TIED_PAIRS + 1)
        tied = tuple(
            k for k in fitting if any(_attainable(magnitude, printed, k, t) for t in pairs)
        )
    return RowCheck(
        row=row,
        log10_p_low=low,
        log10_p_high=high,
        printed_log10_p_low=printed[0],
        printed_log10_p_high=printed[1],
        fits=n in fitting,
        fitting_n=fitting,
        exact_n=exact,
        exact_n_tied=tied,
        possible=bool(fitting),
        missing_least=n - max(fitting) if fitting else None,
        corrections=() if fitting else _other_exponents(row.p, (low, high)),
    )


def fits_at(rho: str, p: str, n: int) -> bool:
    """Whether a printed p can belong to a printed coefficient among n pairs."""
    return _meet(_p_range(_magnitudes(rounded_number(rho)), n), _log10(rounded_number(p)))


def _scanned(n: int) -> range:
    smallest = int(_SMALLEST_LARGE * n) if n > _LARGE_GROUP else _SMALLEST_GROUP
    return range(smallest, n + 1)


def _magnitudes(rho: RoundedNumber) -> tuple[float, float]:
    """The smallest and largest |rho|, cut at 0 and 1."""
    ends = sorted((abs(rho.low), abs(rho.high)))
    smallest = Decimal(0) if rho.low <= 0 <= rho.high else ends[0]
    return float(min(smallest, Decimal(1))), float(min(ends[1], Decimal(1)))


def _log10(p: RoundedNumber) -> tuple[float, float]:
    """The printed p's range in log10, cut at 1."""
    one = Decimal(1)
    low = float(min(p.low, one).log10()) if p.low > 0 else -np.inf
    return low, float(min(p.high, one).log10())


def _p_range(magnitude: tuple[float, float], n: int) -> tuple[float, float]:
    high, low = (float(v) for v in log10_p(np.array(magnitude), n))
    return low, high


def _meet(a: tuple[float, float], b: tuple[float, float]) -> bool:
    return a[0] <= b[1] and b[0] <= a[1]


def _attainable(
    magnitude: tuple[float, float], p: tuple[float, float], n: int, tied_pairs: int
) -> bool:
    if 2 * tied_pairs > n:
        return False
    rho, log_p = attainable_magnitudes(n, tied_pairs), attainable_log10_p(n, tied_pairs)
    rounds = (rho >= magnitude[0] - _SLACK) & (rho <= magnitude[1] + _SLACK)
    return bool(np.any(rounds & (log_p >= p[0] - _SLACK) & (log_p <= p[1] + _SLACK)))


def _other_exponents(p: str, implied: tuple[float, float]) -> tuple[str, ...]:
    """The printed digits with any other exponent whose range meets the implied one."""
    digits, mark, _ = p.lower().partition("e")
    if not mark:
        return ()
    candidates = (f"{digits}e{k}" for k in range(_LOWEST_EXPONENT, 1))
    return tuple(c for c in candidates if _meet(implied, _log10(rounded_number(c))))
