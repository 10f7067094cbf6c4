from __future__ import annotations

import math

import numpy as np
import pytest

from explorer.axes import axis_values
from explorer.errors import InputError
from explorer.space import epochs, log_grid, steps, time, time_over_learning_rate, window


def test_log_grid_has_the_ends_and_equal_ratios():
    grid = log_grid(0.05, 0.4, per_octave=2)
    assert len(grid) == 7
    assert (grid[0], grid[-1]) == (0.05, 0.4)
    np.testing.assert_allclose(np.diff(np.log2(grid)), 0.5, rtol=1e-10)
    assert all(value == float(f"{value:.12g}") for value in grid)


@pytest.mark.parametrize(
    ("low", "high", "per_octave", "expected"),
    [
        (4, 32, 1, (4, 8, 16, 32)),
        (4, 31.9, 1, (4, 8, 16)),
        (3, 3, 2, (3,)),
        (1, 2, 4, (1, 2**0.25, 2**0.5, 2**0.75, 2)),
        (1, 64, 0.5, (1, 4, 16, 64)),
    ],
)
def test_log_grid_ends_at_or_below_high(low, high, per_octave, expected):
    assert log_grid(low, high, per_octave=per_octave) == pytest.approx(expected, rel=1e-11)


def test_a_log_grid_of_samples_is_whole_and_holds_each_number_once():
    assert axis_values("batch_size", "batch_size", log_grid(1, 8, per_octave=2)) == (
        *(1, 2, 3, 4, 6, 8),
    )
    with pytest.raises(InputError, match=r"batch_size must be a whole number, not 2\.5"):
        axis_values("batch_size", "batch_size", [1, 2.5])


@pytest.mark.parametrize(
    "given", [[2, 1, 2.0], (2, 1), range(1, 3), np.array([2, 1]), [np.int64(1), np.float32(2)]]
)
def test_lists_of_all_kinds_become_typed_ascending_values(given):
    values = axis_values("train_size", "train_size", given)
    assert values == (1, 2)
    assert [type(value) for value in values] == [int, int]


def test_none_comes_first_where_it_is_a_value():
    assert axis_values("clip_norm", "clip_norm", [1, None, 0.5]) == (None, 0.5, 1.0)


@pytest.mark.parametrize("center", [3.0, 10.7, 11.5, 23.0, 100.0, 640.0])
@pytest.mark.parametrize("offset", [0.0, 0.25])
@pytest.mark.parametrize("per_octave", [1, 2, 3])
def test_a_window_reaches_both_ends_and_no_step_further(center, offset, per_octave):
    made = window(center=center, below=2, above=8, per_octave=per_octave, alternate_offset=offset)(
        {}
    )
    half = 0.5  # batch sizes are whole numbers
    step = 2 ** (1 / per_octave)
    assert made[0] <= center / 2 + half
    assert made[0] >= center / 2 / step - half
    assert made[-1] >= center * 8 - half
    assert made[-1] <= center * 8 * step + half
    assert made == sorted(set(made))
    wide = [size for size in made if size > 20 * per_octave]
    ratios = np.diff(np.log2(wide)) * per_octave
    np.testing.assert_allclose(ratios, 1, atol=0.1)


def test_alternate_conditions_lie_half_a_step_apart_and_equal_ones_share_sizes():
    made = window(
        center=lambda learning_rate: 2000 * learning_rate, per_octave=2, alternate_offset=0.25
    )
    windows = [made({"learning_rate": eps}) for eps in log_grid(0.05, 0.4, per_octave=2)]
    for first, second, third in zip(windows, windows[1:], windows[2:], strict=False):
        assert not set(first) & set(second)
        assert len(set(first) & set(third)) >= 9
        # The top of one lies a quarter octave from the nearest size of the next.
        nearest = min(abs(math.log2(size / first[-1])) for size in second)
        assert nearest == pytest.approx(0.25, abs=0.01)


def test_a_window_depends_on_its_center_alone():
    made = window(center=lambda learning_rate, momentum: 9 * learning_rate / (1 - momentum))
    assert made({"learning_rate": 1.0, "momentum": 0.5, "train_size": 3}) == made(
        {"learning_rate": 2.0, "momentum": 0.0, "train_size": 4}
    )


def test_batch_sizes_below_one_are_dropped():
    assert window(center=1.0, below=4, above=4, per_octave=1)({}) == [1, 2, 4]


def test_budgets_say_their_kind_and_value():
    made = [steps(10), epochs(2), time(3), time_over_learning_rate(4)]
    assert [(budget.kind, budget.value) for budget in made] == [
        ("steps", 10.0),
        ("epochs", 2.0),
        ("time", 3.0),
        ("time_over_learning_rate", 4.0),
    ]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: log_grid(0, 1), "low must be above 0, not 0"),
        (lambda: log_grid("a", 1), "low must be a number, not 'a'"),
        (lambda: log_grid(2, 1), "high must be at least low 2, not 1"),
        (lambda: log_grid(1, 2, per_octave=0), "per_octave must be above 0, not 0"),
        (lambda: log_grid(1, float("inf")), "high must be above 0, not inf"),
        (lambda: window(center=-3), "center must be above 0, not -3"),
        (lambda: window(center=3, below=0.5), "below must be at least 1, not 0.5"),
        (lambda: window(center=lambda: "x")({}), "center must be a number, not 'x'"),
        (lambda: window(center=3, alternate_offset=-1), "alternate_offset must be above 0"),
        (lambda: steps(0), "budget steps(...) must be above 0, not 0.0"),
        (lambda: time("long"), "budget time(...) must be a number, not 'long'"),
    ],
)
def test_unfit_helpers_are_refused(make, words):
    with pytest.raises(InputError) as caught:
        make()
    assert words in str(caught.value)


@pytest.mark.parametrize("per_octave", [1e9, 1e300])
def test_a_grid_of_a_billion_values_is_refused(per_octave):
    with pytest.raises(InputError, match="per_octave"):
        log_grid(1, 2**20, per_octave=per_octave)
    with pytest.raises(InputError, match="per_octave"):
        window(center=100, per_octave=per_octave)({})


def test_a_space_of_too_many_conditions_is_refused():
    from explorer.space import SearchSpace

    with pytest.raises(InputError, match="conditions before batch size"):
        SearchSpace(
            train_size=range(100, 1100),
            learning_rate=log_grid(0.001, 1, per_octave=100),
            weight_decay=log_grid(0.001, 1, per_octave=100),
            batch_size=8,
            budget=steps(1),
        )
