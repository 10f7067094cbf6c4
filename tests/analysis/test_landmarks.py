"""Landmarks of curves against closed forms, brute force and their own symmetries."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.landmarks import landmarks

FINE = np.linspace(2.0, 9.0, 7 * 128 + 1)


@pytest.mark.parametrize("a", [0.004, 0.02, 0.1])
@pytest.mark.parametrize("tolerance", [0.001, 0.005])
def test_a_parabola_has_its_closed_form(a, tolerance):
    # y = h - a (x - c)^2 is within t of its top for |x - c| <= sqrt(t / a), and half of the fall to
    # the last x = e is lost at c + (e - c) / sqrt(2).
    center = np.array([4.0, 5.5])
    curves = 0.5 - a * (FINE - center[:, None]) ** 2
    found = landmarks(FINE, curves, tolerance)
    reach = math.sqrt(tolerance / a)
    assert found.optimum.tolist() == center.tolist()
    assert found.near_low == pytest.approx(center - reach, abs=1e-3)
    assert found.near_high == pytest.approx(center + reach, abs=1e-3)
    assert found.half_fall == pytest.approx(center + (9.0 - center) / math.sqrt(2.0), abs=1e-4)
    assert found.height.tolist() == [0.5, 0.5]
    assert found.fall == pytest.approx(a * (9.0 - center) ** 2)
    for flags in (found.at_start, found.at_end, found.near_open_low, found.near_open_high):
        assert not flags.any()


def test_a_triangle_is_exact_on_any_grid():
    # Interpolation is linear, so that only the grid point of the top matters.
    x = np.array([1.0, 1.7, 2.0, 4.5, 9.0])
    y = np.interp(x, [0.0, 2.0, 10.0], [0.2, 0.6, 0.2])
    found = landmarks(x, y[None], 0.1)
    assert found.optimum.tolist() == [2.0]
    assert found.near_low == pytest.approx([1.5])
    assert found.near_high == pytest.approx([4.0])
    assert found.half_fall == pytest.approx([5.5])


def _brute(x: np.ndarray, y: np.ndarray, tolerance: float) -> dict[str, float | bool]:
    """Walk from the highest point to both sides, one grid interval after the other."""
    top = max(range(len(x)), key=lambda i: (y[i], -i))

    def walk(step: int, level: float) -> tuple[float, bool]:
        i = top
        while 0 <= i + step < len(x):
            if y[i + step] < level:
                share = (y[i] - level) / (y[i] - y[i + step])
                return float(x[i] + share * (x[i + step] - x[i])), False
            i += step
        return float(x[i]), True

    low, open_low = walk(-1, y[top] - tolerance)
    high, open_high = walk(1, y[top] - tolerance)
    fall = y[top] - y[-1]
    return {
        "optimum": x[top],
        "near_low": low,
        "near_high": high,
        "half_fall": walk(1, y[top] - 0.5 * fall)[0] if fall > 0 else math.nan,
        "at_start": top == 0,
        "at_end": top == len(x) - 1,
        "near_open_low": open_low,
        "near_open_high": open_high,
        "height": y[top],
        "fall": fall,
    }


@pytest.mark.parametrize("tolerance", [0.001, 0.01, 0.05])
def test_rough_curves_agree_with_walking_along_them(tolerance):
    rng = np.random.default_rng(1)
    x = np.sort(rng.uniform(2.0, 9.0, 40))
    curves = 0.5 + np.cumsum(0.01 * rng.standard_normal((300, 40)), axis=1)
    curves[:30] = np.round(curves[:30], 2)  # ties: the first of equals is the top
    found = landmarks(x, curves, tolerance)
    for i, y in enumerate(curves):
        for name, value in _brute(x, y, tolerance).items():
            mine = getattr(found, name)[i]
            assert mine == pytest.approx(value, abs=1e-12, nan_ok=True), (name, i)
    assert found.at_start.any()
    assert found.at_end.any()
    assert found.near_open_low.any()
    assert found.near_open_high.any()


def test_the_near_optimal_range_is_unbroken():
    # A second, equally good range beyond a dip does not count.
    y = np.array([0.40, 0.45, 0.452, 0.40, 0.45, 0.40])
    found = landmarks(np.arange(6.0), y[None], 0.005)
    assert 1.0 > found.near_low[0] > 0.0
    assert 2.0 < found.near_high[0] < 3.0


def test_flat_and_monotone_curves_are_open():
    x = np.arange(5.0)
    flat, rising, falling = np.full(5, 0.4), 0.3 + 0.02 * x, 0.3 - 0.02 * x
    found = landmarks(x, np.array([flat, rising, falling]), 0.005)
    assert found.at_start.tolist() == [True, False, True]
    assert found.at_end.tolist() == [False, True, False]
    assert found.near_open_low.tolist() == [True, False, True]
    assert found.near_open_high.tolist() == [True, True, False]
    assert found.near_low == pytest.approx([0.0, 3.75, 0.0])
    assert found.near_high == pytest.approx([4.0, 4.0, 0.25])
    assert np.isnan(found.half_fall).tolist() == [True, True, False]
    assert found.half_fall[2] == pytest.approx(2.0)


@settings(max_examples=60)
@given(
    st.lists(st.floats(0.0, 1.0), min_size=2, max_size=12).filter(lambda y: len(set(y)) == len(y)),
    st.floats(1e-4, 0.5),
    st.floats(-5.0, 5.0),
    st.floats(0.1, 10.0),
)
def test_landmarks_move_and_stretch_with_the_axis(y, tolerance, shift, unit):
    x = np.arange(len(y), dtype=float)
    curves = np.array([y])
    one = landmarks(x, curves, tolerance)
    two = landmarks(shift + unit * x, curves, tolerance)
    for name in ("optimum", "near_low", "near_high", "half_fall"):
        expected = shift + unit * getattr(one, name)
        assert getattr(two, name) == pytest.approx(expected, abs=1e-7, nan_ok=True)
    assert one.near_low[0] <= one.optimum[0] <= one.near_high[0]
    mirrored = landmarks(-x[::-1], curves[:, ::-1], tolerance)
    assert mirrored.near_low == pytest.approx(-one.near_high, abs=1e-9)
    assert mirrored.near_high == pytest.approx(-one.near_low, abs=1e-9)
    wider = landmarks(x, curves, 2.0 * tolerance)
    assert wider.near_low[0] <= one.near_low[0]
    assert wider.near_high[0] >= one.near_high[0]
