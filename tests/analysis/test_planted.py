"""The truth of planted landscapes, against scipy's optimizer and plain regression."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize

from analysis.estimates import LANDMARKS
from analysis.planted import FAMILIES, PlantedLaw, Shape, plant

#: Families that have no peak: monotone on what a landscape samples, from 2 octaves below the
#: anchor to 3 above.
PEAKLESS = ("flat", "rising", "falling", "cliff_then_flat")
PEAKED = sorted(set(FAMILIES) - set(PEAKLESS))


@pytest.mark.parametrize("name", PEAKED)
def test_the_peak_of_a_shape_is_its_maximum(name):
    shape = FAMILIES[name]
    found = optimize.minimize_scalar(
        lambda x: -float(shape(np.array([x]))[0]), bounds=(-2.0, 3.0), method="bounded"
    )
    assert shape.peak() == pytest.approx(found.x, abs=0.005)


@pytest.mark.parametrize(
    ("name", "signs"),
    [("flat", {0}), ("rising", {1}), ("falling", {-1}), ("cliff_then_flat", {0, 1})],
)
def test_shapes_without_a_peak_are_monotone(name, signs):
    steps = np.diff(FAMILIES[name](np.linspace(-2.0, 3.0, 101)))
    assert set(np.sign(np.where(np.abs(steps) < 1e-7, 0.0, steps))) == signs


@pytest.mark.parametrize("near_optimal", [0.005, 0.02])
@pytest.mark.parametrize("name", PEAKED)
def test_landmarks_of_a_shape_solve_their_equations(name, near_optimal):
    shape, last = FAMILIES[name], 3.5
    found = shape.landmarks(last, near_optimal)
    assert tuple(found) == LANDMARKS

    def value(x: float) -> float:
        return float(shape(np.array([x]))[0])

    top = optimize.minimize_scalar(lambda x: -value(x), bounds=(-2.0, 3.0), method="bounded").x
    height = value(top)
    assert found["optimum"] == pytest.approx(top, abs=0.005)
    fallen, half = height - near_optimal, 0.5 * (height + value(last))
    low = optimize.brentq(lambda x: value(x) - fallen, -8.0, top)
    high = optimize.brentq(lambda x: value(x) - fallen, top, 12.0)
    assert found["near_optimal_low"] == pytest.approx(low, abs=0.005)
    assert found["near_optimal_high"] == pytest.approx(high, abs=0.005)
    assert found["half_fall"] == pytest.approx(
        optimize.brentq(lambda x: value(x) - half, top, last), abs=0.005
    )
    if shape.cliff < -8.0:  # below everything that is looked at
        assert np.isnan(found["edge"])
    else:
        assert found["edge"] == pytest.approx(shape.cliff, abs=0.005)


def test_what_a_shape_lacks_is_not_a_number():
    flat, rising, falling = (FAMILIES[n].landmarks(3.5) for n in ("flat", "rising", "falling"))
    for found in (flat, rising):
        assert np.isnan(found["half_fall"])
        assert np.isnan(found["near_optimal_high"])
    for found in (flat, falling):
        assert np.isnan(found["near_optimal_low"])
        assert np.isnan(found["edge"])


def test_true_peaks_follow_the_law_exactly_without_scatter():
    law = PlantedLaw(
        learning_rate=0.8, train_size=0.4, momentum=1.2, scatter=0.0, momenta=(0.0, 0.9),
        train_sizes=(500, 2000), learning_rates=(0.1, 0.2, 0.4),
    )  # fmt: skip
    conditions = plant(law, 1).conditions
    X = [
        [1.0, np.log(c.learning_rate), np.log(c.train_size), -np.log(1 - c.momentum)]
        for c in conditions
    ]
    beta = np.linalg.lstsq(np.array(X), np.log([c.batch_size_opt for c in conditions]), rcond=None)
    assert beta[0] == pytest.approx([np.log(law.constant), 0.8, 0.4, 1.2], abs=0.004)
    at_reference = law.constant * 0.1**0.8 * 1000**0.4 * 10**1.2
    assert at_reference == pytest.approx(law.peak_at_reference)


def test_cell_means_approach_the_shape():
    law = PlantedLaw(learning_rates=(0.1,), n_seeds=4000, scatter=0.0)
    planted = plant(law, 2)
    means = planted.landscape.trials.groupby("batch_size")["test_accuracy"].mean()
    x = np.log2(means.index.to_numpy() / planted.conditions[0].batch_size_opt) + law.shape.peak()
    assert means.to_numpy() == pytest.approx(law.shape(x), abs=0.002)


def test_training_accuracy_is_the_cliff_alone():
    law = PlantedLaw(learning_rates=(0.1,), n_seeds=4000, scatter=0.0)
    planted = plant(law, 2)
    means = planted.landscape.trials.groupby("batch_size")["train_accuracy"].mean()
    depth = np.log2(means.index.to_numpy() / planted.conditions[0].landmarks["edge"])
    expected = 0.1 + 0.9 / (1.0 + np.exp(-depth / law.shape.width))
    assert means.to_numpy() == pytest.approx(expected, abs=0.003)


def test_true_landmarks_lie_where_the_mean_curve_says():
    law = PlantedLaw(learning_rates=(0.1, 0.3), scatter=0.3)
    for seed in range(5):
        for condition in plant(law, seed).conditions:
            x = {n: np.log2(v) for n, v in condition.landmarks.items()}
            anchor = x["optimum"] - law.shape.peak()
            height = {n: float(law.shape(np.array([v - anchor]))[0]) for n, v in x.items()}
            assert condition.batch_size_opt == condition.landmarks["optimum"]
            assert height["near_optimal_low"] == pytest.approx(height["optimum"] - 0.005, abs=2e-4)
            assert height["near_optimal_high"] == pytest.approx(height["optimum"] - 0.005, abs=2e-4)
            assert x["edge"] < x["near_optimal_low"] < x["near_optimal_high"] < x["half_fall"]


def test_bimodal_seeds_keep_the_mean_and_split_on_the_cliff():
    law = PlantedLaw(learning_rates=(0.1,), n_seeds=4000, scatter=0.0, bimodal=True)
    planted = plant(law, 3)
    trials = planted.landscape.trials
    means = trials.groupby("batch_size")["test_accuracy"].mean()
    x = np.log2(means.index.to_numpy() / planted.conditions[0].batch_size_opt) + law.shape.peak()
    assert means.to_numpy() == pytest.approx(law.shape(x), abs=0.02)
    between = trials["test_accuracy"].between(0.2, 0.35)
    assert between.mean() < 0.01


def test_one_seed_draws_one_landscape():
    law = PlantedLaw(missing=0.1, diverge_below=0.2, random_phase=True)
    first, second, other = plant(law, 4), plant(law, 4), plant(law, 5)
    assert first.landscape.trials.equals(second.landscape.trials)
    assert not first.landscape.trials.equals(other.landscape.trials)
    assert (first.landscape.trials["status"] == "diverged").any()


def test_a_cliff_of_its_own_moves_by_its_own_law():
    shape = Shape(cliff=-5.0, shoulder=0.0, softness=0.3, rise=0.02, slope=0.02)
    law = PlantedLaw(
        shape=shape, scatter=0.0, train_size=1.0, cliff_exponents=(1.0, 0.0, 0.0),
        train_sizes=(500, 4000), learning_rates=(0.1,), n_seeds=2, below=256.0,
        peak_at_reference=200.0,
    )  # fmt: skip
    planted = plant(law, 6)
    means = planted.landscape.trials.groupby(["train_size", "batch_size"])["test_accuracy"].mean()
    peaks = [c.batch_size_opt for c in planted.conditions]
    assert peaks[1] / peaks[0] == pytest.approx(8.0, rel=0.1)
    edges = [min(b for b, v in means[n].items() if v > 0.28) for n in (500, 4000)]
    assert edges[1] / edges[0] == pytest.approx(1.0, rel=0.5)
