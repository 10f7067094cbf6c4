"""Rows of a store whose values no run writes: a store may be shared, and its files anybody's."""

from __future__ import annotations

import numpy as np
import pandas as pd

from explorer.store.schema import COMPLETED, STATUSES

_ACCURACIES = ("train_accuracy", "test_accuracy", "validation_accuracy", "best_test_accuracy")
#: Lowest and highest value; both can be had, and null where the column can be null.
_RANGES = {
    "train_size": (1, 2**53),
    "batch_size": (1, 2**53),
    "seed": (0, 2**63 - 1),
    "evaluations": (1, 2**63 - 1),
    "validation_size": (0, 2**53),
    "n_classes": (1, 2**53),
    "steps": (1, 2**63 - 1),
    "steps_done": (0, 2**63 - 1),
    "learning_rate": (5e-324, 1.7e308),
    "momentum": (0.0, np.nextafter(1.0, 0.0)),
    "budget_value": (5e-324, 1.7e308),
    "weight_decay": (0.0, 1.7e308),
    "clip_norm": (5e-324, 1.7e308),
    "final_decay": (0.0, 1.0),
    **dict.fromkeys(_ACCURACIES, (0.0, 1.0)),
}
_NULLABLE = ("n_classes", "clip_norm", *_ACCURACIES)
_TEXTS = ("dataset", "model", "budget", "sampling")


def sensible_rows(frame: pd.DataFrame, what: str) -> tuple[pd.DataFrame, list[str]]:
    """The rows that a run can have written, and a sentence on those that are left out.

    Args:
        frame: columns of the landscape; those of results may be null throughout, as in a plan.
        what: the rows' name in the sentence: `trials`.
    """
    bad: dict[str, pd.Series] = {}
    for name, (low, high) in _RANGES.items():
        column = frame[name]
        if name in _NULLABLE or column.isna().all():
            bad[name] = ~column.between(low, high) & column.notna()
            if column.dtype.kind == "f":  # to pandas a number that is none is a null, too
                bad[name] |= np.isinf(column)
        else:
            bad[name] = ~column.between(low, high)
    for name in _TEXTS:
        strange = [text for text in frame[name].unique() if not str(text).isprintable()]
        bad[name] = frame[name].isin(strange)
    bad["batch_size"] |= frame["batch_size"] > frame["train_size"]
    if not frame["status"].isna().all():
        bad["status"] = ~frame["status"].isin(STATUSES)
        bad["test_accuracy"] |= frame["test_accuracy"].isna() & (frame["status"] == COMPLETED)
    left_out = np.logical_or.reduce(list(bad.values()))
    if not left_out.any():
        return frame, []
    names = [name for name, rows in bad.items() if rows.any()]
    first = ascii(frame[names[0]][bad[names[0]]].iloc[0])[:60]
    return frame[~left_out].reset_index(drop=True), [
        f"{left_out.sum()} of the store's {what} hold values that no run writes and are left out:"
        f" {names[0]} {first}{', and more' if len(names) > 1 else ''}."
    ]
