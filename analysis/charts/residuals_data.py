"""What the chart of the law's residuals shows, as plain data."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from analysis.charts.common import finite, interval, number, plural
from analysis.charts.law_data import (
    MAX_CONDITIONS,
    PointRow,
    fitted,
    landmark_law_of,
    law_points,
)
from analysis.charts.table import Table
from analysis.law.condition import column_rank
from analysis.law.free_law import FreeLaw
from analysis.law.report import p_text
from analysis.law.tests import FTest, wald_test
from analysis.meta_regression import meta_regression
from analysis.scaling import ScalingFit

QUESTION = "What does the fitted law leave unexplained?"

#: Below this p value a curvature, or scatter beyond the conditions' own errors, counts as seen.
SEEN = 0.05


@dataclass(frozen=True, kw_only=True, slots=True)
class ResidualRow:
    """One condition that the law was fitted to.

    Attributes:
        point: its best batch size.
        fitted: the law's, samples.
        factor: best batch size over the law's.
        low, high: the condition's own 95 % interval over the law's; None where unknown.
    """

    point: PointRow
    fitted: float
    factor: float
    low: float | None
    high: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Curvature:
    """How the law's slope along eps*N/(1-m) changes as that doubles.

    The residuals have no straight trend along any axis, since the law was fitted to them; what can
    be left is a bend. It is the coefficient of (ln eps*N/(1-m))^2 added to the law.

    Attributes:
        change, low, high: of the exponent for each doubling; NaN ends without degrees of freedom.
        test: that it is 0.
    """

    change: float
    low: float
    high: float
    test: FTest


@dataclass(frozen=True, kw_only=True, slots=True)
class ResidualsInfo:
    """What the chart draws, as plain data.

    Attributes:
        question, answer, description: title, one sentence, and text for those who cannot see it.
        rows: the conditions of the fit, in ascending order of eps*N/(1-m).
        scatter: standard deviation of ln B_opt between conditions beyond their own errors; None
            without a fit.
        heterogeneity, degrees_of_freedom, p: Cochran's Q, chi-squared with these degrees of
            freedom where conditions scatter by their own errors alone; None where unknown.
        curvature: None where it cannot be known.
        notes: whole sentences.
    """

    question: str
    answer: str
    description: str
    rows: tuple[ResidualRow, ...]
    scatter: float | None
    heterogeneity: float | None
    degrees_of_freedom: int
    p: float | None
    curvature: Curvature | None
    notes: tuple[str, ...]

    def table(self) -> Table:
        """Each condition of the fit, unrounded."""
        return Table(
            columns=(
                "learning rate",
                "momentum",
                "train size",
                "εN/(1 − m)",
                "B_opt",
                "B_opt fitted",
                "B_opt / fitted",
                "low",
                "high",
            ),
            rows=tuple(
                (
                    r.point.learning_rate,
                    r.point.momentum,
                    r.point.train_size,
                    r.point.scale,
                    r.point.batch_size,
                    r.fitted,
                    r.factor,
                    r.low,
                    r.high,
                )
                for r in self.rows
            ),
        )


def residuals_info(law: ScalingFit) -> ResidualsInfo:
    """Collect what the chart shows from one fitted law.

    Args:
        law: the fit with its peaks.
    """
    free = landmark_law_of(law, "optimum")
    rows = []
    for p in law_points(law):
        size = fitted(free, p) if p.landmark == "optimum" and p.used else None
        if size is not None:
            rows.append(
                ResidualRow(
                    point=p,
                    fitted=size,
                    factor=p.batch_size / size,
                    low=None if p.low is None else p.low / size,
                    high=None if p.high is None else p.high / size,
                )
            )
    freedom = free.degrees_of_freedom
    known = free.fit is not None and freedom > 0
    q = finite(free.fit.heterogeneity) if free.fit is not None and known else None
    scatter = finite(math.sqrt(free.fit.tau2)) if free.fit is not None and known else None
    p_value = None if q is None else float(stats.chi2.sf(q, freedom))
    bend = curvature(free, law.level)
    notes = []
    if len(rows) > MAX_CONDITIONS:
        notes.append(
            f"{MAX_CONDITIONS} of {len(rows):,} conditions are drawn, evenly chosen; the table has "
            "all."
        )
    if rows and not known:
        notes.append(
            "The law has as many parameters as conditions: it passes through every one, and its "
            "residuals say nothing."
        )
    return ResidualsInfo(
        question=QUESTION,
        answer=_answer(rows, scatter, q, freedom, p_value, bend),
        description=(
            "Best batch size over the fitted law's, on a logarithmic axis, against learning rate "
            f"times training-set size over one minus momentum: {plural(len(rows), 'condition')} "
            "with their own 95 % intervals, a line at 1 and a band of the scatter between "
            "conditions."
        ),
        rows=tuple(rows),
        scatter=scatter,
        heterogeneity=q,
        degrees_of_freedom=freedom,
        p=p_value,
        curvature=bend,
        notes=tuple(notes),
    )


def curvature(law: FreeLaw, level: float) -> Curvature | None:
    """The bend of a law along eps*N/(1-m); None where the conditions do not determine it.

    Args:
        law: with free exponents.
        level: coverage of the interval.
    """
    if law.fit is None or not len(law.points):
        return None
    scale = np.array([sum(p.logs) for p in law.points])
    square = (scale - scale.mean()) ** 2
    columns = np.column_stack([law.design.matrix[:, 1:], square])
    k = len(law.points)
    if column_rank(columns) < columns.shape[1] or k <= columns.shape[1] + 1:
        return None
    X = np.column_stack([np.ones(k), columns])
    fit = meta_regression(X, law.log_batch_sizes, np.array([p.variance for p in law.points]), level)
    direction = np.zeros(X.shape[1])
    direction[-1] = 1.0
    doubling = 2.0 * math.log(2.0)  # the slope changes by twice the coefficient an e-fold
    middle = doubling * float(fit.coefficients[-1])
    half = doubling * fit.half_width(direction)
    return Curvature(
        change=middle,
        low=middle - half,
        high=middle + half,
        test=wald_test(fit, direction[None, :], np.zeros(1), k),
    )


def _answer(
    rows: Sequence[ResidualRow],
    scatter: float | None,
    q: float | None,
    freedom: int,
    p: float | None,
    bend: Curvature | None,
) -> str:
    """One sentence: the scatter between conditions, and whether a bend is left."""
    if not rows:
        return "No law was fitted, so there are no residuals."
    if scatter is None or q is None or p is None:
        return (
            f"Nothing can be said: {plural(len(rows), 'condition')} determine the law with none "
            "to spare."
        )
    beyond = "scatter" if p < SEEN else "do not detectably scatter"
    text = (
        f"The conditions {beyond} beyond their own errors (a factor of "
        f"{number(math.exp(scatter))}; Q = {number(q)} on {plural(freedom, 'degree')} of freedom, "
        f"{p_text(p)})"
    )
    if bend is None:
        return f"{text}; whether the law bends cannot be told."
    seen = "no bend is seen"
    if bend.test.p < SEEN:
        seen = "the law bends"
        if p >= SEEN:
            seen = "yet together they bend, each within its own error"
    change = f"{number(bend.change)} {interval(bend.low, bend.high)}".rstrip()
    return (
        f"{text}, and {seen}: the exponent along εN/(1\u00a0−\u00a0m) changes by {change} a "
        f"doubling ({p_text(bend.test.p)})."
    )
