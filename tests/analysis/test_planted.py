"""The truth of planted landscapes, against scipy's optimizer and plain regression."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize

from analysis.planted import FAMILIES, PlantedLaw, Shape, plant


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_the_peak_of_a_shape_is_its_maximum(name):
    shape = FAMILIES[name]
    found = optimize.minimize_scalar(
        lambda x: -float(shape(np.array([x]))[0]), bounds=(-2.0, 3.0), method="bounded"
    )
    assert shape.peak() == pytest.approx(found.x, abs=0.005)


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
