"""All that one run of the benchmarks found, and the figures that follow from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import pandas as pd

from benchmarks.step_cost import PackCost
from benchmarks.step_profile import StepProfile


@dataclass(frozen=True)
class Timing:
    """One contender on the common trials.

    Attributes:
        name: of the contender.
        start_up: s, whole wall time of one trial of one step.
        walls: s, whole wall time of the sweep, once a repetition.
        trials: trials of the sweep.
        test_accuracy: mean over the trials.
    """

    name: str
    start_up: float
    walls: tuple[float, ...]
    trials: int
    test_accuracy: float

    @property
    def wall(self) -> float:
        return median(self.walls)

    @property
    def marginal(self) -> float:
        """Seconds that one more trial takes."""
        return (self.wall - self.start_up) / self.trials

    @property
    def start_up_share(self) -> float:
        return self.start_up / self.wall

    def projected(self, trials: int) -> float:
        """Wall time in s of so many trials, if each takes as long as these did."""
        return self.start_up + trials * self.marginal


@dataclass(frozen=True)
class LongSweep:
    """The explorer's own sweep.

    Attributes:
        wall: s, whole wall time.
        empty_tune: s, the start-up of an empty Tune job.
        slots: packs at a time.
        trials: rows of the store.
    """

    wall: float
    empty_tune: float
    slots: int
    trials: pd.DataFrame

    @property
    def in_packs(self) -> float:
        """Wall seconds inside packs, evaluations included, were the slots evenly busy."""
        return float(self.trials["wall_seconds"].sum()) / self.slots

    @property
    def not_training(self) -> float:
        """Fraction of the wall time that is neither inside packs nor an empty Tune job's."""
        return (self.wall - self.empty_tune - self.in_packs) / self.wall

    @property
    def diverged(self) -> int:
        return int((self.trials["status"] == "diverged").sum())

    def pack_sizes(self, batch_size: int) -> list[int]:
        """Members of each pack of this B, ascending."""
        chosen = self.trials[self.trials["batch_size"] == batch_size]
        return sorted(chosen.groupby("pack_id").size().tolist())

    def seconds_in_packs(self, batch_size: int) -> float:
        """A member's seconds in its pack, mean over the trials of this B."""
        chosen = self.trials["batch_size"] == batch_size
        return float(self.trials.loc[chosen, "wall_seconds"].mean())


@dataclass(frozen=True)
class Measurements:
    """One run of the benchmarks.

    Attributes:
        machine: what it ran on.
        explorer, rivals: the contenders on the common trials.
        sweep: the explorer's long sweep.
        sgemm: FLOP/s of a single-threaded SGEMM.
        costs, profiles: one of each for each batch size, ascending.
        evaluations: of each trial.
    """

    machine: dict[str, str]
    explorer: Timing
    rivals: tuple[Timing, ...]
    sweep: LongSweep
    sgemm: float
    costs: tuple[PackCost, ...]
    profiles: tuple[StepProfile, ...]
    evaluations: int

    def gemm_fraction(self, cost: PackCost) -> float:
        """A pack's FLOP/s in training as a fraction of SGEMM's, one process alone."""
        return cost.flops_per_second / self.sgemm

    def gemm_fraction_in_sweep(self, cost: PackCost) -> float:
        """The same in the long sweep, where every slot is busy."""
        seconds = self._step_seconds_in_sweep(cost)
        return cost.step_flops / seconds / self.sgemm

    @property
    def overall_gemm_fraction(self) -> float:
        """All trials of the long sweep together, one process alone."""
        return (
            _ratio(
                [
                    (self._count(c) * c.step_flops, self._count(c) * c.step_seconds)
                    for c in self.costs
                ]
            )
            / self.sgemm
        )

    @property
    def overall_gemm_fraction_in_sweep(self) -> float:
        """All trials of the long sweep together, every slot busy."""
        return (
            _ratio(
                [
                    (self._count(c) * c.step_flops, self._count(c) * self._step_seconds_in_sweep(c))
                    for c in self.costs
                ]
            )
            / self.sgemm
        )

    @property
    def evaluation_share(self) -> float:
        """The part of the time inside the long sweep's packs that evaluations take."""
        return _ratio(
            [
                (weight * c.evaluation_share(self.evaluations), weight)
                for c in self.costs
                for weight in [self._count(c) * self.sweep.seconds_in_packs(c.batch_size)]
            ]
        )

    def kernel_fraction(self, cost: PackCost, profile: StepProfile) -> float:
        """The rate inside the matrix products themselves, as a fraction of SGEMM's."""
        return cost.step_flops * profile.members / profile.gemm_seconds / self.sgemm

    def _count(self, cost: PackCost) -> int:
        return int((self.sweep.trials["batch_size"] == cost.batch_size).sum())

    def _step_seconds_in_sweep(self, cost: PackCost) -> float:
        inside = self.sweep.seconds_in_packs(cost.batch_size)
        return inside * (1 - cost.evaluation_share(self.evaluations)) / cost.steps


def _ratio(pairs: Sequence[tuple[float, float]]) -> float:
    """Sum of the first over sum of the second."""
    return sum(a for a, _ in pairs) / sum(b for _, b in pairs)
