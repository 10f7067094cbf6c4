from __future__ import annotations

import itertools
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from explorer.search_space import CONDITION_FIELDS
from explorer.space import SearchSpace, epochs, log_grid, steps, time, window
from explorer.trial import Configuration


@pytest.fixture
def make_space():
    """A search space with small axes, changed by the arguments."""

    def make(**changes):
        plain = {
            "train_size": 100,
            "batch_size": [4, 8],
            "learning_rate": [0.1, 0.2],
            "momentum": [0.0, 0.9],
            "budget": steps(10),
            "seeds": 3,
        }
        return SearchSpace(**{**plain, **changes})

    return make


def _order(configuration):
    """The documented order, written down independently: seed, the fields, batch size."""
    none_first = (configuration.clip_norm is not None, configuration.clip_norm or 0.0)
    return (
        configuration.seed,
        configuration.dataset,
        configuration.model,
        configuration.train_size,
        configuration.learning_rate,
        configuration.momentum,
        configuration.weight_decay,
        none_first,
        configuration.final_decay,
        configuration.sampling,
        configuration.budget,
        configuration.budget_value,
        configuration.evaluations,
        configuration.validation_size,
        configuration.batch_size,
    )


def test_every_combination_is_there_once(make_space):
    space = make_space(weight_decay=[0, 1e-4], evaluate=5)
    expected = {
        (size, eps, m, wd, seed)
        for size, eps, m, wd, seed in itertools.product(
            (4, 8), (0.1, 0.2), (0.0, 0.9), (0.0, 1e-4), range(3)
        )
    }
    made = space.configurations()
    assert len(made) == len(space) == len(expected)
    assert expected == {
        (c.batch_size, c.learning_rate, c.momentum, c.weight_decay, c.seed) for c in made
    }
    assert {c.evaluations for c in made} == {5}
    assert space.left_out == ()


_SOME = {
    "train_size": st.lists(st.integers(50, 500), min_size=1, max_size=3),
    "batch_size": st.lists(st.integers(1, 60), min_size=1, max_size=4),
    "learning_rate": st.lists(st.floats(1e-3, 1), min_size=1, max_size=3),
    "momentum": st.lists(st.sampled_from([0, 0.5, 0.9]), min_size=1, max_size=3),
    "clip_norm": st.lists(st.sampled_from([None, 0.5, 1]), min_size=1, max_size=3),
    "budget": st.lists(
        st.sampled_from([steps(5), steps(50), epochs(2), time(3)]), min_size=1, max_size=3
    ),
    "seeds": st.lists(st.integers(0, 9), min_size=1, max_size=3),
}


@settings(max_examples=40, deadline=None, derandomize=True)
@given(axes=st.fixed_dictionaries(_SOME), shuffle=st.randoms(use_true_random=False))
def test_canonical_order_is_sorted_unique_and_independent_of_the_listing(axes, shuffle):
    made = SearchSpace(**axes).configurations()
    assert made == sorted(made, key=_order)
    assert len(set(made)) == len({c.trial_id for c in made}) == len(made)
    other = {}
    for name, values in axes.items():
        other[name] = [*values, values[0]]  # listed twice, and in another order
        shuffle.shuffle(other[name])
    assert SearchSpace(**other).configurations() == made


def test_a_limit_is_a_prefix_and_the_first_of_them_cover_the_grid(make_space):
    space = make_space()
    everything = space.configurations()
    for limit in (0, 1, 7, len(everything), len(everything) + 5):
        assert space.configurations(limit) == everything[:limit]
    cells = len(everything) // 3
    assert {c.seed for c in everything[:cells]} == {0}
    without_seed = {c.with_seed(0) for c in everything}
    assert set(everything[:cells]) == without_seed


def test_more_seeds_keep_the_beginning(make_space):
    fewer, more = make_space(seeds=2).configurations(), make_space(seeds=5).configurations()
    assert more[: len(fewer)] == fewer


def test_seeds_are_a_number_or_a_list(make_space):
    assert make_space(seeds=4).seeds == make_space(seeds=np.int64(4)).seeds == (0, 1, 2, 3)
    assert make_space(seeds=[7, 2]).seeds == (2, 7)


def test_batch_sizes_above_train_size_are_left_out_and_counted(make_space):
    space = make_space(train_size=[10, 100], batch_size=[4, 20, 200])
    assert {(c.train_size, c.batch_size) for c in space} == {(10, 4), (100, 4), (100, 20)}
    assert space.left_out == (("batch_size above train_size", 3 * 4),)


def test_rules_leave_cells_out_and_say_why(make_space):
    def stable(learning_rate, momentum):
        """The effective learning rate is below one."""
        return learning_rate / (1 - momentum) < 1

    def two_epochs(steps, steps_per_epoch):
        return np.bool_(steps <= 2 * steps_per_epoch)

    space = make_space(
        rules=[stable, two_epochs, lambda noise_scale, limit=1e9: noise_scale < limit],
        learning_rate=[0.05, 0.1],
        batch_size=[4, 50],
    )
    assert {(c.learning_rate, c.momentum, c.batch_size) for c in space} == {
        (0.05, 0.0, 4),
        (0.05, 0.9, 4),
        (0.1, 0.0, 4),
    }
    assert dict(space.left_out) == {
        "breaks the rule: The effective learning rate is below one": 2,
        "breaks the rule: two_epochs": 3,
    }


def test_batch_sizes_may_be_a_function_of_the_condition(make_space):
    space = make_space(batch_size=lambda learning_rate, momentum: [10 * learning_rate, 40])
    assert {(c.learning_rate, c.batch_size) for c in space} == {
        (0.1, 1),
        (0.1, 40),
        (0.2, 2),
        (0.2, 40),
    }


def test_a_window_follows_the_condition_and_one_cell_is_not_made_twice(make_space):
    space = make_space(
        train_size=5000, batch_size=window(center=lambda learning_rate: 300 * learning_rate)
    )
    for condition in {(c.learning_rate, c.momentum) for c in space}:
        sizes = [c.batch_size for c in space.cells if (c.learning_rate, c.momentum) == condition]
        assert min(sizes) <= 300 * condition[0] / 4
        assert max(sizes) >= 300 * condition[0] * 8
        assert sizes == sorted(set(sizes))


def test_any_field_of_a_configuration_can_be_an_axis():
    axes = {
        "dataset": ["digits", "mnist5k"],
        "model": ["mlp-8", "cnn2d-4"],
        "train_size": [50, 60],
        "batch_size": [4, 5],
        "learning_rate": [0.1, 0.2],
        "momentum": [0, 0.5],
        "weight_decay": [0, 0.1],
        "clip_norm": [None, 1],
        "final_decay": [0, 0.2],
        "sampling": ["shuffle", "subset"],
        "budget": [steps(3), epochs(3)],
        "evaluate": [1, 2],
        "validation_size": [0, 10],
    }
    space = SearchSpace(**axes, seeds=2)
    assert len(space) == 2 ** (len(axes) + 1)
    made = space.configurations()
    for field in (*CONDITION_FIELDS, "batch_size", "seed"):
        count = 1 if field == "budget_value" else 2
        assert len({getattr(c, field) for c in made}) == count, field
    declared = list(Configuration.__dataclass_fields__)
    assert [f for f in declared if f in CONDITION_FIELDS] == list(CONDITION_FIELDS)


def test_a_validation_set_must_fit_behind_the_training_prefix():
    fits = SearchSpace(
        dataset="digits",
        train_size=900,
        validation_size=100,
        batch_size=4,
        learning_rate=0.1,
        budget=steps(1),
    )
    assert len(fits) == 1


def test_planning_draws_no_random_numbers(make_space):
    numpy_state, python_state = np.random.get_state()[1].copy(), random.getstate()
    make_space().configurations()
    np.testing.assert_array_equal(np.random.get_state()[1], numpy_state)
    assert random.getstate() == python_state


def test_a_log_grid_of_learning_rates_gives_rounded_values(make_space):
    space = make_space(learning_rate=log_grid(0.05, 0.1, per_octave=2))
    assert space.axes["learning_rate"] == (0.05, 0.0707106781187, 0.1)
