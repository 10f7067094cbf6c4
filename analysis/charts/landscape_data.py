"""What the map of accuracy over batch size and learning rate shows, as plain data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from analysis.charts.common import (
    AXIS_NAMES,
    Axis,
    finite,
    labels,
    number,
    percent,
    plural,
)
from analysis.charts.landscape_cells import (
    ALL_DIVERGED,
    LEFT_OUT,
    MISSING,
    PARTLY,
    TRAINED,
    UNTRAINED,
    LandscapeCell,
    landscape_cells,
    row_value,
)
from analysis.charts.table import Table, Value
from analysis.peak import Peak
from analysis.scaling_fit import ScalingFit

__all__ = [
    "ALL_DIVERGED",
    "LEFT_OUT",
    "MISSING",
    "PARTLY",
    "TRAINED",
    "UNTRAINED",
    "LandscapeCell",
    "LandscapeInfo",
    "RidgeRow",
    "landscape_info",
]

QUESTION = "Where does the network generalize best?"


@dataclass(frozen=True, kw_only=True, slots=True)
class RidgeRow:
    """One condition's landmarks on the map, in samples; None where unknown.

    Attributes:
        row: place on the vertical axis.
        batch_size_opt, low, high: the best batch size with its 95 % interval.
        censored: it may lie outside the sampled batch sizes.
        near_low, near_high: ends of the near-optimal range.
        edge, edge_low, edge_high: the edge of trainability with its 95 % interval.
    """

    learning_rate: float
    momentum: float
    train_size: int
    row: float
    batch_size_opt: float | None
    low: float | None
    high: float | None
    censored: bool
    near_low: float | None
    near_high: float | None
    edge: float | None
    edge_low: float | None
    edge_high: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class LandscapeInfo:
    """What the map draws, as plain data.

    Attributes:
        question, answer, description: title, one sentence, and text for those who cannot see it.
        metric: what was averaged.
        row_axis: the vertical axis: learning_rate, or train_size or momentum where only that one
            was varied.
        cells: by momentum, train size, learning rate and batch size.
        ridge: one entry a condition.
        best: number of the cell with the highest mean in `cells`; None where no cell has one.
        notes: what cannot be shown, and why; whole sentences.
    """

    question: str
    answer: str
    description: str
    metric: str
    row_axis: Axis
    cells: tuple[LandscapeCell, ...]
    ridge: tuple[RidgeRow, ...]
    best: int | None
    notes: tuple[str, ...]

    def table(self) -> Table:
        """Each cell, in the order of `cells`."""
        rows: list[tuple[Value, ...]] = [
            (
                c.learning_rate,
                c.momentum,
                c.train_size,
                c.batch_size,
                c.mean,
                c.standard_error,
                c.below_best,
                c.train_accuracy,
                c.n,
                c.n_diverged,
                c.n_failed,
                c.n_missing,
                c.state,
            )
            for c in self.cells
        ]
        return Table(
            columns=(
                "learning rate",
                "momentum",
                "train size",
                "batch size",
                "mean",
                "standard error",
                "below the condition's best",
                "training accuracy",
                "trials",
                "diverged",
                "failed",
                "missing",
                "state",
            ),
            rows=tuple(rows),
            percent=frozenset(
                ("mean", "standard error", "below the condition's best", "training accuracy")
            ),
        )


def landscape_info(
    law: ScalingFit, *, trials: pd.DataFrame, missing: pd.DataFrame | None = None
) -> LandscapeInfo:
    """Collect what the map shows of one group.

    Args:
        law: the group's law with its peaks.
        trials: the group's rows of a landscape (`Landscape.groups`).
        missing: its planned configurations without a result; None where nothing was planned.
    """
    row_axis, cells = landscape_cells(law.peaks, trials, missing)
    ridge = tuple(
        _ridge_row(p, row_axis)
        for p in sorted(law.peaks, key=lambda p: (p.momentum, p.train_size, p.learning_rate))
    )
    known = [i for i, c in enumerate(cells) if c.mean is not None]
    best = max(known, key=lambda i: cells[i].mean or 0.0, default=None)
    return LandscapeInfo(
        question=QUESTION,
        answer=_answer(cells, law.peaks, best),
        description=(
            f"Map of mean {law.metric.replace('_', ' ')} over batch size and "
            f"{AXIS_NAMES[row_axis]}, both logarithmic: {plural(len(cells), 'cell')}. On it the "
            "best batch size, the near-optimal range and the edge of trainability with their "
            "95 % intervals."
        ),
        metric=law.metric,
        row_axis=row_axis,
        cells=cells,
        ridge=ridge,
        best=best,
        notes=_notes(cells, law.peaks),
    )


def _ridge_row(p: Peak, axis: str) -> RidgeRow:
    edge = p.landmark("edge")
    return RidgeRow(
        learning_rate=p.learning_rate,
        momentum=p.momentum,
        train_size=p.train_size,
        row=row_value(axis, getattr(p, axis)),
        batch_size_opt=finite(p.batch_size_opt),
        low=finite(p.low),
        high=finite(p.high),
        censored=p.censored,
        near_low=finite(p.near_optimal_low),
        near_high=finite(p.near_optimal_high),
        edge=finite(edge.estimate),
        edge_low=finite(edge.low),
        edge_high=finite(edge.high),
    )


def _answer(cells: Sequence[LandscapeCell], peaks: Sequence[Peak], best: int | None) -> str:
    """One sentence: the best cell, and the near-optimal range of its condition."""
    if best is None:
        return "No trial has a result yet, so there is nothing to compare."
    c = cells[best]
    if all(cell.state == ALL_DIVERGED for cell in cells if cell.n):
        return "Every trial diverged, so no place can be called best."
    error = "" if c.standard_error is None else f" ± {percent(c.standard_error, 2)}"
    rate = labels(cell.learning_rate for cell in cells)[c.learning_rate]
    momentum = labels(cell.momentum for cell in cells)[c.momentum]
    where = (
        f"at batch size {c.batch_size}, learning rate {rate}, momentum {momentum} and "
        f"{c.train_size:,} training samples"
    )
    text = f"The highest mean is {percent(c.mean)}{error} ({plural(c.n, 'seed')}) {where}"
    peak = next(
        p
        for p in peaks
        if (p.learning_rate, p.momentum, p.train_size)
        == (c.learning_rate, c.momentum, c.train_size)
    )
    if near := _near_optimal(peak):
        text += f"; on that condition's smooth curve the near-optimal range is {near}"
    return f"{text}."


def _near_optimal(p: Peak) -> str:
    """The range of batch sizes, an end that was not reached as a bound; empty where unknown."""
    if finite(p.near_optimal_low) is None or finite(p.near_optimal_high) is None:
        return ""
    low, high = number(p.near_optimal_low), number(p.near_optimal_high)
    open_low = p.landmark("near_optimal_low").open_low
    open_high = p.landmark("near_optimal_high").open_high
    if not open_low and not open_high:
        return f"{low} to {high}"
    return f"from {'at most ' * open_low}{low} to {'at least ' * open_high}{high}"


def _notes(cells: Sequence[LandscapeCell], peaks: Sequence[Peak]) -> tuple[str, ...]:
    notes = []
    absent = sum(c.state == MISSING for c in cells)
    missing, failed = sum(c.n_missing for c in cells), sum(c.n_failed for c in cells)
    lacking = [
        *([f"{plural(absent, 'cell')} without a result"] if absent else []),
        *([f"{plural(missing, 'trial')} planned and missing in all"] if missing else []),
        *([f"{plural(failed, 'trial')} failed"] if failed else []),
    ]
    if lacking:
        notes.append(f"{'; '.join(lacking)}.")
    n = sum(c.n for c in cells)
    if diverged := sum(c.n_diverged for c in cells):
        notes.append(f"{diverged:,} of {plural(n, 'trial')} diverged and count at chance.")
    if left_out := sum(c.state == LEFT_OUT for c in cells):
        notes.append(
            f"{plural(left_out, 'cell')} left out of the smooth curves: on their small-batch side "
            "less than half of the best cell's height above chance is left."
        )
    if untrained := sum(c.state == UNTRAINED for c in cells):
        notes.append(
            f"{plural(untrained, 'cell')} in conditions of which none stands out from chance."
        )
    if censored := sum(p.censored for p in peaks):
        notes.append(
            f"{censored} of {plural(len(peaks), 'peak')} may lie outside the sampled batch sizes "
            "(black inside)."
        )
    if n and all(c.n <= 1 for c in cells):
        notes.append("Every cell holds a single seed, so no mean has an error.")
    return tuple(notes)
