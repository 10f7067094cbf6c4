"""The learning curves of one cell, every seed by itself, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from analysis.charts.common import finite, number, plural
from analysis.charts.table import Table
from explorer.errors import InputError
from explorer.store.schema import FAILED

QUESTION = "How did this cell train?"
#: What is drawn, as (column of CURVES_SCHEMA, name in the legend).
SETS: Mapping[str, str] = {"test_accuracy": "test", "train_accuracy": "training"}


_DESCRIPTION = (
    "Test and training accuracy against SGD steps for one cell of the map, a line for each seed: "
    "solid for the test set, dashed for the training set."
)


@dataclass(frozen=True, kw_only=True, slots=True)
class SeedRow:
    """One evaluation of one trial; `of` is `test` or `training`, accuracy a fraction."""

    seed: int
    of: str
    step: int
    accuracy: float


@dataclass(frozen=True, kw_only=True, slots=True)
class CellCurvesInfo:
    """What the chart draws, as plain data.

    Attributes:
        question, answer, description: title, one sentence, and text for those who cannot see it.
        rows: by seed, set and step; empty where nothing is recorded.
    """

    question: str
    answer: str
    description: str
    rows: tuple[SeedRow, ...]

    def table(self) -> Table:
        """Each evaluation."""
        return Table(
            columns=("seed", "accuracy of", "step", "accuracy"),
            rows=tuple((r.seed, r.of, r.step, r.accuracy) for r in self.rows),
            percent=frozenset(("accuracy",)),
        )


def cell_curves_info(
    trials: pd.DataFrame,
    curves: pa.Table | None,
    *,
    learning_rate: float,
    momentum: float,
    train_size: int,
    batch_size: int,
) -> CellCurvesInfo:
    """Collect the learning curves of every seed of one cell.

    Args:
        trials: rows of one group of a landscape (`Landscape.groups`).
        curves: columns of CURVES_SCHEMA; None where the source has none.
        learning_rate: of the cell.
        momentum: of the cell.
        train_size: of the cell, samples.
        batch_size: of the cell, samples.

    Raises:
        InputError: there is no such cell.
    """
    wanted = {
        "learning_rate": learning_rate,
        "momentum": momentum,
        "train_size": train_size,
        "batch_size": batch_size,
    }
    here = np.logical_and.reduce([trials[name] == value for name, value in wanted.items()])
    found = trials[here & (trials["status"] != FAILED)]
    told = ", ".join(f"{name.replace('_', ' ')} {number(v)}" for name, v in wanted.items())
    if found.empty:
        raise InputError(f"There is no result at {told}.")
    rows: list[SeedRow] = []
    if curves is not None:
        known = found[found["trial_id"].notna()]
        seeds = dict(zip(known["trial_id"], known["seed"], strict=True))
        mine = curves.filter(pc.is_in(curves["trial_id"], pa.array(list(seeds), pa.string())))
        for values in mine.select(["trial_id", "step", *SETS]).to_pylist():
            for column, name in SETS.items():
                accuracy = finite(values[column])
                if accuracy is not None:
                    rows.append(
                        SeedRow(
                            seed=int(seeds[values["trial_id"]]),
                            of=name,
                            step=values["step"],
                            accuracy=accuracy,
                        )
                    )
    rows.sort(key=lambda r: (r.seed, r.of, r.step))
    shown = plural(len({r.seed for r in rows}), "seed")
    return CellCurvesInfo(
        question=QUESTION,
        answer=f"{shown} at {told}." if rows else f"No learning curve is recorded at {told}.",
        description=_DESCRIPTION,
        rows=tuple(rows),
    )
