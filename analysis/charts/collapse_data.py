"""What the collapse shows, as plain data: accuracy relative to the condition's best."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from analysis.charts.common import finite, has_measured_errors, number, plural
from analysis.charts.table import Table, bounds
from analysis.law.collapse import FORMULAS, REFERENCE, CollapseVariable
from analysis.law.condition import fixed
from analysis.peak import Cell, Peak
from analysis.scaling_fit import ScalingFit

QUESTION = "Do all conditions fall on one curve of the noise scale?"

NOISE_SCALE, BATCH_SIZE, RATIO = "noise_scale", "batch_size", "ratio"
#: The variables that have a panel, in their order: its heading and the title of its axis.
PANELS = {
    NOISE_SCALE: ("against the noise scale", "noise scale g = εN / (B(1 − m))"),
    BATCH_SIZE: ("against batch size alone", "batch size B"),
    RATIO: ("against batch size over learning rate", "B / ε"),
}
_SPELLED = {
    "noise_scale": "noise scale εN/(B(1 − m))",
    "exact_noise_scale": "exact noise scale ε(N/B − 1)/(1 − m)",
    "without_train_size": "without N: ε/(B(1 − m))",
    "ratio": "B/ε",
    "batch_size": "batch size B",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class CollapseCell:
    """One batch size of one condition.

    Attributes:
        learning_rate, momentum, train_size: the condition.
        batch_size: samples.
        noise_scale: eps*N/(B*(1-m)) (Smith & Le 2018, appendix D).
        exact_noise_scale: eps*(N/B-1)/(1-m), 0 for a batch of all samples.
        ratio: B/eps.
        mean, standard_error: of the metric, fractions; the error is None where it is not measured.
        relative: mean over the fitted height of the condition's curve; `relative_error` likewise.
        n, n_diverged: seeds, and how many of them diverged.
        fitted: the smooth curve was fitted to it, so that it takes part in the comparison.
    """

    learning_rate: float
    momentum: float
    train_size: int
    batch_size: int
    noise_scale: float
    exact_noise_scale: float
    ratio: float
    mean: float
    standard_error: float | None
    relative: float
    relative_error: float | None
    n: int
    n_diverged: int
    fitted: bool

    @property
    def scale(self) -> float:
        """eps*N/(1-m), the condition's own number: noise scale times batch size."""
        return self.noise_scale * self.batch_size

    @property
    def condition(self) -> tuple[float, float, int]:
        """Learning rate, momentum, train size."""
        return self.learning_rate, self.momentum, self.train_size


@dataclass(frozen=True, kw_only=True, slots=True)
class CollapsePanel:
    """One variable that may explain relative accuracy.

    Attributes:
        name: field of a cell.
        heading: of the panel; `title` of its axis.
        lines: what it explains, in short lines for the panel's head.
    """

    name: str
    heading: str
    title: str
    lines: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class CollapseInfo:
    """What the chart draws, as plain data.

    Attributes:
        question, answer, description: title, the finding, and text for those who cannot see it.
        metric: whose mean was divided by the condition's best.
        cells: of every condition with a height, in the order of condition and batch size.
        panels: the variables, the noise scale first.
        variables: what each variable explains, for the table.
        notes: whole sentences.
    """

    question: str
    answer: str
    description: str
    metric: str
    cells: tuple[CollapseCell, ...]
    panels: tuple[CollapsePanel, ...]
    variables: tuple[CollapseVariable, ...]
    notes: tuple[str, ...]

    def table(self) -> Table:
        """Every cell."""
        mean = f"mean {self.metric.replace('_', ' ')}"
        return Table(
            columns=(
                "learning rate",
                "momentum",
                "train size",
                "batch size",
                "noise scale εN/(B(1 − m))",
                "exact noise scale ε(N/B − 1)/(1 − m)",
                "B/ε",
                mean,
                "standard error",
                "relative accuracy",
                "relative standard error",
                "trials",
                "diverged",
                "in the fits",
            ),
            rows=tuple(
                (
                    c.learning_rate,
                    c.momentum,
                    c.train_size,
                    c.batch_size,
                    c.noise_scale,
                    c.exact_noise_scale,
                    c.ratio,
                    c.mean,
                    c.standard_error,
                    c.relative,
                    c.relative_error,
                    c.n,
                    c.n_diverged,
                    c.fitted,
                )
                for c in self.cells
            ),
            percent=frozenset(
                (mean, "standard error", "relative accuracy", "relative standard error")
            ),
        )

    def variables_table(self) -> Table:
        """What each variable explains in conditions left out, and how much less than g."""
        return Table(
            columns=(
                "variable",
                "r²",
                "r² low",
                "r² high",
                "r² of g less this",
                "difference low",
                "difference high",
                "identifiable here",
                "reason",
            ),
            rows=tuple(
                (
                    _SPELLED[v.name],
                    finite(v.r2),
                    *bounds(v.low, v.high),
                    None if v.name == REFERENCE else finite(v.difference),
                    *(
                        (None, None)
                        if v.name == REFERENCE
                        else bounds(v.difference_low, v.difference_high)
                    ),
                    None if v.name == REFERENCE else v.identifiable,
                    _reason(v),
                )
                for v in self.variables
            ),
        )


def collapse_info(law: ScalingFit) -> CollapseInfo:
    """Collect what the chart shows from one group's law.

    Args:
        law: the fit with its peaks and `law.law.collapse`.
    """
    found = law.law.collapse
    known = [p for p in law.peaks if p.accuracy_opt > 0.0]
    known.sort(key=lambda p: (p.learning_rate, p.momentum, p.train_size))
    measured = has_measured_errors(law.peaks)
    cells = tuple(
        _cell(peak, cell, measured)
        for peak in known
        for cell in sorted(peak.cells, key=lambda c: c.batch_size)
        if math.isfinite(cell.mean)
    )
    by_name = {v.name: v for v in found.variables}
    return CollapseInfo(
        question=QUESTION,
        answer=found.sentence,
        description=_description(law, cells),
        metric=law.metric,
        cells=cells,
        panels=tuple(
            CollapsePanel(name=name, heading=heading, title=title, lines=_lines(by_name[name]))
            for name, (heading, title) in PANELS.items()
        ),
        variables=found.variables,
        notes=_notes(law, cells, measured),
    )


def _cell(peak: Peak, cell: Cell, measured: bool) -> CollapseCell:
    error = cell.standard_error if measured else None
    eps, m, n, b = peak.learning_rate, peak.momentum, peak.train_size, cell.batch_size
    return CollapseCell(
        learning_rate=eps,
        momentum=m,
        train_size=n,
        batch_size=b,
        noise_scale=eps * n / (b * (1.0 - m)),
        exact_noise_scale=eps * (n / b - 1.0) / (1.0 - m),
        ratio=b / eps,
        mean=float(cell.mean),
        standard_error=finite(error),
        relative=float(cell.mean / peak.accuracy_opt),
        relative_error=None if error is None else finite(error / peak.accuracy_opt),
        n=int(cell.n),
        n_diverged=int(cell.n_diverged),
        fitted=bool(cell.fitted),
    )


def _lines(v: CollapseVariable) -> tuple[str, ...]:
    """What a panel's head says of its variable, in lines of about forty characters."""
    if v.name != REFERENCE and not v.identifiable and finite(v.r2) is not None:
        return ("here the noise scale up to a constant", "or its inverse: not told apart from g")
    if finite(v.r2) is None:
        return (v.reason or "what it explains is not known",)
    known = finite(v.low) is not None
    shown = f"{fixed(v.r2)} [{fixed(v.low)}, {fixed(v.high)}]" if known else fixed(v.r2)
    shown = shown.replace("-", "−")
    if v.r2 < 0.0:
        return (f"r² {shown}: worse than the mean", "in conditions left out")
    return (f"explains {shown} of the variance", "in conditions left out")


def _reason(v: CollapseVariable) -> str:
    """The reason in the page's own spelling of the formulas."""
    text = v.reason
    for name, formula in sorted(FORMULAS.items(), key=lambda pair: -len(pair[1])):
        if len(formula) > 1:
            text = text.replace(formula, _SPELLED[name])
    return text.replace("noise scale noise scale", "noise scale")


def _description(law: ScalingFit, cells: Sequence[CollapseCell]) -> str:
    n = len({c.condition for c in cells})
    return (
        f"Mean {law.metric.replace('_', ' ')} divided by the height of the condition's fitted "
        f"curve, {plural(len(cells), 'cell')} of {plural(n, 'condition')}, against the noise scale,"
        " against batch size, and against batch size over learning rate, on logarithmic axes of"
        " one height."
    )


def _notes(law: ScalingFit, cells: Sequence[CollapseCell], measured: bool) -> tuple[str, ...]:
    found = law.law.collapse
    notes = []
    left = sum(not p.accuracy_opt > 0.0 for p in law.peaks)
    if not cells:
        return ("No condition has a fitted best accuracy to compare its cells with.",)
    if left:
        notes.append(f"{plural(left, 'condition')} without a fitted best accuracy left out.")
    left_out = sum(not c.fitted for c in cells)
    if left_out:
        notes.append(
            f"{plural(left_out, 'cell')} left out of the smooth curves (hollow) "
            f"{'takes' if left_out == 1 else 'take'} no part in the comparison."
        )
    if found.n_full_batch:
        notes.append(
            f"{plural(found.n_full_batch, 'cell')} of full batches left out of the comparison: "
            "their exact noise scale is 0."
        )
    if found.n_parameters:
        notes.append(
            "Each variable is compared by a natural cubic spline of its logarithm with "
            f"{found.n_parameters} parameters, fitted without one condition and predicting it; "
            f"intervals are from {found.n_resamples:,} resamples of conditions."
        )
    if not measured:
        notes.append(
            "No cell has a measured standard error: the comparison assumes one noise for all."
        )
    elif not any(c.standard_error for c in cells):
        notes.append("No cell has a known standard error: all weigh the same.")
    highest = max(c.relative for c in cells)
    if highest > 1.0:
        notes.append(
            f"A cell may exceed its condition's fitted height (at most {number(highest, 4)} times"
            " it), which is of the smooth curve and not of the best cell."
        )
    return tuple(notes)
