"""The first part of the page: its sentences and numbers, against the laws they speak of."""

import math
from dataclasses import replace

import pandas as pd
import pytest

from analysis.correlation import correlations
from analysis.landscape import CONFIGURATION_COLUMNS, Landscape
from analysis.law.condition import points_of
from analysis.law.suggest import NEEDED, suggest
from analysis.report.definitions import DEFINITIONS
from analysis.report.findings import MAX_FINDINGS
from analysis.report.groups import short_labels
from analysis.report.recommendation import batch_size_to_use, recommend
from analysis.report.summary import summarize
from analysis.scaling import ScalingReport, fit_scaling


def _texts(summary) -> list[str]:
    return [text.replace("\u00a0", " ") for text, _ in summary.findings]


def _anchors(summary) -> list[str]:
    return [anchor for _, anchor in summary.findings]


@pytest.fixture(scope="module")
def table(demo):
    return correlations(demo.landscape, permutations=1_000)


@pytest.fixture(scope="module")
def summary(demo, table):
    return summarize(demo.landscape, demo.scaling, table)


@pytest.fixture(scope="module")
def six_groups(demo):
    """The demo's law in six groups that differ in their model; each is a little worse."""
    law, trials = demo.scaling.laws[0], demo.landscape.trials
    laws, parts = [], []
    for i in range(6):
        peaks = tuple(replace(p, accuracy_opt=p.accuracy_opt - 0.01 * i) for p in law.peaks)
        slope = law.exponents["learning_rate"]
        slope = replace(slope, estimate=slope.estimate - 0.01 * i)
        exponents = {**law.exponents, "learning_rate": slope}
        group = replace(law.group, model=f"net-{i}")
        laws.append(replace(law, group=group, peaks=peaks, exponents=exponents))
        parts.append(trials.assign(model=f"net-{i}"))
    landscape = Landscape.from_frame(pd.concat(parts, ignore_index=True), "here")
    return landscape, replace(demo.scaling, laws=tuple(laws))


class TestStudy:
    def test_it_says_what_was_trained(self, summary):
        what, complete = summary.study
        assert what == (
            "planted was trained on planted with 30 batch sizes from 4 to 724, 7 learning rates "
            "from 0.05 to 0.4, momentum 0.9, training-set size 1000, 8 seeds a cell, for 300/ε SGD "
            "steps."
        )
        assert complete == (
            "Of 560 trials found, 560 completed and none failed; what was planned is not known."
        )
        assert summary.counts == (("completed", 560), ("diverged", 0), ("failed", 0))

    def test_a_plan_is_counted_against(self, demo):
        planned = demo.landscape.trials[list(CONFIGURATION_COLUMNS)]
        some = demo.landscape.trials.iloc[:200]
        landscape = replace(Landscape.from_frame(some, "here"), planned=planned)
        found = summarize(landscape, fit_scaling(landscape), None)
        assert dict(found.counts)["planned"] == 560
        assert dict(found.counts)["missing"] == 360
        assert "7 learning rates from 0.05 to 0.4" in found.study[0]
        assert found.study[1].endswith("none failed and 360 are missing.")
        assert found.next_runs[0] == (
            "Run the study again: 360 of 560 planned trials are missing, and only those are "
            "trained."
        )

    def test_what_a_file_does_not_say_is_not_made_up(self, demo):
        unknown = demo.landscape.trials.assign(
            dataset="not given", model="not given", budget="not given", budget_value=math.nan
        )
        what = summarize(
            Landscape.from_frame(unknown, "sweep.csv"), ScalingReport((), "test_accuracy"), None
        ).study[0]
        assert what.startswith(
            "A model that the source does not name was trained on data that it does not name with "
        )
        assert what.endswith("for a budget that the source does not say.")

    @pytest.mark.parametrize(
        ("budget", "value", "words"),
        [
            ("steps", 3000.0, "for 3,000 SGD steps."),
            ("epochs", 50.0, "for 50 epochs."),
            ("time", 300.0, "for 300·(1 − m)/ε SGD steps."),
            ("time_over_learning_rate", 12.5, "for 12.5/ε SGD steps."),
        ],
    )
    def test_budgets_in_words(self, demo, budget, value, words):
        trials = demo.landscape.trials.assign(budget=budget, budget_value=value)
        landscape = Landscape.from_frame(trials, "here")
        found = summarize(landscape, ScalingReport((), "test_accuracy"), None)
        assert found.study[0].endswith(words)


class TestFindings:
    def test_they_come_in_the_order_of_the_questions(self, summary):
        assert _anchors(summary) == ["peaks", "landscape", "law", "claims"]

    def test_is_there_a_best_batch_size(self, summary, demo):
        peaks = demo.scaling.laws[0].peaks
        sure = [p for p in peaks if p.peak_p < 0.05 and not p.censored]
        assert len(sure) == 7
        largest = max(p.peak_p for p in sure)
        assert _texts(summary)[0] == (
            "There is a best batch size: in 7 of 7 conditions accuracy rises and then falls as the "
            f"batch grows (p ≤ {largest:.2g} each)."
        )

    def test_where_it_is(self, summary, demo):
        peaks = sorted(demo.scaling.laws[0].peaks, key=lambda p: p.batch_size_opt)
        text = _texts(summary)[1]
        first, last = peaks[0], peaks[-1]
        for p in (first, last):
            assert f"{p.batch_size_opt:.3g} [{p.low:.3g}, {p.high:.3g}]" in text
        best = max(peaks, key=lambda p: p.accuracy_opt)
        assert f"at learning rate {best.learning_rate:.3g}, momentum 0.9, N = 1000" in text
        assert f"{100 * best.accuracy_opt:.1f} %" in text

    def test_does_it_follow_the_scale(self, summary, demo):
        law = demo.scaling.laws[0]
        text = _texts(summary)[2]
        assert text.startswith("As far as tested, the best batch size is consistent with ε·N/(1")
        assert f"B_opt goes as ε^{law.exponents['learning_rate'].text}" in text
        edge = law.law.landmarks["edge"].exponents["learning_rate"]
        assert f"the edge of trainability as ε^{edge.text}" in text
        assert text.endswith("Not tested: N and 1/(1 − m).")

    def test_a_refuted_law_is_said_as_plainly(self, grid):
        text = _texts(summarize(grid.landscape, grid.scaling, None))[2]
        law = grid.scaling.laws[0]
        assert law.exponents["train_size"].high < 1.0  # 0.4 was planted
        assert text.startswith("The best batch size does not follow ε·N/(1 − m) in N: B_opt goes")
        assert f"N^{law.exponents['train_size'].text}" in text

    def test_peaks_that_nothing_shows_speak_for_no_law(self, demo):
        law = demo.scaling.laws[0]
        flat = tuple(replace(p, peak_p=0.4) for p in law.peaks)
        scaling = replace(demo.scaling, laws=(replace(law, peaks=flat),))
        texts = _texts(summarize(demo.landscape, scaling, None))
        assert texts[0].startswith("No best batch size is shown: in 0 of 7 conditions")
        assert texts[2].endswith("Only 0 of the 7 fitted conditions show a peak at all.")

    def test_the_claims_count_groups_and_name_the_turn(self, summary, table):
        text = _texts(summary)[3]
        counts = {c.kind: c for c in table.metrics[0].counts}
        b, eps = counts["batch_size"], counts["learning_rate"]
        assert f"falls with B in {b.as_claimed} of {b.n_tested} groups" in text
        assert f"rises with ε in {eps.as_claimed} of {eps.n_tested}" in text
        (regime,) = table.regimes
        assert regime.verdict == "turns"
        assert text.startswith("The correlation claims of He et al. (2019) do not hold throughout")
        assert f"stops at B/ε = {regime.turn:.3g} [{regime.low:.3g}, {regime.high:.3g}]" in text

    def test_censored_peaks_are_counted(self, demo):
        law = demo.scaling.laws[0]
        edge = replace(law.peaks[0], censored=True, censored_side="low", peak_p=math.nan)
        scaling = replace(demo.scaling, laws=(replace(law, peaks=(edge, *law.peaks[1:])),))
        text = _texts(summarize(demo.landscape, scaling, None))[0]
        assert text.startswith("There is a best batch size: in 6 of 6 conditions")
        assert text.endswith("in 1 of all 7 the peak may lie beyond the sampled batch sizes.")

    def test_many_groups_are_cut_to_the_strongest_and_the_rest_counted(self, six_groups, table):
        landscape, scaling = six_groups
        summary = summarize(landscape, scaling, table)
        assert len(summary.findings) <= MAX_FINDINGS
        assert _anchors(summary)[0] == "peaks"
        assert _anchors(summary)[-1] == "claims"
        assert _anchors(summary).count("landscape") == 3
        (note,) = summary.notes
        assert "of the 3 groups with" in note
        assert "3 more groups have" in note
        assert _texts(summary)[1].startswith("net-")
        assert len(summary.recommendation) == 5
        assert summary.recommendation[-1] == "2 further groups: see the sections below."

    def test_groups_that_say_the_same_share_a_finding(self, six_groups):
        landscape, scaling = six_groups
        alone = replace(scaling, laws=tuple(replace(x, n_conditions=0) for x in scaling.laws))
        texts = _texts(summarize(landscape, alone, None))
        assert sum("cannot be tested" in t for t in texts) == 1
        assert any(t.startswith("In each of the 6 groups: Whether the best") for t in texts)


class TestRecommendation:
    def test_the_best_condition_with_its_range(self, summary, demo):
        best = max(demo.scaling.laws[0].peaks, key=lambda p: p.accuracy_opt)
        (text,) = (t.replace("\u00a0", " ") for t in summary.recommendation)
        assert text.startswith(f"Use batch size {batch_size_to_use(best)} at learning rate ")
        low, high = best.landmark("near_optimal_low"), best.landmark("near_optimal_high")
        assert f"from {best.near_optimal_low:.3g} [{low.low:.3g}, {low.high:.3g}]" in text
        assert f"to {best.near_optimal_high:.3g} [{high.low:.3g}, {high.high:.3g}]" in text

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

    def test_the_table_is_what_the_law_suggests(self, summary, demo):
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
        for row in table.rows:
            found = suggest(points, row[0], row[2], 0.9)
            assert row[3:8] == (
                found.batch_size,
                found.near_optimal_low.estimate,
                found.near_optimal_high.estimate,
                found.batch_size_opt.low,
                found.batch_size_opt.high,
            )
        assert table.rows[-1][-1] == "effect of N unknown, not moved"
        rates = [p.learning_rate for p in law.peaks]
        for row in table.rows[:2]:
            outside = not min(rates) <= row[0] <= max(rates)
            assert row[-1] == ("extrapolated in learning rate" if outside else "")

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
        assert "may lie beyond the largest sampled batch size" in advice.sentences[0]
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


class TestWithoutResults:
    def test_an_empty_source(self, demo):
        empty = Landscape.from_frame(demo.landscape.trials.iloc[:0], "empty.csv")
        summary = summarize(empty, ScalingReport((), "test_accuracy"), None)
        assert summary.study == ("empty.csv holds no trial and no plan.", "No trial was found.")
        assert (summary.findings, summary.recommendation) == ((), ())
        assert summary.next_runs == ("Nothing has finished: run a search space first.",)
        assert summary.completeness.panels == ()

    def test_a_plan_that_has_not_started(self, demo):
        plan = demo.landscape.trials[list(CONFIGURATION_COLUMNS)]
        empty = Landscape.from_frame(demo.landscape.trials.iloc[:0], "store")
        summary = summarize(replace(empty, planned=plan), ScalingReport((), "test_accuracy"), None)
        assert "7 learning rates" in summary.study[0]
        assert summary.next_runs == ("Run the study: 560 planned trials wait to be trained.",)
        assert len(summary.completeness.panels) == 1

    def test_all_diverged(self, study_of, demo_trials):
        study = study_of(demo_trials.assign(status="diverged"))
        summary = summarize(study.landscape, study.scaling, None)
        assert dict(summary.counts)["diverged"] == 560
        assert (
            "No condition has a best batch size, so none is recommended." in summary.recommendation
        )
        assert any("nothing stands out from chance" in line for line in summary.next_runs)

    def test_one_cell(self, study_of, demo_trials):
        one = demo_trials[
            (demo_trials["learning_rate"] == 0.2)
            & (
                demo_trials["batch_size"]
                == demo_trials.loc[demo_trials["learning_rate"] == 0.2, "batch_size"].min()
            )
        ]
        study = study_of(one)
        summary = summarize(study.landscape, study.scaling, None)
        assert sum("cannot be tested" in text for text in _texts(summary)) == 2
        assert summary.suggestions.table.rows == ()

    def test_a_single_seed(self, study_of, demo_trials):
        study = study_of(demo_trials[demo_trials["seed"] == 0])
        summary = summarize(study.landscape, study.scaling, None)
        assert "1 seed a cell" in summary.study[0]
        assert any("one seed a cell" in line for line in summary.next_runs)


def test_short_labels_keep_what_differs(six_groups):
    _, scaling = six_groups
    groups = [law.group for law in scaling.laws]
    assert list(short_labels(groups).values()) == [f"net-{i}" for i in range(6)]
    assert short_labels(groups[:1]) == {groups[0]: groups[0].label}


def test_every_term_is_defined_once_with_its_source():
    terms = [d.term for d in DEFINITIONS]
    assert len(set(terms)) == len(terms)
    assert all(d.definition.endswith((".", ")")) and d.source for d in DEFINITIONS)
    text = " ".join(terms)
    for word in ("trial", "cell", "noise scale", "B_opt", "Holm", "ρ", "95 % interval", "chance"):
        assert word in text
