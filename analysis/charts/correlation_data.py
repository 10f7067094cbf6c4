"""The cells that the correlation claims were tested on, stratum by stratum, as plain data."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import pandas as pd
import pyarrow as pa

from analysis.charts.common import finite, plural, thinned
from analysis.correlation import VALIDATION_CHOSEN, CorrelationTable
from analysis.correlation.groups import RATIO, CorrelationGroup
from analysis.correlation.strata import Stratum, cells_of, find_strata
from analysis.correlation.validation import with_validation_chosen
from analysis.landscape import Landscape

#: More cells than this, and evenly spaced strata are drawn.
MOST_CELLS = 6_000


@dataclass(frozen=True, kw_only=True, slots=True)
class StratumCell:
    """One learning rate and batch size of a stratum.

    Attributes:
        ratio: B/eps, rounded as the tests round it.
        accuracy, standard_error: mean over the seeds, diverged ones at chance, and its error;
            None for a single seed.
        train_accuracy: likewise; None where it is not recorded.
        n, n_diverged: seeds, and how many of them diverged.
    """

    learning_rate: float
    batch_size: int
    ratio: float
    accuracy: float
    standard_error: float | None
    train_accuracy: float | None
    n: int
    n_diverged: int

    @property
    def low(self) -> float | None:
        """Accuracy less its standard error."""
        return None if self.standard_error is None else self.accuracy - self.standard_error

    @property
    def high(self) -> float | None:
        """Accuracy and its standard error."""
        return None if self.standard_error is None else self.accuracy + self.standard_error


@dataclass(frozen=True, kw_only=True, slots=True)
class StratumCells:
    """One stratum.

    Attributes:
        label: as in the correlation table.
        short: without what all strata share; what the reader picks.
        cells: with a result, in the order of learning rate and batch size.
    """

    label: str
    short: str
    cells: tuple[StratumCell, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class CorrelationCells:
    """All strata, and those that the charts draw.

    Attributes:
        metric: what `accuracy` is.
        strata: all, in the order of the correlation table.
        drawn: those with cells; evenly spaced ones where there are too many cells.
        note: what is not drawn, in a sentence; empty where everything is.
    """

    metric: str
    strata: tuple[StratumCells, ...]
    drawn: tuple[StratumCells, ...]
    note: str

    @property
    def metric_title(self) -> str:
        """The metric in words."""
        return self.metric.replace("_", " ")

    @property
    def first(self) -> int:
        """The number in `drawn` of the stratum that is shown first: the one with most cells."""
        sizes = [len(s.cells) for s in self.drawn]
        return sizes.index(max(sizes)) if sizes else 0


def correlation_cells(
    table: CorrelationTable,
    landscape: Landscape,
    curves: pa.Table | pd.DataFrame | None = None,
    most: int = MOST_CELLS,
) -> CorrelationCells:
    """The cell means that a correlation table was computed from.

    Args:
        table: of `analysis.correlation.correlations` on the same landscape.
        landscape: its trials.
        curves: needed where the table's metric is the validation-chosen accuracy.
        most: cells that are drawn.

    Raises:
        InputError: the landscape has no trials.
        ValueError: the table is not of this landscape.
    """
    if table.metric == VALIDATION_CHOSEN:
        trials = with_validation_chosen(landscape.trials, curves)
        landscape = replace(landscape, trials=trials)
    # The columns that name the strata, in their order: with them the labels are the table's.
    by = [name for name, _ in pooled_groups(table)[0].fixed] if table.groups else []
    found = find_strata(landscape, by)
    if [s.label for s in found] != [s.label for s in table.strata]:
        raise ValueError("the correlation table is of another landscape")
    shared = _shared(found)
    strata = tuple(
        StratumCells(
            label=s.label,
            short=(s.label_without(*shared) if len(found) > 1 else s.label) or "all trials",
            cells=_cells(s, table.metric),
        )
        for s in found
    )
    drawn = _drawn([s for s in strata if s.cells], most)
    return CorrelationCells(
        metric=table.metric, strata=strata, drawn=tuple(drawn), note=_note(strata, drawn)
    )


def pooled_groups(table: CorrelationTable) -> list[CorrelationGroup]:
    """The groups of accuracy against the ratio over all cells, one a stratum, in their order."""
    return [g for g in table.groups if g.kind == RATIO]


def spoken(label: str) -> str:
    """A stratum's label for reading."""
    return label or "all trials"


def _shared(strata: Sequence[Stratum]) -> list[str]:
    """Naming columns with one value in all strata; a budget stays with its value."""
    values: dict[str, set[object]] = {}
    for stratum in strata:
        for name, value in stratum.shown:
            values.setdefault(name, set()).add(value)
    shared = [name for name, found in values.items() if len(found) == 1]
    if "budget" in shared and "budget_value" in values and "budget_value" not in shared:
        shared.remove("budget")
    return shared


def _cells(stratum: Stratum, metric: str) -> tuple[StratumCell, ...]:
    cells, training = cells_of(stratum, metric), cells_of(stratum, "train_accuracy")
    trained = {
        (float(b), float(eps)): float(value)
        for b, eps, value in zip(
            training.batch_size, training.learning_rate, training.accuracy, strict=True
        )
    }
    means = [c for condition in cells.counts.conditions for c in condition.cells]
    return tuple(
        StratumCell(
            learning_rate=float(eps),
            batch_size=int(b),
            ratio=float(ratio),
            accuracy=float(mean.mean),
            standard_error=finite(math.sqrt(mean.variance / mean.n)),
            train_accuracy=trained.get((float(b), float(eps))),
            n=int(mean.n),
            n_diverged=int(mean.n_diverged),
        )
        for b, eps, ratio, mean in zip(
            cells.batch_size, cells.learning_rate, cells.ratio, means, strict=True
        )
    )


def _drawn(strata: Sequence[StratumCells], most: int) -> list[StratumCells]:
    """Evenly spaced strata of at most `most` cells together; a single one is thinned itself."""
    if sum(len(s.cells) for s in strata) <= most:
        return list(strata)
    widest = max(len(s.cells) for s in strata)
    kept = thinned(strata, max(2, most // widest))
    return [replace(s, cells=tuple(thinned(s.cells, most // len(kept)))) for s in kept]


def _note(strata: Sequence[StratumCells], drawn: Sequence[StratumCells]) -> str:
    n, of = (sum(len(s.cells) for s in some) for some in (drawn, strata))
    if n == of:
        return ""
    return (
        f"Drawn are {plural(n, 'cell')} of {of:,}, in {len(drawn):,} evenly spaced strata of "
        f"{len(strata):,}; the tables and the tests have all."
    )
