"""What is true of each family, and which landscapes are planned."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from analysis.estimates import LANDMARKS
from analysis.law.condition import AXES
from analysis.planted import plant
from calibration.families import BASE, DESCRIPTIONS, SEEDS, families, true_exponents
from calibration.study import PEAK_SHAPES, POWER, peak_law, tasks

NAMES = list(DESCRIPTIONS)


def test_every_family_is_described_and_only_those():
    for n_seeds in SEEDS:
        found = families(n_seeds)
        assert list(found) == NAMES
        assert {law.n_seeds for law in found.values()} == {n_seeds}


@pytest.mark.parametrize("name", NAMES)
def test_the_true_exponents_of_the_peak_and_the_edge_are_those_planted(name):
    law = families(5)[name]
    found = true_exponents(law)
    varied = AXES if name != "one axis" else ("learning_rate",)
    planted = dict(zip(AXES, (law.learning_rate, law.train_size, law.momentum), strict=True))
    cliff = dict(zip(AXES, law.cliff_exponents or planted.values(), strict=True))
    assert set(found) == set(LANDMARKS)
    assert all(tuple(exponents) == varied for exponents in found.values())
    for axis in varied:
        # To 0.0025 octave of the landmarks; where the cliff moves by itself it pushes the peak.
        close = 0.03 if law.cliff_exponents else 0.003
        assert found["optimum"][axis] == pytest.approx(planted[axis], abs=close)
        assert found["edge"][axis] == pytest.approx(cliff[axis], abs=0.003)


@pytest.mark.parametrize(("axis", "exponent"), [("learning_rate", 0.5), ("train_size", 0.8)])
def test_a_planted_exponent_other_than_one_is_found(axis, exponent):
    found = true_exponents(replace(BASE, **{axis: exponent}))["optimum"]
    assert found[axis] == pytest.approx(exponent, abs=0.003)
    assert [v for a, v in found.items() if a != axis] == pytest.approx([1.0, 1.0], abs=0.003)


def test_true_exponents_are_slopes_of_single_steps():
    """Against plain differences between neighbours along one axis, without any regression."""
    law = replace(families(5)["two laws"], scatter=0.0, missing=0.0, n_seeds=1)
    truth = {
        (c.learning_rate, c.train_size, c.momentum): c.landmarks for c in plant(law, 9).conditions
    }
    found = true_exponents(law)
    for landmark in ("edge", "optimum"):
        slopes = [
            math.log2(truth[0.4, n, m][landmark] / truth[0.05, n, m][landmark]) / 3.0
            for n in law.train_sizes
            for m in law.momenta
        ]
        assert found[landmark]["learning_rate"] == pytest.approx(np.mean(slopes), abs=1e-6)


def test_landscapes_have_what_the_document_says_of_them():
    planted = plant(families(5)["one law"], 1)
    trials = planted.landscape.trials
    assert len(planted.conditions) == 48
    counts = trials.groupby(["learning_rate", "momentum", "train_size", "batch_size"]).size()
    assert len(trials) / (5 * len(counts)) == pytest.approx(0.95, abs=0.02)
    assert counts.max() == 5
    assert (trials["status"] == "diverged").any()
    assert (trials["batch_size"] <= trials["train_size"]).all()
    assert len(plant(families(5)["one axis"], 1).conditions) == 7
    shifts = [
        math.log(c.batch_size_opt)
        - math.log(BASE.constant * c.learning_rate * c.train_size)
        + math.log1p(-c.momentum)
        for seed in range(10)
        for c in plant(families(3)["half-octave scatter"], seed).conditions
    ]
    assert np.std(shifts) == pytest.approx(0.35, rel=0.1)


def test_tasks_are_all_planned_and_interleaved():
    todo = tasks(6)
    per = Counter((t.family, t.n_seeds) for t in todo)
    for name in NAMES:
        for n_seeds in SEEDS:
            few = name in ("half-octave scatter", "one axis") and n_seeds != 5
            assert per[name, n_seeds] == (0 if few else 6)
    for exponent in POWER:
        for symbol, axis in (("N", "train_size"), ("eps", "learning_rate")):
            assert per[f"power {symbol} {exponent:g}", 5] == 3
            law = next(t.law for t in todo if t.family == f"power {symbol} {exponent:g}")
            assert getattr(law, axis) == exponent
    for shape in PEAK_SHAPES:
        assert [per[f"peak {shape}", n] for n in SEEDS] == [3, 3, 3]
        assert len(plant(peak_law(shape, 3), 0).conditions) == 7
    # A stop at any point leaves families that are measured alike differing by one landscape.
    for stop in range(1, len(todo)):
        done = Counter((t.family, t.n_seeds) for t in todo[:stop])
        counts = [done[key] for key in per if not key[0].startswith(("peak", "power"))]
        assert max(counts) - min(counts) <= 1
    for key in per:
        assert [t.index for t in todo if (t.family, t.n_seeds) == key] == list(range(per[key]))
