"""One landscape measured: finite numbers, held against the same analysis done by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from analysis.estimates import LANDMARKS
from analysis.law.condition import AXES
from analysis.planted import FAMILIES, plant
from analysis.scaling import fit_scaling
from calibration.correlations import correlation_rows, null_grid
from calibration.families import BASE, families, true_exponents
from calibration.measure import measure
from calibration.noise import measure_noise, recorded


@pytest.fixture(scope="module")
def law(small):
    return small(families(5)["one law"])


def test_all_numbers_are_finite_and_those_of_the_command(law):
    found = measure(law, 7)
    (fit,) = fit_scaling(plant(law, 7).landscape).laws
    assert found.n_conditions == len(fit.peaks) == 12
    for axis in AXES:
        e = fit.exponents[axis]
        assert found.exponents["optimum"][axis] == (e.estimate, e.low, e.high)
        assert found.tests[axis] == fit.law.tests.by_axis[axis].p
        assert found.over_edge[axis] == fit.law.optimum_over_edge.tests.by_axis[axis].p
    assert found.tests["joint"] == fit.law.tests.joint.p
    assert list(found.peak_p) == [p.peak_p for p in fit.peaks]
    assert found.bimodal == fit.found.bimodality.found
    assert found.seconds > 0.0
    assert set(found.exponents) == set(found.landmarks) == set(LANDMARKS)
    numbers = [v for e in found.exponents.values() for ends in e.values() for v in ends]
    numbers += [*found.tests.values(), *found.over_edge.values(), *found.peak_p]
    assert np.isfinite(numbers).all()


def test_errors_are_of_each_conditions_own_landmark(law):
    found = measure(law, 8)
    planted = plant(law, 8)
    truth = {(c.learning_rate, c.momentum, c.train_size): c.landmarks for c in planted.conditions}
    (fit,) = fit_scaling(planted.landscape).laws
    for name in LANDMARKS:
        expected = []
        for p in fit.peaks:
            b = p.landmarks[name]
            if not (b.open_low or b.open_high) and b.log_standard_error > 0.0:
                true = truth[p.learning_rate, p.momentum, p.train_size][name]
                error = math.log2(b.estimate) - math.log2(true)
                z = (math.log(b.estimate) - math.log(true)) / b.log_standard_error
                expected.append((error, b.low <= true <= b.high, math.log2(b.high / b.low), z))
        assert len(expected) + found.n_open[name] == 12
        errors = found.landmarks[name]
        assert len(errors) == len(expected)
        for e, (error, covered, width, z) in zip(errors, expected, strict=True):
            assert (e.error, e.width, e.z) == pytest.approx((error, width, z))
            assert e.covered == covered
            assert e.width > 0.0


def test_a_small_law_is_covered_as_often_as_promised(law, small):
    """95 % intervals on few conditions, over several draws."""
    truth, n = true_exponents(law), 12
    hits, landmarks = [], []
    for seed in range(n):
        found = measure(law, 900 + seed)
        for name in ("optimum", "edge"):
            for axis in AXES:
                _, low, high = found.exponents[name][axis]
                hits.append(low <= truth[name][axis] <= high)
        landmarks += [e.covered for e in found.landmarks["optimum"]]
    assert np.mean(hits) >= stats.binom.ppf(0.0005, len(hits), 0.95) / len(hits)
    assert np.mean(landmarks) >= 0.8
    wrong = measure(replace(law, learning_rate=0.5), 900).exponents["optimum"]["learning_rate"]
    assert wrong[2] < 1.0


def test_axes_and_landmarks_that_are_not_there_are_nan_or_open(small):
    found = measure(small(families(5)["one axis"]), 3)
    assert math.isnan(found.tests["train_size"])
    assert math.isnan(found.exponents["optimum"]["momentum"][0])
    assert math.isfinite(found.exponents["optimum"]["learning_rate"][0])
    rising = measure(replace(BASE, shape=FAMILIES["rising"], learning_rates=(0.1, 0.2),
                             momenta=(0.9,), train_sizes=(4000,), n_seeds=3), 3)  # fmt: skip
    assert rising.n_open["optimum"] == rising.n_conditions == 2
    assert rising.landmarks["optimum"] == ()


def test_noise_is_measured_as_planted():
    """Pooled standard deviations of trials, on the trained side and in the middle of the cliff."""
    law = replace(BASE, n_seeds=40, missing=0.0, diverge_below=None, per_octave=6,
                  learning_rates=(0.1, 0.2), momenta=(0.9,), train_sizes=(4000,))  # fmt: skip
    trained, cliff = measure_noise(plant(law, 1).landscape)
    error = 4.0 / math.sqrt(2 * trained.degrees_of_freedom)
    assert trained.deviation == pytest.approx(law.noise, rel=error + 0.03)
    # 1 + 4 * cliff_noise * s * (1 - s) times that, for shares s of 0.25 to 0.75: 2.5 to 3.
    assert 2.4 * law.noise < cliff.deviation < 3.2 * law.noise
    assert trained.degrees_of_freedom == 39 * trained.n_cells
    for row in recorded():
        assert row.degrees_of_freedom >= row.n_cells > 0
        assert 0.0 < row.deviation < 0.2


def test_a_null_grid_depends_on_nothing_and_its_p_values_are_uniform():
    trials = null_grid(np.random.default_rng(1)).trials
    assert len(trials) == 400
    slopes = stats.linregress(trials["batch_size"], trials["test_accuracy"])
    assert slopes.pvalue > 0.001
    rows = correlation_rows(6, permutations=2000)
    assert {(r.p_value, r.kind) for r in rows} == {
        (p, kind)
        for p in ("t approximation", "permutation")
        for kind in ("batch_size", "learning_rate", "ratio")
    }
    for row in rows:
        groups = {"batch_size": 20, "learning_rate": 20, "ratio": 1}[row.kind] * 6
        assert row.n == (400 if row.kind == "ratio" else 20)
        assert row.at_5.n == row.at_half.n == groups
        assert row.at_half.share <= row.at_5.share <= stats.binom.ppf(0.9995, groups, 0.05) / groups
        assert row.ks > 0.0005
