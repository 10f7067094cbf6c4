"""A batch size with its interval: what every landmark of a curve is reported as."""

from __future__ import annotations

import math
from dataclasses import dataclass

#: The landmarks of a condition's curve that a law is fitted to, in the order of batch size.
LANDMARKS = ("edge", "near_optimal_low", "optimum", "near_optimal_high", "half_fall")


@dataclass(frozen=True)
class BatchSizeEstimate:
    """One landmark of one condition's curve.

    Attributes:
        estimate: samples; NaN where the condition does not determine it.
        low, high: 95 % interval, samples; NaN where unknown.
        log_standard_error: standard deviation of ln(estimate).
        open_low, open_high: the landmark may lie below, above, the sampled batch sizes: the
            estimate is then an upper, a lower bound.
    """

    estimate: float
    low: float
    high: float
    log_standard_error: float
    open_low: bool = False
    open_high: bool = False

    @property
    def usable(self) -> bool:
        """Whether it can enter a law: bounded on both sides, with a finite position and error."""
        return (
            not (self.open_low or self.open_high)
            and math.isfinite(self.estimate)
            and 0.0 < self.log_standard_error < math.inf
        )


UNKNOWN = BatchSizeEstimate(math.nan, math.nan, math.nan, math.nan)
