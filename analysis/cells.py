"""Cells and conditions of one group: seeds averaged, diverged trials counted at chance."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from analysis.landscape import CONDITION_COLUMNS
from explorer.errors import InputError
from explorer.store.schema import COMPLETED, DIVERGED, FAILED

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
    if metric not in METRICS:
        raise InputError(f"metric must be one of {', '.join(METRICS)}, not {metric!r}.")
    status = trials["status"]
    recorded = pd.to_numeric(trials[metric], errors="coerce")
    chance, known = _chance(trials, recorded)
    value = recorded.mask(status == DIVERGED, chance)
    classes = pd.to_numeric(trials["n_classes"], errors="coerce")
    value = value.mask((status == DIVERGED) & classes.notna(), 1.0 / classes)
    usable = (status != FAILED) & value.notna()
    frame = trials.loc[usable, [*CONDITION_COLUMNS, "batch_size"]].copy()
    frame["value"] = value[usable].astype(float)
    frame["diverged"] = (status == DIVERGED)[usable]
    n_diverged = int((status == DIVERGED).sum())
    n_failed = int((status == FAILED).sum())
    n_without = int(((status == COMPLETED) & recorded.isna()).sum())
    return GroupCells(
        _conditions(frame, chance),
        chance,
        known,
        n_diverged,
        n_failed,
        n_without,
        _sentences(metric, chance, known, n_diverged, n_failed, n_without),
    )


def _chance(trials: pd.DataFrame, recorded: pd.Series) -> tuple[float, bool]:
    """Chance accuracy; without the number of classes, the lowest value found, if it is low.

    A lowest value above half of the best is no evidence of chance: 0 is used then, which leaves
    the cut of the cliff (half height) as cautious as it can be.
    """
    classes = pd.to_numeric(trials["n_classes"], errors="coerce").dropna()
    if len(classes):
        return 1.0 / float(classes.max()), True
    if not recorded.notna().any():
        return 0.0, False
    low, high = float(recorded.min()), float(recorded.max())
    return (low if low <= 0.5 * high else 0.0), False


def _conditions(frame: pd.DataFrame, chance: float) -> tuple[Condition, ...]:
    keys = [*CONDITION_COLUMNS, "batch_size"]
    frame = frame.sort_values([*keys, "value"])  # no sum depends on the order of the source's rows
    grouped = frame.groupby(keys, sort=True)
    values = grouped["value"]
    found = pd.DataFrame(
        {
            "mean": values.mean(),
            "variance": values.var(),
            "lowest": values.min(),
            "highest": values.max(),
            "n": values.size(),
            "n_diverged": grouped["diverged"].sum(),
        }
    )
    best = found.groupby(level=list(CONDITION_COLUMNS))["mean"].max().rename("best")
    half = chance + 0.5 * (frame.join(best, on=list(CONDITION_COLUMNS))["best"] - chance)
    trained = frame[frame["value"] >= half].groupby(keys, sort=True)["value"]
    found["trained_size"] = trained.size().reindex(found.index, fill_value=0)
    found["trained_mean"], found["trained_var"] = trained.mean(), trained.var()
    found["survivors"] = frame[~frame["diverged"]].groupby(keys, sort=True)["value"].mean()
    by_condition: dict[tuple[float, float, int], list[CellMean]] = {}
    for row in found.reset_index().itertuples(index=False):
        learning_rate, momentum, train_size, batch_size, *values = row
        cell = CellMean(int(batch_size), *values)
        key = (float(learning_rate), float(momentum), int(train_size))
        by_condition.setdefault(key, []).append(cell)
    return tuple(Condition(*key, tuple(cells)) for key, cells in by_condition.items())


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
