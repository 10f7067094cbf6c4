"""The edge of trainability: planted edges are covered, exact cliffs recovered, none invented."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, special

from analysis.cells import CellMean, Condition, group_cells
from analysis.edge import fit_edges
from analysis.planted import PlantedLaw, plant
from analysis.trained_side import trained_side

CHANCE = 0.1
#: Planted landscapes whose batch sizes reach four octaves below the peak: every edge is sampled.
DEEP = PlantedLaw(below=16.0)


def _condition(sizes: Sequence[float], means: Sequence[float], n: int = 4) -> Condition:
    cells = [
        CellMean(int(b), float(m), 1e-4, float(m), float(m), n, 0, n, float(m), 1e-4, float(m))
        for b, m in zip(sizes, means, strict=True)
    ]
    return Condition(0.1, 0.9, 1000, tuple(cells))


def _logistic(edge: float, width: float, octaves=range(1, 13), height: float = 0.4) -> Condition:
    x = np.array(octaves, dtype=float)
    return _condition(2**x, CHANCE + height * special.expit((x - edge) / width))


def _planted(law: PlantedLaw, seed: int):
    planted = plant(law, seed)
    conditions = group_cells(planted.landscape.trials, "train_accuracy").conditions
    return conditions, [c.landmarks["edge"] for c in planted.conditions]


@pytest.mark.parametrize("width", [0.1, 0.2, 0.3])
def test_an_exact_logistic_is_recovered(width):
    # The best cell is the plateau to 10 digits or more.
    edges = (4.1, 4.4, 4.9, 5.3)
    found = fit_edges([_logistic(e, width) for e in edges], CHANCE)
    assert found.width == pytest.approx(width, rel=1e-6)
    assert [math.log2(e.estimate) for e in found.edges] == pytest.approx(edges, abs=1e-6)
    assert found.dispersion == pytest.approx(0.0, abs=1e-12)
    assert found.n_conditions == 4
    for e in found.edges:
        assert e.low <= e.estimate <= e.high
        assert not e.open_low
    assert found.converged


@pytest.mark.parametrize("seed", range(3))
def test_edges_and_width_solve_the_quasi_likelihood_equations(seed):
    # Sum of weight * gradient * residual = 0 with weight n / (p (1 - p) + 0.02), by scipy's root
    # finder with difference quotients, over the cells within 1.25 octaves of the interpolated edge.
    law = replace(DEEP, learning_rates=(0.1, 0.2, 0.4), noise=0.02, missing=0.15)
    conditions, _ = _planted(law, seed)
    found = fit_edges(conditions, CHANCE)
    cells = []
    for i, condition in enumerate(conditions):
        side = trained_side(condition, CHANCE)
        best = max(c.mean for c in condition.cells) - CHANCE
        for c in condition.cells:
            x = math.log2(c.batch_size)
            if abs(x - side.edge) <= 1.25:
                cells.append((i, x, min(max((c.mean - CHANCE) / best, 0.0), 1.0), c.n))
    owner, x, height, n = map(np.array, zip(*cells, strict=True))

    def share(theta: np.ndarray) -> np.ndarray:
        return special.expit((x - theta[owner]) / theta[-1])

    def score(theta: np.ndarray) -> np.ndarray:
        p = share(theta)
        gradient = optimize.approx_fprime(theta, share, 1e-7)
        return gradient.T @ (n * (height - p) / (p * (1 - p) + 0.02))

    start = [math.log2(e.estimate) + 0.02 for e in found.edges] + [0.3]
    solved = optimize.root(score, start, tol=1e-10)
    assert solved.success
    mine = [math.log2(e.estimate) for e in found.edges] + [found.width]
    assert mine == pytest.approx(solved.x, abs=1e-5)
    p = share(solved.x)
    left = n * (height - p) ** 2 / (p * (1 - p) + 0.02)
    assert found.dispersion == pytest.approx(left.sum() / (len(x) - 4), rel=1e-4)
    assert found.n_cells == len(x)
    assert found.converged


def _errors(law: PlantedLaw, n_landscapes: int):
    """(error in octaves, covered, interval in octaves) of every sampled edge."""
    rows = []
    for seed in range(n_landscapes):
        conditions, truth = _planted(law, seed)
        for e, true in zip(fit_edges(conditions, CHANCE).edges, truth, strict=True):
            assert not e.open_low
            covered = e.low <= true <= e.high
            rows.append((math.log2(e.estimate / true), covered, math.log2(e.high / e.low)))
    return np.array(rows)


FAMILIES = {
    "as planted": {},
    "even noise": {"cliff_noise": 0.0},
    "bimodal": {"bimodal": True},
    "three conditions": {"learning_rates": (0.1, 0.2, 0.4)},
}


@pytest.mark.parametrize("n_seeds", [3, 5, 10])
@pytest.mark.parametrize("family", FAMILIES)
def test_intervals_cover_the_planted_edge(family, n_seeds, binomial_band):
    law = replace(DEEP, n_seeds=n_seeds, **FAMILIES[family])
    n = 14 if len(law.learning_rates) == 7 else 30
    errors, covered, width = _errors(law, n).T
    se = errors.std(ddof=1) / math.sqrt(len(errors))
    assert abs(errors.mean()) < 4 * se + 0.005
    # One seed that trains or not moves a height by 1/n; else the noise is 0.011 to 0.04.
    assert errors.std() < (0.5 if law.bimodal else 0.05) / math.sqrt(n_seeds)
    assert covered.mean() >= binomial_band(0.93, len(covered))[0]
    assert np.median(width) < 10.0 * errors.std()


def test_without_cells_to_measure_scatter_by_the_edge_is_interpolated():
    # One cliff with two cells around it: as many parameters as cells.
    sizes, means = (4, 8, 16, 32, 64), (0.1, 0.1, 0.14, 0.42, 0.5)
    found = fit_edges([_condition(sizes, means)], CHANCE)
    (edge,) = found.edges
    half = 0.3
    share = (half - 0.14) / (0.42 - 0.14)
    assert math.log2(edge.estimate) == pytest.approx(4.0 + share)
    assert (edge.low, edge.high) == (16.0, 32.0)
    assert edge.log_standard_error == pytest.approx(math.log(2.0) / math.sqrt(12.0))
    assert edge.usable
    assert math.isnan(found.width)
    assert not found.converged


def test_a_cliff_between_two_cells_is_known_to_them_and_no_better():
    sizes = (4, 8, 16, 32, 64)

    def step(first: int) -> Condition:
        return _condition(sizes, [0.1 if b < first else 0.5 for b in sizes])

    for firsts in ((16,), (8, 16, 32)):
        found = fit_edges([step(first) for first in firsts], CHANCE)
        assert not found.converged
        for e, first in zip(found.edges, firsts, strict=True):
            assert (e.low, e.high) == (first / 2, first)
            assert e.low < e.estimate < e.high


def test_no_cell_below_half_height_leaves_the_edge_open():
    flat = _condition((4, 8, 16), (0.45, 0.5, 0.48))
    cliff = _logistic(4.4, 0.3)
    found = fit_edges([cliff, flat, _logistic(5.0, 0.3)], CHANCE)
    assert [e.open_low for e in found.edges] == [False, True, False]
    edge = found.edges[1]
    assert math.isnan(edge.estimate)
    assert edge.high == 4.0
    assert not edge.usable
    assert found.n_conditions == 2
    without = fit_edges([cliff, _logistic(5.0, 0.3)], CHANCE)
    assert without.edges == (found.edges[0], found.edges[2])


def test_what_never_left_chance_has_no_edge():
    (edge,) = fit_edges([_condition((4, 8, 16), (0.1, 0.09, 0.1))], CHANCE).edges
    assert math.isnan(edge.estimate)
    assert not edge.usable
    assert fit_edges([], CHANCE).edges == ()


def test_a_rising_slope_on_the_plateau_is_not_a_cliff():
    x = np.arange(2.0, 9.0)
    (edge,) = fit_edges([_condition(2**x, 0.3 + 0.02 * x)], CHANCE).edges
    assert edge.open_low


@settings(max_examples=15, deadline=None)
@given(order=st.permutations(range(7)))
def test_the_order_of_conditions_does_not_matter(order):
    conditions, _ = _planted(replace(DEEP, n_seeds=4), 3)
    one, two = fit_edges(conditions, CHANCE), fit_edges([conditions[i] for i in order], CHANCE)
    assert two.width == pytest.approx(one.width, rel=1e-6)
    for i, e in zip(order, two.edges, strict=True):
        a = one.edges[i]
        assert (e.estimate, e.low, e.high) == pytest.approx((a.estimate, a.low, a.high), rel=1e-6)


@pytest.mark.parametrize("factor", [4, 64])
def test_edges_in_other_units_move_in_proportion(factor):
    # Lengths are octaves: the unit of B, the zero of its logarithm, changes nothing.
    conditions, _ = _planted(replace(DEEP, n_seeds=4), 4)
    other = [
        replace(c, cells=tuple(replace(b, batch_size=factor * b.batch_size) for b in c.cells))
        for c in conditions
    ]
    one, two = fit_edges(conditions, CHANCE), fit_edges(other, CHANCE)
    assert two.width == pytest.approx(one.width, rel=1e-6)
    for a, b in zip(one.edges, two.edges, strict=True):
        assert (b.estimate, b.low, b.high) == pytest.approx(
            (factor * a.estimate, factor * a.low, factor * a.high), rel=1e-6
        )
        assert b.log_standard_error == pytest.approx(a.log_standard_error, rel=1e-6)


@pytest.mark.parametrize(("scale", "shift"), [(0.5, 0.0), (1.5, 0.05)])
def test_the_height_of_the_plateau_does_not_matter(scale, shift):
    # An edge is a place: accuracies measured from chance by another unit leave it where it is.
    conditions, _ = _planted(replace(DEEP, n_seeds=4), 5)
    other = [
        replace(c, cells=tuple(replace(b, mean=shift + scale * b.mean) for b in c.cells))
        for c in conditions
    ]
    one, two = fit_edges(conditions, CHANCE), fit_edges(other, shift + scale * CHANCE)
    for a, b in zip(one.edges, two.edges, strict=True):
        assert (b.estimate, b.low, b.high) == pytest.approx((a.estimate, a.low, a.high), rel=1e-6)


def test_a_higher_level_widens_the_interval_about_the_same_edge():
    conditions, _ = _planted(replace(DEEP, n_seeds=4), 6)
    narrow, wide = fit_edges(conditions, CHANCE, 0.5), fit_edges(conditions, CHANCE, 0.99)
    for a, b in zip(narrow.edges, wide.edges, strict=True):
        assert a.estimate == b.estimate
        assert b.low < a.low < a.high < b.high
