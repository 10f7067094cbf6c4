"""Training accuracy at an optimum, by closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest

from analysis.cells import CellMean, Condition
from analysis.training_fit import SATURATED, training_at_peak


def _condition(means: dict[int, float], variance: float = 4e-4, n: int = 4) -> Condition:
    cells = [CellMean(b, m, variance, m, m, n, 0, n, m, variance, m) for b, m in means.items()]
    return Condition(0.1, 0.9, 1000, tuple(cells))


CURVE = {8: 0.5, 16: 0.9, 64: 1.0, 128: 0.992, 256: 0.8}


@pytest.mark.parametrize(
    ("batch_size", "expected"),
    [
        (8.0, 0.5),
        (16.0, 0.9),
        (8 * math.sqrt(2.0), 0.7),  # half an octave of one
        (32.0, 0.95),  # one octave of two
        (2**5.5, 0.975),
        (256.0, 0.8),
    ],
)
def test_accuracy_is_interpolated_in_octaves(batch_size, expected):
    found = training_at_peak(_condition(CURVE), batch_size)
    assert found.train_accuracy == pytest.approx(expected, rel=1e-12)
    assert found.saturated is (expected >= 0.99)


def test_standard_error_is_that_of_a_weighted_mean_of_two_cells():
    cells = (
        CellMean(16, 0.9, 4e-4, 0.9, 0.9, 4, 0, 4, 0.9, 4e-4, 0.9),
        CellMean(64, 1.0, 9e-4, 1.0, 1.0, 3, 0, 3, 1.0, 9e-4, 1.0),
    )
    found = training_at_peak(Condition(0.1, 0.9, 1000, cells), 2**4.5)  # a quarter of the way
    expected = math.sqrt(0.75**2 * 4e-4 / 4 + 0.25**2 * 9e-4 / 3)
    assert found.standard_error == pytest.approx(expected)
    assert found.n == 7
    at = training_at_peak(Condition(0.1, 0.9, 1000, cells), 64.0)
    assert at.standard_error == pytest.approx(math.sqrt(9e-4 / 3))


def test_standard_error_agrees_with_drawing_the_cells():
    rng = np.random.default_rng(1)
    draws = 0.05 * rng.standard_normal((20_000, 2, 5)).mean(axis=2)
    values = 0.25 * draws[:, 0] + 0.75 * draws[:, 1]
    found = training_at_peak(_condition({16: 0.9, 32: 0.95}, 0.05**2, 5), 2**4.75)
    assert found.standard_error == pytest.approx(values.std(), rel=0.03)


@pytest.mark.parametrize(("level", "saturated"), [(SATURATED, True), (SATURATED - 1e-6, False)])
def test_saturation_begins_at_its_level(level, saturated):
    found = training_at_peak(_condition({16: level, 32: level}), 16.0)
    assert found.saturated is saturated


@pytest.mark.parametrize(("batch_size", "expected"), [(1.0, 0.5), (7.9, 0.5), (5000.0, 0.8)])
def test_an_optimum_outside_the_sampled_sizes_takes_the_last_cell(batch_size, expected):
    assert training_at_peak(_condition(CURVE), batch_size).train_accuracy == pytest.approx(expected)


def test_best_batch_size_and_those_as_good():
    found = training_at_peak(_condition(CURVE), 16.0)
    assert found.best_batch_size == 64
    assert (found.best_low, found.best_high) == (64, 64)
    wide = training_at_peak(
        _condition({4: 1.0, 8: 0.98, 16: 0.996, 32: 0.999, 64: 1.0, 128: 0.9961, 256: 0.9}), 32.0
    )
    assert wide.best_batch_size == 4  # the first of equals
    assert (wide.best_low, wide.best_high) == (4, 4)
    # Beyond a cell that is worse the range does not go on.
    broken = training_at_peak(
        _condition({4: 0.999, 8: 0.98, 16: 0.996, 32: 0.999, 64: 1.0, 128: 0.9961, 256: 0.9}), 32.0
    )
    assert (broken.best_low, broken.best_high) == (16, 128)


def test_everything_equally_good_reaches_both_ends():
    found = training_at_peak(_condition(dict.fromkeys((4, 8, 16), 1.0)), 8.0)
    assert (found.best_low, found.best_high) == (4, 16)


def test_a_single_cell_is_its_own_answer():
    found = training_at_peak(_condition({16: 0.97}), 40.0)
    assert found.train_accuracy == pytest.approx(0.97)
    assert found.standard_error == pytest.approx(math.sqrt(4e-4 / 4))
    assert found.n == 4
    assert (found.best_low, found.best_batch_size, found.best_high) == (16, 16, 16)


def test_single_seeds_have_no_standard_error():
    found = training_at_peak(_condition(CURVE, math.nan, 1), 20.0)
    assert math.isnan(found.standard_error)
    assert math.isfinite(found.train_accuracy)


def test_without_training_accuracy_or_optimum_nothing_is_said():
    assert training_at_peak(None, 16.0) is None
    for unknown in (math.nan, math.inf):
        assert training_at_peak(_condition(CURVE), unknown) is None
