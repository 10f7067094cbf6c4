"""The law of B_opt with its exponents, and what it says in words: plain data."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from analysis.landscape import Group
from analysis.law.budgets import BudgetComparison
from analysis.law.condition import AXES, log_axes
from analysis.law.exponent import Exponent
from analysis.law.report import LawReport
from analysis.maximum import LEVEL
from analysis.peak import GroupPeaks, Peak


@dataclass(frozen=True)
class Estimate:
    """A number with its interval; NaN where it is not known."""

    estimate: float
    low: float
    high: float


@dataclass(frozen=True)
class ScalingFit:
    """The law of one group.

    Attributes:
        group: what the law holds for.
        metric: what was averaged to find the peaks.
        near_optimal: accuracy below the best that counts as near-optimal.
        exponents: by axis, in the order of AXES.
        constant: c in samples: B_opt at eps = N = 1/(1-m) = 1, far outside the data as a rule;
            an axis without an exponent is part of it.
        at_center: B_opt at `center`, in samples, where the law is best known.
        center: the geometric means of eps, N and 1/(1-m) over the fitted conditions.
        converged: the between-condition variance was found.
        n_conditions: conditions the law was fitted to.
        n_dropped: conditions left out, `n_censored` of them because of a censored peak.
        degrees_of_freedom: n_conditions less the parameters.
        tau2: variance of ln B_opt between conditions beyond their own errors.
        heterogeneity: Cochran's Q without that variance.
        residuals: of ln B_opt, in the order of the usable peaks.
        peaks: all conditions of the group, the left-out ones too.
        found: the same with what the group's data are like.
        law: tests, the one-parameter law, rivals, the laws of the other landmarks, the collapse.
        sentences: what was found, and what to beware of.
        level: coverage that the intervals aim at.
    """

    group: Group
    metric: str
    near_optimal: float
    exponents: Mapping[str, Exponent]
    constant: Estimate
    at_center: Estimate
    center: Mapping[str, float]
    converged: bool
    n_conditions: int
    n_dropped: int
    n_censored: int
    degrees_of_freedom: int
    tau2: float
    heterogeneity: float
    residuals: tuple[float, ...]
    peaks: tuple[Peak, ...]
    found: GroupPeaks
    law: LawReport
    sentences: tuple[str, ...]
    level: float = LEVEL

    @property
    def dataset(self) -> str:
        """The group's data set."""
        return self.group.dataset

    @property
    def model(self) -> str:
        """The group's model."""
        return self.group.model

    @property
    def budget(self) -> str:
        """How the group's trials were budgeted."""
        return self.group.budget

    @property
    def budget_value(self) -> float:
        """The budget's value; NaN where the source does not say."""
        return self.group.budget_value

    def predict(self, learning_rate: float, momentum: float, train_size: int) -> float:
        """B_opt by the law, in samples; an axis without an exponent is taken as it was."""
        log_b = math.log(self.at_center.estimate)
        for axis, value in zip(AXES, log_axes(learning_rate, momentum, train_size), strict=True):
            if self.exponents[axis].identifiable:
                log_b += self.exponents[axis].estimate * (value - math.log(self.center[axis]))
        return math.exp(log_b)


@dataclass(frozen=True)
class ScalingReport:
    """The laws of a landscape, one for each group.

    Attributes:
        laws: in the order of the groups' names.
        metric: what was averaged.
        notes: sentences on how the source was read.
        budgets: for groups that differ in their budget alone, their exponents side by side.
    """

    laws: tuple[ScalingFit, ...]
    metric: str
    notes: tuple[str, ...] = ()
    budgets: tuple[BudgetComparison, ...] = ()
