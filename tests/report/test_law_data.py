"""The figure of the law: its points, its lines and its answer, against the fitted exponents."""

import math
from dataclasses import replace

import numpy as np
import pytest

from analysis import charts
from analysis.scaling import AXES


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
