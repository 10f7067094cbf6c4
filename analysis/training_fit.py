"""Training accuracy at a peak: whether the peak is one of generalization or of fitting."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from analysis.cells import Condition

#: Training accuracy from which a model counts as having fitted its training set.
SATURATED = 0.99
#: Training accuracies within this of the best are equally good: half a percentage point.
_EQUAL = 0.005


@dataclass(frozen=True)
class TrainingAtPeak:
    """Training accuracy along one condition's curve.

    Attributes:
        train_accuracy: at B_opt, interpolated in log B between cell means; a fraction.
        standard_error: of it; NaN where its cells have one seed.
        saturated: it is at least 0.99 at B_opt, so that a peak there is not one of fitting the
            training set better.
        best_batch_size: sampled batch size of the highest mean training accuracy.
        best_low, best_high: sampled batch sizes around it, unbroken, within 0.5 points of it.
        n: seeds of the two cells that it was interpolated between.
    """

    train_accuracy: float
    standard_error: float
    saturated: bool
    best_batch_size: int
    best_low: int
    best_high: int
    n: int


def training_at_peak(condition: Condition | None, batch_size_opt: float) -> TrainingAtPeak | None:
    """Training accuracy at the optimum of test accuracy.

    Args:
        condition: cell means of the training accuracy; None where there are none.
        batch_size_opt: samples.

    Returns:
        None without training accuracies or without an optimum.
    """
    if condition is None or not math.isfinite(batch_size_opt):
        return None
    x = np.log2([c.batch_size for c in condition.cells])
    means = np.array([c.mean for c in condition.cells])
    at = float(np.clip(math.log2(batch_size_opt), x[0], x[-1]))
    right = min(max(int(np.searchsorted(x, at)), 1), len(x) - 1) if len(x) > 1 else 0
    left = max(right - 1, 0)
    share = (at - x[left]) / (x[right] - x[left]) if right > left else 0.0
    cells = (condition.cells[left], condition.cells[right])
    value = float((1.0 - share) * means[left] + share * means[right])
    variance = (1.0 - share) ** 2 * cells[0].variance / cells[0].n
    variance += share**2 * cells[1].variance / cells[1].n
    best = int(np.argmax(means))
    outside = np.flatnonzero(means < means[best] - _EQUAL)
    low = int(max(outside[outside < best], default=-1)) + 1
    high = int(min(outside[outside > best], default=len(x))) - 1
    return TrainingAtPeak(
        value,
        math.sqrt(variance) if variance >= 0 else math.nan,
        value >= SATURATED,
        condition.cells[best].batch_size,
        condition.cells[low].batch_size,
        condition.cells[high].batch_size,
        cells[0].n + cells[1].n if right > left else cells[0].n,
    )
