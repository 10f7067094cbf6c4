"""The cells of the map, each with what became of its trials and the rectangle it is drawn in."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import median
from typing import Any

import pandas as pd

from analysis.charts.common import Axis, finite, has_measured_errors, varied_axes
from analysis.landscape import CONDITION_COLUMNS
from analysis.peak import Cell, Peak
from explorer.store.schema import DIVERGED, FAILED

#: States of a cell, as they stand in the legend; a trained cell has no mark.
TRAINED = "trained"
PARTLY = "some trials diverged"
ALL_DIVERGED = "all trials diverged"
LEFT_OUT = "left out of the smooth curve"
UNTRAINED = "condition no better than chance"
MISSING = "no result"

_Key = tuple[float, float, int]


@dataclass(frozen=True, kw_only=True, slots=True)
class LandscapeCell:
    """One cell and the rectangle in which it is drawn.

    Attributes:
        mean, standard_error: of the metric as fractions, diverged trials at chance; None where
            there is no result, and no error where none is measured.
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


def landscape_cells(
    peaks: Sequence[Peak], trials: pd.DataFrame, missing: pd.DataFrame | None
) -> tuple[Axis, tuple[LandscapeCell, ...]]:
    """The vertical axis, and every cell that was found or planned.

    Args:
        peaks: of one group.
        trials: its rows of a landscape.
        missing: its planned configurations without a result; None where nothing was planned.

    Returns:
        The axis, and the cells by momentum, train size, learning rate and batch size.
    """
    cells = _cells(peaks, trials, missing)
    axis = _row_axis(cells)
    return axis, _placed(cells, axis)


def _cells(
    peaks: Sequence[Peak], trials: pd.DataFrame, missing: pd.DataFrame | None
) -> list[LandscapeCell]:
    """The cells in their order, without their rectangles."""
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
    measured = has_measured_errors(peaks)
    untrained = {
        (p.learning_rate, p.momentum, p.train_size) for p in peaks if "untrained" in p.flags
    }
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
                state=_state(cell, untrained=here[:3] in untrained),
                batch_low=batch_size,
                batch_high=batch_size,
                row=learning_rate,
                row_low=learning_rate,
                row_high=learning_rate,
            )
        )
    return sorted(cells, key=lambda c: (c.momentum, c.train_size, c.learning_rate, c.batch_size))


def _state(cell: Cell | None, *, untrained: bool) -> str:
    if cell is None:
        return MISSING
    if cell.n_diverged == cell.n:
        return ALL_DIVERGED
    if untrained:
        return UNTRAINED
    if not cell.fitted:
        return LEFT_OUT
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


def _row_axis(cells: Sequence[LandscapeCell]) -> Axis:
    """The learning rate, or the first other axis that was varied where it was not."""
    return next(iter(varied_axes(cells)), "learning_rate")


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
