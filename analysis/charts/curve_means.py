"""Learning curves averaged over the seeds of each cell, at each evaluation, as arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from explorer.store.schema import DIVERGED

MEASURES = ("test_accuracy", "train_accuracy", "test_loss", "train_loss")
ACCURACIES = ("test_accuracy", "train_accuracy")

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

CONDITION = ["learning_rate", "momentum", "train_size"]
CELL = [*CONDITION, "batch_size"]


@dataclass(frozen=True, eq=False)
class CurveMeans:
    """Means over the trials of each cell and step, [rows], cell after cell in ascending steps.

    Attributes:
        cells: CELL and `condition`, a row a cell, in ascending order.
        cell, step: of each row; `total` SGD steps the cell was to take.
        measures: by name; NaN where no trial says.
        n, n_diverged: trials behind test accuracy, and those that had diverged.
        n_lost: finished trials that lack an evaluation.
    """

    cells: pd.DataFrame
    cell: Integers
    step: Integers
    total: Integers
    measures: Mapping[str, Floats]
    n: Integers
    n_diverged: Integers
    n_lost: int

    @property
    def starts(self) -> Integers:
        """Each cell's first row."""
        return np.flatnonzero(np.diff(self.cell, prepend=-1)).astype(np.int64)

    @property
    def ends(self) -> Integers:
        """Each cell's last row."""
        return np.flatnonzero(np.diff(self.cell, append=-1)).astype(np.int64)


def curve_means(finished: pd.DataFrame, curves: pa.Table) -> CurveMeans:
    """Match evaluations to those that each trial was to have, and average cell by cell.

    Everything is an array, since a study may have millions of evaluations: trials and cells are
    numbered, and (number, step) is one integer key.

    Args:
        finished: completed and diverged trials, numbered from 0.
        curves: columns of CURVES_SCHEMA.
    """
    groups = finished.groupby(CELL, sort=True)
    cell_of = groups.ngroup().to_numpy(np.int64)
    cells = groups.size().index.to_frame(index=False)
    cells["condition"] = cells.groupby(CONDITION, sort=True).ngroup()
    steps, evaluations = (finished[c].to_numpy(np.int64) for c in ("steps", "evaluations"))
    trial, step = _expected(steps, evaluations)
    span = int(steps.max()) + 1
    ids = pa.array(finished["trial_id"].astype(str), pa.string())
    found = pc.index_in(curves.column("trial_id").cast(pa.string()), value_set=ids)
    known = pc.is_valid(found)
    recorded = curves.filter(known)
    places = found.filter(known).to_numpy().astype(np.int64)
    at = recorded.column("step").to_numpy().astype(np.int64)
    inside = (at >= 0) & (at < span)
    key, first = np.unique(places[inside] * span + at[inside], return_index=True)
    source = np.flatnonzero(inside)[first]
    wanted = trial * span + step
    place = np.minimum(np.searchsorted(key, wanted), max(len(key) - 1, 0))
    seen = key[place] == wanted if len(key) else np.zeros(len(wanted), dtype=bool)
    diverged = (finished["status"] == DIVERGED).to_numpy()[trial]
    chance = 1.0 / finished["n_classes"].to_numpy(np.float64, na_value=np.nan)[trial]
    gone = ~seen & diverged
    row_key, row = np.unique(cell_of[trial] * span + step, return_inverse=True)
    measures: dict[str, Floats] = {}
    counted = np.zeros(len(row_key), dtype=np.int64)
    for measure in MEASURES:
        values = np.full(len(wanted), np.nan)
        if measure in recorded.column_names and len(key):
            column = recorded.column(measure).to_numpy().astype(np.float64)
            values[seen] = column[source[place[seen]]]
        if measure in ACCURACIES:
            values[gone] = chance[gone]
        there = np.isfinite(values)
        n = np.bincount(row[there], minlength=len(row_key))
        total = np.bincount(row[there], weights=values[there], minlength=len(row_key))
        measures[measure] = np.divide(total, n, out=np.full(len(n), np.nan), where=n > 0)
        if measure == "test_accuracy":
            counted = n
    lost = np.unique(trial[~seen & ~diverged])
    keep = counted > 0
    cell = row_key // span
    longest = np.zeros(len(cells), dtype=np.int64)
    np.maximum.at(longest, cell_of, steps)
    return CurveMeans(
        cells=cells,
        cell=cell[keep],
        step=(row_key % span)[keep],
        total=longest[cell][keep],
        measures={name: values[keep] for name, values in measures.items()},
        n=counted[keep],
        n_diverged=np.bincount(row[gone], minlength=len(row_key))[keep],
        n_lost=len(lost),
    )


def _expected(steps: Integers, evaluations: Integers) -> tuple[Integers, Integers]:
    """The trial's number and the step of each evaluation that a trial was to have.

    Steps are those of `explorer.trial.Configuration.evaluation_steps`.
    """
    trial = np.repeat(np.arange(len(steps)), evaluations)
    first = np.repeat(np.cumsum(evaluations) - evaluations, evaluations)
    place = np.arange(len(trial)) - first + 1
    step = np.maximum(1, np.rint(steps[trial] * place / evaluations[trial])).astype(np.int64)
    # More evaluations than steps: some fall on the same step.
    keep = np.ones(len(trial), dtype=bool)
    keep[1:] = (trial[1:] != trial[:-1]) | (step[1:] != step[:-1])
    return trial[keep], step[keep]
