"""The law: planted exponents are covered, what cannot be known is said to be unknown."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from analysis.landscape import Landscape
from analysis.peaks import find_peaks
from analysis.planted import FAMILIES, PlantedLaw, plant
from analysis.scaling import AXES, Exponent, fit_scaling
from analysis.tables import to_dict, to_json, to_text
from explorer.errors import InputError

THREE_AXES = PlantedLaw(
    learning_rates=(0.05, 0.1, 0.2, 0.4),
    momenta=(0.5, 0.9),
    train_sizes=(500, 2000),
    learning_rate=0.9,
    train_size=0.5,
    momentum=1.2,
    random_phase=True,
    n_seeds=5,
    peak_at_reference=60.0,
)


@pytest.fixture(scope="module")
def demo():
    planted = plant(PlantedLaw(diverge_below=0.3), 1)
    table = find_peaks(planted.landscape)
    return planted, table, fit_scaling(table)


#: Planted laws and the coverage that their fits must keep.
LAWS = {
    "demo": (PlantedLaw(), 0.90),
    "wide": (PlantedLaw(shape=FAMILIES["wide"]), 0.90),
    "much scatter": (PlantedLaw(scatter=0.2), 0.86),
    "half": (PlantedLaw(learning_rate=0.5), 0.90),
}


def test_intervals_cover_the_planted_exponent(binomial_band):
    n = 14
    hits = []
    for name, (law, least) in LAWS.items():
        fits = [fit_scaling(plant(law, 500 + seed).landscape).laws[0] for seed in range(n)]
        slopes = [fit.exponents["learning_rate"] for fit in fits]
        covered = [s.low <= law.learning_rate <= s.high for s in slopes]
        assert np.mean(covered) >= binomial_band(least, n)[0], name
        estimates = np.array([s.estimate for s in slopes])
        error = estimates.std(ddof=1) / math.sqrt(n)
        assert abs(estimates.mean() - law.learning_rate) < 4 * error + 0.01, name
        assert all(fit.converged for fit in fits), name
        hits += covered
    assert np.mean(hits) >= binomial_band(0.92, len(hits))[0]


def test_three_exponents_are_told_apart():
    fits = [fit_scaling(plant(THREE_AXES, seed).landscape).laws[0] for seed in range(6)]
    hits = [
        fit.exponents[axis].low <= getattr(THREE_AXES, axis) <= fit.exponents[axis].high
        for fit in fits
        for axis in AXES
    ]
    assert sum(hits) >= 15  # of 18; 14 or fewer has probability 0.002 at 95 %
    for fit in fits:
        for axis in AXES:
            assert fit.exponents[axis].estimate == pytest.approx(getattr(THREE_AXES, axis), abs=0.2)


def test_regression_agrees_with_statsmodels(demo):
    _, table, report = demo
    law = report.laws[0]
    used = [p for p in table.peaks if p.usable]
    X = sm.add_constant(np.log([p.learning_rate for p in used]))
    y = np.log([p.batch_size_opt for p in used])
    variance = np.array([p.log_standard_error for p in used]) ** 2
    weights = 1.0 / (np.maximum(variance, np.sort(variance)[(len(variance) - 1) // 2]) + law.tau2)
    oracle = sm.WLS(y, X, weights=weights).fit()
    slope = law.exponents["learning_rate"]
    assert slope.estimate == pytest.approx(oracle.params[1], rel=1e-9)
    assert (slope.low, slope.high) == pytest.approx(tuple(oracle.conf_int()[1]), rel=1e-8)
    assert law.constant.estimate == pytest.approx(math.exp(oracle.params[0]), rel=1e-9)
    expected = np.exp(oracle.conf_int()[0])
    assert (law.constant.low, law.constant.high) == pytest.approx(tuple(expected), rel=1e-8)
    assert law.residuals == pytest.approx(oracle.resid, abs=1e-10)
    middle = law.predict(law.center["learning_rate"], 0.9, 1000)
    assert middle == pytest.approx(law.at_center.estimate)
    assert law.degrees_of_freedom == len(used) - 2


def test_unvaried_axes_are_not_identifiable(demo):
    law = demo[2].laws[0]
    for axis in ("train_size", "momentum"):
        exponent = law.exponents[axis]
        assert not exponent.identifiable
        assert math.isnan(exponent.estimate)
        assert f"{axis} was not varied" in exponent.sentence
    assert "learning-rate exponent is" in law.exponents["learning_rate"].sentence


def test_axes_in_step_are_not_identifiable_and_a_third_still_is():
    parts = []
    for eps, n in ((0.05, 500), (0.1, 1000), (0.2, 2000)):
        law = replace(THREE_AXES, learning_rates=(eps,), train_sizes=(n,))
        parts.append(plant(law, n).landscape.trials)
    law = fit_scaling(Landscape.from_frame(pd.concat(parts, ignore_index=True), "t")).laws[0]
    assert not law.exponents["learning_rate"].identifiable
    assert "in step" in law.exponents["train_size"].reason
    assert law.exponents["momentum"].identifiable
    assert law.exponents["momentum"].low < 1.2 < law.exponents["momentum"].high


def test_censored_conditions_are_dropped_and_that_is_said():
    law = PlantedLaw()
    trials = plant(law, 3).landscape.trials
    first = trials["learning_rate"] == trials["learning_rate"].min()
    cut = trials[~(first & (trials["batch_size"] > 9))].reset_index(drop=True)
    (fit,) = fit_scaling(Landscape.from_frame(cut, "t")).laws
    assert (fit.n_dropped, fit.n_conditions) == (1, 6)
    assert any("may bias the slopes" in s for s in fit.sentences)
    assert len(fit.peaks) == 7


def test_learning_rates_in_other_units_change_the_constant_alone(demo):
    planted, _, report = demo
    trials = planted.landscape.trials.assign(learning_rate=lambda t: t["learning_rate"] * 4)
    law, other = report.laws[0], fit_scaling(Landscape.from_frame(trials, "t")).laws[0]
    a, b = law.exponents["learning_rate"], other.exponents["learning_rate"]
    # Draws are keyed by the condition, so they differ within Monte-Carlo error.
    assert b.estimate == pytest.approx(a.estimate, abs=0.02)
    assert other.constant.estimate * 4**b.estimate == pytest.approx(law.constant.estimate, rel=0.05)


def test_copied_rows_of_a_file_change_nothing(tmp_path):
    planted = plant(PlantedLaw(n_seeds=3), 5)
    planted.to_csv(tmp_path / "once.csv")
    text = (tmp_path / "once.csv").read_text()
    (tmp_path / "twice.csv").write_text(text + text.split("\n", 1)[1])
    once, twice = (
        fit_scaling(Landscape.from_file(tmp_path / name)).laws[0]
        for name in ("once.csv", "twice.csv")
    )
    assert once.exponents == twice.exponents
    assert once.constant == twice.constant


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (0.80, 0.998, "0.900 [0.800, 0.998]: differs from 1"),
        (0.80, 0.9996, "0.9000 [0.8000, 0.9996]: differs from 1"),
        (1.004, 1.3, "0.900 [1.004, 1.300]: differs from 1"),
        (0.80, 0.95, "0.90 [0.80, 0.95]: differs from 1"),
        (0.80, 1.0, "0.90 [0.80, 1.00]: consistent with 1"),
        (-0.1, 1.2, "0.90 [-0.10, 1.20]: consistent with 1, but also with 0"),
        (0.5, 2.2, "0.90 [0.50, 2.20]: consistent with 1, but also with 2"),
        (-0.5, 2.4, "0.90 [-0.50, 2.40]: too wide to tell 1 from 0 or 2"),
    ],
)
def test_a_sentence_does_not_contradict_its_interval(low, high, words):
    exponent = Exponent("learning_rate", 0.9, low, high, True)
    assert exponent.sentence == f"the learning-rate exponent is {words}"
    assert exponent.too_wide is (low == -0.5)


def test_the_closest_interval_is_still_told_from_1():
    for end in (math.nextafter(1.0, 0.0), math.nextafter(1.0, 2.0)):
        exponent = Exponent("momentum", end, end, end, True)
        low = exponent.interval.strip("[]").split(", ")[0]
        assert float(low) != 1.0
        assert "differs from 1" in exponent.sentence


def test_the_table_of_exponents_does_not_contradict_its_sentence(demo):
    law = demo[2].laws[0]
    near = replace(law.exponents["learning_rate"], low=0.8, high=0.9998)
    changed = replace(law, exponents={**law.exponents, "learning_rate": near})
    assert "0.8000 - 0.9998" in to_text(replace(demo[2], laws=(changed,)))


def test_untrained_and_sparse_conditions_are_told_apart(rows, landscape_of):
    curve = {8: 0.3, 16: 0.42, 32: 0.45, 64: 0.44, 128: 0.40, 256: 0.3}
    trained = [rows(curve, learning_rate=eps) for eps in (0.1, 0.2, 0.4)]
    lost = [rows(dict.fromkeys(curve, 0.1), learning_rate=eps) for eps in (3.0, 4.0)]
    few = rows({16: 0.42, 32: 0.45, 64: 0.42}, learning_rate=0.05)
    (law,) = fit_scaling(landscape_of(*trained, *lost, few)).laws
    text = " ".join(law.sentences)
    assert (law.n_conditions, law.n_dropped, law.n_censored) == (3, 3, 0)
    assert "2 conditions were left out because nothing in them stands out from chance." in text
    assert "1 condition was left out for too few trained batch sizes to locate a peak." in text


def test_rough_peaks_are_part_of_the_law_and_that_is_said(demo):
    table = demo[1]
    (group,) = table.groups
    first, *others = group.peaks
    rough = replace(first, flags=(*first.flags, "rough"), converged=False)
    changed = replace(table, groups=(replace(group, peaks=(rough, *others)),))
    (law,) = fit_scaling(changed).laws
    assert law.n_conditions == 7
    assert law.exponents == demo[2].laws[0].exponents
    assert any(s.startswith("1 of the 7 fitted peaks") and "rough" in s for s in law.sentences)
    assert not any("rough" in s for s in demo[2].laws[0].sentences)


def test_each_group_has_its_own_law():
    slow, fast = (
        plant(PlantedLaw(learning_rate=a, n_seeds=4), 6).landscape.trials.assign(weight_decay=w)
        for a, w in ((1.0, 0.0), (0.3, 0.1))
    )
    report = fit_scaling(Landscape.from_frame(pd.concat([slow, fast], ignore_index=True), "t"))
    first, second = (law.exponents["learning_rate"] for law in report.laws)
    assert first.low < 1.0 < first.high
    assert second.low < 0.3 < second.high
    assert second.high < 1.0
    assert "differs from 1" in second.sentence
    values = to_dict(report)
    assert len(values["laws"]) == 2
    assert values["exponents"] == values["laws"][0]["exponents"]
    assert [law["settings"]["weight_decay"] for law in values["laws"]] == [0.0, 0.1]


def test_json_is_strict_unrounded_and_complete(demo):
    report = demo[2]
    values = json.loads(to_json(report), parse_constant=pytest.fail)
    law = report.laws[0]
    slope = values["exponents"]["learning_rate"]
    assert slope["estimate"] == law.exponents["learning_rate"].estimate  # every digit
    assert slope["identifiable"] is True
    assert values["exponents"]["momentum"] == {
        "estimate": None,
        "low": None,
        "high": None,
        "identifiable": False,
        "reason": "momentum was not varied",
    }
    assert values["constant"]["estimate"] == law.constant.estimate
    assert values["converged"] is True
    assert values["n_conditions"] == 7
    assert "laws" not in values
    needed = {"learning_rate", "momentum", "train_size", "batch_size_opt", "low", "high"}
    needed |= {"censored", "n_seeds", "cells", "flags"}
    needed |= {"near_optimal_low", "near_optimal_high", "batch_size_edge", "peak_p"}
    needed |= {"best_sampled_low", "best_sampled_high", "landmarks", "training"}
    assert all(needed <= set(peak) for peak in values["peaks"])
    assert len(values["peaks"]) == 7
    for peak, written in zip(law.peaks, values["peaks"], strict=True):
        for name in ("near_optimal_low", "near_optimal_high", "batch_size_edge", "peak_p"):
            assert written[name] == getattr(peak, name)
        for name, landmark in peak.landmarks.items():
            assert written["landmarks"][name]["estimate"] == landmark.estimate
    for axis in ("learning_rate", "train_size", "momentum"):
        assert "p" in values["tests"][axis]
    assert values["tests"]["joint"]["p"] == law.law.tests.joint.p
    assert values["edge_metric"] == "train_accuracy"
    assert values["edge_fit"]["n_conditions"] == law.found.edges.n_conditions
    assert values["seed_correlation"]["p"] == law.found.seeds.p


def test_text_names_exponents_metric_and_diverged_trials(demo):
    text = to_text(demo[2])
    assert "The learning-rate exponent is" in text
    assert "consistent with 1" in text
    assert "The metric is test_accuracy." in text
    assert "diverged: counted at chance accuracy, 0.1" in text
    assert text.count("0.9         1000") >= 7 or text.count("1000") >= 7


@pytest.mark.parametrize("n_conditions", [1, 2])
def test_too_few_conditions_give_a_result_without_an_interval(n_conditions):
    rates = (0.1, 0.2)[:n_conditions]
    report = fit_scaling(plant(PlantedLaw(learning_rates=rates), 7).landscape)
    law = report.laws[0]
    exponent = law.exponents["learning_rate"]
    assert math.isnan(exponent.low)
    assert not law.converged
    assert exponent.identifiable is (n_conditions == 2)
    assert "without an interval" in exponent.sentence or "not identifiable" in exponent.sentence
    json.loads(to_json(report), parse_constant=pytest.fail)
    assert to_text(report)


def test_no_peak_at_all_is_a_result(rows, landscape_of):
    frame = rows({8: 0.1, 16: 0.1}, status="diverged", test_accuracy=np.nan)
    report = fit_scaling(landscape_of(frame))
    assert report.laws[0].n_conditions == 0
    assert any("no law was fitted" in s for s in report.laws[0].sentences)
    json.loads(to_json(report), parse_constant=pytest.fail)
    assert to_text(report)


def test_a_level_outside_its_range_is_refused(demo):
    with pytest.raises(InputError, match="level"):
        fit_scaling(demo[1], level=1.5)
