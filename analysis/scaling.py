"""The law B_opt = c * eps^a * N^b / (1-m)^g, one for each group of conditions, with intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from analysis.landscape import Landscape
from analysis.law.budgets import BudgetComparison, compare_budgets
from analysis.law.condition import AXES, PREDICTED, exp, points_of
from analysis.law.exponent import Exponent
from analysis.law.free_law import free_law
from analysis.law.report import law_report
from analysis.meta_regression import MetaRegression
from analysis.peaks import LEVEL, NEAR_OPTIMAL, GroupPeaks, PeakTable, find_peaks
from analysis.scaling_fit import Estimate, ScalingFit, ScalingReport
from analysis.scaling_sentences import cautions, findings
from explorer.errors import InputError

Array = NDArray[np.float64]

__all__ = [
    "AXES",
    "PREDICTED",
    "Estimate",
    "Exponent",
    "ScalingFit",
    "ScalingReport",
    "fit_scaling",
]


def fit_scaling(
    source: Landscape | PeakTable,
    metric: str = "test_accuracy",
    level: float = LEVEL,
    near_optimal: float = NEAR_OPTIMAL,
) -> ScalingReport:
    """Fit log B_opt = log c + a log eps + b log N + g log(1/(1-m)) + a shift per condition.

    A weighted regression with Paule-Mandel variance between conditions and Knapp-Hartung t
    intervals (see `meta_regression`). Without the shift a true law is rejected 44 to 78 % of the
    time. Censored conditions are left out; the sentences say so, since that may bias the slopes.

    Args:
        source: a landscape, or the peaks already found in one.
        metric: an accuracy column; of a PeakTable its own metric counts.
        level: coverage of the intervals.
        near_optimal: accuracy below the best that counts as near-optimal; of a PeakTable its own.

    Raises:
        InputError: the landscape has no trials, or none with this metric.
    """
    if not 0.0 < level < 1.0:
        raise InputError(f"level must lie between 0 and 1, not {level!r}.")
    table = source if isinstance(source, PeakTable) else find_peaks(source, metric, near_optimal)
    laws = tuple(_fit(group, table, level) for group in table.groups)
    return ScalingReport(laws, table.metric, table.notes, _compared_budgets(laws))


def _compared_budgets(laws: Sequence[ScalingFit]) -> tuple[BudgetComparison, ...]:
    """Exponents side by side for the laws that differ in their budget alone."""
    alike: dict[object, list[ScalingFit]] = {}
    for law in laws:
        alike.setdefault((law.dataset, law.model, law.group.settings), []).append(law)
    return tuple(
        compare_budgets([(_budget_label(law), law.exponents) for law in several])
        for several in alike.values()
        if len(several) > 1
    )


def _budget_label(law: ScalingFit) -> str:
    value = f" {law.budget_value:g}" if math.isfinite(law.budget_value) else ""
    return f"{law.budget}{value}"


def _fit(found: GroupPeaks, table: PeakTable, level: float) -> ScalingFit:
    law = free_law(points_of(found.peaks, "optimum"), level)
    fit, design = law.fit, law.design
    dropped = [p for p in found.peaks if not p.usable]
    scaling = ScalingFit(
        group=found.group,
        metric=table.metric,
        near_optimal=table.near_optimal,
        exponents=law.exponents,
        constant=_level_at(fit, design.center @ design.basis),
        at_center=_level_at(fit, np.zeros(design.rank)),
        center={a: float(np.exp(c)) for a, c in zip(AXES, design.center, strict=True)},
        converged=law.converged,
        n_conditions=len(law.points),
        n_dropped=len(dropped),
        n_censored=sum(p.censored for p in dropped),
        degrees_of_freedom=law.degrees_of_freedom,
        tau2=fit.tau2 if fit else math.nan,
        heterogeneity=fit.heterogeneity if fit else math.nan,
        residuals=tuple(float(r) for r in fit.residuals) if fit else (),
        peaks=found.peaks,
        found=found,
        law=law_report(found.peaks, level),
        sentences=(),
        level=level,
    )
    lines = (*findings(scaling), *scaling.law.sentences, *cautions(scaling), *found.sentences)
    return replace(scaling, sentences=lines)


def _level_at(fit: MetaRegression | None, offset: Array) -> Estimate:
    """Exp of the intercept moved by -offset along the law's columns, with its interval."""
    if fit is None:
        return Estimate(math.nan, math.nan, math.nan)
    direction = np.concatenate([[1.0], -offset])
    middle = float(direction @ fit.coefficients)
    half = fit.half_width(direction)
    return Estimate(exp(middle), exp(middle - half), exp(middle + half))
