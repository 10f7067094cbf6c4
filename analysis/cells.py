"""Cells and conditions of one group: seeds averaged, diverged trials counted at chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.landscape import CONDITION_COLUMNS
from explorer.errors import InputError
from explorer.store.schema import COMPLETED, DIVERGED, FAILED

Array = NDArray[np.float64]

METRICS = ("test_accuracy", "best_test_accuracy", "validation_accuracy", "train_accuracy")


@dataclass(frozen=True)
class CellMean:
    """One batch size of one condition.

    Attributes:
        batch_size: B, samples.
        mean: mean of the metric over seeds, diverged ones at chance.
        variance: unbiased variance between seeds (divided by n - 1); NaN for one seed.
        lowest, highest: of the seeds' values.
        n: seeds counted, diverged ones included.
        n_diverged: how many of them diverged.
        n_trained: how many lie at or above half the height between chance and the condition's
            best cell.
        trained_mean, trained_variance: of those alone; NaN where there is none, or only one.
        survivors_mean: of the trials that did not diverge; NaN where there is none.
    """

    batch_size: int
    mean: float
    variance: float
    lowest: float
    highest: float
    n: int
    n_diverged: int
    n_trained: int
    trained_mean: float
    trained_variance: float
    survivors_mean: float


@dataclass(frozen=True)
class Condition:
    """One curve: a learning rate, a momentum, a training-set size, and its cells by batch size."""

    learning_rate: float
    momentum: float
    train_size: int
    cells: tuple[CellMean, ...]


@dataclass(frozen=True)
class GroupCells:
    """All conditions of one group under one metric.

    Attributes:
        conditions: in the order of learning rate, momentum, train size; those without any
            usable trial are absent.
        chance: accuracy that a diverged trial counts as.
        chance_known: from the number of classes, not guessed from the results.
        n_diverged, n_failed, n_without_metric: trials counted at chance; left out; left out.
        sentences: how diverged and failed trials were counted, for the reader.
    """

    conditions: tuple[Condition, ...]
    chance: float
    chance_known: bool
    n_diverged: int
    n_failed: int
    n_without_metric: int
    sentences: tuple[str, ...]


def group_cells(trials: pd.DataFrame, metric: str) -> GroupCells:
    """Average the seeds of every cell of one group.

    A diverged trial counts at chance, 1/n_classes, whatever its last evaluation said. A failed
    trial is left out, as is one without the metric: missing is not diverged.

    Args:
        trials: the group's rows of a landscape.
        metric: one of METRICS.

    Raises:
        InputError: the metric is unknown.
    """
    return cells_of_groups([trials], metric)[0]


def cells_of_groups(groups: Sequence[pd.DataFrame], metric: str) -> list[GroupCells]:
    """`group_cells` of several groups in one pass: each by itself costs as much as all.

    Args:
        groups: the rows of each, parts of one landscape.
        metric: one of METRICS.

    Raises:
        InputError: the metric is unknown.
    """
    if metric not in METRICS:
        raise InputError(f"metric must be one of {', '.join(METRICS)}, not {metric!r}.")
    if not groups:
        return []
    needed = [*CONDITION_COLUMNS, "batch_size", "status", "n_classes", metric]
    trials = pd.concat([rows[needed] for rows in groups], ignore_index=True)
    ends = np.cumsum([len(rows) for rows in groups])
    slices = [slice(end - len(rows), end) for rows, end in zip(groups, ends, strict=True)]
    recorded, classes = _numbers(trials[metric]), _numbers(trials["n_classes"])
    status = trials["status"]
    diverged, failed, completed = (
        (status == name).to_numpy(bool, na_value=False) for name in (DIVERGED, FAILED, COMPLETED)
    )
    chances = [_chance(classes[own], recorded[own]) for own in slices]
    group = np.repeat(np.arange(len(groups)), [len(rows) for rows in groups])
    chance = np.array([level for level, _ in chances])
    own_chance = np.where(np.isnan(classes), chance[group], 1.0 / classes)
    value = np.where(diverged, own_chance, recorded)
    frame = trials[[*CONDITION_COLUMNS, "batch_size"]].assign(
        group=group, value=value, diverged=diverged
    )
    conditions = _conditions(frame[~failed & ~np.isnan(value)].dropna(), chance)
    found = []
    for own, of_group, (level, known) in zip(slices, conditions, chances, strict=True):
        n_diverged, n_failed = int(diverged[own].sum()), int(failed[own].sum())
        n_without = int((completed[own] & np.isnan(recorded[own])).sum())
        sentences = _sentences(metric, level, known, n_diverged, n_failed, n_without)
        found.append(GroupCells(of_group, level, known, n_diverged, n_failed, n_without, sentences))
    return found


def _numbers(column: pd.Series) -> Array:
    return pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)


def _chance(classes: Array, recorded: Array) -> tuple[float, bool]:
    """Chance accuracy; without the number of classes, the lowest value found, if it is low.

    A lowest value above half of the best is no evidence of chance: 0 is used then, which leaves
    the cut of the cliff (half height) as cautious as it can be.
    """
    classes, recorded = classes[~np.isnan(classes)], recorded[~np.isnan(recorded)]
    if len(classes):
        return 1.0 / float(classes.max()), True
    if not len(recorded):
        return 0.0, False
    low, high = float(recorded.min()), float(recorded.max())
    return (low if low <= 0.5 * high else 0.0), False


def _conditions(frame: pd.DataFrame, chance: Array) -> list[tuple[Condition, ...]]:
    """The conditions of every group.

    Args:
        frame: usable trials: the group's number, the cell's columns, value and diverged.
        chance: of each group.
    """
    found: list[list[Condition]] = [[] for _ in chance]
    if frame.empty:
        return [tuple(conditions) for conditions in found]
    condition_keys = [frame[name].to_numpy() for name in ("group", *CONDITION_COLUMNS)]
    keys = [*condition_keys, frame["batch_size"].to_numpy()]
    # By value in each cell: no sum depends on the order of the source's rows.
    order = np.lexsort([frame["value"].to_numpy(), *reversed(keys)])
    frame = frame.iloc[order]
    cell, first = _runs([key[order] for key in keys])
    condition, _ = _runs([key[order][first] for key in condition_keys])
    number, diverged = frame["value"].to_numpy(), frame["diverged"].to_numpy()
    values = pd.Series(number).groupby(cell)
    mean = values.mean().to_numpy()
    best = np.maximum.reduceat(mean, np.flatnonzero(np.diff(condition, prepend=-1)))[condition]
    level = chance[keys[0][order][first]]
    is_trained = number >= (level + 0.5 * (best - level))[cell]
    trained = pd.Series(number[is_trained]).groupby(cell[is_trained])
    survivors = pd.Series(number[~diverged]).groupby(cell[~diverged])
    every = np.arange(len(first))
    columns = (
        mean,
        values.var(),
        values.min(),
        values.max(),
        values.size(),
        np.add.reduceat(diverged.astype(np.int64), first),
        trained.size().reindex(every, fill_value=0),
        trained.mean().reindex(every),
        trained.var().reindex(every),
        survivors.mean().reindex(every),
    )
    names = frame.iloc[first]
    sizes = names["batch_size"].astype(int)
    by_cell = zip(*(column.tolist() for column in (sizes, *columns)), strict=True)
    cells = [CellMean(*numbers) for numbers in by_cell]
    starts = np.flatnonzero(np.diff(condition, prepend=-1))
    of_condition = names.iloc[starts]
    for start, end, row in zip(
        starts,
        [*starts[1:], len(cells)],
        of_condition[["group", *CONDITION_COLUMNS]].itertuples(index=False),
        strict=True,
    ):
        group, learning_rate, momentum, train_size = row
        found[group].append(
            Condition(
                float(learning_rate), float(momentum), int(train_size), tuple(cells[start:end])
            )
        )
    return [tuple(conditions) for conditions in found]


def _runs(keys: Sequence[NDArray[Any]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Numbers of the runs of equal keys, and where each starts."""
    new = np.ones(len(keys[0]), dtype=bool)
    new[1:] = np.any([key[1:] != key[:-1] for key in keys], axis=0)
    return np.cumsum(new) - 1, np.flatnonzero(new)


def _sentences(
    metric: str, chance: float, known: bool, n_diverged: int, n_failed: int, n_without: int
) -> tuple[str, ...]:
    lines = [f"The metric is {metric}."]
    if metric == "best_test_accuracy":
        lines.append("It is chosen on the test set, so it is optimistic (He et al. 2019 use it).")
    if n_diverged:
        how = f"{chance:.3g} (1/classes)" if known else f"{chance:.3g}, a guess from the results"
        lines.append(f"{_trials(n_diverged)} diverged: counted at chance accuracy, {how}.")
    elif not known:
        lines.append(f"The number of classes is not known; chance is taken as {chance:.3g}.")
    if n_failed:
        lines.append(f"{_trials(n_failed)} failed: left out.")
    if n_without:
        lines.append(f"{_trials(n_without)} without a {metric}: left out.")
    return tuple(lines)


def _trials(n: int) -> str:
    return "1 trial" if n == 1 else f"{n} trials"
