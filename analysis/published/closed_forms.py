"""Printed formulas that one integral or one minimum decides."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy.integrate import quad
from scipy.optimize import minimize_scalar

from analysis.claim import REFUTED, SUPPORTED, Claim

_SIGMA = 1.3
_BATCH_SIZES = (1, 4, 16, 64)
_DIMENSIONS_AND_TRACES = ((10, 0.5), (200, 4000.0), (1000, 30.0))
_TOLERANCE = 1e-6
#: Standard deviations that hold all but 1e-88 of a normal density.
_FAR = 20.0


def check_closed_forms() -> tuple[Claim, ...]:
    """Gao & Zhong, equations 3, 4 and 28; He, Liu & Tao, corollary 1."""
    return (_density(), _mean_gradient(), _mean_distance(), _bound())


def _normal(sd: float) -> Callable[[float], float]:
    return lambda g: math.exp(-0.5 * (g / sd) ** 2) / (sd * math.sqrt(2.0 * math.pi))


def _integral(f: Callable[[float], float], sd: float) -> float:
    """Over the whole line, for an even f that falls like a normal density."""
    return 2.0 * float(quad(f, 0.0, _FAR * sd, epsabs=0.0, epsrel=1e-11, limit=200)[0])


def _density() -> Claim:
    """As printed, f(g) = sqrt(n)/(sigma sqrt(2 pi)) exp(-(g/(sigma sqrt(n)))^2 / 2)."""
    totals = {n: _integral(_printed_density(n), _SIGMA * math.sqrt(n)) for n in _BATCH_SIZES}
    holds = all(abs(total - 1.0) < _TOLERANCE for total in totals.values())
    listed = ", ".join(f"{totals[n]:.4g}" for n in _BATCH_SIZES)
    sizes = ", ".join(map(str, _BATCH_SIZES))
    return Claim(
        claim="The mean gradient over a batch of n has the density printed as equation 3.",
        source="Gao & Zhong, equation 3",
        verdict=SUPPORTED if holds else REFUTED,
        finding=(
            f"As printed it integrates to {listed} for n = {sizes}, not to 1; the n of the exponent"
            " belongs above the line: exp(-n g^2 / (2 sigma^2))."
        ),
        n=len(totals),
        figures={f"integral_n{n}": total for n, total in totals.items()},
    )


def _printed_density(n: int) -> Callable[[float], float]:
    height = math.sqrt(n) / (_SIGMA * math.sqrt(2.0 * math.pi))
    return lambda g: height * math.exp(-0.5 * (g / (_SIGMA * math.sqrt(n))) ** 2)


def _mean_gradient() -> Claim:
    """E|g| for g normal with standard deviation sigma/sqrt(n), in units of that deviation."""
    density = _normal(1.0)
    constant = _integral(lambda g: abs(g) * density(g), 1.0)
    printed = 2.0 / math.sqrt(math.pi)
    return _constant(
        "The mean size of a batch's gradient is 2 sigma / (sqrt(pi) sqrt(n)).",
        "Gao & Zhong, equation 4 (and 6)",
        printed,
        constant,
        "sigma sqrt(2/pi) / sqrt(n)",
    )


def _mean_distance() -> Claim:
    """E|d| for d = g/(2a), in units of sigma/(a sqrt(n))."""
    density = _normal(0.5)
    constant = _integral(lambda d: abs(d) * density(d), 0.5)
    printed = 1.0 / math.sqrt(math.pi)
    return _constant(
        "The mean distance to the minimum is sigma / (a sqrt(pi) sqrt(n)).",
        "Gao & Zhong, equation 28",
        printed,
        constant,
        "sigma / (a sqrt(2 pi) sqrt(n))",
    )


def _constant(claim: str, source: str, printed: float, found: float, correct: str) -> Claim:
    holds = abs(printed / found - 1.0) < _TOLERANCE
    return Claim(
        claim=claim,
        source=source,
        verdict=SUPPORTED if holds else REFUTED,
        finding=(
            f"The integral gives {found:.4f} where {printed:.4f} is printed, {printed / found:.4f}"
            f" times too much: {correct}. The power of n is unaffected."
        ),
        n=1,
        figures={"printed": printed, "computed": found, "printed_over_computed": printed / found},
    )


def _bound() -> Claim:
    """Where the part of theorem 2 that depends on r = |S|/eta, d ln r + tr(C A^-1)/(2r), is least.

    The corollary's condition, d > tr(C A^-1) / (2r), is r > r* = tr(C A^-1) / (2d).
    """
    ratios = []
    for d, trace in _DIMENSIONS_AND_TRACES:
        r_star = trace / (2.0 * d)

        def numerator(log_r: float, d: int = d, trace: float = trace) -> float:
            return d * log_r + trace / (2.0 * math.exp(log_r))

        center = math.log(r_star)
        found = minimize_scalar(numerator, bounds=(center - 5.0, center + 6.0), method="bounded")
        ratios.append(math.exp(float(found.x)) / r_star)
    off = float(np.max(np.abs(np.log(ratios))))
    holds = off < 1e-3  # a minimum is known to about the square root of float precision
    return Claim(
        claim=(
            "Where d > tr(C A^-1) eta/(2|S|), the bound of theorem 2 rises with the ratio of batch"
            " size to learning rate."
        ),
        source="He, Liu & Tao 2019, corollary 1",
        verdict=SUPPORTED if holds else REFUTED,
        finding=(
            "Its square root is least where the condition begins, at a ratio of tr(C A^-1)/(2d)"
            f" (minimum found there in {len(ratios)} cases), and rises from there; below it falls,"
            " so the bound has a best ratio. The training error is held fixed, although it falls"
            " with the ratio in the same model."
        ),
        n=len(ratios),
        figures={"largest_log_distance": off},
    )
