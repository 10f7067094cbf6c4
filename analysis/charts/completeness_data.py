"""What was planned and what became of it, as plain data, by batch size and learning rate."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.charts.common import labels, listed, number, plural
from analysis.charts.table import Table
from analysis.landscape import Counts, Landscape
from explorer.store.schema import COMPLETED, DIVERGED, FAILED

QUESTION = "How complete is the study?"

DONE = "done"
SOME_DIVERGED = "some diverged"
ALL_DIVERGED = "all diverged"
SOME_MISSING = "some missing"
ALL_MISSING = "missing"
SOME_FAILED = "failed"
#: From the best to the worst.
STATES = (DONE, SOME_DIVERGED, ALL_DIVERGED, SOME_MISSING, ALL_MISSING, SOME_FAILED)

#: Rows of the map, and cells in a row; neighbouring values share a cell above it.
MAX_ROWS = 12
MAX_CELLS = 48

_COUNTS = ("planned", COMPLETED, DIVERGED, FAILED, "missing")
_AXES = {"learning_rate": "learning rate", "train_size": "train size", "momentum": "momentum"}


@dataclass(frozen=True, kw_only=True, slots=True)
class CompletenessCell:
    """What became of the trials of one batch size and one value of the other axis.

    Attributes:
        value, value_high: of the other axis; they differ where neighbouring values share a row.
        batch_size, batch_size_high: samples; they differ where neighbouring sizes share a cell.
        low, high: where the cell is drawn, half-way to its neighbours on a logarithmic axis.
        state: one of STATES.
        planned: trials meant to run; None where nobody said.
        completed, diverged, failed: trials found; `missing` of the planned ones were not.
    """

    value: float
    value_high: float
    batch_size: int
    batch_size_high: int
    low: float
    high: float
    state: str
    planned: int | None
    completed: int
    diverged: int
    failed: int
    missing: int | None

    @property
    def row(self) -> str:
        """The row's name."""
        return _named(self.value, self.value_high)

    @property
    def batch_sizes(self) -> str:
        """The batch size, or the range of them."""
        return _named(self.batch_size, self.batch_size_high)


@dataclass(frozen=True, kw_only=True, slots=True)
class CompletenessInfo:
    """What the chart draws, as plain data.

    Attributes:
        question, answer, description: title, one sentence, and text for those who cannot see it.
        axis: in words, what the rows of the map are: the learning rate where it varies.
        counts: of the whole landscape.
        cells: by value of the axis and batch size, as drawn.
        rows: the same for every sampled batch size and value, for the table.
        notes: what cannot be shown, and why; whole sentences.
    """

    question: str
    answer: str
    description: str
    axis: str
    counts: Counts
    cells: tuple[CompletenessCell, ...]
    rows: tuple[CompletenessCell, ...]
    notes: tuple[str, ...]

    def table(self) -> Table:
        """One row a batch size and value of the other axis."""
        return Table(
            columns=(
                self.axis,
                "batch size",
                "planned",
                "completed",
                "diverged",
                "failed",
                "missing",
                "state",
            ),
            rows=tuple(
                (
                    c.value,
                    c.batch_size,
                    c.planned,
                    c.completed,
                    c.diverged,
                    c.failed,
                    c.missing,
                    c.state,
                )
                for c in self.rows
            ),
        )


def completeness_info(landscape: Landscape) -> CompletenessInfo:
    """Count what became of the trials of each batch size and learning rate.

    Sums over momentum, training-set size and groups. Where the learning rate was not varied, the
    rows are the training-set sizes, else the momenta.

    Args:
        landscape: the trials, and what was planned where that is known.
    """
    missing = landscape.missing()
    status = landscape.trials["status"]
    counts = Counts(
        planned=None if landscape.planned is None else len(landscape.planned),
        completed=int((status == COMPLETED).sum()),
        diverged=int((status == DIVERGED).sum()),
        failed=int((status == FAILED).sum()),
        missing=None if landscape.planned is None else len(missing),
    )
    axis = _axis(landscape)
    table = _counted(landscape, missing, axis)
    is_planned = landscape.planned is not None
    cells, shared = _drawn(table, is_planned)
    notes = []
    if not is_planned and len(landscape.trials):
        notes.append(
            "This source does not say what was planned, so missing trials cannot be counted."
        )
    if not is_planned and not len(landscape.trials):
        notes.append("This source holds no trials and does not say what was planned.")
    if shared:
        notes.append("Neighbouring values share a cell of the map; the table has every one.")
    return CompletenessInfo(
        question=QUESTION,
        answer=completeness_sentence(counts),
        description=(
            f"Map of the trials over batch size and {_AXES[axis]}: {plural(len(cells), 'cell')}. "
            + completeness_sentence(counts)
        ),
        axis=_AXES[axis],
        counts=counts,
        cells=cells,
        rows=_cells(table, is_planned),
        notes=tuple(notes),
    )


def completeness_sentence(counts: Counts) -> str:
    """One sentence: how many trials were planned, and what became of them."""
    found = [f"{counts.completed:,} completed"]
    if counts.diverged:
        found.append(f"{counts.diverged:,} diverged")
    found.append(f"{counts.failed:,} failed" if counts.failed else "none failed")
    if counts.planned is None:
        total = counts.completed + counts.diverged + counts.failed
        if not total:
            return "No trial was found."
        return f"Of {plural(total, 'trial')} found, {listed(found)}; what was planned is not known."
    are = "is" if counts.missing == 1 else "are"
    found.append(f"{counts.missing:,} {are} missing" if counts.missing else "none is missing")
    return f"Of {plural(counts.planned, 'planned trial')}, {listed(found)}."


def _axis(landscape: Landscape) -> str:
    """The rows of the map: the first axis that varies; the learning rate where none does."""
    frames = (
        [landscape.trials] if landscape.planned is None else [landscape.trials, landscape.planned]
    )
    for name in _AXES:
        if len(set().union(*(set(f[name].dropna().unique()) for f in frames))) > 1:
            return name
    return "learning_rate"


def _counted(landscape: Landscape, missing: pd.DataFrame, axis: str) -> pd.DataFrame:
    """Columns value, batch_size and _COUNTS, a row a sampled pair, in ascending order."""
    keys = [axis, "batch_size"]
    trials = landscape.trials
    parts = {s: trials[trials["status"] == s] for s in (COMPLETED, DIVERGED, FAILED)}
    parts |= {"missing": missing}
    if landscape.planned is not None:
        parts |= {"planned": landscape.planned}
    found = {name: frame.groupby(keys).size() for name, frame in parts.items() if len(frame)}
    if not found:
        return pd.DataFrame(columns=["value", "batch_size", *_COUNTS])
    table = pd.DataFrame(found).reindex(columns=list(_COUNTS)).fillna(0).astype(np.int64)
    table.index.names = ["value", "batch_size"]
    return table.sort_index().reset_index()


def _drawn(table: pd.DataFrame, is_planned: bool) -> tuple[tuple[CompletenessCell, ...], bool]:
    """The cells of the map; and whether neighbouring values share some."""
    if table.empty:
        return (), False
    values = np.unique(table["value"].to_numpy(float))
    row_of = _bins(values, MAX_ROWS)[np.searchsorted(values, table["value"])]
    drawn: list[CompletenessCell] = []
    shared = len(values) > MAX_ROWS
    for row in range(int(row_of.max()) + 1):
        part = table[row_of == row]
        sizes = np.unique(part["batch_size"].to_numpy(np.int64))
        cell_of = _bins(sizes, MAX_CELLS)[np.searchsorted(sizes, part["batch_size"])]
        shared |= len(sizes) > MAX_CELLS
        groups = part.groupby(cell_of)
        merged = groups[list(_COUNTS)].sum()
        merged["value"], merged["value_high"] = part["value"].min(), part["value"].max()
        merged["batch_size"] = groups["batch_size"].min()
        merged["batch_size_high"] = groups["batch_size"].max()
        drawn += _cells(merged, is_planned)
    return tuple(drawn), shared


def _bins(values: np.ndarray, at_most: int) -> np.ndarray:
    """The bin of each of the ascending values, equally many in each."""
    n = min(len(values), at_most)
    return np.arange(len(values)) * n // max(len(values), 1)


def _cells(table: pd.DataFrame, is_planned: bool) -> tuple[CompletenessCell, ...]:
    """The rows of a table as cells."""
    cells: list[CompletenessCell] = []
    for _, part in table.groupby("value", sort=True):
        sizes = part["batch_size"].to_numpy(float)
        highest = part.get("batch_size_high", part["batch_size"]).to_numpy(float)
        low, high = _edges(sizes, highest)
        for i, values in enumerate(part.to_dict("records")):
            n = {name: int(values[name]) for name in _COUNTS}
            cells.append(
                CompletenessCell(
                    value=float(values["value"]),
                    value_high=float(values.get("value_high", values["value"])),
                    batch_size=int(sizes[i]),
                    batch_size_high=int(highest[i]),
                    low=float(low[i]),
                    high=float(high[i]),
                    state=_state(n),
                    planned=n["planned"] if is_planned else None,
                    completed=n[COMPLETED],
                    diverged=n[DIVERGED],
                    failed=n[FAILED],
                    missing=n["missing"] if is_planned else None,
                )
            )
    return tuple(cells)


def _edges(low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ends of the drawn cells: half-way to the neighbours on the log axis, but never far."""
    a, b = np.log2(low), np.log2(high)
    gaps = a[1:] - b[:-1]
    usual = float(np.median(gaps)) if len(gaps) else 1.0
    # Whole numbers have no value between them to leave a gap for.
    next_number = np.log2((high[:-1] + 1.0) / high[:-1])
    half = np.minimum(gaps, np.maximum(1.5 * usual, next_number)) / 2.0
    left = a - np.concatenate([[usual / 2.0], half])
    right = b + np.concatenate([half, [usual / 2.0]])
    return 2.0**left, 2.0**right


def _state(n: dict[str, int]) -> str:
    finished = n[COMPLETED] + n[DIVERGED]
    if n[FAILED]:
        return SOME_FAILED
    if n["missing"]:
        return SOME_MISSING if finished else ALL_MISSING
    if n[DIVERGED]:
        return SOME_DIVERGED if n[COMPLETED] else ALL_DIVERGED
    return DONE


def _named(low: float, high: float) -> str:
    names = labels([low, high]) if math.isfinite(low) and math.isfinite(high) else {}
    first, last = names.get(low, number(low)), names.get(high, number(high))
    return first if low == high else f"{first} to {last}"
