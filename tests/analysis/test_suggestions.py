"""Suggested batch sizes from whole landscapes: one a group, held against the planted truth."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from analysis.landscape import Landscape
from analysis.peaks import find_peaks
from analysis.plain_values import plain
from analysis.planted import FAMILIES, PlantedLaw, plant
from analysis.suggestions import suggestions, suggestions_text
from explorer.errors import InputError

LAW = PlantedLaw(
    shape=FAMILIES["sharp"],
    learning_rates=(0.05, 0.1, 0.2),
    momenta=(0.5, 0.9),
    train_sizes=(1000, 4000),
    train_size=0.5,
    momentum=1.0,
    n_seeds=4,
    noise=0.006,
)
NEW = (0.15, 2000, 0.8)


@pytest.fixture(scope="module")
def table():
    """Two data sets: in the second every batch size is four times as large."""
    first = plant(LAW, 1).landscape.trials.assign(dataset="a")
    second = plant(replace(LAW, peak_at_reference=92.0), 2).landscape.trials.assign(dataset="b")
    trials = pd.concat([first, second], ignore_index=True)
    return find_peaks(Landscape.from_frame(trials, "planted"))


def test_one_suggestion_a_group_each_by_its_own_law(table):
    found = suggestions(table, *NEW)
    assert [g.dataset for g in found] == ["a", "b"]
    assert [g.label for g in found] == [g.group.label for g in table.groups]
    assert {(g.model, g.budget) for g in found} == {("planted", "time_over_learning_rate")}
    assert {(g.metric, g.near_optimal) for g in found} == {("test_accuracy", 0.005)}
    small, large = (g.suggestion for g in found)
    ratio = large.batch_size_opt.estimate / small.batch_size_opt.estimate
    assert ratio == pytest.approx(4.0, rel=0.15)
    for one in (small, large):
        assert one.batch_size == round(one.batch_size_opt.estimate), "a sharp peak: no power of 2"


def test_intervals_hold_the_planted_landmarks_of_a_condition_that_was_not_studied(binomial_band):
    """End to end: trials, peaks, laws, prediction; the new condition has its own shift."""
    rng, draws = np.random.default_rng(5), 10
    where = LAW.shape.landmarks(3.0)
    hits = []
    for seed in range(draws):
        ((found,),) = [suggestions(find_peaks(plant(LAW, 50 + seed).landscape), *NEW)]
        eps, n, m = NEW
        law_value = LAW.constant * eps**LAW.learning_rate * n**LAW.train_size / (1 - m)
        optimum = law_value * math.exp(LAW.scatter * rng.standard_normal())
        for name, predicted in (
            ("near_optimal_low", found.suggestion.near_optimal_low),
            ("optimum", found.suggestion.batch_size_opt),
            ("near_optimal_high", found.suggestion.near_optimal_high),
        ):
            true = optimum * 2.0 ** (where[name] - where["optimum"])
            hits.append(predicted.low <= true <= predicted.high)
            assert predicted.n_conditions == 12
    assert np.mean(hits) >= binomial_band(0.95, len(hits))[0]


def test_the_suggested_batch_size_is_near_optimal_in_truth():
    """The planted curve is within half a point of its best there, in every draw."""
    eps, n, m = NEW
    optimum = LAW.constant * eps**LAW.learning_rate * n**LAW.train_size / (1 - m)
    for seed in range(4):
        (found,) = suggestions(find_peaks(plant(LAW, 80 + seed).landscape), *NEW)
        x = math.log2(found.suggestion.batch_size / optimum) + LAW.shape.peak()
        best, here = LAW.shape(np.array([LAW.shape.peak(), x]))
        assert best - here < 0.005


def test_the_order_of_trials_changes_nothing(table):
    frame = plant(LAW, 1).landscape.trials
    shuffled = frame.sample(frac=1.0, random_state=np.random.default_rng(3)).reset_index(drop=True)
    one, other = (
        json.loads(json.dumps(plain(suggestions(find_peaks(Landscape.from_frame(f, "x")), *NEW))))
        for f in (frame, shuffled)
    )
    assert _numbers(one) == pytest.approx(_numbers(other))
    assert _texts(one) == _texts(other)


def _numbers(value) -> list[float]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [n for v in value for n in _numbers(v)]
    return [value] if isinstance(value, int | float) else []


def _texts(value) -> list[str]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [n for v in value for n in _texts(v)]
    return [value] if isinstance(value, str) else []


def test_the_text_names_each_group_and_every_sentence(table):
    found = suggestions(table, 0.8, 4000, 0.9)
    text = suggestions_text(found)
    for g in found:
        assert f"Batch size for {g.label} (within 0.5 points of the best test_accuracy)" in text
        assert all(sentence in text for sentence in g.suggestion.sentences)
        assert list(g.suggestion.extrapolated) == ["learning_rate"]
    assert text.count("eps 0.8 is above the largest eps studied (0.2) by a factor of 4") == 2
    assert not re.search(r"\bnan\b", text)
    assert suggestions_text(()) == ""


def test_a_wider_tolerance_widens_the_range():
    landscape = plant(LAW, 1).landscape
    narrow, wide = (
        suggestions(find_peaks(landscape, "test_accuracy", near), *NEW)[0] for near in (0.005, 0.02)
    )
    assert wide.near_optimal == 0.02
    assert "within 2 points" in suggestions_text((wide,))
    assert wide.suggestion.near_optimal_low.estimate < narrow.suggestion.near_optimal_low.estimate
    assert wide.suggestion.near_optimal_high.estimate > narrow.suggestion.near_optimal_high.estimate
    assert wide.suggestion.batch_size_opt.estimate == pytest.approx(
        narrow.suggestion.batch_size_opt.estimate
    )


def test_a_single_condition_and_one_without_a_peak_are_answered_in_words():
    for law in (
        replace(LAW, learning_rates=(0.1,), momenta=(0.9,), train_sizes=(1000,)),
        replace(LAW, shape=FAMILIES["rising"]),
    ):
        found = suggestions(find_peaks(plant(law, 1).landscape), *NEW)
        text = suggestions_text(found)
        assert not re.search(r"\bnan\b", text)
        assert any(words in text for words in ("unknown", "Too few", "is not known"))
        json.dumps(plain(found), allow_nan=False)


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ((0.0, 2000, 0.9), "learning_rate"),
        ((math.nan, 2000, 0.9), "learning_rate"),
        ((0.1, 0, 0.9), "train_size"),
        ((0.1, 2000, 1.0), "momentum"),
        ((0.1, 2000, -0.1), "momentum"),
    ],
)
def test_values_out_of_range_are_refused_by_name(values, name, table):
    with pytest.raises(InputError, match=f"^{name} must be") as refused:
        suggestions(table, *values)
    assert "\n" not in str(refused.value)
