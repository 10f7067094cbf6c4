"""What is known of one condition's optimum, and of all of a landscape's: plain data."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from analysis.edge import EdgeFit
from analysis.estimates import UNKNOWN, BatchSizeEstimate
from analysis.gaussian_process import Hyperparameters
from analysis.landscape import Group
from analysis.maximum import LEVEL, CurvePoint
from analysis.seed_correlation import SeedCorrelation
from analysis.trained_share import Bimodality
from analysis.training_fit import TrainingAtPeak


@dataclass(frozen=True)
class Cell:
    """One sampled batch size of a condition, for drawing and tables.

    Attributes:
        batch_size: samples.
        mean: mean metric over seeds, diverged trials at chance.
        standard_error: of the mean; noise pooled over cells at the same distance from the edge on
            the trained side, the cell's own elsewhere; NaN where it cannot be known.
        n, n_diverged: seeds, and how many of them diverged.
        fitted: the curve was fitted to it; False below half the height of the cliff.
        survivors_mean: of the trials that did not diverge, beside the mean; NaN where none is left.
    """

    batch_size: int
    mean: float
    standard_error: float
    n: int
    n_diverged: int
    fitted: bool
    survivors_mean: float = math.nan


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
        best_sampled_batch_size: the sampled batch size of the highest mean, Smith & Le's (2018)
            estimate; `best_sampled_low` and `best_sampled_high` are its sampled neighbours, their
            error bar.
        near_optimal_low, near_optimal_high: the curve is within the tolerance of its best.
        batch_size_edge: edge of trainability, half the height of the cliff of training accuracy
            (of the metric where there is none); NaN where no cliff was sampled.
        peak_p: p value of "accuracy never falls as B grows (or never rises)", see
            `analysis.peak_test`; NaN where the noise is not known.
        training: training accuracy at the optimum; None where it is not recorded.
        landmarks: each of `analysis.estimates.LANDMARKS` with its interval.
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
    batch_size_edge: float
    converged: bool
    flags: tuple[str, ...]
    cells: tuple[Cell, ...]
    curve: tuple[CurvePoint, ...]
    best_sampled_low: int | None = None
    best_sampled_high: int | None = None
    peak_p: float = math.nan
    training: TrainingAtPeak | None = None
    landmarks: Mapping[str, BatchSizeEstimate] = field(default_factory=dict)

    @property
    def usable(self) -> bool:
        """Whether the peak can enter a law: not censored, with a finite position and error."""
        return (
            not self.censored
            and math.isfinite(self.batch_size_opt)
            and 0.0 < self.log_standard_error < math.inf
        )

    def landmark(self, name: str) -> BatchSizeEstimate:
        """One of `analysis.estimates.LANDMARKS`; unknown where the condition has none."""
        return self.landmarks.get(name, UNKNOWN)


@dataclass(frozen=True)
class GroupPeaks:
    """The peaks of one group and how its trials were counted.

    Attributes:
        group: what all its conditions share.
        peaks: one a condition.
        sentences: how trials were counted, and what the group's data are like.
        hyperparameters: of the smooth curves.
        edges: the fit of the cliffs.
        edge_metric: what the edge was found in.
        bimodality: whether seeds on the cliff either train or do not.
        seeds: whether a seed's results go up and down together along a curve.
    """

    group: Group
    peaks: tuple[Peak, ...]
    sentences: tuple[str, ...]
    hyperparameters: tuple[Hyperparameters, ...]
    edges: EdgeFit
    edge_metric: str
    bimodality: Bimodality
    seeds: SeedCorrelation


@dataclass(frozen=True)
class PeakTable:
    """The peaks of every condition of a landscape.

    Attributes:
        groups: one entry for each group, in the order of their names.
        metric: what was averaged.
        near_optimal: accuracy below the best that still counts as near-optimal.
        level: coverage that the intervals aim at.
        notes: the landscape's notes.
    """

    groups: tuple[GroupPeaks, ...]
    metric: str
    near_optimal: float
    level: float = LEVEL
    notes: tuple[str, ...] = ()

    @property
    def peaks(self) -> tuple[Peak, ...]:
        """All peaks, group after group."""
        return tuple(peak for group in self.groups for peak in group.peaks)
