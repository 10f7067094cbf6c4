"""The law with one parameter: B = c * eps*N/(1-m), or the same without N."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.law.condition import LawPoint, design_of, exp, logs_of
from analysis.law.free_law import LEVEL
from analysis.law.tests import FTest, slopes_test
from analysis.meta_regression import meta_regression

Array = NDArray[np.float64]

#: Exponents of eps, N and 1/(1-m) in each variable.
VARIABLES: Mapping[str, tuple[float, float, float]] = {
    "eps*N/(1-m)": (1.0, 1.0, 1.0),
    "eps/(1-m)": (1.0, 0.0, 1.0),
}


@dataclass(frozen=True)
class OneParameterLaw:
    """B = constant * variable.

    Attributes:
        variable: as named in VARIABLES.
        constant, low, high: c in samples for each unit of the variable, and its interval.
        r2: share of the weighted variance of ln B that the law explains, the constant being
            fitted: 1 - S(ln B - ln c - ln variable) / S(ln B - its mean), where S is the sum of
            squares with weights 1/(own variance + tau2). Negative where one constant B would
            describe the conditions better; NaN for one condition.
        tau2: variance between conditions beyond their own errors.
        residuals: of ln B, in the order of the usable points.
        n: conditions.
        against_free: F test of this law against free exponents.
        converged: the variance between conditions was found.
    """

    variable: str
    constant: float
    low: float
    high: float
    r2: float
    tau2: float
    residuals: tuple[float, ...]
    n: int
    against_free: FTest
    converged: bool


def one_parameter_law(
    points: Sequence[LawPoint], variable: str = "eps*N/(1-m)", level: float = LEVEL
) -> OneParameterLaw:
    """Fit ln B = ln c + ln variable + a shift per condition (Smith & Le 2018, equations 11-13).

    The F test compares the sums of squares of this law and of the law with free exponents, at the
    free law's weights: it is the joint Wald test of `analysis.law.tests` in another form.

    Args:
        points: all conditions; those that are not usable are left out.
        variable: one of VARIABLES.
        level: coverage of the interval.
    """
    usable = [p for p in points if p.usable]
    offset = logs_of(usable) @ np.array(VARIABLES[variable])
    y = np.array([p.log_batch_size for p in usable])
    variance = np.array([p.variance for p in usable])
    nan = math.nan
    design = design_of(usable)
    against = slopes_test(design.matrix, y - offset, variance)
    if not usable:
        return OneParameterLaw(variable, nan, nan, nan, nan, nan, (), 0, against, False)
    fit = meta_regression(np.ones((len(usable), 1)), y - offset, variance, level)
    weight = 1.0 / (fit.variance + fit.tau2)
    around = y - weight @ y / weight.sum()
    total = float(weight @ around**2)
    left = float(weight @ fit.residuals**2)
    return OneParameterLaw(
        variable=variable,
        constant=exp(fit.coefficients[0]),
        low=exp(fit.low[0]),
        high=exp(fit.high[0]),
        r2=1.0 - left / total if total > 0.0 else nan,
        tau2=fit.tau2,
        residuals=tuple(float(r) for r in fit.residuals),
        n=len(usable),
        against_free=against,
        converged=fit.converged,
    )
