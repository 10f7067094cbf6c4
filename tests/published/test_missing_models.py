"""The least number of missing networks: every subset of a small grid, and planted grids."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy import stats

from analysis.published import missing_models
from analysis.published.missing_models import find_missing
from analysis.published.printed_values import PrintedRow
from analysis.published.row_check import RowCheck, check_row
from explorer.errors import InputError

FIXED_RATES = (0.1, 0.2, 0.3)
FIXED_SIZES = (8.0, 16.0, 32.0)


def group(kind, fixed, n, missing):
    """A row's check that allows these numbers of missing networks."""
    row = PrintedRow(1, kind, fixed, "data", "net", "-0.90", "1e-3", n)
    fitting = tuple(sorted(n - k for k in missing))
    least = min(missing) if missing else None
    nan = float("nan")
    return RowCheck(
        row, nan, nan, nan, nan, n in fitting, fitting, None, None, bool(fitting), least
    )


def brute(by_rate, by_size, pooled):
    """Least total, the cells common to all placings of it, and their number: all 2^9 grids."""
    best: dict[int, list[set[tuple[float, float]]]] = {}
    for flags in product((0, 1), repeat=9):
        grid = np.array(flags).reshape(3, 3)
        rows_fit = all(not a or s in a for a, s in zip(by_rate, grid.sum(axis=1), strict=True))
        columns_fit = all(not a or s in a for a, s in zip(by_size, grid.sum(axis=0), strict=True))
        if rows_fit and columns_fit and grid.sum() in pooled:
            cells = {
                (FIXED_SIZES[j], FIXED_RATES[i]) for i, j in zip(*np.nonzero(grid), strict=True)
            }
            best.setdefault(int(grid.sum()), []).append(cells)
    if not best:
        return None
    least = min(best)
    return least, tuple(sorted(set.intersection(*best[least]))), len(best[least])


def test_every_small_grid_agrees_with_brute_force():
    rng = np.random.default_rng(4)
    found_some, refused = 0, 0
    for _ in range(300):
        by_rate = [tuple(np.flatnonzero(rng.random(4) < 0.45)) for _ in range(3)]
        by_size = [tuple(np.flatnonzero(rng.random(4) < 0.45)) for _ in range(3)]
        pooled = tuple(np.flatnonzero(rng.random(10) < 0.7)) or (0,)
        checks = [group("batch_size", f, 3, a) for f, a in zip(FIXED_RATES, by_rate, strict=True)]
        checks += [
            group("learning_rate", f, 3, a) for f, a in zip(FIXED_SIZES, by_size, strict=True)
        ]
        checks.append(group("ratio", None, 9, pooled))
        rng.shuffle(checks)
        expected = brute(by_rate, by_size, pooled)
        if expected is None:
            refused += 1
            with pytest.raises(InputError, match="No number of missing networks"):
                find_missing(checks, "net", "data")
            continue
        found = find_missing(checks, "net", "data")[0]
        assert (found.least, found.cells, found.n_placings) == expected
        assert found.by_learning_rate == sum(min(a, default=0) for a in by_rate)
        assert found.by_batch_size == sum(min(a, default=0) for a in by_size)
        assert found.balanced == (found.by_learning_rate == found.by_batch_size)
        assert found.pooled == min(pooled)
        found_some += 1
    assert found_some > 100
    assert refused > 20


def test_the_truth_of_a_planted_grid_is_never_below_the_least():
    """Accuracies over a 12 x 12 grid, cells taken away, tables printed from the rest."""
    rng = np.random.default_rng(5)
    n, reached = 12, 0
    rates, sizes = 0.01 * np.arange(1, n + 1), 16.0 * np.arange(1, n + 1)
    for draw in range(12):
        accuracy = np.log(rates)[:, None] - np.log(sizes)[None, :]
        accuracy = accuracy + rng.normal(0, 0.3, accuracy.shape)
        missing = np.zeros((n, n), dtype=bool)
        n_missing = draw % 5
        missing[rng.integers(n), rng.choice(n, n_missing, replace=False)] = True
        checks = []
        for i in range(n):
            for kind, x, kept, y, fixed in (
                ("batch_size", sizes, ~missing[i], accuracy[i], rates[i]),
                ("learning_rate", rates, ~missing[:, i], accuracy[:, i], sizes[i]),
            ):
                s = stats.spearmanr(x[kept], y[kept])
                text = (f"{s.statistic:.2f}", f"{s.pvalue:.1e}")
                row = PrintedRow(1, kind, float(fixed), "data", "net", *text, n)
                checks.append(check_row(row))
        for found in find_missing(checks, "net", "data"):
            assert found.pooled is None
            assert found.least <= n_missing
            assert max(found.by_learning_rate, found.by_batch_size) <= found.least
        reached += found.least == n_missing > 0
    assert reached >= 4  # the attainable values do find most of what was taken away


def test_too_many_placings_leave_the_cells_unknown(monkeypatch):
    monkeypatch.setattr(missing_models, "MOST_PLACINGS", 5)
    checks = [group("batch_size", f, 3, (0, 1)) for f in FIXED_RATES]
    checks += [group("learning_rate", f, 3, (0, 1)) for f in FIXED_SIZES]
    checks.append(group("ratio", None, 9, (1,)))
    found = find_missing(checks, "net", "data")[0]
    assert (found.least, found.n_placings, found.placings_complete) == (1, 5, False)
    assert found.cells == ()


def test_an_unknown_grid_is_refused():
    with pytest.raises(InputError, match="hold none of net data"):
        find_missing([], "net", "data")
