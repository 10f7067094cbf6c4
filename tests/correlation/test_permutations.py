"""Permutation p against every order by hand, and the corrections against statsmodels."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests

from analysis.correlation.multiplicity import benjamini_hochberg, holm
from analysis.correlation.permutations import all_orders, permutation_p, random_orders


def by_hand(x, y) -> float:
    """Share of all orders of y whose |rho| by scipy is at least the one found."""
    found = abs(stats.spearmanr(x, y).statistic)
    every = [abs(stats.spearmanr(x, order).statistic) for order in itertools.permutations(y)]
    return float(np.mean(np.array(every) >= found - 1e-12))


@pytest.mark.parametrize("n", [4, 5, 6])
@pytest.mark.parametrize("ties", [False, True])
def test_every_order_by_hand(n, ties):
    rng = np.random.default_rng(n)
    x = np.arange(n, dtype=float)
    y = rng.integers(0, 3, n).astype(float) if ties else rng.random(n)
    (p,) = permutation_p([(x, y)], 1000)
    assert p == pytest.approx(by_hand(x, y), abs=1e-12)


def test_at_four_cells_a_perfect_order_is_no_evidence():
    x = np.arange(4.0)
    assert permutation_p([(x, -x)], 1000) == [pytest.approx(2 / 24)]


def test_all_orders_are_all_and_each_once():
    orders = np.concatenate(list(all_orders(5)))
    assert {tuple(o) for o in orders} == set(itertools.permutations(range(5)))
    assert len(orders) == 120


@pytest.mark.parametrize("n", [4, 1100])
def test_random_orders_are_orders(n):
    orders = np.concatenate(list(random_orders(n, 500)))
    assert orders.shape == (500, n)
    assert np.array_equal(np.sort(orders, axis=1), np.broadcast_to(np.arange(n), (500, n)))


def test_random_orders_are_uniform():
    orders = np.concatenate(list(random_orders(4, 48_000)))
    code = orders @ np.array([64, 16, 4, 1])
    _, counts = np.unique(code, return_counts=True)
    assert len(counts) == 24
    assert stats.chisquare(counts).pvalue > 1e-3


def test_random_permutations_agree_with_scipys():
    rng = np.random.default_rng(3)
    x = np.arange(15.0)
    pairs = [
        (x, 0.1 * s * x + rng.normal(size=15).round(ties)) for s in (0, 1, 3) for ties in (0, 9)
    ]
    found = permutation_p(pairs, 50_000)
    for (a, b), p in zip(pairs, found, strict=True):
        oracle = stats.permutation_test(
            (b,),
            lambda v, a=a: abs(stats.spearmanr(a, v).statistic),
            permutation_type="pairings",
            alternative="greater",
            n_resamples=1_000,
            rng=np.random.default_rng(4),
        ).pvalue
        error = math.sqrt(p * (1 - p) * (1 / 50_000 + 1 / 1_000)) + 1 / 1_000
        assert abs(p - oracle) < 4 * error


def test_p_does_not_depend_on_what_else_is_tested_nor_on_units_or_order():
    rng = np.random.default_rng(8)
    x, y = rng.random(25), rng.random(25)
    other = [(rng.random(25), rng.random(25)), (rng.random(12), rng.integers(0, 3, 12) * 1.0)]
    alone = permutation_p([(x, y)], 5_000)[0]
    assert permutation_p([*other, (x, y)], 5_000)[2] == alone
    order = rng.permutation(25)
    assert permutation_p([(np.log2(x[order]), 100 * y[order])], 5_000) == [alone]


def test_p_is_unknown_where_a_vector_is_constant():
    x = np.arange(5.0)
    assert math.isnan(permutation_p([(x, np.ones(5))], 1000)[0])
    assert math.isnan(permutation_p([(np.ones(5), x)], 1000)[0])


P = st.lists(st.one_of(st.floats(0, 1), st.just(0.01)), min_size=1, max_size=40)


@given(P)
@settings(max_examples=30, deadline=None)
def test_corrections_agree_with_statsmodels(values):
    p = np.array(values)
    assert holm(p) == pytest.approx(multipletests(p, method="holm")[1], abs=1e-12)
    assert benjamini_hochberg(p) == pytest.approx(multipletests(p, method="fdr_bh")[1], abs=1e-12)


def test_what_is_not_tested_does_not_count():
    p = np.array([0.01, np.nan, 0.04])
    assert holm(p) == pytest.approx([0.02, np.nan, 0.04], nan_ok=True)
    assert benjamini_hochberg(p) == pytest.approx([0.02, np.nan, 0.04], nan_ok=True)
    assert np.isnan(holm(np.array([np.nan]))).all()


@pytest.mark.parametrize("n_ratios", [20, 255])
def test_p_is_uniform_where_nothing_has_an_effect(n_ratios, cells, truths):
    """Four hundred null groups: fixed learning rates, and pooled ones with their tied ratios."""
    from analysis.correlation.coefficients import spearman, t_approximation

    pairs = []
    for seed in range(400):
        found = cells(truths["no_effect"], seed)
        if n_ratios == 20:
            found = found.where(found.learning_rate == 0.05)
        pairs.append((found.ratio, found.accuracy))
        assert len(np.unique(found.ratio)) == n_ratios
    permuted = permutation_p(pairs, 20_000)
    by_t = [t_approximation(spearman(x, y), len(x)) for x, y in pairs]
    assert stats.kstest(permuted, "uniform").pvalue > 1e-3
    assert stats.kstest(by_t, "uniform").pvalue > 1e-3
    assert np.max(np.abs(np.array(permuted) - by_t)) < 0.02
