"""The trained side of a curve: the batch sizes above the edge of trainability."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from analysis.cells import CellMean, Condition
from analysis.gaussian_process import Curve

Array = NDArray[np.float64]

#: The edge is interpolated between two cells: its height counts as known to this share of the
#: cliff's height.
_EDGE_UNCERTAINTY = 0.15


@dataclass(frozen=True, eq=False)
class TrainedSide:
    """The cells of a condition that a curve is fitted to.

    Attributes:
        condition: all its cells.
        first: index of the first cell above the edge.
        edge: log2 batch size at half the height between chance and the best cell; where no cell
            lies below that, half a step below the smallest batch size.
        half_height: accuracy at the edge.
        height: the best cell's accuracy above chance.
        has_cliff: whether a cell below half height was sampled.
    """

    condition: Condition
    first: int
    edge: float
    half_height: float
    height: float
    has_cliff: bool

    @property
    def cells(self) -> tuple[CellMean, ...]:
        """The cells above the edge, by batch size."""
        return self.condition.cells[self.first :]

    def of_trained_seeds(self) -> TrainedSide:
        """The same side with every fitted cell's mean and variance over its trained seeds alone.

        Where seeds either train or do not, the cliff is in the share that trains, not in the
        accuracy of those that do: this curve has none.
        """
        cells = list(self.condition.cells)
        for i in range(self.first, len(cells)):
            c = cells[i]
            if c.n_trained:  # beyond the best cell one may have none; it keeps its own mean
                cells[i] = replace(
                    c, n=c.n_trained, mean=c.trained_mean, variance=c.trained_variance
                )
        return replace(self, condition=replace(self.condition, cells=tuple(cells)), has_cliff=False)

    def curve(self, variance: Array) -> Curve:
        """The cell means as data for a smooth curve, with the edge as one more, uncertain point.

        Without that point the curve would not know that it falls to the left of its first cell.

        Args:
            variance: of the means of `cells`, in their order.
        """
        x = np.log2([c.batch_size for c in self.cells])
        y = np.array([c.mean for c in self.cells])
        if self.has_cliff:
            x = np.concatenate([[self.edge], x])
            y = np.concatenate([[self.half_height], y])
            variance = np.concatenate([[(_EDGE_UNCERTAINTY * self.height) ** 2], variance])
        return Curve(x, y, variance, self.edge, self.height if self.has_cliff else 0.0)


def trained_side(condition: Condition, chance: float) -> TrainedSide:
    """Walk from the best cell towards small batches until half the height is lost.

    Args:
        condition: at least one cell.
        chance: accuracy of an untrained model.
    """
    means = np.array([c.mean for c in condition.cells])
    x = np.log2([c.batch_size for c in condition.cells])
    best = int(np.argmax(means))
    height = float(means[best]) - chance
    half = chance + 0.5 * height
    below = np.flatnonzero(means[:best] < half)
    if height <= 0.0 or not len(below):
        step = float(np.median(np.diff(x))) if len(x) > 1 else 1.0
        return TrainedSide(condition, 0, float(x[0]) - 0.5 * step, half, height, False)
    last = int(below[-1])
    share = (half - means[last]) / (means[last + 1] - means[last])
    edge = float(x[last] + share * (x[last + 1] - x[last]))
    return TrainedSide(condition, last + 1, edge, half, height, True)
