"""What the map of accuracy over batch size and learning rate shows, as plain data."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import median
from typing import Any

import pandas as pd

from analysis.charts.common import finite, interval, number, percent, plural
from analysis.charts.table import Table, Value
from analysis.landscape import CONDITION_COLUMNS
from analysis.peak import Cell, Peak
from analysis.scaling_fit import ScalingFit
from explorer.store.schema import DIVERGED, FAILED

QUESTION = "Where does the network generalize best?"

#: States of a cell, as they stand in the legend; a trained cell has no mark.
TRAINED = "trained"
PARTLY = "some trials diverged"
ALL_DIVERGED = "all trials diverged"
UNTRAINED = "below the edge of trainability"
MISSING = "no result"

#: Rows of the map, by axis: what stands on the vertical axis.
ROW_TITLES: Mapping[str, str] = {
    "learning_rate": "learning rate",
    "train_size": "training-set size N",
    "momentum": "momentum",
}

_Key = tuple[float, float, int]


@dataclass(frozen=True, kw_only=True, slots=True)
class LandscapeCell:
    """One cell and the rectangle in which it is drawn.

    Attributes:
        mean, standard_error: of the metric as fractions, diverged trials at chance; None where
            there is no result, and no error where no cell of the group has two seeds.
        below_best: mean less the highest mean of its condition, a fraction at most 0.
        train_accuracy: mean over the trials that have one, diverged ones at chance.
        n, n_diverged: trials in the mean, and how many of them diverged.
        n_failed, n_missing: trials that failed, and planned ones without a result.
        state: one of the states above.
        batch_low, batch_high: the rectangle's sides, samples.
        row, row_low, row_high: its middle, bottom and top on the vertical axis.
    """

    learning_rate: float
    momentum: float
    train_size: int
    batch_size: int
    mean: float | None
    standard_error: float | None
    below_best: float | None
    train_accuracy: float | None
    n: int
    n_diverged: int
    n_failed: int
    n_missing: int
    state: str
    batch_low: float
    batch_high: float
    row: float
    row_low: float
    row_high: float


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
    row_axis: str
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
    found = _cells(law.peaks, trials, missing)
    row_axis = _row_axis(found)
    cells = _placed(found, row_axis)
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
            f"{ROW_TITLES[row_axis]}, both logarithmic: {plural(len(cells), 'cell')}. On it the "
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


def _cells(
    peaks: Sequence[Peak], trials: pd.DataFrame, missing: pd.DataFrame | None
) -> list[LandscapeCell]:
    """Every cell that was found or planned, without its rectangle."""
    means: dict[tuple[float, float, int, int], Cell] = {}
    best: dict[_Key, float] = {}
    for p in peaks:
        key = (p.learning_rate, p.momentum, p.train_size)
        for c in p.cells:
            if finite(c.mean) is not None:
                means[*key, c.batch_size] = c
                best[key] = max(best.get(key, -math.inf), c.mean)
    keys = [*CONDITION_COLUMNS, "batch_size"]
    failed = _counted(trials[trials["status"] == FAILED], keys)
    absent = {} if missing is None else _counted(missing, keys)
    training = _training(trials, keys)
    measured = any(c.n > 1 for c in means.values())  # else the errors are assumed ones
    cells = []
    for learning_rate, momentum, train_size, batch_size in {*means, *failed, *absent}:
        here = (learning_rate, momentum, train_size, batch_size)
        cell = means.get(here)
        cells.append(
            LandscapeCell(
                learning_rate=learning_rate,
                momentum=momentum,
                train_size=train_size,
                batch_size=batch_size,
                mean=None if cell is None else cell.mean,
                standard_error=finite(cell.standard_error) if cell and measured else None,
                below_best=None if cell is None else cell.mean - best[here[:3]],
                train_accuracy=finite(training.get(here)),
                n=0 if cell is None else cell.n,
                n_diverged=0 if cell is None else cell.n_diverged,
                n_failed=failed.get(here, 0),
                n_missing=absent.get(here, 0),
                state=_state(cell),
                batch_low=batch_size,
                batch_high=batch_size,
                row=learning_rate,
                row_low=learning_rate,
                row_high=learning_rate,
            )
        )
    return sorted(cells, key=lambda c: (c.momentum, c.train_size, c.learning_rate, c.batch_size))


def _state(cell: Cell | None) -> str:
    if cell is None:
        return MISSING
    if cell.n_diverged == cell.n:
        return ALL_DIVERGED
    if not cell.fitted:
        return UNTRAINED
    return PARTLY if cell.n_diverged else TRAINED


def _counted(rows: pd.DataFrame, keys: list[str]) -> dict[tuple[float, float, int, int], int]:
    sizes = rows.groupby(keys).size()
    return {_key(values): int(n) for values, n in sizes.items()}


def _training(trials: pd.DataFrame, keys: list[str]) -> dict[tuple[float, float, int, int], float]:
    """Mean training accuracy of each cell, diverged trials at chance where that is known.

    Where no trial has one, diverged trials have none either.
    """
    value = pd.to_numeric(trials["train_accuracy"], errors="coerce").astype(float)
    value = value.mask(trials["status"] == FAILED)
    if value.isna().all():
        return {}
    chance = 1.0 / pd.to_numeric(trials["n_classes"], errors="coerce").astype(float)
    value = value.mask(trials["status"] == DIVERGED, chance)
    means = value.groupby([trials[k] for k in keys]).mean()
    return {_key(values): float(mean) for values, mean in means.items()}


def _key(values: Any) -> tuple[float, float, int, int]:
    return float(values[0]), float(values[1]), int(values[2]), int(values[3])


def _row_axis(cells: Sequence[LandscapeCell]) -> str:
    """The learning rate, or the first other axis that was varied where it was not."""
    for axis in ROW_TITLES:
        if len({getattr(c, axis) for c in cells}) > 1:
            return axis
    return "learning_rate"


def row_value(axis: str, value: float) -> float:
    """Where a value stands on the vertical axis, which is logarithmic: 1/(1-m) for momentum."""
    return 1.0 / (1.0 - value) if axis == "momentum" else float(value)


def _placed(cells: Sequence[LandscapeCell], axis: str) -> tuple[LandscapeCell, ...]:
    """The cells with their rectangles, whose sides lie half-way to the neighbours in logarithms."""
    rows = _sides({row_value(axis, getattr(c, axis)) for c in cells})
    conditions: dict[_Key, set[int]] = {}
    for c in cells:
        conditions.setdefault((c.learning_rate, c.momentum, c.train_size), set()).add(c.batch_size)
    columns = {key: _sides(sizes) for key, sizes in conditions.items()}
    placed = []
    for c in cells:
        row = row_value(axis, getattr(c, axis))
        low, high = columns[c.learning_rate, c.momentum, c.train_size][c.batch_size]
        placed.append(
            replace(
                c,
                batch_low=low,
                batch_high=high,
                row=row,
                row_low=rows[row][0],
                row_high=rows[row][1],
            )
        )
    return tuple(placed)


def _sides(values: Iterable[float]) -> dict[float, tuple[float, float]]:
    """Both sides of each value's rectangle; towards a wide gap three quarters of a usual step."""
    ordered = sorted(values)
    logs = [math.log(v) for v in ordered]
    steps = [b - a for a, b in pairwise(logs)]
    usual = median(steps) / 2 if steps else math.log(2.0) / 2
    halves = [usual, *(min(step / 2, 1.5 * usual) for step in steps), usual]
    return {
        value: (math.exp(log - before), math.exp(log + after))
        for value, log, before, after in zip(ordered, logs, halves, halves[1:], strict=False)
    }


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
    where = (
        f"at batch size {c.batch_size}, learning rate {number(c.learning_rate)}, momentum "
        f"{number(c.momentum)} and {c.train_size:,} training samples"
    )
    text = f"The highest mean is {percent(c.mean)}{error} ({plural(c.n, 'seed')}) {where}"
    peak = next(
        p
        for p in peaks
        if (p.learning_rate, p.momentum, p.train_size)
        == (c.learning_rate, c.momentum, c.train_size)
    )
    near = interval(peak.near_optimal_low, peak.near_optimal_high)
    if near:
        text += f"; on that condition's smooth curve the near-optimal range is {near}"
    return f"{text}."


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
    if untrained := sum(c.state == UNTRAINED for c in cells):
        notes.append(
            f"{plural(untrained, 'cell')} below the edge of trainability: the smooth curves are "
            "not fitted there."
        )
    if censored := sum(p.censored for p in peaks):
        notes.append(
            f"{censored} of {plural(len(peaks), 'peak')} may lie outside the sampled batch sizes "
            "(hollow)."
        )
    if n and all(c.n <= 1 for c in cells):
        notes.append("Every cell holds a single seed, so no mean has an error.")
    return tuple(notes)
