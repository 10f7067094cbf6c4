"""ln B = ln c + a ln eps + b ln N + g ln(1/(1-m)) + a shift per condition, free exponents."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.law.condition import AXES, Design, LawPoint, design_of
from analysis.law.exponent import Exponent
from analysis.meta_regression import MetaRegression, meta_regression, steadied

Array = NDArray[np.float64]

LEVEL = 0.95


@dataclass(frozen=True, eq=False)
class FreeLaw:
    """A law with free exponents.

    Attributes:
        points: the conditions it was fitted to.
        design: their centred columns.
        fit: the regression on them; None with fewer conditions than parameters.
        exponents: by axis, in the order of AXES.
    """

    points: tuple[LawPoint, ...]
    design: Design
    fit: MetaRegression | None
    exponents: Mapping[str, Exponent]

    @property
    def log_batch_sizes(self) -> Array:
        """Shape (k,)."""
        return np.array([p.log_batch_size for p in self.points])

    @property
    def variances(self) -> Array:
        """As the fit weighs them, see `analysis.meta_regression.steadied`; shape (k,)."""
        return steadied(np.array([p.variance for p in self.points]))

    @property
    def converged(self) -> bool:
        """The variance between conditions was found."""
        return self.fit is not None and self.fit.converged

    @property
    def degrees_of_freedom(self) -> int:
        """Conditions less parameters; 0 where there is no fit."""
        return self.fit.degrees_of_freedom if self.fit else 0


def free_law(
    points: Sequence[LawPoint], level: float = LEVEL, what: str = "an uncensored peak"
) -> FreeLaw:
    """Fit the law to the points that can be used; the others only explain what was not varied.

    Knapp-Hartung t intervals with Paule-Mandel variance between conditions, see
    `analysis.meta_regression`.

    Args:
        points: all conditions of one group.
        level: coverage of the intervals.
        what: what a usable condition has, for the reasons.
    """
    usable = tuple(p for p in points if p.usable)
    design = design_of(usable, points, what)
    fit = None
    if len(usable) >= design.matrix.shape[1]:
        y = np.array([p.log_batch_size for p in usable])
        variance = np.array([p.variance for p in usable])
        fit = meta_regression(design.matrix, y, variance, level)
    exponents = {axis: _exponent(axis, design, fit) for axis in AXES}
    return FreeLaw(usable, design, fit, exponents)


def _exponent(axis: str, design: Design, fit: MetaRegression | None) -> Exponent:
    nan = math.nan
    reason = design.reasons[axis]
    if not reason and fit is None:
        reason = "there are fewer conditions than parameters"
    if reason or fit is None:
        return Exponent(axis, nan, nan, nan, False, reason)
    direction = design.direction(axis)
    estimate = float(direction @ fit.coefficients)
    half = fit.half_width(direction)
    return Exponent(axis, estimate, estimate - half, estimate + half, True)
