"""The report of one group: its keys, its text, its speed, and data that hold almost nothing."""

from __future__ import annotations

import json
import math
import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analysis.estimates import LANDMARKS, UNKNOWN, BatchSizeEstimate
from analysis.law.budgets import compare_budgets
from analysis.law.exponent import Exponent
from analysis.law.report import law_report, to_dict
from analysis.law.text import budgets_text, report_text

LAWS = {
    "edge": (10.0, 1.0, 0.15, 1.0),
    "near_optimal_low": (16.0, 1.0, 0.3, 1.0),
    "optimum": (25.0, 1.0, 0.37, 1.0),
    "near_optimal_high": (45.0, 1.0, 0.4, 1.0),
    "half_fall": (150.0, 0.9, 0.35, 1.0),
}


def strict(report) -> dict:
    return json.loads(json.dumps(to_dict(report), allow_nan=False))


def test_the_keys_that_others_rely_on(peaks_of, grids):
    values = strict(law_report(peaks_of(np.random.default_rng(1), grids["full"], LAWS)))
    for name in ("joint", "learning_rate", "train_size", "momentum"):
        assert 0.0 <= values["tests"][name]["p"] <= 1.0
    assert {"constant", "low", "high", "r2"} <= set(values["one_parameter_law"])
    assert values["rivals"][0]["name"] == "free"
    assert values["rivals_ranked_by"] == "leave_level_out"
    for axis in ("learning_rate", "train_size", "momentum"):
        exponent = values["edge"]["exponents"][axis]
        assert exponent["low"] < exponent["estimate"] < exponent["high"]
        assert exponent["identifiable"] is True
    assert list(values["landmarks"]) == list(LANDMARKS)
    assert values["censored"]["converged"]
    assert values["optimum_over_edge"]["follows_edge"] is False
    assert values["train_size_verdict"]["verdict"] == "not decidable here"
    assert len(values["collapse"]["variables"]) == 5


def test_the_text_has_a_table_of_each_and_the_sentences(peaks_of, grids):
    report = law_report(peaks_of(np.random.default_rng(2), grids["full"], LAWS))
    text = report_text(report)
    for part in (
        "edge of trainability",
        "optimum / edge",
        "c * eps^a * N^b / (1-m)^g",
        "eps*N/(B*(1-m))",
        "exponents of 1 are together rejected at the 5 % level",
        "not decidable here",
    ):
        assert part in text
    assert all(sentence in text for sentence in report.sentences)
    assert max(len(line) for line in text.split("\n\n")[0].splitlines()) < 120
    assert "nan" not in text


def test_censored_conditions_are_mentioned(peaks_of, grids):
    peaks = peaks_of(np.random.default_rng(3), grids["full"], LAWS)
    bound = replace(peaks[0].landmarks["optimum"], open_high=True)
    peaks[0] = replace(peaks[0], landmarks={**peaks[0].landmarks, "optimum": bound})
    report = law_report(peaks, n_resamples=40)
    assert any("With the 1 censored condition as an inequality" in s for s in report.sentences)


def test_80_conditions_take_less_than_two_seconds(peaks_of):
    grid = [
        (e, m, n)
        for e in (0.05, 0.1, 0.2, 0.4)
        for m in (0.0, 0.5, 0.9, 0.95)
        for n in (500, 1000, 2000, 4000, 8000)
    ]
    peaks = peaks_of(np.random.default_rng(4), grid, LAWS)
    start = time.process_time()
    law_report(peaks)
    assert time.process_time() - start < 2.0


@pytest.mark.parametrize("k", [0, 1, 2, 3])
def test_few_conditions_give_sentences_and_no_exception(k, peaks_of, grids):
    report = law_report(peaks_of(np.random.default_rng(5), grids["rates"][:k], LAWS))
    assert "nan" not in report_text(report)
    assert all(s.endswith(".") for s in report.sentences)
    strict(report)


def estimates():
    number = st.one_of(st.just(math.nan), st.floats(1e-3, 1e6))
    error = st.one_of(st.just(math.nan), st.just(math.inf), st.just(0.0), st.floats(1e-3, 3.0))
    known = st.builds(
        BatchSizeEstimate,
        number,
        st.just(math.nan),
        st.just(math.nan),
        error,
        st.booleans(),
        st.booleans(),
    )
    return st.one_of(st.just(UNKNOWN), known)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_whatever_the_peaks_hold_there_is_a_report(data, peaks_of):
    conditions = data.draw(
        st.lists(
            st.tuples(
                st.sampled_from([0.1, 0.2, 0.4]),
                st.sampled_from([0.0, 0.9]),
                st.sampled_from([4, 900]),
            ),
            max_size=8,
        )
    )
    peaks = []
    for peak in peaks_of(np.random.default_rng(6), conditions, LAWS):
        landmarks = {name: data.draw(estimates()) for name in LANDMARKS}
        height = data.draw(st.sampled_from([0.47, math.nan, 0.0]))
        keep = data.draw(st.integers(0, len(peak.cells)))
        changed = {"landmarks": landmarks, "accuracy_opt": height, "cells": peak.cells[:keep]}
        peaks.append(replace(peak, **changed))
    report = law_report(peaks, n_resamples=30)
    assert "nan" not in report_text(report)
    strict(report)


def exponents(a, half=0.1, n=None):
    known = {"learning_rate": a, "train_size": n, "momentum": None}
    return {
        axis: Exponent(axis, v, v - half, v + half, True)
        if v is not None
        else Exponent(axis, math.nan, math.nan, math.nan, False, "not varied")
        for axis, v in known.items()
    }


def test_budgets_are_compared_side_by_side():
    laws = [("time 300", exponents(1.0, n=0.4)), ("epochs 60", exponents(0.95, n=1.0))]
    found = compare_budgets(laws)
    (rate, size) = found.differences
    assert not rate.differs
    assert size.differs
    assert (size.low, size.high) == pytest.approx((-0.6 - 0.1 * 2**0.5, -0.6 + 0.1 * 2**0.5))
    assert (
        "the exponent of N under time 300 is lower than under epochs 60 by 0.60 [0.46, 0.74]"
        in (found.sentence)
    )
    text = budgets_text(found)
    assert "time 300" in text
    assert "not identifiable" in text
    assert "No exponent differs" in compare_budgets([laws[0], laws[0]]).sentence
    assert "cannot be compared" in compare_budgets(laws[:1]).sentence


def test_differences_between_budgets_are_covered(draw, grids, binomial_band):
    from analysis.law.free_law import free_law

    rng, n, hits = np.random.default_rng(7), 200, 0
    for _ in range(n):
        laws = [
            (label, free_law(draw(rng, grids["rates"], (a, 1, 1))).exponents)
            for label, a in (("steps", 1.0), ("epochs", 0.6))
        ]
        (d,) = compare_budgets(laws).differences
        hits += d.low <= 0.4 <= d.high
    assert hits / n >= binomial_band(0.95, n)[0]
