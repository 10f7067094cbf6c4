"""The peaks figure: its rows, its answer and its table, against numbers worked out by hand."""

import math
from dataclasses import replace

import numpy as np
import pytest

from analysis import charts
from analysis.charts.peaks_sentences import peak_count, with_peak


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
