"""Numbers, labels and ticks of the charts, against values worked out by hand."""

import doctest
import math
from dataclasses import replace

import numpy as np
import pytest

from analysis.charts import common
from analysis.charts.common import (
    interval,
    labels,
    number,
    percent,
    powers_of_two,
    round_ticks,
    thinned,
    widened,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0707107, "0.0707"), (8000.0, "8000"), (1e-7, "1.00e-07"), (0, "0"), (math.nan, "–")],
)
def test_number_has_three_significant_digits(value, text):
    assert number(value) == text


def test_percent_and_interval_do_not_break():
    assert percent(0.464) == "46.4\u00a0%"
    assert interval(6.0, 11.25) == "[6,\u00a011.2]"
    assert interval(None, math.nan) == ""
    assert interval(math.nan, 3.0) == "[–,\u00a03]"


def test_the_examples_in_the_docstrings_hold():
    found = doctest.testmod(common)
    assert found.attempted > 2
    assert found.failed == 0


def test_labels_stay_apart_and_ascend():
    close = [0.10001, 0.1, 0.2]
    assert list(labels(close)) == [0.1, 0.10001, 0.2]
    assert list(labels(close).values()) == ["0.1", "0.10001", "0.2"]


def test_a_momentum_below_one_is_not_called_one():
    assert list(labels([0.9, 0.9995]).values()) == ["0.9", "0.9995"]
    assert labels([0.9995]) == {0.9995: "0.9995"}
    assert labels([1.0, 0.5]) == {0.5: "0.5", 1.0: "1"}
    assert labels([0.7 + 0.2 + 0.1]) == {0.7 + 0.2 + 0.1: "1"}


def test_axes_are_varied_where_they_have_two_values(make_peak):
    one = make_peak(0.1, 8.0)
    assert common.varied_axes([one, one]) == []
    assert common.varied_axes([one, make_peak(0.2, 8.0, momentum=0.0)]) == [
        "learning_rate",
        "momentum",
    ]
    assert common.varied_axes([one, make_peak(0.1, 8.0, train_size=5)]) == ["train_size"]


def test_errors_are_measured_where_a_trained_cell_has_two_seeds(make_peak):
    low, *trained = make_peak(0.1, 8.0).cells
    single = [replace(c, n=1) for c in trained]
    assert common.has_measured_errors([make_peak(0.1, 8.0)])
    assert not common.has_measured_errors([make_peak(0.1, 8.0, cells=(low, *single))])
    assert not common.has_measured_errors([])


def test_the_range_near_the_best_begins_below_the_lowest_top():
    low, high = common.near_best([(1, 0.1), (1, 0.4), (2, 0.3), (2, 0.5)])
    assert (low, high) == (pytest.approx(0.4 - 0.15 * 0.3), 0.5)
    assert common.with_margin(0.2, 0.6) == pytest.approx((0.18, 0.62))
    assert common.with_margin(0.5, 0.5) == pytest.approx((0.49, 0.51))


def test_thinned_keeps_both_ends():
    assert thinned(range(100), 4) == [0, 33, 66, 99]
    assert thinned(range(3), 4) == [0, 1, 2]


def test_ticks_lie_inside_their_axis():
    assert powers_of_two(5, 70) == [8, 16, 32, 64]
    assert powers_of_two(0.2, 1) == [0.25, 0.5, 1]
    assert widened([23.0]) == [11.5, 46.0]
    assert round_ticks(0.1, 0.5) == [0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5]
    for low, high in [(0.0, 1.0), (0.431, 0.4629), (0.1, 0.100001)]:
        ticks = round_ticks(low, high)
        assert low <= ticks[0] <= ticks[-1] <= high
        assert 3 <= len(ticks) <= 11
        steps = np.diff(ticks)
        assert np.allclose(steps, steps[0], rtol=1e-4)
