"""Least squares under an order: rising, falling, or rising and then falling."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression

Array = NDArray[np.float64]
Whole = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class OrderFits:
    """Fits of many draws at once; a draw is a row.

    Attributes:
        explained: [draws, levels + 1], weighted sum of squares of the fit that rises over the
            first s levels and falls over the others; s = 0 falls throughout, s = levels rises.
        blocks: [draws, levels + 1], levels of that fit that differ: its degrees of freedom
            (Meyer & Woodroofe 2000).
    """

    explained: Array
    blocks: Whole

    @property
    def best(self) -> Whole:
        """The split s of the best fit, [draws]."""
        return np.asarray(np.argmax(self.explained, axis=1))

    def at(self, split: Whole) -> tuple[Array, Whole]:
        """Explained sum of squares and blocks at one split a draw."""
        draw = np.arange(len(split))
        return self.explained[draw, split], self.blocks[draw, split]


def order_fits(means: Array, weights: Array) -> OrderFits:
    """Every rising-then-falling least-squares fit, by pooling adjacent violators on prefixes.

    The fit over the first s levels and the fit over the others are free of each other: whichever
    of the two meets the other higher holds the maximum, so their union is unimodal.

    Args:
        means: [draws, levels], level means in the order of the variable, each draw centred.
        weights: [levels], of each level; or [draws, levels].
    """
    rising, rising_blocks = _prefixes(means, weights)
    falling, falling_blocks = _prefixes(means[:, ::-1], weights[..., ::-1])
    return OrderFits(rising + falling[:, ::-1], rising_blocks + falling_blocks[:, ::-1])


def unimodal_fit(means: Array, weights: Array, split: int) -> Array:
    """The fitted values of one draw at one split, [levels]."""
    parts = []
    if split:
        parts.append(isotonic_regression(means[:split], weights=weights[:split]).x)
    if split < len(means):
        part = isotonic_regression(means[split:], weights=weights[split:], increasing=False)
        parts.append(part.x)
    return np.concatenate(parts)


def _prefixes(means: Array, weights: Array) -> tuple[Array, Whole]:
    """Explained squares and blocks of the rising fit to the first 0, 1, ..., all levels.

    A stack of blocks for each draw; all draws take a level together, and those whose new block
    lies below the one before it pool the two until none does.
    """
    draws, levels = means.shape
    block_mean, block_weight = np.empty((draws, levels)), np.empty((draws, levels))
    top = np.full(draws, -1)
    explained, blocks = np.zeros((draws, levels + 1)), np.zeros((draws, levels + 1), dtype=np.int64)
    every = np.arange(draws)
    for i in range(levels):
        mean, weight = means[:, i].copy(), np.broadcast_to(weights[..., i], draws).copy()
        total = explained[:, i].copy()
        open_ = every[top >= 0]
        while len(open_):
            before = block_mean[open_, top[open_]]
            open_, before = _where(before >= mean[open_], open_, before)
            weight_before = block_weight[open_, top[open_]]
            total[open_] -= weight_before * before**2
            both = weight[open_] + weight_before
            mean[open_] = (weight[open_] * mean[open_] + weight_before * before) / both
            weight[open_] = both
            top[open_] -= 1
            open_ = open_[top[open_] >= 0]
        top += 1
        block_mean[every, top], block_weight[every, top] = mean, weight
        explained[:, i + 1] = total + weight * mean**2
        blocks[:, i + 1] = top + 1
    return explained, blocks


def _where(keep: NDArray[np.bool_], draws: Whole, values: Array) -> tuple[Whole, Array]:
    return draws[keep], values[keep]
