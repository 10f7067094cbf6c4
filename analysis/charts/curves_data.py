"""What the learning curves show, as plain data: each cell's mean over seeds at each evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pyarrow as pa

from analysis.charts.common import finite, percent, plural, thinned
from analysis.charts.curve_means import CELL, CurveMeans, Integers, curve_means
from analysis.charts.table import Table
from explorer.store.schema import DIVERGED, FAILED

#: Rows that a browser still draws without a wait; above it, evaluations are left out evenly, and
#: above that, conditions.
MAX_ROWS = 10_000
#: Curves of one condition that can still be told apart; above it, batch sizes are left out evenly.
MAX_LINES = 14
#: Rows that a table still shows; above it, only each cell's last evaluation.
MAX_TABLE_ROWS = 1_500
#: Evaluations that a curve keeps where conditions are left out instead.
_FEWEST_EVALUATIONS = 4
#: A gain between the last two evaluations that says a cell was still learning.
STILL_GAINING = 0.005
#: Where budgets of one condition differ by more than this factor, as epochs of several batch sizes
#: do, steps from zero would press the short curves together: the share done is drawn.
_EQUAL_BUDGETS = 4.0

QUESTION = "Had training run its course when the budget ended?"


@dataclass(frozen=True, kw_only=True, slots=True)
class LearningRow:
    """One cell at one evaluation.

    Attributes:
        step: SGD steps done.
        share: of the cell's SGD steps, a fraction.
        test_accuracy, train_accuracy: means over the cell's trials as fractions, diverged trials
            at chance; None where no trial says.
        test_loss, train_loss: means in nats per sample over the trials still training.
        n, n_diverged: trials behind the means, and how many of them had diverged by this step.
    """

    learning_rate: float
    momentum: float
    train_size: int
    batch_size: int
    step: int
    share: float
    test_accuracy: float | None
    train_accuracy: float | None
    test_loss: float | None
    train_loss: float | None
    n: int
    n_diverged: int


@dataclass(frozen=True, kw_only=True, slots=True)
class LearningCurvesInfo:
    """What the chart draws, as plain data.

    Attributes:
        question, answer, description: title, one sentence, and text for those who cannot see it.
        rows: by condition, batch size and step; empty where nothing can be shown.
        first_shown: learning_rate, momentum and train_size of the condition shown first.
        by_share: the chart's axis is the share of the steps, since budgets differ in steps.
        notes: what cannot be shown, and why; whole sentences.
    """

    question: str
    answer: str
    description: str
    rows: tuple[LearningRow, ...]
    first_shown: tuple[float, float, int] | None
    notes: tuple[str, ...]
    by_share: bool = False

    def table(self) -> Table:
        """Each row; of a large study only each cell's last evaluation."""
        rows, note = self.rows, ""
        if len(rows) > MAX_TABLE_ROWS:
            last = {(r.learning_rate, r.momentum, r.train_size, r.batch_size): r for r in rows}
            rows = tuple(last.values())
            note = "Only each cell's last evaluation; `explorer export curves` writes all of them."
        return Table(
            columns=(
                "learning rate",
                "momentum",
                "train size",
                "batch size",
                "step",
                "test accuracy",
                "train accuracy",
                "test loss",
                "train loss",
                "trials",
                "diverged",
            ),
            rows=tuple(
                (
                    r.learning_rate,
                    r.momentum,
                    r.train_size,
                    r.batch_size,
                    r.step,
                    r.test_accuracy,
                    r.train_accuracy,
                    r.test_loss,
                    r.train_loss,
                    r.n,
                    r.n_diverged,
                )
                for r in rows
            ),
            percent=frozenset({"test accuracy", "train accuracy"}),
            note=note,
        )


def learning_curves_info(trials: pd.DataFrame, curves: pa.Table | None) -> LearningCurvesInfo:
    """Average learning curves over the seeds of each cell.

    A diverged trial counts at chance from the evaluation on that it no longer reached, as it does
    in the cell means; where the number of classes is unknown it leaves the mean instead.

    Args:
        trials: rows of one group of a landscape (`analysis.landscape`); those without `trial_id`
            have no curves.
        curves: columns of CURVES_SCHEMA; None where the source has no curves.
    """
    empty = LearningCurvesInfo(
        question=QUESTION,
        answer="",
        description="Learning curves: none to show.",
        rows=(),
        first_shown=None,
        notes=(),
    )
    if curves is None:
        return _with_note(empty, "This source holds final results only, no learning curves.")
    finished = trials[trials["status"] != FAILED]
    finished = finished.dropna(subset=["trial_id", "steps", "evaluations"]).reset_index(drop=True)
    if finished.empty:
        return _with_note(empty, "No trial has finished, so there are no learning curves.")
    means = curve_means(finished, curves)
    if not len(means.step):
        return _with_note(empty, "No evaluation of these trials is recorded.")
    notes = []
    if means.n_lost:
        notes.append(
            f"{plural(means.n_lost, 'finished trial')} without all evaluations: left out there."
        )
    diverged = finished[finished["status"] == DIVERGED]
    if len(diverged):
        how = "left out of the means" if diverged["n_classes"].isna().any() else "counted at chance"
        notes.append(f"{plural(len(diverged), 'diverged trial')}: {how} after the last evaluation.")
    if means.n.max() <= 1:
        notes.append("Every cell holds a single seed, so the curves are single runs.")
    best = _best(means)
    kept, left_out = _thinned(means, best)
    notes += left_out
    ends = means.ends
    condition = means.cells.iloc[int(means.cell[best])]
    n_cells = plural(len(ends), "cell")
    return LearningCurvesInfo(
        question=QUESTION,
        answer=_answer(means),
        description=(
            "Mean accuracy or loss against SGD steps, a line for each batch size, for one "
            f"condition at a time: {n_cells} in all."
        ),
        rows=_rows(means, kept),
        first_shown=(
            float(condition["learning_rate"]),
            float(condition["momentum"]),
            int(condition["train_size"]),
        ),
        notes=tuple(notes),
        by_share=_budgets_differ(means),
    )


def _with_note(info: LearningCurvesInfo, note: str) -> LearningCurvesInfo:
    return replace(info, notes=(*info.notes, note))


def _thinned(means: CurveMeans, best: int) -> tuple[Integers, list[str]]:
    """The rows to keep, at most MAX_ROWS or so, and what to say of those left out.

    Args:
        means: of all cells.
        best: a row of the cell that is kept in any case.
    """
    notes = []
    starts, ends = means.starts, means.ends
    condition = means.cells["condition"].to_numpy()[means.cell[starts]]
    shown = np.unique(condition)
    kept = int(np.searchsorted(starts, best, side="right")) - 1
    of_best = int(np.searchsorted(shown, condition[kept]))
    lines = [thinned(np.flatnonzero(condition == c).tolist(), MAX_LINES) for c in shown]
    lines[of_best] = _with(kept, lines[of_best])
    if sum(map(len, lines)) < len(starts):
        notes.append(
            f"At most {MAX_LINES} batch sizes of a condition are drawn, evenly chosen; "
            "`explorer export curves` writes all of them."
        )
    most = max(2, MAX_ROWS * len(shown) // (_FEWEST_EVALUATIONS * sum(map(len, lines))))
    lengths = ends - starts + 1
    n_rows = int(sum(lengths[line].sum() for line in lines))
    if n_rows > MAX_ROWS and most < len(shown):
        lines = [lines[i] for i in _with(of_best, thinned(range(len(shown)), most))]
        notes.append(
            f"The curves of {len(lines):,} of {len(shown):,} conditions are drawn, evenly chosen."
        )
    cells = [i for line in lines for i in line]
    per_cell = max(2, MAX_ROWS // len(cells))
    rows = [i for c in cells for i in thinned(range(starts[c], ends[c] + 1), per_cell)]
    if len(rows) < int(lengths[cells].sum()):
        notes.append(f"At most {per_cell} evaluations of each cell are drawn.")
    return np.array(rows, dtype=np.int64), notes


def _with(item: int, picked: Sequence[int]) -> list[int]:
    """The ascending numbers with this one, which takes the place of its nearest."""
    nearest = min(picked, key=lambda i: abs(i - item))
    return sorted({item, *picked} - ({nearest} - {item}))


def _rows(means: CurveMeans, kept: Integers) -> tuple[LearningRow, ...]:
    columns = {name: means.cells[name].to_numpy()[means.cell[kept]].tolist() for name in CELL}
    values = {name: values[kept].tolist() for name, values in means.measures.items()}
    step, total = means.step[kept].tolist(), means.total[kept].tolist()
    n, gone = means.n[kept].tolist(), means.n_diverged[kept].tolist()
    return tuple(
        LearningRow(
            learning_rate=float(columns["learning_rate"][i]),
            momentum=float(columns["momentum"][i]),
            train_size=int(columns["train_size"][i]),
            batch_size=int(columns["batch_size"][i]),
            step=step[i],
            share=step[i] / total[i],
            test_accuracy=finite(values["test_accuracy"][i]),
            train_accuracy=finite(values["train_accuracy"][i]),
            test_loss=finite(values["test_loss"][i]),
            train_loss=finite(values["train_loss"][i]),
            n=n[i],
            n_diverged=gone[i],
        )
        for i in range(len(kept))
    )


def _best(means: CurveMeans) -> int:
    """The last row of the cell of the best final test accuracy."""
    ends = means.ends
    return int(ends[np.argmax(means.measures["test_accuracy"][ends])])


def _budgets_differ(means: CurveMeans) -> bool:
    """Whether some condition's cells differ much in their steps."""
    ends = means.ends
    condition = means.cells["condition"].to_numpy()[means.cell[ends]]
    total = pd.Series(means.total[ends]).groupby(condition)
    return bool((total.max() > _EQUAL_BUDGETS * total.min()).any())


def _answer(means: CurveMeans) -> str:
    """One sentence: how many cells still gained, and how well the training set was fitted."""
    ends, accuracy = means.ends, means.measures["test_accuracy"]
    several = ends > means.starts
    parts = []
    if several.any():
        gains = accuracy[ends[several]] - accuracy[ends[several] - 1]
        parts.append(
            f"{int((gains > STILL_GAINING).sum()):,} of {plural(len(gains), 'cell')} still gained "
            f"more than {100 * STILL_GAINING:g} points of test accuracy between their last two "
            "evaluations"
        )
    else:
        parts.append("With one evaluation a trial, nothing shows whether training had settled")
    fitted = means.measures["train_accuracy"][ends]
    fitted = fitted[np.isfinite(fitted)]
    if len(fitted):
        parts.append(
            f"training accuracy at the end is {percent(float(fitted.min()))} to "
            f"{percent(float(fitted.max()))} (median {percent(float(np.median(fitted)))})"
        )
    return "; ".join(parts) + "."
