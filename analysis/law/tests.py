"""Tests of the predicted exponents: all at once, and each alone."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from analysis.law.condition import AXES, PREDICTED
from analysis.law.free_law import FreeLaw
from analysis.meta_regression import MetaRegression, meta_regression

Array = NDArray[np.float64]


@dataclass(frozen=True)
class FTest:
    """An F test; NaN where it cannot be made.

    Attributes:
        statistic: F.
        df1, df2: degrees of freedom: combinations tested, conditions less parameters.
        p: probability of an F as large under the hypothesis.
        n: conditions.
    """

    statistic: float
    df1: int
    df2: int
    p: float
    n: int


@dataclass(frozen=True)
class ExponentTests:
    """Tests that the exponents are as predicted.

    Attributes:
        joint: all at once.
        by_axis: each alone; NaN for an axis without an exponent.
        value: the predicted exponent.
    """

    joint: FTest
    by_axis: Mapping[str, FTest]
    value: float


def wald_test(fit: MetaRegression | None, directions: Array, values: Array, n: int) -> FTest:
    """Test directions . beta = values by F = d' (L C L')^-1 d / q with Knapp-Hartung's C.

    For one direction F is the square of Knapp & Hartung's (2003) t. For several it is their
    statistic's natural extension; its p values were found uniform (tests/law).

    Args:
        fit: the regression; None makes an empty test.
        directions: L, shape (q, p), full row rank.
        values: shape (q,).
        n: conditions.
    """
    q = len(directions)
    freedom = fit.degrees_of_freedom if fit else 0
    if fit is None or freedom <= 0 or q == 0 or not np.isfinite(fit.covariance).all():
        return FTest(math.nan, q, freedom, math.nan, n)
    off = directions @ fit.coefficients - values
    covariance = directions @ fit.covariance @ directions.T
    if fit.scale < 1e-24:
        # Conditions without any scatter: a deviation beyond rounding is certain.
        certain = bool(np.max(np.abs(off)) > 1e-9)
        return FTest(math.inf if certain else math.nan, q, freedom, 0.0 if certain else math.nan, n)
    statistic = float(off @ np.linalg.solve(covariance, off)) / q
    return FTest(statistic, q, freedom, float(stats.f.sf(statistic, q, freedom)), n)


def slopes_test(X: Array, y: Array, variance: Array) -> FTest:
    """Test that no column but the first, the constant, matters.

    Args:
        X: design, shape (k, 1 + r), full column rank where k > r.
        y: shape (k,).
        variance: of y, shape (k,).
    """
    k, p = X.shape
    fit = meta_regression(X, y, variance) if k >= p else None
    return wald_test(fit, np.eye(p)[1:], np.zeros(p - 1), k)


def exponent_tests(law: FreeLaw, value: float = PREDICTED) -> ExponentTests:
    """Test whether the exponents are `value`.

    The joint test asks whether ln B less `value` times the sum of the logs still depends on any
    combination of the axes that the conditions determine. Where no axes vary in step, those are
    the identifiable axes, and it is the Wald test of a = b = g = value over them.

    Args:
        law: the law with free exponents.
        value: the predicted exponent of every axis.
    """
    k = len(law.points)
    left = law.log_batch_sizes - value * np.array([sum(p.logs) for p in law.points])
    given = np.array([p.variance for p in law.points])  # raised once, by the regression
    joint = slopes_test(law.design.matrix, left, given)
    by_axis = {}
    for axis in AXES:
        if law.exponents[axis].identifiable:
            direction = law.design.direction(axis)[None, :]
            by_axis[axis] = wald_test(law.fit, direction, np.array([value]), k)
        else:
            by_axis[axis] = FTest(math.nan, 0, law.degrees_of_freedom, math.nan, k)
    return ExponentTests(joint, by_axis, value)
