"""The share of seeds that train: two heaps are told from one, and the cliff's place is covered."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats

from analysis.cells import CellMean, Condition, group_cells
from analysis.planted import PlantedLaw, plant
from analysis.trained_share import Bimodality, bimodality, fit_trained_shares

#: Batch sizes reach four octaves below the peak, so that every cliff is sampled.
DEEP = PlantedLaw(below=16.0)


def _conditions(law: PlantedLaw, seed: int):
    planted = plant(law, seed)
    found = group_cells(planted.landscape.trials, "test_accuracy").conditions
    return found, [math.log2(c.landmarks["edge"]) for c in planted.conditions]


def _counts(trained: dict[float, int], n: int, eps: float = 0.1) -> Condition:
    cells = [
        CellMean(round(2.0**x), 0.1 + 0.4 * k / n, 0.0, 0.1, 0.5, n, 0, k, 0.5, 0.0, 0.5)
        for x, k in trained.items()
    ]
    return Condition(eps, 0.9, 1000, tuple(cells))


@pytest.mark.parametrize("n_seeds", [3, 8])
def test_the_ratio_tells_two_heaps_from_one(n_seeds):
    # A coin's own share is estimated too, which lifts the ratio to about n/(n - 1).
    for seed in range(8):
        conditions, _ = _conditions(replace(DEEP, bimodal=True, n_seeds=n_seeds), seed)
        two = bimodality(conditions, 0.1)
        assert two.found
        assert two.n >= 10
        assert 0.5 < two.ratio < 1.6
        conditions, _ = _conditions(replace(DEEP, n_seeds=n_seeds), seed)
        one = bimodality(conditions, 0.1)
        assert not one.found
        assert one.ratio < 0.2
    assert two.ratio == pytest.approx(1.0, abs=0.5 if n_seeds == 3 else 0.25)


def test_the_ratio_by_plain_loops():
    conditions, _ = _conditions(replace(DEEP, missing=0.2, n_seeds=4, cliff_noise=6.0), 1)
    seen, coin, n = [], [], 0
    for condition in conditions:
        height = max(c.mean for c in condition.cells) - 0.1
        for c in condition.cells:
            p = (c.mean - 0.1) / height
            if c.n > 1 and 0.1 < p < 0.9:
                seen.append((c.n - 1) * c.variance)
                coin.append((c.n - 1) * p * (1 - p) * height**2)
                n += 1
    found = bimodality(conditions, 0.1)
    assert found.n == n
    assert found.ratio == pytest.approx(math.fsum(seen) / math.fsum(coin), rel=1e-12)


def test_half_of_the_seeds_at_each_end_have_the_variance_of_a_coin():
    # Unbiased variance of k ones in n draws: n/(n - 1) * p * (1 - p).
    for n in (2, 4, 20):
        cell = CellMean(8, 0.3, 0.04 * n / (n - 1), 0.1, 0.5, n, 0, n // 2, 0.5, 0.0, 0.3)
        best = CellMean(16, 0.5, 0.0, 0.5, 0.5, n, 0, n, 0.5, 0.0, 0.5)
        found = bimodality([Condition(0.1, 0.9, 1000, (cell, best))], 0.1)
        assert found.ratio == pytest.approx(n / (n - 1))
        assert found == Bimodality(found.ratio, 1)


@pytest.mark.parametrize(
    "cells",
    [
        ((4, 0.1, 5), (8, 0.5, 5)),  # the cliff lies between two cells
        ((4, 0.3, 1), (8, 0.5, 1)),  # single seeds
        ((4, 0.1, 5), (8, 0.1, 5)),  # nothing trains
    ],
    ids=["no cell on the cliff", "single seeds", "untrained"],
)
def test_nothing_to_judge_by_is_not_bimodal(cells):
    condition = Condition(
        0.1, 0.9, 1000,
        tuple(CellMean(b, m, 0.01, m, m, n, 0, n, m, 0.01, m) for b, m, n in cells),
    )  # fmt: skip
    found = bimodality([condition], 0.1)
    assert math.isnan(found.ratio)
    assert found.n == 0
    assert not found.found
    assert not bimodality([], 0.1).found


def test_posterior_agrees_with_scipy_binomials():
    # Narrower cliffs than 0.14 octaves take scipy's probabilities to 0 and 1.
    counts = [{2.0: 0, 3.0: 1, 4.0: 3, 5.0: 5}, {3.0: 0, 4.0: 2, 5.0: 4, 6.0: 5}]
    found = fit_trained_shares([_counts(c, 5) for c in counts])
    wide = np.flatnonzero(found.widths >= 0.14)
    assert len(wide) >= 6
    evidence = np.ones(len(wide))
    for c, positions, weights in zip(counts, found.positions, found.position_weights, strict=True):
        k, x = np.array(list(c.values())), np.array(list(c))
        for i, w in enumerate(wide):
            p = 1.0 / (1.0 + np.exp(-(x - positions[:, None]) / found.widths[w]))
            likelihood = stats.binom.pmf(k, 5, p).prod(axis=1)
            evidence[i] *= likelihood.mean()
            assert weights[w] == pytest.approx(likelihood / likelihood.sum(), abs=1e-9)
    expected = evidence / evidence.sum()
    assert found.weights[wide] / found.weights[wide].sum() == pytest.approx(expected, rel=1e-6)
    assert found.weights.sum() == pytest.approx(1.0)


def test_many_seeds_find_what_logistic_regression_finds():
    x = np.arange(1.0, 8.0, 0.5)
    k = np.random.default_rng(3).binomial(400, 1.0 / (1.0 + np.exp(-(np.round(x, 9) - 4.3) / 0.5)))
    x = np.log2(np.round(2.0**x))
    theirs = sm.GLM(
        np.column_stack([k, 400 - k]), sm.add_constant(x), family=sm.families.Binomial()
    ).fit()
    position, width = -theirs.params[0] / theirs.params[1], 1.0 / theirs.params[1]
    found = fit_trained_shares([_counts(dict(zip(x, k, strict=True)), 400)])
    best = int(np.argmax(found.weights))
    assert found.widths[best] == 0.5
    assert width == pytest.approx(0.5, abs=0.06)
    middle = float(found.position_weights[0][best] @ found.positions[0])
    assert middle == pytest.approx(position, abs=0.03)


@pytest.mark.parametrize("n_seeds", [3, 8])
def test_draws_cover_the_planted_position(n_seeds, binomial_band):
    law = replace(DEEP, bimodal=True, n_seeds=n_seeds)
    covered, error, width = [], [], []
    for seed in range(15):
        conditions, truth = _conditions(law, seed)
        shares = fit_trained_shares(conditions)
        rng = np.random.default_rng(seed)
        for i, true in enumerate(truth):
            x = np.arange(true - 4.0, true + 4.0, 1 / 32)
            draws = shares.draws(i, x, 400, rng)
            assert draws.shape == (400, len(x))
            assert draws.min() >= 0.0
            assert draws.max() <= 1.0
            assert np.all(np.diff(draws, axis=1) >= 0.0)
            half = x[np.argmax(draws >= 0.5, axis=1)]
            low, high = np.percentile(half, [2.5, 97.5])
            covered.append(low - 1 / 32 <= true <= high + 1 / 32)
            error.append(np.mean(half) - true)
        width.append(float(shares.weights @ shares.widths))
    assert np.mean(covered) >= binomial_band(0.94, len(covered))[0]
    assert abs(np.mean(error)) < 0.1
    assert np.std(error) < 0.6 / math.sqrt(n_seeds)
    assert np.mean(width) == pytest.approx(law.shape.width, rel=0.25)


def test_draws_average_to_the_posterior_mean():
    shares = fit_trained_shares([_counts({2.0: 0, 3.0: 2, 4.0: 4, 5.0: 5}, 5)])
    x = np.array([2.5, 3.0, 4.5])
    draws = shares.draws(0, x, 40_000, np.random.default_rng(4))
    p = 1 / (1 + np.exp(-(x - shares.positions[0][:, None]) / shares.widths[:, None, None]))
    joint = shares.weights[:, None] * shares.position_weights[0]
    assert draws.mean(axis=0) == pytest.approx(np.einsum("wp,wpx->x", joint, p), abs=0.01)


def test_where_every_seed_trained_the_share_is_near_one():
    # How near is decided by the seeds: none of n failed.
    for n in (3, 30):
        shares = fit_trained_shares([_counts(dict.fromkeys((3.0, 4.0, 5.0, 6.0), n), n)])
        draws = shares.draws(0, np.array([3.0, 6.0]), 4000, np.random.default_rng(5))
        assert draws.mean(axis=0)[0] > 1.0 - 1.0 / (n + 1)
        assert draws.mean(axis=0)[1] > 0.99


def test_the_order_of_curves_and_of_other_curves_seeds_does_not_matter():
    conditions, _ = _conditions(replace(DEEP, bimodal=True), 6)
    one, two = fit_trained_shares(conditions), fit_trained_shares(conditions[::-1])
    assert two.weights == pytest.approx(one.weights, rel=1e-9)
    for a, b in zip(one.position_weights, two.position_weights[::-1], strict=True):
        assert np.array_equal(a, b)
    first, second = bimodality(conditions, 0.1), bimodality(conditions[::-1], 0.1)
    assert second.ratio == pytest.approx(first.ratio, rel=1e-12)
