"""The test accuracy that a validation set chooses: an honest rival of the best over evaluations."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa

from explorer.errors import InputError

#: Test accuracy at the evaluation whose validation accuracy is highest.
VALIDATION_CHOSEN = "validation_chosen_test_accuracy"
_NEEDED = ("trial_id", "step", "test_accuracy", "validation_accuracy")


def with_validation_chosen(
    trials: pd.DataFrame, curves: pa.Table | pd.DataFrame | None
) -> pd.DataFrame:
    """The trials with a column VALIDATION_CHOSEN; null where no evaluation was validated.

    Of evaluations with equal validation accuracy the earliest counts, as a user who stops early
    would have it.

    Args:
        trials: a landscape's trials.
        curves: one row an evaluation, columns trial_id, step, test_accuracy, validation_accuracy.

    Raises:
        InputError: the curves lack a column.
    """
    if curves is None:
        return trials.assign(**{VALIDATION_CHOSEN: float("nan")})
    frame = curves if isinstance(curves, pd.DataFrame) else curves.to_pandas()
    absent = [name for name in _NEEDED if name not in frame.columns]
    if absent:
        raise InputError(f"The curves have no column {absent[0]}.")
    frame = frame[list(_NEEDED)].dropna()
    frame = frame.sort_values(
        ["trial_id", "validation_accuracy", "step"], ascending=[True, False, True], kind="stable"
    )
    chosen = frame.drop_duplicates("trial_id").set_index("trial_id")["test_accuracy"]
    return trials.assign(**{VALIDATION_CHOSEN: trials["trial_id"].map(chosen).astype("float64")})
