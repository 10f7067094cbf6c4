"""What is recommended, with its range and its table, and what to run next."""

import math
from dataclasses import replace

import pytest

from analysis.estimates import BatchSizeEstimate
from analysis.landscape import Landscape
from analysis.law.condition import points_of
from analysis.law.suggest import NEEDED, suggest
from analysis.report.recommendation import batch_size_to_use, recommend


class TestRecommendation:
    def test_the_best_condition_with_its_range(self, summary, demo):
        best = max(demo.scaling.laws[0].peaks, key=lambda p: p.accuracy_opt)
        (text,) = (t.replace("\u00a0", " ") for t in summary.recommendation)
        assert text.startswith(f"Use batch size {batch_size_to_use(best)} at learning rate ")
        low, high = best.landmark("near_optimal_low"), best.landmark("near_optimal_high")
        assert f"from {best.near_optimal_low:.3g} [{low.low:.3g}, {low.high:.3g}]" in text
        assert f"to {best.near_optimal_high:.3g} [{high.low:.3g}, {high.high:.3g}]" in text

    def test_an_open_end_of_the_range_is_a_bound(self, demo):
        law = demo.scaling.laws[0]
        first, last = law.peaks[0].cells[0].batch_size, law.peaks[0].cells[-1].batch_size
        landmarks = {
            **law.peaks[0].landmarks,
            "near_optimal_low": BatchSizeEstimate(first, first, 9.0, 0.1, open_low=True),
            "near_optimal_high": BatchSizeEstimate(last, 90.0, last, 0.1, open_high=True),
        }
        peak = replace(
            law.peaks[0],
            landmarks=landmarks,
            near_optimal_low=float(first),
            near_optimal_high=float(last),
            flags=("no_cliff",),
        )
        scaling = replace(demo.scaling, laws=(replace(law, peaks=(peak,)),))
        advice = recommend(demo.landscape, scaling)
        assert (
            f"from at most {first} (the smallest sampled) to at least {last} (the largest sampled)"
        ) in advice.sentences[0]
        asked = [line for line in advice.next_runs if "near-optimal range may reach" in line]
        assert [line.split(": ")[1] for line in asked] == [
            f"sample up to {min(4 * last, 1000)} there to find its end.",
            f"sample down to {max(first // 4, 1)} there to find its end.",
        ]

    @pytest.mark.parametrize(
        ("changes", "caveat"),
        [
            ({"peak_p": 0.3}, "does not clearly fall on both sides (p = 0.3)"),
            (
                {"peak_p": math.nan, "n_seeds": 1.0},
                "Whether accuracy falls on both sides was not tested (single seeds).",
            ),
            ({"flags": ("noise_assumed",)}, "The noise is assumed, not measured"),
            ({"flags": ("rough",)}, "The curve is rough"),
        ],
    )
    def test_what_to_beware_of_is_said(self, demo, changes, caveat):
        law = demo.scaling.laws[0]
        assert caveat not in recommend(demo.landscape, demo.scaling).sentences[0]
        peaks = tuple(replace(p, **changes) for p in law.peaks)
        scaling = replace(demo.scaling, laws=(replace(law, peaks=peaks),))
        assert caveat in recommend(demo.landscape, scaling).sentences[0]

    @pytest.mark.parametrize(
        ("optimum", "low", "high", "expected"),
        [
            (23, 17.3, 34.3, 32),
            (58, 37, 111, 64),
            (5.1, 3.9, 7.0, 4),
            (24, 19, 30, 24),
            (2000, 1500, 3000, 1000),
        ],
    )
    def test_a_power_of_two_inside_the_range(self, make_peak, optimum, low, high, expected):
        peak = make_peak(0.1, optimum, near_optimal_low=low, near_optimal_high=high)
        assert batch_size_to_use(peak) == expected  # never above N = 1000

    def test_the_table_is_what_was_measured_or_else_what_the_law_suggests(self, summary, demo):
        law = demo.scaling.laws[0]
        table = summary.suggestions.table
        points = {name: points_of(law.peaks, name) for name in NEEDED}
        best = max(law.peaks, key=lambda p: p.accuracy_opt)
        expected = [
            (best.learning_rate / 2, 1000),
            (best.learning_rate * 2, 1000),
            (best.learning_rate, 2000),
        ]
        assert [(row[0], row[2]) for row in table.rows] == expected
        measured = {p.learning_rate: p for p in law.peaks}
        for row in table.rows:
            peak = measured.get(row[0]) if row[2] == 1000 else None
            if peak is not None:
                near = (peak.near_optimal_low, peak.near_optimal_high)
                assert row[3:] == (batch_size_to_use(peak), *near, peak.low, peak.high, "measured")
                continue
            found = suggest(points, row[0], row[2], 0.9)
            assert row[3:8] == (
                found.batch_size,
                found.near_optimal_low.estimate,
                found.near_optimal_high.estimate,
                found.batch_size_opt.low,
                found.batch_size_opt.high,
            )
            if row[2] == 1000:
                assert row[-1] == "extrapolated in learning rate"
        assert {row[-1] for row in table.rows} >= {"measured"}
        assert table.rows[-1][-1] == "effect of N unknown, not moved"

    def test_varied_momentum_and_size_are_asked_for(self, grid):
        rows = recommend(grid.landscape, grid.scaling).table.table.rows
        best = max(
            (p for p in grid.scaling.laws[0].peaks if p.usable), key=lambda p: p.accuracy_opt
        )
        momenta = {row[1] for row in rows}
        assert momenta == {0.0, 0.9, 0.95}
        assert {row[2] for row in rows} == {best.train_size * k for k in (1, 2, 4)}
        assert len(rows) == 6

    def test_a_peak_on_the_edge_is_not_recommended_as_the_optimum(self, demo):
        law = demo.scaling.laws[0]
        edge = tuple(replace(p, censored=True, censored_side="high") for p in law.peaks)
        scaling = replace(demo.scaling, laws=(replace(law, peaks=edge, n_conditions=0),))
        advice = recommend(demo.landscape, scaling)
        assert "the best batch size may lie beyond the largest sampled one" in advice.sentences[0]
        assert advice.table.table.rows == ()


class TestNextRuns:
    def test_a_censored_side_says_how_far_to_extend(self, demo):
        law = demo.scaling.laws[0]
        first = replace(law.peaks[0], censored=True, censored_side="high")
        scaling = replace(demo.scaling, laws=(replace(law, peaks=(first, *law.peaks[1:])),))
        largest = first.cells[-1].batch_size
        assert recommend(demo.landscape, scaling).next_runs[0] == (
            "In 1 of 7 conditions the peak may lie beyond the largest sampled batch size "
            f"({largest}): sample up to {min(4 * largest, 1000)} there."
        )

    def test_nothing_lies_beyond_a_full_batch_or_a_single_sample(self, demo):
        law = demo.scaling.laws[0]
        cells = law.peaks[0].cells
        ends = (replace(cells[0], batch_size=1), replace(cells[-1], batch_size=1000))
        peak = replace(law.peaks[0], censored=True, censored_side=None, cells=ends)
        scaling = replace(demo.scaling, laws=(replace(law, peaks=(peak,)),))
        lines = recommend(demo.landscape, scaling).next_runs
        assert not any("may lie beyond" in line for line in lines)

    def test_few_seeds(self, demo):
        law = demo.scaling.laws[0]
        for n, words in ((1.0, "have one seed a cell"), (2.0, "have fewer than 3 seeds a cell")):
            peaks = tuple(replace(p, n_seeds=n) for p in law.peaks)
            scaling = replace(demo.scaling, laws=(replace(law, peaks=peaks),))
            lines = recommend(demo.landscape, scaling).next_runs
            assert sum(words in line for line in lines) == 1

    def test_axes_that_were_not_varied(self, summary):
        assert [line.split(":")[0] for line in summary.next_runs] == [
            "N was 1000 throughout",
            "Momentum was 0.9 throughout",
        ]

    def test_failed_trials_are_to_be_run_again(self, demo):
        trials = demo.landscape.trials.copy()
        trials.loc[:2, "status"] = "failed"
        landscape = Landscape.from_frame(trials, "here")
        lines = recommend(landscape, demo.scaling).next_runs
        assert lines[0].startswith("3 trials failed: `explorer show` tells why")

    def test_advice_for_some_groups_names_them(self, six_groups):
        landscape, scaling = six_groups
        first = scaling.laws[0]
        peaks = tuple(replace(p, n_seeds=1.0) for p in first.peaks)
        mixed = replace(scaling, laws=(replace(first, peaks=peaks), *scaling.laws[1:]))
        lines = recommend(landscape, mixed).next_runs
        assert any(line.startswith("net-0: 7 of 7 conditions have one seed") for line in lines)
        assert any(line.startswith("N was 1000 throughout") for line in lines)

    def test_advice_that_counts_conditions_is_of_each_group(self, six_groups):
        landscape, scaling = six_groups
        alone = tuple(
            replace(law, peaks=(replace(law.peaks[0], n_seeds=2.0),)) for law in scaling.laws
        )
        lines = recommend(landscape, replace(scaling, laws=alone)).next_runs
        assert lines[0].startswith(
            "In each of the 6 groups: The only condition has fewer than 3 seeds a cell"
        )
