"""What the charts show, against numbers worked out by hand."""

import doctest
import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from analysis import charts
from analysis.charts import common
from analysis.charts.common import (
    interval,
    labels,
    number,
    percent,
    powers_of_two,
    round_ticks,
    thinned,
    widened,
)
from analysis.charts.peaks_sentences import peak_count, with_peak
from analysis.scaling import AXES
from explorer.trial import Configuration


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0707107, "0.0707"), (8000.0, "8000"), (1e-7, "1.00e-07"), (0, "0"), (math.nan, "–")],
)
def test_number_has_three_significant_digits(value, text):
    assert number(value) == text


def test_percent_and_interval_do_not_break():
    assert percent(0.464) == "46.4\u00a0%"
    assert interval(6.0, 11.25) == "[6,\u00a011.2]"
    assert interval(None, math.nan) == ""
    assert interval(math.nan, 3.0) == "[–,\u00a03]"


def test_the_examples_in_the_docstrings_hold():
    found = doctest.testmod(common)
    assert found.attempted > 2
    assert found.failed == 0


def test_labels_stay_apart_and_ascend():
    close = [0.10001, 0.1, 0.2]
    assert list(labels(close)) == [0.1, 0.10001, 0.2]
    assert list(labels(close).values()) == ["0.1", "0.10001", "0.2"]


def test_a_momentum_below_one_is_not_called_one():
    assert list(labels([0.9, 0.9995]).values()) == ["0.9", "0.9995"]
    assert labels([0.9995]) == {0.9995: "0.9995"}
    assert labels([1.0, 0.5]) == {0.5: "0.5", 1.0: "1"}
    assert labels([0.7 + 0.2 + 0.1]) == {0.7 + 0.2 + 0.1: "1"}


def test_axes_are_varied_where_they_have_two_values(make_peak):
    one = make_peak(0.1, 8.0)
    assert common.varied_axes([one, one]) == []
    assert common.varied_axes([one, make_peak(0.2, 8.0, momentum=0.0)]) == [
        "learning_rate",
        "momentum",
    ]
    assert common.varied_axes([one, make_peak(0.1, 8.0, train_size=5)]) == ["train_size"]


def test_errors_are_measured_where_a_trained_cell_has_two_seeds(make_peak):
    low, *trained = make_peak(0.1, 8.0).cells
    single = [replace(c, n=1) for c in trained]
    assert common.has_measured_errors([make_peak(0.1, 8.0)])
    assert not common.has_measured_errors([make_peak(0.1, 8.0, cells=(low, *single))])
    assert not common.has_measured_errors([])


def test_the_range_near_the_best_begins_below_the_lowest_top():
    low, high = common.near_best([(1, 0.1), (1, 0.4), (2, 0.3), (2, 0.5)])
    assert (low, high) == (pytest.approx(0.4 - 0.15 * 0.3), 0.5)
    assert common.with_margin(0.2, 0.6) == pytest.approx((0.18, 0.62))
    assert common.with_margin(0.5, 0.5) == pytest.approx((0.49, 0.51))


def test_thinned_keeps_both_ends():
    assert thinned(range(100), 4) == [0, 33, 66, 99]
    assert thinned(range(3), 4) == [0, 1, 2]


def test_ticks_lie_inside_their_axis():
    assert powers_of_two(5, 70) == [8, 16, 32, 64]
    assert powers_of_two(0.2, 1) == [0.25, 0.5, 1]
    assert widened([23.0]) == [11.5, 46.0]
    assert round_ticks(0.1, 0.5) == [0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5]
    for low, high in [(0.0, 1.0), (0.431, 0.4629), (0.1, 0.100001)]:
        ticks = round_ticks(low, high)
        assert low <= ticks[0] <= ticks[-1] <= high
        assert 3 <= len(ticks) <= 11
        steps = np.diff(ticks)
        assert np.allclose(steps, steps[0], rtol=1e-4)


class TestPeaks:
    def test_rows_hold_means_with_one_standard_error(self, make_peak):
        info = charts.peaks_info([make_peak(0.1, 23.0)])
        rows = [(c.batch_size, c.mean, c.low, c.high, c.n_diverged, c.fitted) for c in info.cells]
        assert rows == [
            (4, 0.2, pytest.approx(0.18), pytest.approx(0.22), 3, False),
            (8, 0.44, 0.43, 0.45, 0, True),
            (16, 0.46, None, None, 0, True),
        ]
        assert [(p.batch_size, p.low) for p in info.curves] == [(8.0, 0.42), (16.0, 0.44)]
        assert info.first_shown == {"train_size": 1000, "momentum": 0.9}

    def test_answer_names_the_ends_of_the_learning_rates(self, make_peak):
        info = charts.peaks_info(
            [
                make_peak(0.4, 64.0, peak_p=0.001),
                make_peak(0.05, 8.0, peak_p=0.2),
                make_peak(0.1, 16.0),
            ]
        )
        assert info.answer.replace("\u00a0", " ") == (
            "As the learning rate grows from 0.05 to 0.4 (1000 training samples, momentum 0.9), "
            "the best batch size goes from 8 [4, 16] to 64 [32, 128]; in 1 of 2 tested conditions "
            "test accuracy rises and then falls (p < 0.05 each)."
        )
        assert info.notes == (
            "3 of 9 cells have no error bar.",
            "9 diverged trials count at chance.",
        )

    def test_intervals_that_overlap_are_said_and_an_untested_peak_too(self, make_peak):
        answer = charts.peaks_info([make_peak(0.1, 16.0), make_peak(0.2, 24.0)]).answer
        assert "to 24 [12,\u00a048], intervals that overlap;" in answer
        assert answer.endswith("whether test accuracy falls again cannot be tested here.")

    @pytest.mark.parametrize(
        ("axis", "first", "second"),
        [
            ("train_size", {"train_size": 500}, {"train_size": 2000}),
            ("momentum", {"momentum": 0.0}, {"momentum": 0.5}),
        ],
    )
    def test_each_axis_can_be_the_curves(self, make_peak, axis, first, second):
        peaks = [make_peak(0.1, 32.0, **second), make_peak(0.1, 8.0, **first)]
        info = charts.peaks_info(peaks, axis=axis)
        assert axis.replace("_", " ")[:5] in info.question
        assert [o.batch_size_opt for o in info.optima] == [8.0, 32.0]
        low, high = first[axis], second[axis]
        assert f"grows from {low:g} to {high:g} (learning rate 0.1, " in info.answer
        assert info.levels[axis] == (low, high)
        assert set(info.first_shown) == {"learning_rate", "train_size", "momentum"} - {axis}

    def test_the_condition_with_most_peaks_is_shown_first(self, make_peak):
        few = [make_peak(0.1, 8.0, momentum=0.0), make_peak(0.2, 9.0, momentum=0.0, censored=True)]
        many = [make_peak(rate, 8.0, momentum=0.5) for rate in (0.1, 0.2)]
        assert charts.peaks_info([*few, *many]).first_shown["momentum"] == 0.5

    def test_a_censored_peak_is_a_bound(self, make_peak):
        edge = make_peak(0.1, 4.0, censored=True, censored_side="low", low=math.nan)
        info = charts.peaks_info([edge, make_peak(0.2, 16.0)])
        assert [(o.censored, o.censored_side, o.low, o.usable) for o in info.optima] == [
            (True, "low", None, False),
            (False, None, 8.0, True),
        ]
        assert "is 16 [8,\u00a032] at learning rate 0.2 (" in info.answer
        assert "), not located at 0.1; 1 of 2 peaks can only be bounded" in info.answer
        assert any(note.startswith("1 peak lies on the edge") for note in info.notes)

    def test_without_a_position_a_condition_has_no_mark(self, make_peak):
        lost = make_peak(0.1, math.nan, curve=())
        info = charts.peaks_info([lost])
        assert (len(info.cells), info.optima, info.curves) == (3, (), ())
        assert "best cell is batch size 16 at learning rate 0.1" in info.answer
        assert "No condition has what a smooth curve needs: enough cells that train." in info.notes

    def test_close_conditions_are_told_apart(self, make_peak):
        lost = {"curve": (), "momentum": 0.9995}
        peaks = [make_peak(0.10001, math.nan, **lost), make_peak(0.10002, math.nan, **lost)]
        answer = charts.peaks_info(peaks).answer
        assert "at learning rate 0.10001, momentum 0.9995 and 1000 training samples" in answer

    def test_the_count_of_peaks_is_of_those_tested_and_inside(self, make_peak):
        peaks = [
            make_peak(0.1, 8.0, peak_p=0.01),
            make_peak(0.2, 8.0, peak_p=0.01, censored=True),
            make_peak(0.3, 8.0, peak_p=0.5),
            make_peak(0.4, 8.0),
        ]
        assert peak_count(peaks) == (1, 3)
        assert with_peak(peaks) == peaks[:1]

    def test_all_diverged_is_said(self, make_peak):
        cells = tuple(replace(c, n_diverged=c.n) for c in make_peak(0.1, 8.0).cells)
        info = charts.peaks_info([make_peak(0.1, math.nan, cells=cells, curve=())])
        assert info.answer == "Every trial diverged, so no batch size can be called best."

    def test_single_seeds_are_said(self, make_peak):
        cells = tuple(
            replace(c, n=1, n_diverged=0, standard_error=math.nan) for c in make_peak(0.1, 8).cells
        )
        info = charts.peaks_info([make_peak(0.1, 8.0, cells=cells)])
        assert info.notes == ("Every cell holds a single seed, so no cell has an error bar.",)

    def test_nothing_is_nothing(self):
        info = charts.peaks_info([])
        assert (info.cells, info.first_shown) == ((), None)
        assert info.table().rows == ()

    def test_the_table_shows_every_cell_unrounded(self, make_peak):
        table = charts.peaks_info([make_peak(0.1 / 3, 23.0)]).table()
        assert table.rows[0] == (0.1 / 3, 0.9, 1000, 4, 0.2, 0.02, None, 8, 3, False)
        assert table.rows[2][5] is None
        assert all(len(row) == len(table.columns) for row in table.rows)
        assert table.percent < set(table.columns)
        assert table.shown()[0][4:6] == ("20.00\u00a0%", "2.00\u00a0%")

    def test_many_conditions_curves_and_cells_are_thinned_and_said(self, grid, monkeypatch):
        first = grid.scaling.laws[0].peaks[0]
        rates = np.geomspace(0.01, 10.0, 60)
        sizes = range(1000, 1040)
        many = [replace(first, learning_rate=float(e), train_size=n) for e in rates for n in sizes]
        info = charts.peaks_info(many)
        assert len({c.learning_rate for c in info.cells}) == 12
        assert len({(c.learning_rate, c.train_size) for c in info.cells}) <= 312
        assert len(info.curves) <= 4_000
        assert len(info.cells) <= 4_000
        assert {p.batch_size for p in info.curves} >= {first.curve[-1].batch_size}
        assert "12 of 60 values of the learning rate are drawn, evenly chosen." in info.notes
        assert any("pairs of training-set size and momentum" in note for note in info.notes)
        assert info.first_shown["train_size"] in {c.train_size for c in info.cells}
        assert len(info.table().rows) == 1_500
        assert f"of {60 * 40 * len(first.cells):,} cells" in info.table().note


class TestLaw:
    def test_the_scale_is_learning_rate_times_n_over_one_minus_m(self, grid):
        info = charts.law_info(grid.scaling.laws[0])
        for p in info.points:
            assert p.scale == pytest.approx(p.learning_rate * p.train_size / (1 - p.momentum))
        scales = [p.scale for p in info.points if p.landmark == "optimum"]
        assert scales == sorted(scales)
        assert len(scales) == 12

    def test_the_edge_of_each_condition_is_there_with_its_interval(self, grid):
        peaks = grid.scaling.laws[0].peaks
        edges = {
            (p.learning_rate, p.momentum, p.train_size): p
            for p in charts.law_info(grid.scaling.laws[0]).points
            if p.landmark == "edge"
        }
        known = [p for p in peaks if math.isfinite(p.batch_size_edge)]
        assert len(edges) == len(known) > 5
        for peak in known:
            row = edges[peak.learning_rate, peak.momentum, peak.train_size]
            assert row.batch_size == peak.batch_size_edge
            assert (row.low, row.high) == (peak.landmark("edge").low, peak.landmark("edge").high)

    def test_only_usable_peaks_count_as_used(self, demo):
        law = demo.scaling.laws[0]
        edge = replace(law.peaks[0], censored=True, censored_side="low")
        info = charts.law_info(replace(law, peaks=(edge, *law.peaks[1:])))
        assert sum(not p.used for p in info.points) == 1
        assert any("1 bounded peak" in note for note in info.notes)

    def test_slope_one_goes_through_the_geometric_mean(self, demo):
        info = charts.law_info(demo.scaling.laws[0])
        first, last = info.proportional
        rise = math.log(last.batch_size / first.batch_size)
        assert rise / math.log(last.x / first.x) == pytest.approx(1.0)
        optima = [p for p in info.points if p.landmark == "optimum"]
        x = np.log([p.scale for p in optima]).mean()
        y = np.log([p.batch_size for p in optima]).mean()
        assert math.log(first.batch_size / first.x) == pytest.approx(y - x)

    def test_fitted_lines_follow_the_exponents_and_the_constant(self, grid):
        law = grid.scaling.laws[0]
        a, b, g = (law.exponents[n].estimate for n in ("learning_rate", "train_size", "momentum"))
        info = charts.law_info(law)
        lines = [r for r in info.fit if r.landmark == "optimum"]
        assert len({r.line for r in lines}) == 4  # two momenta times two training-set sizes
        for r in lines:
            point = next(p for p in info.points if p.scale == r.x and p.used and _on(r, p))
            expected = law.constant.estimate * point.learning_rate**a * point.train_size**b
            expected /= (1 - point.momentum) ** g
            assert r.batch_size == pytest.approx(expected, rel=1e-9)

    def test_lines_of_close_momenta_stay_apart(self, grid):
        law = grid.scaling.laws[0]
        close = {0.0: 0.9995, 0.9: 0.9996}
        peaks = tuple(replace(p, momentum=close[p.momentum]) for p in law.peaks)
        lines = charts.law_info(replace(law, peaks=peaks)).fit
        assert len({r.line for r in lines if r.landmark == "optimum"}) == 4
        panel = charts.axis_law_info(replace(law, peaks=peaks)).panels[0]
        assert panel.axis == "learning_rate"
        assert len({r.line for r in panel.fit if r.landmark == "optimum"}) == 4

    def test_the_edges_lines_have_the_edges_own_slope(self, grid):
        law = grid.scaling.laws[0]
        slope = law.law.landmarks["edge"].exponents["learning_rate"].estimate
        edges = [r for r in charts.law_info(law).fit if r.landmark == "edge"]
        assert edges
        for first, last in zip(edges[::2], edges[1::2], strict=True):
            assert first.line == last.line
            rise = math.log(last.batch_size / first.batch_size) / math.log(last.x / first.x)
            assert rise == pytest.approx(slope, rel=1e-9)

    def test_answer_says_what_was_tested(self, demo, grid):
        assert "but training-set size and momentum could not be tested" in _answer(demo)
        law = grid.scaling.laws[0]
        off = replace(law.exponents["train_size"], estimate=0.4, low=0.3, high=0.5)
        refuted = replace(law, exponents={**law.exponents, "train_size": off})
        answer = charts.law_info(refuted).answer
        assert answer.startswith("No: ")
        assert "the training-set-size exponent is 0.40 [0.30, 0.50]: differs from 1" in answer

    def test_a_law_of_few_of_its_conditions_supports_nothing(self, demo):
        law = replace(demo.scaling.laws[0], n_censored=4, n_conditions=3)
        answer = charts.law_info(law).answer
        assert answer.startswith("Undecided, for 4 of 7 conditions are bounded and only 3 fitted: ")

    def test_an_interval_that_holds_everything_speaks_for_nothing(self, grid):
        law = grid.scaling.laws[0]
        wide = {a: replace(law.exponents[a], estimate=0.9, low=-0.5, high=2.4) for a in AXES}
        answer = charts.law_info(replace(law, exponents=wide)).answer
        assert answer.startswith("Undecided, for the intervals of learning rate and training-set ")
        assert "speaks against" not in answer
        narrow = {a: replace(e, estimate=1.0, low=0.9, high=1.1) for a, e in wide.items()}
        one = {**narrow, "momentum": wide["momentum"]}
        answer = charts.law_info(replace(law, exponents=one)).answer
        assert answer.startswith("Undecided, for the interval of momentum can tell nothing: ")
        answer = charts.law_info(replace(law, exponents=narrow)).answer
        assert answer.startswith("Nothing here speaks against it: ")

    def test_peaks_without_a_standard_error_are_not_called_bounded(self, demo):
        law = demo.scaling.laws[0]
        few = replace(law.peaks[0], log_standard_error=math.nan)
        info = charts.law_info(replace(law, peaks=(few, *law.peaks[1:])))
        assert info.notes == ("1 peak of too few trained batch sizes left out of the fit.",)
        (note,) = charts.law_info(replace(law, peaks=(few,))).notes
        assert "edge" not in note

    def test_no_peak_no_law(self, demo):
        law = replace(demo.scaling.laws[0], peaks=())
        info = charts.law_info(law)
        assert (info.points, info.fit, info.proportional) == ((), (), ())
        assert info.notes == ("No condition has a best batch size, so there is no law to draw.",)

    def test_the_table_is_unrounded(self, demo):
        law = demo.scaling.laws[0]
        table = charts.law_info(law).table()
        peak = law.peaks[0]
        row = dict(zip(table.columns, table.rows[0], strict=True))
        assert row["landmark"] == "best batch size"
        assert (row["batch size"], row["low"], row["high"]) == (
            peak.batch_size_opt,
            peak.low,
            peak.high,
        )
        assert (row["may lie beyond"], row["in the fit"]) == ("", True)


def _on(row, point) -> bool:
    return f"train_size {point.train_size}," in row.line and (
        f"momentum {point.momentum!r}" in row.line
    )


def _answer(study) -> str:
    return charts.law_info(study.scaling.laws[0]).answer


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
