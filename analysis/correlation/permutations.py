"""Permutation p values of Spearman's rho, with null distributions shared between groups."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from analysis.correlation.coefficients import unit_scores

Array = NDArray[np.float64]

#: Up to this n every order is enumerated: 9! = 362,880.
EXACT_UP_TO = 9
_SEED = 20190
_CHUNK = 2_000_000  # numbers at once
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
    # x ranks -> y ranks -> (pair's number, |rho|)
    waiting: dict[tuple[float, ...], dict[tuple[float, ...], list[tuple[int, float]]]] = {}
    for number, (x, y) in enumerate(pairs):
        if len(x) < 2 or np.ptp(x) == 0.0 or np.ptp(y) == 0.0:
            continue
        ranks_x, ranks_y = stats.rankdata(x), stats.rankdata(y)
        rho = abs(float(unit_scores(ranks_x) @ unit_scores(ranks_y)))
        key_x, key_y = tuple(np.sort(ranks_x)), tuple(np.sort(ranks_y))
        waiting.setdefault(key_x, {}).setdefault(key_y, []).append((number, rho))
    for key_x, by_y in waiting.items():
        exact = len(key_x) <= EXACT_UP_TO
        for (number, _), count, total in _counts(np.array(key_x), by_y, permutations, exact):
            p[number] = count / total if exact else (count + 1) / (total + 1)
    return p


def _counts(
    ranks_x: Array,
    by_y: dict[tuple[float, ...], list[tuple[int, float]]],
    permutations: int,
    exact: bool,
) -> Iterator[tuple[tuple[int, float], int, int]]:
    """Of each pair, how many permutations reach its |rho|, and of how many."""
    kind = np.float64 if exact else np.float32
    y = np.column_stack([unit_scores(np.array(key)) for key in by_y]).astype(kind)
    tolerance = _EXACT_TOLERANCE if exact else _TOLERANCE
    limits = [np.sort([rho for _, rho in pairs]) - tolerance for pairs in by_y.values()]
    reached = [np.zeros(len(found) + 1, dtype=np.int64) for found in limits]
    x = unit_scores(ranks_x).astype(kind)
    chunks = all_orders(x) if exact else random_orders(x, permutations)
    total = 0
    for orders in chunks:
        total += len(orders)
        rho = np.abs(orders @ y)
        for column, (limit, count) in enumerate(zip(limits, reached, strict=True)):
            if len(limit) == 1:
                count[1] += np.count_nonzero(rho[:, column] >= limit[0])
            else:
                below = np.searchsorted(limit, rho[:, column], side="right")
                count += np.bincount(below, minlength=len(count))
    for pairs, count in zip(by_y.values(), reached, strict=True):
        at_least = np.cumsum(count[::-1])[::-1]  # entry i: permutations that reach i limits
        order = np.argsort([rho for _, rho in pairs], kind="stable")
        for place, index in enumerate(order):
            yield pairs[index], int(at_least[place + 1]), total


def random_orders(x: NDArray[Any], permutations: int) -> Iterator[NDArray[Any]]:
    """`permutations` random orders of x in chunks [some, n]; a function of x and its length."""
    rng = np.random.default_rng((_SEED, len(x)))
    rows = max(1, _CHUNK // len(x))
    for start in range(0, permutations, rows):
        chunk = np.tile(x, (min(rows, permutations - start), 1))
        yield rng.permuted(chunk, axis=1, out=chunk)


def all_orders(x: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """Every order of x once, in chunks [some, n]."""
    orders = np.zeros((1, 0), dtype=np.int64)
    for n in range(len(x)):
        # The new index goes into each of the n + 1 places of every shorter order.
        grown = [np.insert(orders, place, n, axis=1) for place in range(n + 1)]
        orders = np.concatenate(grown)
    rows = max(1, _CHUNK // max(1, len(x)))
    for start in range(0, len(orders), rows):
        yield x[orders[start : start + rows]]
