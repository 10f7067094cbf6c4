"""Cell means against plain arithmetic, and how diverged, failed and unknown trials count."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.cells import group_cells
from analysis.planted import PlantedLaw, plant
from explorer.errors import InputError


def test_means_and_variances_agree_with_plain_loops():
    trials = plant(PlantedLaw(n_seeds=5, missing=0.2), seed=3).landscape.trials
    found = group_cells(trials, "test_accuracy")
    n = 0
    for condition in found.conditions:
        for cell in condition.cells:
            values = [
                row.test_accuracy
                for row in trials.itertuples()
                if row.learning_rate == condition.learning_rate
                and row.batch_size == cell.batch_size
            ]
            assert cell.n == len(values)
            assert cell.mean == pytest.approx(np.mean(values), rel=1e-12)
            if cell.n > 1:
                assert cell.variance == pytest.approx(np.var(values, ddof=1), rel=1e-9)
            assert (cell.lowest, cell.highest) == (min(values), max(values))
            n += cell.n
    assert n == len(trials)
    assert found.chance == pytest.approx(0.1)
    assert found.chance_known


@pytest.mark.parametrize("bimodal", [True, False])
def test_trained_seeds_and_survivors_agree_with_plain_loops(bimodal):
    # Without two heaps, with much noise, seeds lie on both sides of the half height, and close.
    noise = 0.011 if bimodal else 0.04
    law = PlantedLaw(n_seeds=6, bimodal=bimodal, noise=noise, diverge_below=0.3, missing=0.1)
    trials = plant(law, seed=4).landscape.trials
    split = both = 0
    conditions = group_cells(trials, "test_accuracy").conditions
    assert len(conditions) == 7
    for condition in conditions:
        values = {
            cell.batch_size: [
                (0.1 if r.status == "diverged" else r.test_accuracy, r.status != "diverged")
                for r in trials.itertuples()
                if (r.learning_rate, r.batch_size) == (condition.learning_rate, cell.batch_size)
            ]
            for cell in condition.cells
        }
        best = max(np.mean([v for v, _ in found]) for found in values.values())
        half = 0.5 * (0.1 + best)
        for cell in condition.cells:
            trained = [v for v, _ in values[cell.batch_size] if v >= half]
            survivors = [v for v, ok in values[cell.batch_size] if ok]
            assert cell.n_trained == len(trained)
            for mine, theirs in (
                (cell.trained_mean, np.mean(trained) if trained else np.nan),
                (cell.trained_variance, np.var(trained, ddof=1) if len(trained) > 1 else np.nan),
                (cell.survivors_mean, np.mean(survivors) if survivors else np.nan),
            ):
                assert mine == pytest.approx(theirs, rel=1e-9, nan_ok=True)
            split += 0 < cell.n_trained < cell.n
            both += bool(survivors) and cell.n_diverged > 0
    assert split >= 5
    assert both == 0  # planted divergence takes whole cells


def test_survivors_stand_beside_the_mean(rows):
    trials = rows({16: 0.5, 32: 0.4}, n_seeds=4, sd=0.0)
    trials.loc[0, "status"] = "diverged"
    trials.loc[trials["batch_size"] == 32, "status"] = "diverged"
    first, second = group_cells(trials, "test_accuracy").conditions[0].cells
    assert first.mean == pytest.approx(0.4)
    assert first.survivors_mean == pytest.approx(0.5)
    assert second.mean == pytest.approx(0.1)
    assert np.isnan(second.survivors_mean)
    assert second.n_trained == 0
    assert np.isnan(second.trained_mean)
    assert np.isnan(second.trained_variance)


@settings(max_examples=20)
@given(order=st.permutations(range(24)))
def test_the_order_of_rows_changes_no_bit(order, rows):
    trials = rows({4: 0.2, 8: 0.4, 16: 0.45}, n_seeds=8, sd=0.1 / 3)
    one, two = (group_cells(t, "test_accuracy") for t in (trials, trials.iloc[list(order)]))
    for a, b in itertools.zip_longest(one.conditions[0].cells, two.conditions[0].cells):
        assert repr(a) == repr(b)  # NaN is equal to NaN here


def test_a_diverged_trial_counts_at_chance_whatever_it_recorded(rows):
    trials = rows({16: 0.5}, n_seeds=4, sd=0.0)
    trials.loc[0, "status"] = "diverged"
    trials.loc[1, ["status", "test_accuracy"]] = ["diverged", np.nan]
    cell = group_cells(trials, "test_accuracy").conditions[0].cells[0]
    assert cell.mean == pytest.approx((0.1 + 0.1 + 0.5 + 0.5) / 4)
    assert (cell.n, cell.n_diverged) == (4, 2)


def test_failed_and_metricless_trials_are_left_out_and_said(rows):
    trials = rows({16: 0.5}, n_seeds=4, sd=0.0)
    trials.loc[0, ["status", "test_accuracy"]] = ["failed", 0.0]
    trials.loc[1, "test_accuracy"] = np.nan
    found = group_cells(trials, "test_accuracy")
    assert found.conditions[0].cells[0].n == 2
    assert found.conditions[0].cells[0].mean == pytest.approx(0.5)
    assert (found.n_failed, found.n_without_metric, found.n_diverged) == (1, 1, 0)
    text = " ".join(found.sentences)
    assert "1 trial failed" in text
    assert "1 trial without a test_accuracy" in text


def test_unknown_number_of_classes_is_said(rows):
    trials = rows({4: 0.2, 16: 0.9}, sd=0.0, n_classes=np.nan)
    trials.loc[0, "status"] = "diverged"
    found = group_cells(trials, "test_accuracy")
    assert not found.chance_known
    assert found.chance == pytest.approx(0.2)
    assert "guess" in " ".join(found.sentences)


def test_high_lowest_value_is_no_evidence_of_chance(rows):
    found = group_cells(rows({4: 0.8, 16: 0.9}, sd=0.0, n_classes=np.nan), "test_accuracy")
    assert found.chance == 0.0


def test_unknown_metric_is_refused_by_name(rows):
    with pytest.raises(InputError, match="'test_loss'"):
        group_cells(rows({4: 0.2}), "test_loss")
