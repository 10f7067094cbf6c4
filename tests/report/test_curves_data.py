"""Learning curves: means over seeds and what is left out, against numbers worked out by hand."""

import math
from itertools import pairwise

import pandas as pd
import pyarrow as pa
import pytest

from analysis import charts
from explorer.trial import Configuration


class TestLearningCurves:
    """One cell of three seeds, four evaluations of 25 steps; the numbers are worked out here."""

    @pytest.fixture
    def configurations(self):
        return [
            Configuration(
                train_size=100,
                batch_size=10,
                learning_rate=0.1,
                momentum=0.9,
                budget_value=100,
                evaluations=4,
                seed=seed,
            )
            for seed in range(3)
        ]

    @pytest.fixture
    def trials(self, configurations):
        rows = [
            {
                **c.as_dict(),
                "trial_id": c.trial_id,
                "status": "completed",
                "n_classes": 5,
                "steps": c.steps,
            }
            for c in configurations
        ]
        return pd.DataFrame(rows)

    @staticmethod
    def evaluations(configuration, accuracies):
        return [
            {
                "trial_id": configuration.trial_id,
                "attempt": "a",
                "step": 25 * (i + 1),
                "epoch": 2.5 * (i + 1),
                "train_loss": 1.0,
                "train_accuracy": accuracy + 0.1,
                "test_loss": 2.0,
                "test_accuracy": accuracy,
            }
            for i, accuracy in enumerate(accuracies)
        ]

    def table(self, configurations, *accuracies):
        rows = [
            row
            for c, values in zip(configurations, accuracies, strict=True)
            for row in self.evaluations(c, values)
        ]
        return pa.Table.from_pylist(rows)

    def test_means_over_seeds(self, configurations, trials):
        curves = self.table(
            configurations, (0.2, 0.3, 0.4, 0.5), (0.2, 0.4, 0.5, 0.5), (0.2, 0.2, 0.3, 0.5)
        )
        info = charts.learning_curves_info(trials, curves)
        assert [r.step for r in info.rows] == [25, 50, 75, 100]
        assert [r.test_accuracy for r in info.rows] == pytest.approx([0.2, 0.3, 0.4, 0.5])
        assert [r.train_accuracy for r in info.rows] == pytest.approx([0.3, 0.4, 0.5, 0.6])
        assert [(r.n, r.n_diverged, r.test_loss) for r in info.rows] == [(3, 0, 2.0)] * 4
        assert info.notes == ()
        assert info.first_shown == (0.1, 0.9, 100)
        assert info.answer.replace("\u00a0", " ") == (
            "1 of 1 cell still gained more than 0.5 points of test accuracy between their last "
            "two evaluations; training accuracy at the end is 60.0 % to 60.0 % (median 60.0 %)."
        )

    def test_a_diverged_trial_counts_at_chance_afterwards(self, configurations, trials):
        trials.loc[2, "status"] = "diverged"
        curves = self.table(configurations, (0.4,) * 4, (0.4,) * 4, (0.7,))
        info = charts.learning_curves_info(trials, curves)
        expected = [(0.4 + 0.4 + 0.7) / 3, *[(0.4 + 0.4 + 0.2) / 3] * 3]  # chance is 1/5
        assert [r.test_accuracy for r in info.rows] == pytest.approx(expected)
        assert [r.n_diverged for r in info.rows] == [0, 1, 1, 1]
        assert [r.n for r in info.rows] == [3, 3, 3, 3]
        assert info.notes == ("1 diverged trial: counted at chance after the last evaluation.",)

    def test_without_chance_a_diverged_trial_leaves_the_mean(self, configurations, trials):
        trials["status"] = ["completed", "completed", "diverged"]
        trials["n_classes"] = None
        curves = self.table(configurations, (0.4,) * 4, (0.6,) * 4, (0.8,))
        info = charts.learning_curves_info(trials, curves)
        assert [r.test_accuracy for r in info.rows] == pytest.approx([0.6, 0.5, 0.5, 0.5])
        assert [r.n for r in info.rows] == [3, 2, 2, 2]
        assert info.notes == ("1 diverged trial: left out of the means after the last evaluation.",)

    def test_the_order_of_rows_and_repeats_do_not_matter(self, configurations, trials, rng):
        curves = self.table(
            configurations, (0.2, 0.3, 0.4, 0.5), (0.2, 0.4, 0.5, 0.5), (0.2, 0.2, 0.3, 0.5)
        )
        shuffled = curves.take(rng.permutation(curves.num_rows))
        twice = pa.concat_tables([shuffled, curves])
        expected = charts.learning_curves_info(trials, curves)
        backwards = trials.iloc[::-1].reset_index(drop=True)
        found = charts.learning_curves_info(backwards, twice)
        for mine, theirs in zip(found.rows, expected.rows, strict=True):
            assert mine.test_accuracy == pytest.approx(theirs.test_accuracy, rel=1e-14)
            assert (mine.step, mine.n) == (theirs.step, theirs.n)

    def test_failed_trials_are_left_out_and_missing_curves_are_said(self, configurations, trials):
        trials.loc[0, "status"] = "failed"
        curves = self.table(configurations[1:], (0.4,) * 4, (0.6, 0.6))
        info = charts.learning_curves_info(trials, curves)
        assert [r.n for r in info.rows] == [2, 2, 1, 1]
        assert info.notes == ("1 finished trial without all evaluations: left out there.",)

    @pytest.mark.parametrize("status", ["completed", "failed"])
    def test_nothing_recorded_is_said(self, configurations, trials, status):
        trials["status"] = status
        curves = self.table(configurations, (), (), ()) if status == "failed" else None
        if curves is not None:
            curves = self.table(configurations, (0.1,), (), ()).slice(0, 0)
        info = charts.learning_curves_info(trials, curves)
        assert info.rows == ()
        assert len(info.notes) == 1

    def test_diverged_losses_that_are_not_finite_do_not_spread(self, configurations, trials):
        rows = self.evaluations(configurations[0], (0.4,) * 4)
        rows += self.evaluations(configurations[1], (0.4,) * 4)
        rows[-1]["test_loss"] = math.inf
        info = charts.learning_curves_info(trials.iloc[:2], pa.Table.from_pylist(rows))
        assert info.rows[-1].test_loss == 2.0

    def test_a_large_study_is_thinned_and_its_table_shortened(self, grid, monkeypatch):
        monkeypatch.setattr("analysis.charts.curves_data.MAX_ROWS", 500)
        monkeypatch.setattr("analysis.charts.curves_data.MAX_TABLE_ROWS", 100)
        trials = grid.landscape.trials
        info = charts.learning_curves_info(trials, grid.curves)
        n_cells = len(trials.groupby(["learning_rate", "momentum", "train_size", "batch_size"]))
        assert len(info.rows) <= 500
        assert len(info.table().rows) == n_cells
        assert "export curves" in info.table().note
        assert any("are drawn" in note for note in info.notes)
        steps = [r.step for r in info.rows if r.batch_size == info.rows[0].batch_size][:3]
        assert all(a < b for a, b in pairwise(steps))
