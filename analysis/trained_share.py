"""The share of seeds that train at all, where a cliff is a lottery between seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from analysis.cells import Condition

Array = NDArray[np.float64]

#: On the cliff seeds either train or do not when their variance reaches this share of that of a
#: coin between chance and the best cell: 1 for a true lottery, about 0.02 on MNIST-1D.
BIMODAL_FROM = 0.4
#: Cells between these shares of the height count as lying on the cliff.
_CLIFF = (0.1, 0.9)
_WIDTHS = np.array([0.02, 0.04, 0.07, 0.1, 0.14, 0.2, 0.25, 0.3, 0.4, 0.5, 0.7, 1.0])
_PER_OCTAVE = 16


@dataclass(frozen=True)
class Bimodality:
    """Whether seeds on the cliff fall into two heaps.

    Attributes:
        ratio: pooled variance between the seeds of cells on the cliff, as a share of p (1 - p)
            height^2, the variance of a coin with the same mean; NaN without such cells.
        n: cells that it was judged by.
    """

    ratio: float
    n: int

    @property
    def found(self) -> bool:
        """Whether the share of trained seeds must be modelled apart from their accuracy."""
        return self.ratio >= BIMODAL_FROM


def bimodality(conditions: Sequence[Condition], chance: float) -> Bimodality:
    """Compare the spread of seeds on the cliff with that of a coin.

    Args:
        conditions: those of one group.
        chance: accuracy of an untrained model.
    """
    seen = coin = 0.0
    n = 0
    for condition in conditions:
        height = max(c.mean for c in condition.cells) - chance
        for c in condition.cells:
            share = (c.mean - chance) / height if height > 0 else math.nan
            if c.n >= 2 and _CLIFF[0] < share < _CLIFF[1]:
                seen += (c.n - 1) * c.variance
                coin += (c.n - 1) * share * (1.0 - share) * height**2
                n += 1
    return Bimodality(seen / coin if coin else math.nan, n)


@dataclass(frozen=True, eq=False)
class TrainedShares:
    """Posterior of p(x) = 1 / (1 + exp(-(x - position) / width)) for the curves of a group.

    Attributes:
        widths: grid of the width that all curves share, octaves, shape (w,).
        weights: its posterior, shape (w,), summing to 1.
        positions: grid of each curve's position in log2 batch size, a tuple of shapes (p,).
        position_weights: posterior of the position for each width, a tuple of shapes (w, p).
    """

    widths: Array
    weights: Array
    positions: tuple[Array, ...]
    position_weights: tuple[Array, ...]

    def position(self, curve: int) -> tuple[Array, Array]:
        """Grid and posterior weights of one curve's position, over all widths."""
        return self.positions[curve], self.weights @ self.position_weights[curve]

    def draws(self, curve: int, x: Array, n_draws: int, rng: np.random.Generator) -> Array:
        """Draws of the share of trained seeds of one curve, shape (n_draws, len(x))."""
        which = rng.choice(len(self.widths), size=n_draws, p=self.weights)
        grid, cumulative = self.positions[curve], np.cumsum(self.position_weights[curve], axis=1)
        uniform = rng.random(n_draws)
        index = (cumulative[which] < uniform[:, None]).sum(axis=1)
        step = 1.0 / _PER_OCTAVE
        position = grid[np.minimum(index, len(grid) - 1)] + step * rng.uniform(-0.5, 0.5, n_draws)
        return np.asarray(special.expit((x - position[:, None]) / self.widths[which][:, None]))


def fit_trained_shares(conditions: Sequence[Condition]) -> TrainedShares:
    """Binomial likelihood of the trained seeds of every cell, on a grid, with flat priors.

    A seed counts as trained when it reaches half the height between chance and the best cell.

    Args:
        conditions: those of one group; all its curves share one width.
    """
    likelihoods, positions = [], []
    for condition in conditions:
        x = np.log2([c.batch_size for c in condition.cells])
        k = np.array([c.n_trained for c in condition.cells], dtype=float)
        n = np.array([c.n for c in condition.cells], dtype=float)
        grid = np.arange(x[0] - 2.0, x[-1] + 0.5, 1.0 / _PER_OCTAVE)
        z = (x - grid[:, None]) / _WIDTHS[:, None, None]
        log_p, log_q = special.log_expit(z), special.log_expit(-z)
        likelihoods.append((k * log_p + (n - k) * log_q).sum(axis=2))
        positions.append(grid)
    evidence = sum(special.logsumexp(ll, axis=1) - math.log(ll.shape[1]) for ll in likelihoods)
    weights = np.asarray(special.softmax(evidence))
    return TrainedShares(
        _WIDTHS,
        weights,
        tuple(positions),
        tuple(np.asarray(special.softmax(ll, axis=1)) for ll in likelihoods),
    )
