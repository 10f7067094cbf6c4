"""The optimum batch size of every condition, with its interval."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.cells import Condition, GroupCells, group_cells
from analysis.edge import EdgeFit, edges_of_shares, fit_edges
from analysis.estimates import UNKNOWN, BatchSizeEstimate
from analysis.gaussian_process import UNKNOWN_NOISE, Curve, fit_shared
from analysis.landscape import CONDITION_COLUMNS, Group, Landscape
from analysis.maximum import (
    LEVEL,
    NEAR_OPTIMAL,
    CurvePoint,
    Maximum,
    best_sampled,
    nowhere,
    smooth_maximum,
)
from analysis.noise import pooled_variance
from analysis.peak import Cell, GroupPeaks, Peak, PeakTable
from analysis.peak_test import peak_p
from analysis.seed_correlation import SeedCorrelation, seed_correlation
from analysis.trained_share import bimodality, fit_trained_shares
from analysis.trained_side import TrainedSide, trained_side
from analysis.training_fit import training_at_peak
from explorer.errors import InputError
from explorer.store.schema import COMPLETED

Array = NDArray[np.float64]

__all__ = [
    "FEW_SEEDS",
    "LEVEL",
    "MIN_CELLS",
    "NEAR_OPTIMAL",
    "Cell",
    "CurvePoint",
    "GroupPeaks",
    "Peak",
    "PeakTable",
    "find_peaks",
]

#: Fewer cells on the trained side than this make no curve.
MIN_CELLS = 4
#: Fewer seeds a cell than this are flagged: intervals were calibrated from 3 seeds on.
FEW_SEEDS = 3
#: P value below which a condition's accuracy is said to rise and then fall.
PEAK_LEVEL = 0.05

_Key = tuple[float, float, int]


def find_peaks(
    landscape: Landscape, metric: str = "test_accuracy", near_optimal: float = NEAR_OPTIMAL
) -> PeakTable:
    """Locate B_opt of every condition, its near-optimal range and its edge of trainability.

    Cells below half the height of the cliff on the small-batch side are left out: what happens
    there is failure to train (docs/methods.md). The rest is a Gaussian process in log2 B whose
    hyperparameters all conditions of a group share; B_opt is the median, and its interval the
    central 95 %, of the maximisers of posterior draws, so that a plateau widens the interval.
    Where seeds on the cliff either train or do not, the share that trains is modelled apart.

    Args:
        landscape: trials of one or more groups.
        metric: an accuracy column, see `analysis.cells.METRICS`.
        near_optimal: accuracy below the best that still counts as near-optimal, a fraction.

    Raises:
        InputError: the landscape has no trials, or none with this metric; near_optimal is not
            between 0 and 1.
    """
    if not 0.0 < near_optimal < 1.0:
        raise InputError(f"near_optimal must lie between 0 and 1, not {near_optimal!r}.")
    if landscape.trials.empty:
        raise InputError(f"{landscape.source} holds no trials to find a peak in.")
    missing = landscape.missing()
    groups = tuple(
        _group_peaks(group, trials, metric, near_optimal, _incomplete(group, missing))
        for group, trials in landscape.groups()
    )
    if not any(group.peaks for group in groups):
        raise InputError(f"No trial of {landscape.source} that did not fail has a {metric}.")
    return PeakTable(groups, metric, near_optimal, notes=landscape.notes)


def _incomplete(group: Group, missing: pd.DataFrame) -> frozenset[tuple[float, float, int]]:
    """The conditions of a group that still lack planned trials."""
    rows = group.rows_of(missing)[list(CONDITION_COLUMNS)].itertuples(index=False)
    return frozenset((float(eps), float(m), int(n)) for eps, m, n in rows)


def _group_peaks(
    group: Group,
    trials: pd.DataFrame,
    metric: str,
    near_optimal: float,
    incomplete: frozenset[_Key],
) -> GroupPeaks:
    cells = group_cells(trials, metric)
    trained = [trained_side(c, cells.chance) for c in cells.conditions]
    variances = pooled_variance([(t.cells, t.edge) for t in trained])
    heaps = bimodality(cells.conditions, cells.chance)
    shares = fit_trained_shares(cells.conditions) if heaps.found else None
    fitted = [t.of_trained_seeds() for t in trained] if shares else trained
    noise = pooled_variance([(t.cells, t.edge) for t in fitted]) if shares else variances
    curves = [t.curve(v) for t, v in zip(fitted, noise, strict=True)]
    known = any(cell.n > 1 for t in trained for cell in t.cells)
    fittable = [c for t, c in zip(trained, curves, strict=True) if len(t.cells) >= MIN_CELLS]
    factors = (1.0,) if known else UNKNOWN_NOISE
    shared = fit_shared(fittable, _scale(fittable), factors) if fittable else ()
    seeds = _seed_correlation(trials, metric, trained)
    edges = _find_edges(trials, metric, cells)
    of_group = ["bimodal"] if heaps.found else []
    of_group += ["seeds_correlated"] if seeds.found else []
    peaks = []
    for i, (t, curve, variance) in enumerate(zip(trained, curves, variances, strict=True)):
        flags = [*_data_flags(t, known), *of_group]
        if _key(t.condition) in incomplete:
            flags.append("missing_trials")
        name = repr((group.label, *_key(t.condition)))
        p = math.nan
        if _is_untrained(t, variance, cells):
            found = nowhere(["untrained", *flags])
        elif len(t.cells) < MIN_CELLS:
            found = best_sampled(t, flags, near_optimal)
        else:
            share = partial(shares.draws, i) if shares else None
            start = t.edge if t.has_cliff else math.log2(t.cells[0].batch_size)
            found = smooth_maximum(
                curve, shared, flags, name, start, near_optimal, share, cells.chance
            )
            if known:
                means = np.array([cell.mean for cell in t.cells])
                p = peak_p(means, variance, t.has_cliff, name)
        peaks.append(_peak(group, t, variance, found, p, edges))
    sentences = (*cells.sentences, *edges.sentences(metric), *_data_sentences(heaps.found, seeds))
    return GroupPeaks(group, tuple(peaks), sentences, shared, edges.fit, edges.metric, heaps, seeds)


def _key(condition: Condition) -> _Key:
    return condition.learning_rate, condition.momentum, condition.train_size


def _scale(curves: Sequence[Curve]) -> float:
    """Typical spread of the curves around their level, in accuracy."""
    return max(float(np.median([np.std(c.y) for c in curves])), 1e-4)


@dataclass(frozen=True, eq=False)
class _Edges:
    """The edges of a group, and the training accuracies they were found in, by condition."""

    metric: str
    fit: EdgeFit
    by_condition: Mapping[_Key, BatchSizeEstimate]
    training: Mapping[_Key, Condition]

    def sentences(self, metric: str) -> tuple[str, ...]:
        if self.training:
            return ("The edge of trainability is half the height of the training accuracy.",)
        return (
            f"No training accuracy is recorded: the edge of trainability is half the height of"
            f" {metric}, and whether a peak is one of generalization cannot be told.",
        )


def _find_edges(trials: pd.DataFrame, metric: str, cells: GroupCells) -> _Edges:
    """Edges in training accuracy where every condition has it, else in the metric itself."""
    training: dict[_Key, Condition] = {}
    if trials["train_accuracy"].notna().any():
        training = {_key(c): c for c in group_cells(trials, "train_accuracy").conditions}
    complete = {_key(c) for c in cells.conditions} <= set(training)
    used = tuple(training.values()) if complete else cells.conditions
    if bimodality(used, cells.chance).found:
        fit = edges_of_shares(fit_trained_shares(used), used, cells.chance)
    else:
        fit = fit_edges(used, cells.chance)
    by_condition = {_key(c): edge for c, edge in zip(used, fit.edges, strict=True)}
    name = "train_accuracy" if complete else metric
    return _Edges(name, fit, by_condition, training if complete else {})


def _seed_correlation(
    trials: pd.DataFrame, metric: str, trained: Sequence[TrainedSide]
) -> SeedCorrelation:
    """Common fate of seeds on the trained sides, an octave clear of every edge."""
    clear = {_key(t.condition): 2.0 ** (t.edge + 1.0) for t in trained}
    completed = trials[trials["status"] == COMPLETED]
    keys = zip(*(completed[name] for name in CONDITION_COLUMNS), strict=True)
    start = pd.Series([clear.get(key, math.inf) for key in keys], completed.index, dtype=float)
    return seed_correlation(completed, metric, start)


def _data_sentences(bimodal: bool, seeds: SeedCorrelation) -> list[str]:
    lines = []
    if bimodal:
        lines.append(
            "On the cliff seeds either train or do not: the share that trains was fitted apart from"
            " the accuracy of those that do."
        )
    if seeds.found:
        lines.append(
            f"A seed's results go up and down together along a curve (correlation"
            f" {seeds.correlation:.2f}, p {seeds.p:.2g}): that does not move the peak, but"
            " comparisons between batch sizes are surer than their error bars say."
        )
    return lines


def _data_flags(trained: TrainedSide, noise_known: bool) -> list[str]:
    flags = []
    cells = trained.condition.cells
    seeds = np.median([c.n for c in cells])
    if len(trained.cells) < MIN_CELLS:
        flags.append("few_cells")
    if seeds < FEW_SEEDS:
        flags.append("single_seed" if seeds < 2 else "few_seeds")
    if not noise_known:
        flags.append("noise_assumed")
    if not trained.has_cliff:
        flags.append("no_cliff")
    if any(c.n_diverged for c in trained.cells):
        flags.append("diverged_above_edge")
    return flags


def _is_untrained(trained: TrainedSide, variance: Array, cells: GroupCells) -> bool:
    """No cell stands out from chance by three standard errors, or every trial diverged."""
    if all(c.n == c.n_diverged for c in trained.condition.cells):
        return True
    means = np.array([c.mean for c in trained.cells])
    return cells.chance_known and bool(np.all(means - cells.chance <= 3.0 * np.sqrt(variance)))


def _peak(
    group: Group, trained: TrainedSide, variance: Array, found: Maximum, p: float, edges: _Edges
) -> Peak:
    condition = trained.condition
    cells = condition.cells
    flags = list(found.flags)
    side = {(True, False): "low", (False, True): "high"}.get((found.open_low, found.open_high))
    if found.open_low:
        flags.append("censored_low")
    if found.open_high:
        full = cells[-1].batch_size == condition.train_size
        flags.append("full_batch" if full else "censored_high")
    if p >= PEAK_LEVEL:
        flags.append("no_peak")
    best = int(np.argmax([c.mean for c in cells]))
    edge = edges.by_condition.get(_key(condition), UNKNOWN)
    batch_size_opt = 2.0**found.x_opt
    return Peak(
        group=group,
        learning_rate=condition.learning_rate,
        momentum=condition.momentum,
        train_size=condition.train_size,
        batch_size_opt=batch_size_opt,
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
        best_sampled_batch_size=cells[best].batch_size,
        best_sampled_low=cells[best - 1].batch_size if best else None,
        best_sampled_high=cells[best + 1].batch_size if best + 1 < len(cells) else None,
        near_optimal_low=2.0**found.near_low,
        near_optimal_high=2.0**found.near_high,
        batch_size_edge=edge.estimate,
        peak_p=p,
        training=training_at_peak(edges.training.get(_key(condition)), batch_size_opt),
        landmarks={**found.landmarks, "edge": edge},
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
        shown.append(Cell(c.batch_size, c.mean, error, c.n, c.n_diverged, fitted, c.survivors_mean))
    return tuple(shown)
