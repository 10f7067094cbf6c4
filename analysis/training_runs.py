"""One row a training run: what was observed along the way makes no second result."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from explorer.store.schema import FAILED

#: Configuration columns that decide what is recorded, not how the parameters move.
OBSERVATION_COLUMNS = ("evaluations", "validation_size")


def one_row_a_run(trials: pd.DataFrame, key: Sequence[str]) -> tuple[pd.DataFrame, list[str]]:
    """Keep the fullest of the rows that differ only in what was observed.

    Rows of one run are ranked by status (a failed one says nothing), then by whether they have a
    validation accuracy, then by the number of evaluations; of equals the first stays.

    Args:
        trials: one row a trial; absent columns count as null.
        key: columns that name a run, so none of OBSERVATION_COLUMNS.

    Returns:
        The kept rows in their old order, and a sentence where any was dropped.
    """
    rank = pd.DataFrame(index=trials.index)
    rank["failed"] = _column(trials, "status").eq(FAILED)
    rank["unvalidated"] = _column(trials, "validation_accuracy").isna()
    rank["evaluations"] = -pd.to_numeric(_column(trials, "evaluations")).astype("float64")
    order = rank.sort_values(list(rank.columns), kind="stable", na_position="last").index
    kept = trials.loc[order].drop_duplicates(list(key)).sort_index().reset_index(drop=True)
    n = len(trials) - len(kept)
    if not n:
        return kept, []
    repeats = "trial repeats" if n == 1 else "trials repeat"
    counted = "is" if n == 1 else "are"
    return kept, [
        f"{n} {repeats} another's training with other evaluations and {counted} counted once."
    ]


def _column(trials: pd.DataFrame, name: str) -> pd.Series:
    return trials[name] if name in trials.columns else pd.Series(None, trials.index, dtype=object)
