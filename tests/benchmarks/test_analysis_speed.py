"""The landscapes whose analysis is timed are those that the benchmark names, and are analysed."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.correlation import correlations
from analysis.landscape import Landscape
from analysis.scaling import fit_scaling


@pytest.fixture
def speed(monkeypatch):
    """The benchmark's module, which sets the number of threads where it is imported."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.setenv(name, "1")
    from benchmarks import analysis_speed

    return analysis_speed


def test_the_law_landscape_has_more_than_10000_trials_with_a_law(speed):
    landscape = speed.law_landscape()
    trials = landscape.trials
    assert len(trials) >= 10_000
    conditions = trials.groupby(["learning_rate", "momentum", "train_size"])
    assert len(conditions) == 180
    assert 8 <= conditions["batch_size"].nunique().median() <= 13
    assert trials["seed"].nunique() == 5
    # A part of it, for time: the exponents that were planted are found.
    part = trials[trials["learning_rate"].isin(sorted(trials["learning_rate"].unique())[::3])]
    part = part[part["momentum"] != 0.8].reset_index(drop=True)
    (law,) = fit_scaling(Landscape.from_frame(part, "part")).laws
    for axis, planted in (("learning_rate", 1.0), ("train_size", 0.5), ("momentum", 1.0)):
        assert law.exponents[axis].estimate == pytest.approx(planted, abs=0.1)


def test_the_correlation_landscape_is_he_et_als_grid(speed):
    trials = speed.correlation_landscape().trials
    assert len(trials) == 1600
    assert not trials.duplicated(["dataset", "model", "batch_size", "learning_rate"]).any()
    assert sorted(trials["batch_size"].unique()) == list(range(16, 321, 16))
    assert np.allclose(sorted(trials["learning_rate"].unique()), np.arange(1, 21) / 100)
    table = correlations(speed.correlation_landscape(), permutations=1000)
    assert len(table.groups) == 164
    assert all(g.as_claimed for g in table.groups)


def test_landscapes_are_the_same_each_time(speed):
    for make in (speed.law_landscape, speed.correlation_landscape):
        assert make().trials.equals(make().trials)


def test_the_median_of_three_timings_is_printed_with_all(speed, monkeypatch, capsys):
    clock = iter([0.0, 4.0, 10.0, 11.0, 20.0, 22.5])
    monkeypatch.setattr(speed.time, "process_time", lambda: next(clock))
    done = []
    speed._time("a thing", lambda: done.append(1))
    assert len(done) == 3
    assert capsys.readouterr().out == "a thing: 2.50 s of one core (of 4.00, 1.00, 2.50)\n"
