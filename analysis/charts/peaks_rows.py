"""The rows of the charts of accuracy against batch size, and the axes they can be split by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from analysis.charts.common import AXES, Axis, interval, number
from analysis.peaks import Peak


def other_axes(axis: Axis) -> tuple[Axis, Axis]:
    """The two axes beside this one."""
    first, second = (a for a in AXES if a != axis)
    return first, second


def key_of(p: Peak, others: Sequence[Axis]) -> tuple[float, ...]:
    """The condition's values of these axes."""
    return tuple(float(getattr(p, a)) for a in others)


@dataclass(frozen=True, kw_only=True, slots=True)
class CellRow:
    """One cell's mean: the seeds of one condition at one batch size.

    Attributes:
        mean: mean of the metric over the cell's trials, diverged ones at chance.
        standard_error: of the mean; None where it is not measured.
        survivors_mean: of the trials that did not diverge; None where none is left.
        n, n_diverged: trials in the cell, and how many of them diverged.
        fitted: the smooth curve was fitted to it; False where it is too far below the best.
    """

    learning_rate: float
    momentum: float
    train_size: int
    batch_size: int
    mean: float
    standard_error: float | None
    survivors_mean: float | None
    n: int
    n_diverged: int
    fitted: bool

    @property
    def low(self) -> float | None:
        """The mean less one standard error."""
        return None if self.standard_error is None else self.mean - self.standard_error

    @property
    def high(self) -> float | None:
        """The mean plus one standard error."""
        return None if self.standard_error is None else self.mean + self.standard_error


@dataclass(frozen=True, kw_only=True, slots=True)
class CurveRow:
    """One point of the smooth fit with its pointwise interval."""

    learning_rate: float
    momentum: float
    train_size: int
    batch_size: float
    mean: float
    low: float | None
    high: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class OptimumRow:
    """One condition's best batch size with its interval, and the side on which it is cut off.

    Attributes:
        usable: it lies inside the sampled batch sizes and has a standard error.
    """

    learning_rate: float
    momentum: float
    train_size: int
    batch_size_opt: float
    low: float | None
    high: float | None
    accuracy_opt: float | None
    censored: bool
    censored_side: str | None
    usable: bool

    @property
    def text(self) -> str:
        """The estimate with its interval, for reading."""
        return f"{number(self.batch_size_opt)} {interval(self.low, self.high)}".rstrip()
