"""The landmarks' laws, whether the optimum follows the edge, and the verdict on N."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import statsmodels.api as sm

from analysis.estimates import LANDMARKS
from analysis.law.condition import SYMBOLS, points_of
from analysis.law.landmark_laws import (
    REFUTED,
    SUPPORTED,
    UNDECIDED,
    landmark_laws,
    optimum_over_edge,
    train_size_verdict,
)
from analysis.meta_regression import steadied

LAWS = {
    "edge": (10.0, 1.0, 0.15, 1.0),
    "near_optimal_low": (16.0, 1.0, 0.3, 1.0),
    "optimum": (25.0, 1.0, 0.37, 1.0),
    "near_optimal_high": (45.0, 0.95, 0.4, 1.0),
    "half_fall": (150.0, 0.9, 0.35, 1.0),
}


def both(peaks):
    return points_of(peaks, "optimum"), points_of(peaks, "edge")


def test_every_landmark_has_its_own_law(peaks_of, grids, binomial_band):
    rng, n, hits = np.random.default_rng(1), 40, []
    for _ in range(n):
        laws = landmark_laws(peaks_of(rng, grids["full"], LAWS, curve=False))
        assert tuple(laws) == LANDMARKS
        for name, law in laws.items():
            assert law.n_conditions == 48
            assert law.converged
            hits += [
                e.holds(true)
                for e, true in zip(law.exponents.values(), LAWS[name][1:], strict=True)
            ]
    # The landmarks of a condition share its shift, so that their hits are not independent.
    assert np.mean(hits) >= binomial_band(0.95, 3 * n)[0]


def test_ratio_agrees_with_statsmodels_and_adds_variances(peaks_of, grids):
    optimum, edge = both(peaks_of(np.random.default_rng(2), grids["full"], LAWS, tau=0.2))
    found = optimum_over_edge(optimum, edge)
    y = [o.log_batch_size - e.log_batch_size for o, e in zip(optimum, edge, strict=True)]
    v = steadied(np.array([o.variance + e.variance for o, e in zip(optimum, edge, strict=True)]))
    X = sm.add_constant(np.array([p.logs for p in optimum]))
    theirs = sm.WLS(y, X, weights=1.0 / (v + found.tau2)).fit()
    mine = np.array([(e.estimate, e.low, e.high) for e in found.exponents.values()])
    assert mine == pytest.approx(np.column_stack([theirs.params, theirs.conf_int()])[1:], rel=1e-7)
    joint = theirs.f_test(np.eye(4)[1:])
    assert found.tests.joint.p == pytest.approx(float(joint.pvalue), rel=1e-5)
    assert found.median_octaves == pytest.approx(np.median(y) / math.log(2.0))


def test_an_optimum_that_follows_the_edge_is_said_to(peaks_of, grids):
    laws = {"edge": (10.0, 1.0, 0.3, 1.0), "optimum": (25.0, 1.0, 0.3, 1.0)}
    rng = np.random.default_rng(3)
    found = [optimum_over_edge(*both(peaks_of(rng, grids["full"], laws))) for _ in range(60)]
    share = np.mean([f.follows_edge is True for f in found])
    assert share >= 0.85  # 5 % are rejected by chance
    said = next(f for f in found if f.follows_edge)
    assert said.sentence.startswith("The optimum follows the edge of trainability")


def test_an_optimum_that_moves_on_its_own_is_said_to(peaks_of, grids):
    rng = np.random.default_rng(4)
    found = [optimum_over_edge(*both(peaks_of(rng, grids["full"], LAWS))) for _ in range(40)]
    assert all(f.follows_edge is False for f in found)
    assert all("with N by N^0." in f.sentence for f in found)
    # The other two axes are each found to move in 5 % of the draws by chance.
    rest = f"and not detectably with {SYMBOLS['learning_rate']} and {SYMBOLS['momentum']}"
    neither = [rest in f.sentence for f in found]
    assert np.mean(neither) > 0.7


def test_few_conditions_cannot_tell(peaks_of, grids):
    peaks = peaks_of(np.random.default_rng(5), grids["rates"][:4], LAWS, error=0.5)
    found = optimum_over_edge(*both(peaks))
    assert found.follows_edge is None
    assert found.sentence.startswith("Too few conditions to tell")


@pytest.mark.parametrize("k", [0, 1, 2])
def test_fewer_cannot_be_tested(k, peaks_of, grids):
    found = optimum_over_edge(*both(peaks_of(np.random.default_rng(6), grids["rates"][:k], LAWS)))
    assert found.follows_edge is None
    assert "cannot be tested" in found.sentence


def test_open_edges_are_left_out_and_counted(peaks_of, grids):
    peaks = peaks_of(np.random.default_rng(7), grids["full"], LAWS)
    for peak in peaks[:5]:
        peak.landmarks["edge"] = replace(peak.landmarks["edge"], open_low=True)
    assert optimum_over_edge(*both(peaks)).n_conditions == 43
    edge = landmark_laws(peaks)["edge"]
    assert (edge.n_conditions, edge.n_open) == (43, 5)


@pytest.mark.parametrize(
    ("sizes", "exponent", "verdict"),
    [
        ((1000, 4000, 8000), 1.0, UNDECIDED),
        ((1000,), 1.0, UNDECIDED),
        ((8000, 20_000), 1.0, UNDECIDED),
        ((20_000, 40_000, 80_000), 1.0, SUPPORTED),
        ((20_000, 40_000, 80_000), 0.4, REFUTED),
        ((1000, 20_000, 80_000), 1.0, SUPPORTED),
    ],
)
def test_verdict_on_smith_and_les_law_of_n(sizes, exponent, verdict, peaks_of):
    grid = [(e, 0.9, n) for e in (0.05, 0.1, 0.2, 0.4) for n in sizes]
    laws = {"optimum": (25.0, 1.0, exponent, 1.0)}
    points = points_of(peaks_of(np.random.default_rng(11), grid, laws, curve=False), "optimum")
    found = train_size_verdict(points)
    assert found.verdict == verdict
    if max(sizes) < 20_000:
        assert f"the largest N here is {max(sizes):,}" in found.sentence
    assert train_size_verdict(()).verdict == UNDECIDED


def test_an_interval_that_holds_0_and_1_decides_nothing(peaks_of):
    grid = [(e, 0.9, n) for e in (0.05, 0.1) for n in (20_000, 40_000)]
    peaks = peaks_of(np.random.default_rng(9), grid, {"optimum": (25.0, 1, 0.5, 1)}, error=0.6)
    found = train_size_verdict(points_of(peaks, "optimum"))
    assert found.verdict == UNDECIDED
    assert "does not tell 1 from 0" in found.reason
