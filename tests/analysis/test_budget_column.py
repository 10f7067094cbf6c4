"""The budget found from steps or epochs: the planted one, or said to be unclear."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.landscape import Landscape
from explorer.trial import Configuration

GRID = list(
    itertools.product((8, 16, 24, 64, 100), (0.05, 0.07, 0.1, 0.3), (0.0, 0.5, 0.9), (500, 1000))
)


def table(length, name="steps", grid=GRID):
    """Trials of a grid, with the length that `length` gives each."""
    rows = [
        {
            "batch_size": B,
            "learning_rate": eps,
            "momentum": m,
            "train_size": N,
            "seed": 0,
            "test_accuracy": 0.5,
            name: length(B, eps, m, N),
        }
        for B, eps, m, N in grid
    ]
    return pd.DataFrame(rows)


@pytest.fixture
def read(tmp_path):
    def through_a_file(frame):
        frame.to_csv(tmp_path / "theirs.csv", index=False)
        return Landscape.from_file(tmp_path / "theirs.csv")

    return through_a_file


def budgets(landscape):
    return {(group.budget, group.budget_value) for group, _ in landscape.groups()}


def ours(budget, value):
    """Steps as the program itself rounds them."""

    def steps(B, eps, m, N):
        return Configuration(
            batch_size=B,
            learning_rate=eps,
            momentum=m,
            train_size=N,
            budget=budget,
            budget_value=value,
        ).steps

    return steps


@pytest.mark.parametrize(
    ("budget", "value"),
    [
        ("steps", 3000.0),
        ("epochs", 7.0),
        ("time_over_learning_rate", 300.0),
        ("time", 30.0),
        ("time", 2.5),
    ],
)
def test_our_own_rounding_gives_the_budget_back(read, budget, value):
    found = read(table(ours(budget, value)))
    assert budgets(found) == {(budget, value)}
    (note,) = found.notes
    assert (
        note == f"theirs.csv has no column budget: by its steps, {budget} {value:g} was filled in."
    )


@pytest.mark.parametrize("rounding", [np.floor, np.ceil, np.round])
@pytest.mark.parametrize(
    ("budget", "exact"),
    [
        ("epochs", lambda B, eps, m, N: 12 * N / B),
        ("time_over_learning_rate", lambda B, eps, m, N: 123 / eps),
        ("time", lambda B, eps, m, N: 45 * (1 - m) / eps),
    ],
)
def test_however_steps_were_rounded(read, budget, exact, rounding):
    found = read(table(lambda *x: int(rounding(exact(*x)))))
    value = {"epochs": 12, "time_over_learning_rate": 123, "time": 45}[budget]
    assert budgets(found) == {(budget, value)}


def test_epochs_with_their_last_partial_batch(read):
    assert budgets(read(table(lambda B, eps, m, N: 3 * -(-N // B)))) == {("epochs", 3.0)}


@settings(max_examples=40, deadline=None)
@given(
    budget=st.sampled_from(["epochs", "time_over_learning_rate", "time"]),
    value=st.integers(100, 5000),
)
def test_any_planted_value_is_found_within_rounding(tmp_path_factory, budget, value):
    path = tmp_path_factory.mktemp("budget") / "theirs.csv"
    planted = table(ours(budget, float(value)))
    planted.to_csv(path, index=False)
    ((name, found),) = budgets(Landscape.from_file(path))
    assert name == budget
    steps = [ours(budget, found)(*x) for x in GRID]
    assert np.abs(np.array(steps) - planted["steps"]).max() <= 1


def test_steps_of_no_known_kind_are_said_to_be_unclear(read):
    rng = np.random.default_rng(0)
    found = read(table(lambda *x: int(rng.integers(100, 1000))))
    assert {name for name, _ in budgets(found)} == {"not given"}
    (note,) = found.notes
    assert note.startswith(f"The budget of {len(GRID)} row(s) of theirs.csv is unclear: steps")


@pytest.mark.parametrize("share", [0.05, 0.5])
def test_two_budgets_in_one_file_are_not_taken_for_one(read, share):
    """Some conditions at 30 and others at 60, as when a sweep was continued with another budget."""
    n = round(share * len(GRID))
    first = table(ours("time", 30.0), grid=GRID[n:])
    second = table(ours("time", 60.0), grid=GRID[:n])
    found = read(pd.concat([first, second]))
    assert {name for name, _ in budgets(found)} == {"not given"}
    assert "unclear" in found.notes[0]


def test_two_lengths_of_one_trial_are_refused_with_the_reason(read):
    frame = pd.concat([table(lambda *x: 100), table(lambda *x: 200)])
    frame["test_accuracy"] = np.linspace(0.3, 0.6, len(frame))
    with pytest.raises(Exception, match=r"they differ in steps: columns budget and budget_value"):
        read(frame)


def test_each_model_has_its_own(read):
    one = table(ours("steps", 100.0)).assign(model="a")
    two = table(ours("time", 30.0)).assign(model="b")
    found = read(pd.concat([one, two]))
    assert budgets(found) == {("steps", 100.0), ("time", 30.0)}
    assert found.notes[0].endswith("steps 100, time 30 was filled in.")


def test_a_diverged_trial_that_stopped_early_stays_with_the_others(read):
    for name, length in (("steps", ours("time", 30.0)), ("epochs", lambda *x: 20)):
        frame = table(length, name).assign(status="completed")
        frame.loc[[3, 50], name] = [2, 1]
        frame.loc[[7], name] = np.nan
        frame.loc[[3, 50, 7], "status"] = "diverged"
        found = read(frame)
        assert len(budgets(found)) == 1
        assert len(found.groups()[0][1]) == len(GRID)


def test_a_constant_number_of_epochs_is_the_budget(read):
    assert budgets(read(table(lambda *x: 20, "epochs"))) == {("epochs", 20.0)}


def test_several_numbers_of_epochs_are_groups_of_their_own(read):
    short, long = (table(lambda *x, e=e: e, "epochs") for e in (10, 20))
    found = read(pd.concat([short, long]))
    assert budgets(found) == {("epochs", 10.0), ("epochs", 20.0)}
    assert all(len(rows) == len(GRID) for _, rows in found.groups())
    assert found.notes[0].endswith("by its epochs, epochs 10, epochs 20 was filled in.")


@pytest.mark.parametrize(
    ("length", "expected"),
    [
        (lambda B, eps, m, N: 1000 * B / N, ("steps", 1000.0)),
        (lambda B, eps, m, N: 1000 / (N // B), ("steps", 1000.0)),
        (lambda B, eps, m, N: int(np.ceil(5000 * B / N)), ("steps", 5000.0)),
        (lambda B, eps, m, N: round(300 / eps) * B / N, ("time_over_learning_rate", 300.0)),
        (lambda B, eps, m, N: 30 * (1 - m) / eps * B / N, ("time", 30.0)),
    ],
)
def test_epochs_that_follow_from_another_budget_give_that_one(read, length, expected):
    assert budgets(read(table(length, "epochs"))) == {expected}


def test_epochs_of_early_stopping_are_said_to_be_unclear(read):
    rng = np.random.default_rng(1)
    found = read(table(lambda *x: float(rng.uniform(5, 50)), "epochs"))
    assert {name for name, _ in budgets(found)} == {"not given"}
    assert "unclear: epochs are" in found.notes[0]


def test_a_budget_that_is_given_is_left_alone(read):
    frame = table(lambda *x: 500).assign(budget="mine", budget_value=3)
    found = read(frame)
    assert budgets(found) == {("mine", 3.0)}
    assert found.notes == ()


def test_a_named_budget_takes_its_value_from_the_column_of_that_name(read):
    frame = table(lambda *x: 500).assign(budget="steps")
    found = read(frame)
    assert budgets(found) == {("steps", 500.0)}
    assert found.notes == ("theirs.csv has no column budget_value: steps was taken for it.",)


def test_without_steps_and_epochs_nothing_is_said(read):
    found = read(table(lambda *x: 1).drop(columns="steps"))
    assert found.notes == ()
    assert {name for name, _ in budgets(found)} == {"not given"}


def test_order_of_rows_does_not_matter(read):
    frame = table(ours("time", 31.7))
    shuffled = frame.sample(frac=1.0, random_state=np.random.RandomState(3))
    assert budgets(read(frame)) == budgets(read(shuffled))
