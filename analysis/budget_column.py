"""How long trials trained, where a file has no budget column but steps or epochs."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from explorer.store.schema import COMPLETED

Array = NDArray[np.float64]

#: How a product may have become a whole number: (below, above) bound the step count less it.
_ROUNDINGS = ((0.5, 0.5), (0.0, 1.0), (1.0, 0.0))
_TOLERANCE = 1e-9
_SHOWN_BUDGETS = 6
#: Fewer batch sizes for one number of epochs are no curve, and the number is no budget.
_FEWEST_BATCH_SIZES = 2


def fill_budget(path: Path, frame: pd.DataFrame) -> list[str]:
    """Fill `budget` and `budget_value` from `steps` or `epochs`, in place, where neither is there.

    Within a data set and model, the completed trials' steps are compared with a constant, and with
    what is proportional to N/B (epochs), to 1/eps (time_over_learning_rate) and to (1-m)/eps
    (time), rounded to a whole number in any of three ways; the first that one value explains in
    every trial is filled in. Different numbers of epochs make groups of their own, unless they
    follow from one of the other budgets or one of them stands for fewer than two batch sizes. A
    `budget` of epochs or steps without `budget_value` takes it from the column so named.

    Args:
        path: the file, for messages.
        frame: checked rows with their status.

    Returns:
        Sentences on what was filled in, and on what stays unclear.
    """
    if "budget_value" in frame.columns:
        return []
    if "budget" in frame.columns:
        return _value_of_named_budget(path, frame)
    sources = [name for name in ("epochs", "steps") if name in frame.columns]
    if not sources:
        return []
    names = [name for name in ("dataset", "model") if name in frame.columns]
    parts = [rows for _, rows in frame.groupby(names, sort=False)] if names else [frame]
    kinds = pd.Series(None, frame.index, dtype=object)
    values = pd.Series(math.nan, frame.index)
    unclear = 0
    for rows in parts:
        found = _budget(rows, sources)
        if found is None:
            unclear += len(rows)
            continue
        kinds[rows.index], values[rows.index] = found
    known = kinds.notna()
    if known.any():
        frame["budget"] = kinds.where(known, "not given")
        frame["budget_value"] = values
    return _sentences(path, " and ".join(sources), kinds[known], values[known], unclear)


def _value_of_named_budget(path: Path, frame: pd.DataFrame) -> list[str]:
    filled = []
    values = pd.Series(math.nan, frame.index)
    for name in ("epochs", "steps"):
        rows = frame["budget"] == name
        if name in frame.columns and rows.any() and frame.loc[rows, name].notna().all():
            values[rows] = frame.loc[rows, name]
            filled.append(name)
    if not filled:
        return []
    frame["budget_value"] = values
    return [f"{path.name} has no column budget_value: {' and '.join(filled)} was taken for it."]


def _budget(rows: pd.DataFrame, sources: list[str]) -> tuple[str, pd.Series | float] | None:
    """The budget's name, and its value or each row's; None where it is unclear."""
    completed = rows[rows["status"] == COMPLETED]
    if completed.empty:
        completed = rows
    for source in sources:  # a diverged trial may have stopped early: the others tell the budget
        given = completed[completed[source] > 0]
        if given.empty:
            continue
        with np.errstate(all="ignore"):  # the smallest learning rates have an infinite inverse
            one = _one_value(given, source)
        if one is not None:
            return one
    if "epochs" in sources and rows["epochs"].notna().all():
        sizes = completed.groupby("epochs")["batch_size"].nunique()
        if set(rows["epochs"]) <= set(sizes[sizes >= _FEWEST_BATCH_SIZES].index):
            return "epochs", rows["epochs"]
    return None


def _one_value(rows: pd.DataFrame, source: str) -> tuple[str, float] | None:
    """The first budget that one value of explains the steps or epochs of all rows."""
    done = rows[source].to_numpy(np.float64)
    if np.ptp(done) == 0.0:
        return source, float(done[0])
    eps, m = (rows[name].to_numpy(np.float64) for name in ("learning_rate", "momentum"))
    times = (("time_over_learning_rate", 1.0 / eps), ("time", (1.0 - m) / eps))
    one = np.ones_like(eps)
    if source == "steps":
        kinds = [("epochs", n, one) for n in _steps_per_epoch(rows)]
        kinds += [(name, factor, one) for name, factor in times]
    else:
        kinds = [
            (name, factor / n, 1.0 / n)
            for name, factor in (("steps", one), *times)
            for n in _steps_per_epoch(rows)
        ]
    for name, factor, a_step in kinds:
        value = _common(done, factor, a_step)
        if value is not None:
            return name, value
    return None


def _steps_per_epoch(rows: pd.DataFrame) -> Iterator[Array]:
    """N/B with the last partial batch dropped, kept, or counted as the part that it is."""
    n, b = (rows[name].to_numpy(np.float64) for name in ("train_size", "batch_size"))
    yield np.floor(n / b)
    yield np.ceil(n / b)
    yield n / b


def _common(done: Array, factor: Array, a_step: Array) -> float | None:
    """The v with done = v*factor in every row, exactly or rounded; the roundest such number.

    Whole numbers may have been rounded as such, others because their steps are whole.
    """
    quotient = done / factor
    if np.ptp(quotient) <= _TOLERANCE * np.min(quotient):
        return _roundest(float(np.min(quotient)), float(np.max(quotient)))
    slack = 1.0 if np.all(done == np.round(done)) else a_step
    for below, above in _ROUNDINGS:
        low = float(np.max((done - below * slack) / factor))
        high = float(np.min((done + above * slack) / factor))
        if 0.0 < low < high < math.inf:
            return _roundest(low, high)
    return None


def _roundest(low: float, high: float) -> float:
    middle = math.sqrt(low) * math.sqrt(high)
    slack = _TOLERANCE * middle
    for digits in range(1, 16):
        value = float(f"{middle:.{digits}g}")
        if low - slack <= value <= high + slack:
            return value
    return middle


def _sentences(
    path: Path, source: str, kinds: pd.Series, values: pd.Series, unclear: int
) -> list[str]:
    lines = []
    if len(kinds):
        budgets = sorted(set(zip(kinds, values, strict=True)))
        texts = [f"{kind} {value:.12g}" for kind, value in budgets[:_SHOWN_BUDGETS]]
        if len(budgets) > _SHOWN_BUDGETS:
            texts.append(f"{len(budgets) - _SHOWN_BUDGETS} more")
        lines.append(
            f"{path.name} has no column budget: by its {source}, {', '.join(texts)} was filled in."
        )
    if unclear:
        lines.append(
            f"The budget of {unclear} row(s) of {path.name} is unclear: {source} are neither the"
            " same in all of them nor in proportion to N/B, 1/learning_rate or"
            " (1-momentum)/learning_rate, so trials of unlike length may be pooled into one law;"
            " columns budget and budget_value would keep them apart."
        )
    return lines
