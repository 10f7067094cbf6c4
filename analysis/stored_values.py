"""Rows of a store whose values no run writes: a store may be shared, and its files anybody's."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from explorer.store.schema import COMPLETED, STATUSES

_ACCURACIES = ("train_accuracy", "test_accuracy", "validation_accuracy", "best_test_accuracy")
_LARGEST = np.finfo(np.float64).max
_LEAST = np.finfo(np.float64).smallest_subnormal
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
    "learning_rate": (_LEAST, _LARGEST),
    "momentum": (0.0, np.nextafter(1.0, 0.0)),
    "budget_value": (_LEAST, _LARGEST),
    "weight_decay": (0.0, _LARGEST),
    "clip_norm": (_LEAST, _LARGEST),
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
    masks = [(name, mask) for name, mask in _senseless(frame) if mask.any()]
    if not masks:
        return frame, []
    left_out = np.logical_or.reduce([mask for _, mask in masks])
    name, mask = masks[0]
    first = f"{name} {ascii(frame[name][mask].iloc[0])[:60]}"
    columns = {name for name, _ in masks}
    more = f" (and values of {', '.join(sorted(columns - {name}))})" if len(columns) > 1 else ""
    return frame[~left_out].reset_index(drop=True), [
        f"{left_out.sum()} of the store's {what} hold values that no run writes, such as "
        f"{first}{more}: left out."
    ]


def _senseless(frame: pd.DataFrame) -> Iterator[tuple[str, pd.Series]]:
    """(column, where it holds what no run writes), for columns in which something is found."""
    for name, (low, high) in _RANGES.items():
        column = frame[name]
        nullable = name in _NULLABLE or column.isna().all()
        if not (column.min() >= low and column.max() <= high) or not nullable:
            outside = ~column.between(low, high)
            yield name, outside & column.notna() if nullable else outside
    yield "batch_size", frame["batch_size"] > frame["train_size"]
    for name in _TEXTS:
        strange = [text for text in frame[name].unique() if not str(text).isprintable()]
        if strange:
            yield name, frame[name].isin(strange)
    if not frame["status"].isna().all():  # a plan's rows have none
        yield "status", ~frame["status"].isin(STATUSES)
        absent = frame["test_accuracy"].isna()
        if absent.any():
            yield "test_accuracy", absent & (frame["status"] == COMPLETED)
