"""The two experiments that ship beside the grids: their files say what their documents say."""

from __future__ import annotations

import itertools
import math

import pytest

from explorer.space import load_space, shipped_names


@pytest.fixture(scope="module")
def edge_or_noise():
    return load_space("edge_or_noise").space


@pytest.fixture(scope="module")
def large_n():
    return load_space("large_n").space


def test_both_experiments_are_shipped():
    assert {"edge_or_noise", "large_n"} <= set(shipped_names())


def test_the_interventions_are_one_condition_over_the_same_batch_sizes(edge_or_noise):
    fixed = {(c.train_size, c.learning_rate, c.momentum, c.steps) for c in edge_or_noise.cells}
    assert fixed == {(1000, 0.1, 0.9, 3000)}
    sizes: dict[tuple[object, ...], list[int]] = {}
    for cell in edge_or_noise.cells:
        sizes.setdefault((cell.clip_norm, cell.final_decay), []).append(cell.batch_size)
    assert set(sizes) == set(itertools.product((None, 1.0), (0.0, 0.2)))
    assert len({tuple(listed) for listed in sizes.values()}) == 1
    (listed,) = {tuple(listed) for listed in sizes.values()}
    assert (listed[0], listed[-1]) == (2, 1000)  # from below the cliff to the full batch
    assert edge_or_noise.seeds == tuple(range(24))


def test_large_n_asks_every_size_under_every_budget(large_n):
    budgets = [("time_over_learning_rate", 300), ("time_over_learning_rate", 1000), ("epochs", 50)]
    asked = {(c.train_size, (c.budget, c.budget_value)) for c in large_n.cells}
    sizes = large_n.axes["train_size"]
    assert sizes == tuple(4000 * 2**k for k in range(len(sizes)))
    assert sum(size >= 20_000 for size in sizes) >= 3
    assert asked == set(itertools.product(sizes, budgets))
    assert {c.steps for c in large_n.cells if c.budget != "epochs"} == {3000, 10_000}


def test_large_n_varies_nothing_else(large_n):
    rest = {(c.dataset, c.model, c.learning_rate, c.momentum) for c in large_n.cells}
    assert rest == {("mnist1d-large", "mlp-64", 0.1, 0.9)}


def test_large_n_reaches_beyond_the_peak_expected(large_n):
    for train_size in large_n.axes["train_size"]:
        peak = 23 * (train_size / 1000) ** 0.4
        sizes = [c.batch_size for c in large_n.cells if c.train_size == train_size]
        assert math.log2(peak / min(sizes)) >= 2
        assert math.log2(max(sizes) / peak) >= 4
