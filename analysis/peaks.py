"""The optimum batch size of every condition, with its interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.cells import GroupCells, group_cells
from analysis.gaussian_process import (
    UNKNOWN_NOISE,
    Curve,
    Hyperparameters,
    fit_shared,
)
from analysis.landscape import CONDITION_COLUMNS, Group, Landscape
from analysis.maximum import LEVEL, CurvePoint, Maximum, best_sampled, nowhere, smooth_maximum
from analysis.noise import pooled_variance
from analysis.trained_side import TrainedSide, trained_side
from explorer.errors import InputError

Array = NDArray[np.float64]

__all__ = [
    "LEVEL",
    "MIN_CELLS",
    "Cell",
    "CurvePoint",
    "GroupPeaks",
    "Peak",
    "PeakTable",
    "find_peaks",
]

#: Fewer cells on the trained side than this make no curve.
MIN_CELLS = 4


@dataclass(frozen=True)
class Cell:
    """One sampled batch size of a condition, for drawing and tables.

    Attributes:
        batch_size: samples.
        mean: mean metric over seeds, diverged trials at chance.
        standard_error: of the mean; noise pooled over cells at the same distance from the edge on
            the trained side, the cell's own elsewhere; NaN where it cannot be known.
        n, n_diverged: seeds, and how many of them diverged.
        fitted: the curve was fitted to it; False below the edge of trainability.
    """

    batch_size: int
    mean: float
    standard_error: float
    n: int
    n_diverged: int
    fitted: bool


@dataclass(frozen=True)
class Peak:
    """The optimum of one condition.

    Batch sizes are in samples; NaN where the condition does not determine them.

    Attributes:
        group: what else was held fixed.
        learning_rate, momentum, train_size: the condition.
        batch_size_opt: posterior median of the maximiser of the smooth curve.
        low, high: 95 % interval; where the peak is censored it is a bound on that side only.
        log_standard_error: standard deviation of ln batch_size_opt.
        censored: the peak may lie outside the sampled batch sizes.
        censored_side: "low" or "high"; None where not censored, or where both sides are open.
        edge_low, edge_high: share of the posterior at the lowest and highest batch size.
        n_seeds: median seeds a cell.
        n_cells: batch sizes sampled; `n_fitted` of them lie on the trained side.
        accuracy_opt: height of the smooth curve's maximum.
        best_sampled_batch_size: the sampled batch size of the highest mean.
        near_optimal_low, near_optimal_high: the smooth curve is within 0.5 points of its best.
        edge: batch size at half the height of the cliff; NaN where no cliff was sampled.
        converged: the curve's fit is finite and its hyperparameters lie inside their grid.
        flags: what to beware of, by name.
        cells, curve: for drawing.
    """

    group: Group
    learning_rate: float
    momentum: float
    train_size: int
    batch_size_opt: float
    low: float
    high: float
    log_standard_error: float
    censored: bool
    censored_side: str | None
    edge_low: float
    edge_high: float
    n_seeds: float
    n_cells: int
    n_fitted: int
    accuracy_opt: float
    best_sampled_batch_size: int
    near_optimal_low: float
    near_optimal_high: float
    edge: float
    converged: bool
    flags: tuple[str, ...]
    cells: tuple[Cell, ...]
    curve: tuple[CurvePoint, ...]

    @property
    def usable(self) -> bool:
        """Whether the peak can enter a law: not censored, with a finite position and error."""
        return (
            not self.censored
            and math.isfinite(self.batch_size_opt)
            and 0.0 < self.log_standard_error < math.inf
        )


@dataclass(frozen=True)
class GroupPeaks:
    """The peaks of one group and how its trials were counted."""

    group: Group
    peaks: tuple[Peak, ...]
    sentences: tuple[str, ...]
    hyperparameters: tuple[Hyperparameters, ...]


@dataclass(frozen=True)
class PeakTable:
    """The peaks of every condition of a landscape.

    Attributes:
        groups: one entry for each group, in the order of their names.
        metric: what was averaged.
        level: coverage that the intervals aim at.
        notes: the landscape's notes.
    """

    groups: tuple[GroupPeaks, ...]
    metric: str
    level: float = LEVEL
    notes: tuple[str, ...] = ()

    @property
    def peaks(self) -> tuple[Peak, ...]:
        """All peaks, group after group."""
        return tuple(peak for group in self.groups for peak in group.peaks)


def find_peaks(landscape: Landscape, metric: str = "test_accuracy") -> PeakTable:
    """Locate B_opt of every condition.

    Cells below half the height of the cliff on the small-batch side are left out: what happens
    there is failure to train (docs/methods.md). The rest is a Gaussian process in log2 B whose
    hyperparameters all conditions of a group share; B_opt is the median, and its interval the
    central 95 %, of the maximisers of posterior draws, so that a plateau widens the interval.

    Args:
        landscape: trials of one or more groups.
        metric: an accuracy column, see `analysis.cells.METRICS`.

    Raises:
        InputError: the landscape has no trials, or none with this metric.
    """
    if landscape.trials.empty:
        raise InputError(f"{landscape.source} holds no trials to find a peak in.")
    missing = landscape.missing()
    groups = []
    for group, trials in landscape.groups():
        cells = group_cells(trials, metric)
        groups.append(_group_peaks(group, cells, _incomplete(group, missing)))
    if not any(group.peaks for group in groups):
        raise InputError(f"No trial of {landscape.source} that did not fail has a {metric}.")
    return PeakTable(tuple(groups), metric, notes=landscape.notes)


def _incomplete(group: Group, missing: pd.DataFrame) -> frozenset[tuple[float, float, int]]:
    """The conditions of a group that still lack planned trials."""
    same = np.ones(len(missing), dtype=bool)
    for name, value in group.columns():
        column = missing[name]
        same &= (column.isna() if pd.isna(value) else column == value).to_numpy(bool)
    rows = missing.loc[same, list(CONDITION_COLUMNS)].itertuples(index=False)
    return frozenset((float(eps), float(m), int(n)) for eps, m, n in rows)


def _group_peaks(
    group: Group, cells: GroupCells, incomplete: frozenset[tuple[float, float, int]]
) -> GroupPeaks:
    trained = [trained_side(c, cells.chance) for c in cells.conditions]
    variances = pooled_variance([(t.cells, t.edge) for t in trained])
    curves = [t.curve(v) for t, v in zip(trained, variances, strict=True)]
    known = any(cell.n > 1 for t in trained for cell in t.cells)
    fittable = [c for t, c in zip(trained, curves, strict=True) if len(t.cells) >= MIN_CELLS]
    factors = (1.0,) if known else UNKNOWN_NOISE
    shared = fit_shared(fittable, _scale(fittable), factors) if fittable else ()
    peaks = []
    for t, curve, variance in zip(trained, curves, variances, strict=True):
        c = t.condition
        flags = _data_flags(t, known)
        condition = (c.learning_rate, c.momentum, c.train_size)
        if condition in incomplete:
            flags.append("missing_trials")
        if _is_untrained(t, variance, cells):
            found = nowhere(["untrained", *flags])
        elif len(t.cells) < MIN_CELLS:
            found = best_sampled(t, flags)
        else:
            found = smooth_maximum(curve, shared, flags, key=repr((group.label, *condition)))
        peaks.append(_peak(group, t, variance, found))
    return GroupPeaks(group, tuple(peaks), cells.sentences, shared)


def _scale(curves: Sequence[Curve]) -> float:
    """Typical spread of the curves around their level, in accuracy."""
    return max(float(np.median([np.std(c.y) for c in curves])), 1e-4)


def _data_flags(trained: TrainedSide, noise_known: bool) -> list[str]:
    flags = []
    cells = trained.condition.cells
    if len(trained.cells) < MIN_CELLS:
        flags.append("few_cells")
    if np.median([c.n for c in cells]) < 2:
        flags.append("single_seed")
    if not noise_known:
        flags.append("noise_assumed")
    if not trained.has_cliff:
        flags.append("no_cliff")
    if any(c.n_diverged for c in trained.cells):
        flags.append("diverged_above_edge")
    return flags


def _is_untrained(trained: TrainedSide, variance: Array, cells: GroupCells) -> bool:
    """No cell stands out from chance by three standard errors."""
    means = np.array([c.mean for c in trained.cells])
    return cells.chance_known and bool(np.all(means - cells.chance <= 3.0 * np.sqrt(variance)))


def _peak(group: Group, trained: TrainedSide, variance: Array, found: Maximum) -> Peak:
    condition = trained.condition
    flags = list(found.flags)
    side = {(True, False): "low", (False, True): "high"}.get((found.open_low, found.open_high))
    if found.open_low:
        flags.append("censored_low")
    if found.open_high:
        full = condition.cells[-1].batch_size == condition.train_size
        flags.append("full_batch" if full else "censored_high")
    cells = condition.cells
    return Peak(
        group=group,
        learning_rate=condition.learning_rate,
        momentum=condition.momentum,
        train_size=condition.train_size,
        batch_size_opt=2.0**found.x_opt,
        low=2.0**found.low,
        high=2.0**found.high,
        log_standard_error=found.deviation * math.log(2.0),
        censored=found.open_low or found.open_high,
        censored_side=side,
        edge_low=found.edge_low,
        edge_high=found.edge_high,
        n_seeds=float(np.median([c.n for c in cells])),
        n_cells=len(cells),
        n_fitted=len(trained.cells),
        accuracy_opt=found.accuracy,
        best_sampled_batch_size=cells[int(np.argmax([c.mean for c in cells]))].batch_size,
        near_optimal_low=2.0**found.near_low,
        near_optimal_high=2.0**found.near_high,
        edge=2.0**trained.edge if trained.has_cliff else math.nan,
        converged=found.converged,
        flags=tuple(flags),
        cells=_cells(trained, variance),
        curve=found.curve,
    )


def _cells(trained: TrainedSide, variance: Array) -> tuple[Cell, ...]:
    shown = []
    for i, c in enumerate(trained.condition.cells):
        fitted = i >= trained.first
        error = math.sqrt(variance[i - trained.first] if fitted else c.variance / c.n)
        shown.append(Cell(c.batch_size, c.mean, error, c.n, c.n_diverged, fitted))
    return tuple(shown)
