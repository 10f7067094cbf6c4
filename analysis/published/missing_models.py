"""How many networks a grid must lack, from the group sizes that its printed p values fit.

A missing network lowers n by one in the group of its learning rate, in the group of its batch size
and in the pooled group. So the three tables must agree on the total, and on a way to place the
missing cells; that turns single group sizes into a count, and sometimes into names.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, islice

from analysis.published.row_check import RowCheck
from explorer.errors import InputError

#: Ways to place the missing cells that are counted at most; more are as good as unknown.
MOST_PLACINGS = 20_000

Cell = tuple[float, float]


@dataclass(frozen=True)
class MissingModels:
    """What one (architecture, data set) lacks.

    Attributes:
        architecture, dataset: the grid.
        basis: `ranges`: sizes that the rounded coefficients and p values allow; `attainable
            values`: the sharper list with up to two tied pairs, where it leaves any size.
        by_learning_rate: least missing, summed over the groups of fixed learning rate; a group
            whose p no size fits counts 0.
        by_batch_size: the same over the groups of fixed batch size.
        pooled: the same of the pooled group; None where there is none.
        balanced: by_learning_rate equals by_batch_size without further assumption.
        least: the smallest number of missing cells that all tables allow together.
        cells: (batch_size, learning_rate) missing in every placing of `least` cells: which networks
            these are if no more than the least number are missing.
        n_placings: ways to place them; `placings_complete` is False if counting stopped at
            MOST_PLACINGS, and then `cells` is empty.
    """

    architecture: str
    dataset: str
    basis: str
    by_learning_rate: int
    by_batch_size: int
    pooled: int | None
    balanced: bool
    least: int
    cells: tuple[Cell, ...]
    n_placings: int
    placings_complete: bool


def find_missing(
    checks: Sequence[RowCheck], architecture: str, dataset: str
) -> tuple[MissingModels, MissingModels]:
    """The missing networks of one grid, from ranges and from attainable values.

    Args:
        checks: rows of any grids; those of this one are used.
        architecture: of the grid.
        dataset: of the grid.

    Raises:
        InputError: no total is allowed by all tables, or the grid has no rows.
    """
    mine = [c for c in checks if (c.row.architecture, c.row.dataset) == (architecture, dataset)]
    if not mine:
        raise InputError(f"The printed rows hold none of {architecture} {dataset}.")
    return (
        _missing(mine, "ranges", lambda check: check.fitting_n),
        _missing(mine, "attainable values", lambda check: check.n_for_balance),
    )


def _missing(
    checks: Sequence[RowCheck], basis: str, sizes: Callable[[RowCheck], tuple[int, ...]]
) -> MissingModels:
    def allowed(check: RowCheck) -> tuple[int, ...]:
        n = check.row.n_nominal
        # A p that no size fits says nothing about its group: any number may be missing there.
        return tuple(sorted(n - k for k in sizes(check))) or tuple(range(n + 1))

    by_kind = {
        kind: {c.row.fixed: allowed(c) for c in checks if c.row.kind == kind}
        for kind in ("batch_size", "learning_rate", "ratio")
    }
    # Accuracy against batch size has its learning rate fixed, and the other way round.
    rates, sizes_of = by_kind["batch_size"], by_kind["learning_rate"]
    pooled = by_kind["ratio"].get(None)
    sums = [sum(min(a) for a in groups.values()) for groups in (rates, sizes_of)]
    least_pooled = None if pooled is None else min(pooled)
    rate_values, size_values = list(rates), list(sizes_of)
    most = min(sum(max(a) for a in groups.values()) for groups in (rates, sizes_of))
    for total in range(max(*sums, least_pooled or 0), most + 1):
        if pooled is not None and total not in pooled:
            continue
        placings = _placings(list(rates.values()), list(sizes_of.values()), total)
        common, n, complete = _common(placings)
        if n == 0:
            continue
        return MissingModels(
            architecture=checks[0].row.architecture,
            dataset=checks[0].row.dataset,
            basis=basis,
            by_learning_rate=sums[0],
            by_batch_size=sums[1],
            pooled=least_pooled,
            balanced=sums[0] == sums[1],
            least=total,
            cells=tuple(
                sorted((_value(size_values[j]), _value(rate_values[i])) for i, j in common)
            ),
            n_placings=n,
            placings_complete=complete,
        )
    row = checks[0].row
    raise InputError(
        f"No number of missing networks fits all tables of {row.architecture} {row.dataset}."
    )


def _value(fixed: float | None) -> float:
    return math.nan if fixed is None else fixed


def _common(
    placings: Iterator[frozenset[tuple[int, int]]],
) -> tuple[frozenset[tuple[int, int]], int, bool]:
    """Cells in every placing, the number of placings, and whether all were seen."""
    common: frozenset[tuple[int, int]] | None = None
    n = 0
    for placing in islice(placings, MOST_PLACINGS):
        common = placing if common is None else common & placing
        n += 1
    if next(placings, None) is not None:
        return frozenset(), n, False
    return common or frozenset(), n, True


def _placings(
    rows: Sequence[tuple[int, ...]], columns: Sequence[tuple[int, ...]], total: int
) -> Iterator[frozenset[tuple[int, int]]]:
    """Every set of `total` cells whose counts by row and by column are allowed ones."""
    column_counts = list(_counts(columns, total))
    for row_count in _counts(rows, total):
        for column_count in column_counts:
            yield from _matrices(row_count, column_count)


def _counts(allowed: Sequence[tuple[int, ...]], total: int) -> Iterator[tuple[int, ...]]:
    """Every choice of one allowed count a group that sums to the total."""
    if not allowed:
        if total == 0:
            yield ()
        return
    least = sum(min(a) for a in allowed[1:])
    most = sum(max(a) for a in allowed[1:])
    for first in allowed[0]:
        if least <= total - first <= most:
            for rest in _counts(allowed[1:], total - first):
                yield (first, *rest)


def _matrices(
    rows: Sequence[int], columns: Sequence[int], start: int = 0
) -> Iterator[frozenset[tuple[int, int]]]:
    """Every 0/1 matrix with these row and column sums, as the set of its ones."""
    if start == len(rows):
        if not any(columns):
            yield frozenset()
        return
    # A column cannot get more ones than rows are left.
    if max(columns, default=0) > sum(1 for r in rows[start:] if r > 0):
        return
    open_columns = [j for j, left in enumerate(columns) if left > 0]
    for chosen in combinations(open_columns, rows[start]):
        left = [c - (j in chosen) for j, c in enumerate(columns)]
        for rest in _matrices(rows, left, start + 1):
            yield rest | {(start, j) for j in chosen}
