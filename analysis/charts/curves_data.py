"""What the learning curves show, as plain data: each cell's mean over seeds at each evaluation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import median

import numpy as np
import pandas as pd
import pyarrow as pa

from analysis.charts.common import (
    Table,
    finite,
    number,
    percent,
    plural,
    thinned,
)
from explorer.store.schema import DIVERGED, FAILED

MEASURES = ("test_accuracy", "train_accuracy", "test_loss", "train_loss")
ACCURACIES = ("test_accuracy", "train_accuracy")

#: Rows that a browser still draws without a wait; above it, evaluations are left out evenly.
MAX_ROWS = 20_000
#: Rows that a table still shows; above it, only each cell's last evaluation.
MAX_TABLE_ROWS = 1_500
#: A gain between the last two evaluations that says a cell was still learning.
STILL_GAINING = 0.005

QUESTION = "Had training run its course when the budget ended?"


@dataclass(frozen=True, kw_only=True, slots=True)
class LearningRow:
    """One cell at one evaluation.

    Attributes:
        step: SGD steps done.
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
        notes: what cannot be shown, and why; whole sentences.
    """

    question: str
    answer: str
    description: str
    rows: tuple[LearningRow, ...]
    first_shown: tuple[float, float, int] | None
    notes: tuple[str, ...]

    def table(self) -> Table:
        """Each row as text; of a large study only each cell's last evaluation."""
        rows, note = self.rows, ""
        if len(rows) > MAX_TABLE_ROWS:
            rows = tuple(curve[-1] for curve in _curves(rows))
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
                    number(r.learning_rate),
                    number(r.momentum),
                    number(r.train_size),
                    number(r.batch_size),
                    str(r.step),
                    percent(r.test_accuracy, 2),
                    percent(r.train_accuracy, 2),
                    number(r.test_loss),
                    number(r.train_loss),
                    str(r.n),
                    str(r.n_diverged),
                )
                for r in rows
            ),
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
    expected = _expected(trials[trials["status"] != FAILED])
    if expected.empty:
        return _with_note(empty, "No trial has finished, so there are no learning curves.")
    recorded = curves.select(["trial_id", "step", *MEASURES]).to_pandas()
    recorded = recorded.drop_duplicates(["trial_id", "step"])
    joined = expected.merge(recorded, on=["trial_id", "step"], how="left", indicator=True)
    seen = joined["_merge"] == "both"
    gone = ~seen & joined["diverged"]
    lost = joined.loc[~seen & ~joined["diverged"], "trial_id"].nunique()
    for measure in MEASURES:
        joined[measure] = joined[measure].where(np.isfinite(joined[measure].astype(float)))
    for measure in ACCURACIES:
        joined[measure] = joined[measure].where(~gone, joined["chance"])
    rows = _aggregate(joined.assign(counted=joined["test_accuracy"].notna(), gone=gone))
    if not rows:
        return _with_note(empty, "No evaluation of these trials is recorded.")
    notes = []
    if lost:
        notes.append(f"{plural(lost, 'finished trial')} without all evaluations: left out there.")
    if diverged := int(expected.loc[expected["diverged"], "trial_id"].nunique()):
        unknown = bool(expected.loc[expected["diverged"], "chance"].isna().any())
        how = "left out of the means" if unknown else "counted at chance"
        notes.append(f"{plural(diverged, 'diverged trial')}: {how} after the last evaluation.")
    if all(r.n <= 1 for r in rows):
        notes.append("Every cell holds a single seed, so the curves are single runs.")
    per_cell = max(2, MAX_ROWS // len(list(_curves(rows))))
    kept = tuple(r for curve in _curves(rows) for r in thinned(curve, per_cell))
    if len(kept) < len(rows):
        notes.append(f"At most {per_cell} evaluations of each cell are drawn.")
    ends = [curve[-1] for curve in _curves(rows) if curve[-1].test_accuracy is not None]
    best = max(ends, key=lambda r: r.test_accuracy or 0.0, default=None)
    return LearningCurvesInfo(
        question=QUESTION,
        answer=_answer(rows),
        description=(
            "Mean accuracy or loss against SGD steps, a line for each batch size, for one "
            f"condition at a time: {plural(len(list(_curves(rows))), 'cell')} in all."
        ),
        rows=kept,
        first_shown=None if best is None else (best.learning_rate, best.momentum, best.train_size),
        notes=tuple(notes),
    )


def _with_note(info: LearningCurvesInfo, note: str) -> LearningCurvesInfo:
    return replace(info, notes=(*info.notes, note))


_CELL = ["learning_rate", "momentum", "train_size", "batch_size"]


def _expected(trials: pd.DataFrame) -> pd.DataFrame:
    """A row for each evaluation that each trial was to have, with the trial's id and cell.

    Steps are those of `explorer.trial.Configuration.evaluation_steps`.
    """
    known = trials.dropna(subset=["trial_id", "steps", "evaluations"]).reset_index(drop=True)
    found = known[["trial_id", *_CELL]].assign(
        diverged=known["status"] == DIVERGED, chance=1.0 / known["n_classes"].astype(float)
    )
    evaluations = known["evaluations"].to_numpy(int)
    found = found.loc[found.index.repeat(evaluations)]
    place = found.groupby(level=0).cumcount().to_numpy() + 1
    steps = known["steps"].to_numpy(int)[found.index] * place / evaluations[found.index]
    found["step"] = np.maximum(1, np.rint(steps)).astype(int)
    return found.drop_duplicates(["trial_id", "step"], ignore_index=True)


def _aggregate(joined: pd.DataFrame) -> list[LearningRow]:
    """Means over the trials of each cell and step, in the order of cells and steps."""
    how = {**dict.fromkeys(MEASURES, "mean"), "counted": "sum", "gone": "sum"}
    means = joined.groupby([*_CELL, "step"], sort=True, as_index=False).agg(how)
    return [
        LearningRow(
            learning_rate=float(values["learning_rate"]),
            momentum=float(values["momentum"]),
            train_size=int(values["train_size"]),
            batch_size=int(values["batch_size"]),
            step=int(values["step"]),
            **{m: finite(values[m]) for m in MEASURES},
            n=int(values["counted"]),
            n_diverged=int(values["gone"]),
        )
        for values in means.to_dict("records")
        if values["counted"]
    ]


def _curves(rows: Sequence[LearningRow]) -> Iterable[list[LearningRow]]:
    """The rows cell by cell."""
    cells: dict[tuple[float, float, int, int], list[LearningRow]] = {}
    for r in rows:
        cells.setdefault((r.learning_rate, r.momentum, r.train_size, r.batch_size), []).append(r)
    return cells.values()


def _answer(rows: Sequence[LearningRow]) -> str:
    """One sentence: how many cells still gained, and how well the training set was fitted."""
    curves = list(_curves(rows))
    gains = [
        curve[-1].test_accuracy - curve[-2].test_accuracy
        for curve in curves
        if len(curve) > 1
        and curve[-1].test_accuracy is not None
        and curve[-2].test_accuracy is not None
    ]
    fitted = [c[-1].train_accuracy for c in curves if c[-1].train_accuracy is not None]
    parts = []
    if gains:
        still = sum(gain > STILL_GAINING for gain in gains)
        parts.append(
            f"{still} of {plural(len(gains), 'cell')} still gained more than "
            f"{100 * STILL_GAINING:g} points of test accuracy between their last two evaluations"
        )
    else:
        parts.append("With one evaluation a trial, nothing shows whether training had settled")
    if fitted:
        parts.append(
            f"training accuracy at the end is {percent(min(fitted))} to {percent(max(fitted))} "
            f"(median {percent(median(fitted))})"
        )
    return "; ".join(parts) + "."
