"""Permutation p values of Spearman's rho, with null distributions shared between groups."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from analysis.correlation.coefficients import mid_ranks, unit_scores

Array = NDArray[np.float64]

#: Up to this n every order is enumerated: 9! = 362,880.
EXACT_UP_TO = 9
_SEED = 20190
_CHUNK = 200_000  # numbers at once: they stay in the cache
_SORTED_BITS = 10  # up to 2^10 cells an order is one sort of 32-bit keys
_TOLERANCE = 2e-6  # single precision: equal statistics must count as equal
_EXACT_TOLERANCE = 1e-9


def permutation_p(pairs: Sequence[tuple[Array, Array]], permutations: int) -> list[float]:
    """Two-sided p of |rho| for each pair of vectors [n], by permutation of one of them.

    The null distribution depends on the two sets of ranks alone, so that untied groups of one n
    share it; with ties a group's own mid-ranks are permuted. p = (b + 1) / (m + 1) over m random
    permutations (Phipson & Smyth 2010), or b / n! over all of them up to n = EXACT_UP_TO. The
    permutations are a function of n alone: no p depends on what else is tested.

    Args:
        pairs: (x, y), in any units; ranks are taken here.
        permutations: m.

    Returns:
        One p a pair; NaN where x or y is constant.
    """
    p = [math.nan] * len(pairs)
    waiting: dict[int, dict[tuple[float, ...], _Null]] = {}
    for number, (x, y) in enumerate(pairs):
        if len(x) < 2 or np.ptp(x) == 0.0 or np.ptp(y) == 0.0:
            continue
        ranks_x, ranks_y = mid_ranks(x), mid_ranks(y)
        rho = abs(float(unit_scores(ranks_x) @ unit_scores(ranks_y)))
        key_x, key_y = tuple(np.sort(ranks_x)), tuple(np.sort(ranks_y))
        null = waiting.setdefault(len(x), {}).setdefault(key_x, _Null(key_x))
        null.found.setdefault(key_y, []).append((number, rho))
    for n, by_x in waiting.items():
        exact = n <= EXACT_UP_TO
        for null in by_x.values():
            null.prepare(exact)
        total = 0
        for orders in all_orders(n) if exact else random_orders(n, permutations):
            total += len(orders)
            for null in by_x.values():
                null.count(orders)
        for null in by_x.values():
            for number, reached in null.reached():
                p[number] = reached / total if exact else (reached + 1) / (total + 1)
    return p


@dataclass(eq=False)
class _Null:
    """Null distributions of one set of x ranks against several sets of y ranks.

    Attributes:
        key: sorted x ranks.
        found: sorted y ranks to the pairs that have them, as (number, |rho|).
    """

    key: tuple[float, ...]
    found: dict[tuple[float, ...], list[tuple[int, float]]] = field(default_factory=dict)

    def prepare(self, exact: bool) -> None:
        """Single precision for random orders, double for exact counts."""
        kind: type[np.floating] = np.float64 if exact else np.float32
        tolerance = _EXACT_TOLERANCE if exact else _TOLERANCE
        self.x = unit_scores(np.array(self.key)).astype(kind)
        self.y = np.column_stack([unit_scores(np.array(k)) for k in self.found]).astype(kind)
        self.limits = [np.sort([r for _, r in f]) - tolerance for f in self.found.values()]
        self.counts = [np.zeros(len(limit) + 1, dtype=np.int64) for limit in self.limits]

    def count(self, orders: NDArray[np.int64]) -> None:
        """Add to entry i of a column's counts the orders whose |rho| reaches i of its limits."""
        # Every index is in range; without "wrap" numpy first checks them all, which takes longer.
        rho = np.abs(self.x.take(orders, mode="wrap") @ self.y)
        for column, (limit, count) in enumerate(zip(self.limits, self.counts, strict=True)):
            if len(limit) == 1:
                count[1] += np.count_nonzero(rho[:, column] >= limit[0])
            else:
                below = np.searchsorted(limit, rho[:, column], side="right")
                count += np.bincount(below, minlength=len(count))

    def reached(self) -> Iterator[tuple[int, int]]:
        """The number of each pair, and how many orders reach its |rho|."""
        for pairs, count in zip(self.found.values(), self.counts, strict=True):
            at_least = np.cumsum(count[::-1])[::-1]
            order = np.argsort([rho for _, rho in pairs], kind="stable")
            for place, index in enumerate(order):
                yield pairs[index][0], int(at_least[place + 1])


def random_orders(n: int, permutations: int) -> Iterator[NDArray[np.int64]]:
    """Random orders of n indices in chunks [some, n], `permutations` in all.

    A row of random keys with the index in their lowest bits is sorted, which takes a third of the
    time of a shuffle. Two of 1,024 keys have equal random bits with probability 2^-22; they stay
    in order then, which moves no p that 100,000 permutations can resolve.
    """
    rng = np.random.default_rng((_SEED, n))
    rows = 2 * max(1, _CHUNK // (2 * n))  # even: a chunk takes whole 64-bit numbers
    bits = np.uint32(2**_SORTED_BITS - 1)
    index = np.arange(n)
    for start in range(0, permutations, rows):
        shape = (min(rows, permutations - start), n)
        if n > bits:
            yield rng.permuted(np.broadcast_to(index, shape), axis=1)
            continue
        # Two keys a number, the lower half first: 32-bit integers one by one take twice the time.
        drawn = rng.integers(0, 2**64, size=(shape[0] * n + 1) // 2, dtype=np.uint64)
        halves = drawn.astype("<u8", copy=False).view("<u4")
        keys = halves[: shape[0] * n].astype(np.uint32, copy=False).reshape(shape)
        keys &= ~bits
        keys |= index.astype(np.uint32)
        keys.sort(axis=1)
        yield (keys & bits).astype(np.int64)


def all_orders(n: int) -> Iterator[NDArray[np.int64]]:
    """Every order of n indices once, in chunks [some, n]."""
    orders = np.zeros((1, 0), dtype=np.int64)
    for new in range(n):
        # The new index goes into each of the places of every shorter order.
        grown = [np.insert(orders, place, new, axis=1) for place in range(new + 1)]
        orders = np.concatenate(grown)
    rows = max(1, _CHUNK // n)
    for start in range(0, len(orders), rows):
        yield orders[start : start + rows]
