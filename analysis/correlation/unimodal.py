"""Least squares under an order: rising, falling, or rising and then falling."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression

Array = NDArray[np.float64]
Whole = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Prefixes:
    """Rising fits to the first 0, 1, ..., all levels of many draws.

    What comes before the last block of a prefix's fit is the fit to a shorter prefix, so that the
    last blocks hold every fit.

    Attributes:
        explained, blocks: [draws, levels + 1], as in OrderFits.
        mean, start: [levels, draws], of the last block of the fit that ends with a level: its
            value and its first level.
    """

    explained: Array
    blocks: Whole
    mean: Array
    start: Whole

    def fitted(self, length: Whole) -> Array:
        """The fit to the first `length` levels of each draw, [draws, levels]; 0 beyond them."""
        levels, draws = self.mean.shape
        values = np.zeros((levels, draws))
        value, start = np.zeros(draws), np.full(draws, levels)
        for i in range(levels - 1, -1, -1):
            ends = (i < length) & ((i == length - 1) | (i < start))
            np.copyto(value, self.mean[i], where=ends)
            np.copyto(start, self.start[i], where=ends)
            values[i] = value
        return values.T


@dataclass(frozen=True, eq=False)
class OrderFits:
    """Fits of many draws at once; a draw is a row.

    Attributes:
        explained: [draws, levels + 1], weighted sum of squares of the fit that rises over the
            first s levels and falls over the others; s = 0 falls throughout, s = levels rises.
        blocks: [draws, levels + 1], levels of that fit that differ: its degrees of freedom
            (Meyer & Woodroofe 2000).
        rising, falling: the last block of the fit to every prefix, of the levels in their order
            and from the last to the first.
    """

    explained: Array
    blocks: Whole
    rising: Prefixes
    falling: Prefixes

    @property
    def best(self) -> Whole:
        """The split s of the best fit, [draws]."""
        return np.asarray(np.argmax(self.explained, axis=1))

    def at(self, split: Whole) -> tuple[Array, Whole]:
        """Explained sum of squares and blocks at one split a draw."""
        draw = np.arange(len(split))
        return self.explained[draw, split], self.blocks[draw, split]

    def fitted(self, split: Whole) -> Array:
        """The fitted values at one split a draw, [draws, levels]."""
        levels = self.explained.shape[1] - 1
        rising = self.rising.fitted(split)
        falling = self.falling.fitted(levels - split)[:, ::-1]
        return np.where(np.arange(levels) < split[:, None], rising, falling)


def order_fits(means: Array, weights: Array) -> OrderFits:
    """Every rising-then-falling least-squares fit, by pooling adjacent violators on prefixes.

    The fit over the first s levels and the fit over the others are free of each other: whichever
    of the two meets the other higher holds the maximum, so their union is unimodal.

    Args:
        means: [draws, levels], level means in the order of the variable, each draw centred.
        weights: [levels], of each level; or [draws, levels].
    """
    rising = _prefixes(means, weights)
    falling = _prefixes(means[:, ::-1], weights[..., ::-1])
    return OrderFits(
        rising.explained + falling.explained[:, ::-1],
        rising.blocks + falling.blocks[:, ::-1],
        rising,
        falling,
    )


def unimodal_fit(means: Array, weights: Array, split: int) -> Array:
    """The fitted values of one draw at one split, [levels]."""
    parts = []
    if split:
        parts.append(isotonic_regression(means[:split], weights=weights[:split]).x)
    if split < len(means):
        part = isotonic_regression(means[split:], weights=weights[split:], increasing=False)
        parts.append(part.x)
    return np.concatenate(parts)


def _prefixes(means: Array, weights: Array) -> Prefixes:
    """The rising fit to the first 0, 1, ..., all levels.

    A stack of blocks for each draw; all draws take a level together, and those whose new block
    lies below the one before it pool the two until none does. A block is found by its last level,
    in arrays [levels, draws], where the draws of one level are neighbours in memory.
    """
    draws, levels = means.shape
    means = np.ascontiguousarray(means.T)
    weights = np.ascontiguousarray(np.broadcast_to(weights, (draws, levels)).T)
    block_mean, block_weight = np.empty((levels, draws)), np.empty((levels, draws))
    start = np.empty((levels, draws), dtype=np.int64)
    explained = np.zeros((levels + 1, draws))
    blocks = np.zeros((levels + 1, draws), dtype=np.int64)
    flat_mean, flat_weight, flat_start = block_mean.ravel(), block_weight.ravel(), start.ravel()
    for i in range(levels):
        mean, weight = means[i].copy(), weights[i].copy()
        total, count = explained[i].copy(), blocks[i] + 1
        first = np.full(draws, i)
        open_ = np.flatnonzero(block_mean[i - 1] >= mean) if i else np.empty(0, dtype=np.int64)
        place = open_ + (i - 1) * draws
        own_mean, own_weight = mean[open_], weight[open_]
        while len(open_):
            before, weight_before = flat_mean[place], flat_weight[place]
            total[open_] -= weight_before * before**2
            both = own_weight + weight_before
            own_mean = (own_weight * own_mean + weight_before * before) / both
            mean[open_], weight[open_], own_weight = own_mean, both, both
            count[open_] -= 1
            own_start = flat_start[place]
            first[open_] = own_start
            place = open_ + (own_start - 1) * draws
            # At a block that starts with the first level `place` is negative: nothing is before it.
            again = (own_start > 0) & (flat_mean[place] >= own_mean)
            open_, place = open_[again], place[again]
            own_mean, own_weight = own_mean[again], own_weight[again]
        block_mean[i], block_weight[i], start[i] = mean, weight, first
        explained[i + 1] = total + weight * mean**2
        blocks[i + 1] = count
    return Prefixes(
        np.ascontiguousarray(explained.T), np.ascontiguousarray(blocks.T), block_mean, start
    )
