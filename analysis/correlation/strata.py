"""Strata and cells: what the correlation claims compare, one data set and model at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.cells import METRICS, GroupCells, cells_of_groups
from analysis.correlation.validation import VALIDATION_CHOSEN
from analysis.landscape import CONFIGURATION_COLUMNS, Landscape
from analysis.training_runs import OBSERVATION_COLUMNS
from explorer.errors import InputError

Array = NDArray[np.float64]

#: Metrics that a correlation may be about.
CORRELATION_METRICS = (*METRICS, VALIDATION_CHOSEN)

#: A stratum holds every configuration column but these fixed.
_WITHIN = ("learning_rate", "batch_size", "seed", *OBSERVATION_COLUMNS)
STRATUM_COLUMNS = tuple(name for name in CONFIGURATION_COLUMNS if name not in _WITHIN)
_RATIO_DIGITS = 10


@dataclass(frozen=True, eq=False)
class Cells:
    """The cells of one stratum that have a result, in the order of learning rate and batch size.

    Attributes:
        batch_size, learning_rate, accuracy: [cells]; accuracy is the mean over seeds, diverged
            ones at chance.
        n_diverged: [cells], diverged trials.
        counts: how trials were counted and left out.
    """

    batch_size: Array
    learning_rate: Array
    accuracy: Array
    n_diverged: NDArray[np.int64]
    counts: GroupCells

    def __len__(self) -> int:
        return len(self.accuracy)

    @cached_property
    def ratio(self) -> Array:
        """B/eps, [cells], rounded to ten digits so that equal ratios are equal numbers."""
        # Beyond any real learning rate's ratio; sums and squares of larger ones would overflow.
        with np.errstate(over="ignore"):
            raw = np.minimum(self.batch_size / self.learning_rate, 1e150)
        return np.array([float(f"{value:.{_RATIO_DIGITS}g}") for value in raw])

    def where(self, keep: NDArray[np.bool_]) -> Cells:
        """The cells for which `keep` holds."""
        return Cells(
            self.batch_size[keep],
            self.learning_rate[keep],
            self.accuracy[keep],
            self.n_diverged[keep],
            self.counts,
        )


@dataclass(frozen=True, eq=False)
class Stratum:
    """Trials that differ in batch size, learning rate and seed alone.

    Attributes:
        columns: every column of STRATUM_COLUMNS with its value; None for a null.
        shown: those that name the stratum: the `by` columns and whatever varies.
        rows: its trials.
        grid: the (batch size, learning rate) pairs that were planned; where nobody said what was
            planned, the product of the values found.
        is_planned: the grid comes from a plan.
    """

    columns: tuple[tuple[str, Any], ...]
    shown: tuple[tuple[str, Any], ...]
    rows: pd.DataFrame
    grid: frozenset[tuple[int, float]]
    is_planned: bool

    @cached_property
    def label(self) -> str:
        """The stratum in one line."""
        return self.label_without()

    def label_without(self, *names: str) -> str:
        """The label without some of its columns: the name of strata that differ in them."""
        shown = {name: value for name, value in self.shown if name not in names}
        if shown.get("budget") is not None and shown.get("budget_value") is not None:
            shown["budget"] = f"{shown['budget']} {shown.pop('budget_value'):g}"
        return ", ".join(_shown(name, value) for name, value in shown.items())

    def value(self, name: str) -> Any:
        """The value of one of STRATUM_COLUMNS."""
        return dict(self.columns)[name]

    def same_but(self, *names: str) -> tuple[tuple[str, Any], ...]:
        """The columns without those named: equal for strata that differ only there."""
        return tuple(pair for pair in self.columns if pair[0] not in names)


def find_strata(landscape: Landscape, by: Sequence[str]) -> tuple[Stratum, ...]:
    """Split a landscape by every condition column other than batch size, learning rate and seed.

    Budgets, training-set sizes and momenta are never pooled, whatever `by` says: it only chooses
    what is named even where it does not vary. Exact repetitions of a row count once.

    Raises:
        InputError: the landscape has no trials, or `by` names a column that is no stratum's.
    """
    for name in by:
        if name not in STRATUM_COLUMNS:
            raise InputError(f"by must name columns among {', '.join(STRATUM_COLUMNS)}: {name!r}.")
    trials = landscape.trials.drop_duplicates()
    if trials.empty:
        raise InputError(f"{landscape.source} holds no trials.")
    planned = landscape.planned
    wanted = trials.iloc[:0] if planned is None else planned
    found, expected = _by_columns(trials), _by_columns(wanted)
    keys = [*found, *(key for key in expected if key not in found)]
    varying = [
        name
        for i, name in enumerate(STRATUM_COLUMNS)
        if name not in by and len({key[i] for key in keys}) > 1
    ]
    names = [*by, *varying]
    strata = []
    for key in keys:
        columns = dict(zip(STRATUM_COLUMNS, key, strict=True))
        rows = found.get(key, trials.iloc[:0])
        rows = rows.sort_values(["learning_rate", "batch_size", "seed"], kind="stable")
        grid = _product(rows) if planned is None else _pairs(expected.get(key, wanted.iloc[:0]))
        strata.append(
            Stratum(
                columns=tuple(columns.items()),
                shown=tuple((name, columns[name]) for name in names),
                rows=rows.reset_index(drop=True),
                grid=frozenset(grid | _pairs(rows)),
                is_planned=planned is not None,
            )
        )
    return tuple(sorted(strata, key=lambda s: (_order(s.shown), _order(s.columns))))


def cells_of(stratum: Stratum, metric: str) -> Cells:
    """The cells of one stratum; see `cells_of_strata`."""
    return cells_of_strata([stratum], metric)[0]


def cells_of_strata(strata: Sequence[Stratum], metric: str) -> list[Cells]:
    """Average the seeds of every cell of each stratum; see `analysis.cells.group_cells`.

    Args:
        strata: of `find_strata`.
        metric: one of CORRELATION_METRICS.
    """
    rows, column = [stratum.rows for stratum in strata], metric
    if metric == VALIDATION_CHOSEN:
        # analysis.cells knows the columns of a landscape; the chosen accuracy takes one's place.
        rows = [own.assign(test_accuracy=own[VALIDATION_CHOSEN]) for own in rows]
        column = "test_accuracy"
    return [_as_cells(counted) for counted in cells_of_groups(rows, column)]


def _as_cells(counted: GroupCells) -> Cells:
    cells = [(c.learning_rate, cell) for c in counted.conditions for cell in c.cells]
    return Cells(
        batch_size=np.array([cell.batch_size for _, cell in cells], dtype=np.float64),
        learning_rate=np.array([eps for eps, _ in cells], dtype=np.float64),
        accuracy=np.array([cell.mean for _, cell in cells], dtype=np.float64),
        n_diverged=np.array([cell.n_diverged for _, cell in cells], dtype=np.int64),
        counts=counted,
    )


def _by_columns(frame: pd.DataFrame) -> dict[tuple[Any, ...], pd.DataFrame]:
    if frame.empty:
        return {}
    groups = frame.groupby(list(STRATUM_COLUMNS), dropna=False, sort=False)
    return {tuple(_plain(v) for v in key): rows for key, rows in groups}


def _plain(value: Any) -> Any:
    """A group key that compares equal to itself: nulls are None, numbers Python's."""
    if pd.isna(value):
        return None
    return value.item() if hasattr(value, "item") else value


def _pairs(rows: pd.DataFrame) -> set[tuple[int, float]]:
    pairs = rows[["batch_size", "learning_rate"]].drop_duplicates()
    return {(int(b), float(eps)) for b, eps in pairs.itertuples(index=False)}


def _product(rows: pd.DataFrame) -> set[tuple[int, float]]:
    sizes, rates = rows["batch_size"].unique(), rows["learning_rate"].unique()
    return {(int(b), float(eps)) for b in sizes for eps in rates}


def _shown(name: str, value: Any) -> str:
    if value is None:
        return f"{name} not given" if name in ("dataset", "model", "budget") else f"{name} none"
    if name in ("dataset", "model", "budget") and value != "not given":
        return str(value)
    return f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}"


def _order(columns: tuple[tuple[str, Any], ...]) -> tuple[tuple[bool, float, str], ...]:
    """Numbers by size, texts by letters, nulls last."""
    return tuple(
        (v is None, float(v) if isinstance(v, int | float) else 0.0, str(v)) for _, v in columns
    )
