"""The first part of the page: its sentences and numbers, against the laws they speak of."""

import math
from dataclasses import replace

import pandas as pd
import pytest

from analysis.correlation import correlations
from analysis.estimates import BatchSizeEstimate
from analysis.landscape import CONFIGURATION_COLUMNS, Landscape
from analysis.law.condition import points_of
from analysis.law.suggest import NEEDED, suggest
from analysis.planted import FAMILIES, PlantedLaw, plant
from analysis.report.definitions import DEFINITIONS
from analysis.report.findings import MAX_FINDINGS, main_findings
from analysis.report.groups import condition_text, momentum_labels, short_labels
from analysis.report.recommendation import batch_size_to_use, recommend
from analysis.report.summary import summarize
from analysis.scaling import ScalingReport, fit_scaling


def _texts(summary) -> list[str]:
    return [text.replace("\u00a0", " ") for text, _ in summary.findings]


def _anchors(summary) -> list[str]:
    return [anchor for _, anchor in summary.findings]


def _with_better_censored(law):
    """The law's peaks, the last one open below, with a cell of 60 ± 0.2 %; and that batch size."""
    last = law.peaks[-1]
    cells = (replace(last.cells[0], mean=0.6, standard_error=0.001), *last.cells[1:])
    b = cells[0].batch_size
    open_ = replace(
        last, censored=True, censored_side="low", cells=cells, best_sampled_batch_size=b
    )
    return (*law.peaks[:-1], open_), b


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
        assert ": the final test accuracy falls with B in" in text

    @pytest.mark.parametrize(
        ("changes", "shapes", "verdict"),
        [
            ({}, ("falls", "falls"), "hold here"),
            ({}, ("falls", ""), "hold as far as tested"),
            ({}, (), "hold as far as tested"),
            (
                {"n_tested": 0, "as_claimed": 0, "as_claimed_permutation": 0},
                ("falls",),
                "hold as far as",
            ),
            ({"as_claimed_permutation": 3}, ("falls",), "are not shown here"),
            ({"as_claimed": 8}, ("falls",), "are not shown here"),
            ({}, ("falls", "undecided"), "are not shown here"),
            ({}, ("rises",), "do not hold throughout"),
            ({"against_permutation": 1}, ("falls",), "do not hold throughout"),
        ],
    )
    def test_the_claims_hold_only_where_all_that_they_say_is_shown(
        self, demo, table, changes, shapes, verdict
    ):
        counts = tuple(
            replace(c, n_tested=10, as_claimed=10, as_claimed_permutation=9, against_permutation=0)
            for c in table.metrics[0].counts
        )
        counts = (counts[0], replace(counts[1], **changes), counts[2])
        regimes = tuple(replace(table.regimes[0], verdict=v) for v in shapes)
        first = replace(table.metrics[0], metric="best_test_accuracy", counts=counts)
        metrics = (first, *table.metrics[1:])
        found = replace(table, metrics=metrics, regimes=regimes)
        text = _texts(summarize(demo.landscape, demo.scaling, found))[-1]
        assert text.startswith(f"The correlation claims of He et al. (2019) {verdict}")
        assert ": the best test accuracy over a run's evaluations falls with B in" in text
        missing = changes.get("n_tested") == 0
        assert ("Not tested, for too few cells: whether it rises with ε" in text) == missing

    def test_pure_noise_does_not_show_the_claims(self):
        law = PlantedLaw(
            shape=FAMILIES["flat"],
            learning_rates=(0.1,),
            n_seeds=2,
            below=2,
            above=4,
            per_octave=2,
        )
        for seed in range(3):
            land = plant(law, seed).landscape
            found = correlations(land, "test_accuracy", permutations=1_000)
            text = main_findings(ScalingReport((), "test_accuracy"), found)[0][-1][0]
            assert "hold here" not in text
            assert "hold as far as tested" not in text
            assert ": the final test accuracy falls with B in" in text

    def test_turns_of_several_strata_are_a_range(self, demo, table):
        turns = [
            replace(table.regimes[0], verdict="turns", turn=t, low=t / 2, high=2 * t)
            for t in (400.0, 100.0)
        ]
        falls = replace(table.regimes[0], verdict="falls")
        found = replace(table, regimes=(*turns, falls))
        text = _texts(summarize(demo.landscape, demo.scaling, found))[-1]
        assert text.endswith(
            "Along B/ε, of 3 strata, it rises and then falls in 2 (the turn is at B/ε from 100 "
            "[50, 200] to 400 [200, 800]) and falls throughout in 1."
        )

    def test_censored_peaks_are_counted(self, demo):
        law = demo.scaling.laws[0]
        edge = replace(law.peaks[0], censored=True, censored_side="low", peak_p=math.nan)
        scaling = replace(demo.scaling, laws=(replace(law, peaks=(edge, *law.peaks[1:])),))
        text = _texts(summarize(demo.landscape, scaling, None))[0]
        assert text.startswith("There is a best batch size: in 6 of 6 conditions")
        assert text.endswith("in 1 of all 7 the peak may lie beyond the sampled batch sizes.")
        all_ = tuple(replace(edge, learning_rate=p.learning_rate) for p in law.peaks)
        tested = tuple(replace(p, peak_p=0.001) for p in all_)
        scaling = replace(demo.scaling, laws=(replace(law, peaks=tested),))
        text = _texts(summarize(demo.landscape, scaling, None))[0]
        assert text.endswith(
            "as the batch grows; in all 7 the peak may lie beyond the sampled batch sizes."
        )

    def test_a_single_condition_is_not_counted(self, demo):
        law = demo.scaling.laws[0]
        for p, words in ((0.001, "rises and then falls"), (0.4, "does not clearly rise and")):
            alone = replace(law.peaks[0], peak_p=p, n_seeds=2.0)
            scaling = replace(demo.scaling, laws=(replace(law, peaks=(alone,)),))
            summary = summarize(demo.landscape, scaling, None)
            assert f": accuracy {words}" in _texts(summary)[0]
            assert f"(p = {p:g})." in _texts(summary)[0]
            assert summary.next_runs[0].startswith("The only condition has fewer than 3 seeds")

    def test_an_optimum_off_the_noise_scale_is_not_said_to_follow_it(self, demo):
        law = demo.scaling.laws[0]
        clause = "as one of the noise scale would too while N is fixed"
        both = replace(law.law.optimum_over_edge, follows_edge=True)
        laws = replace(law.law, optimum_over_edge=both)
        rate = law.exponents["learning_rate"]
        off = replace(rate, estimate=0.3, low=0.29, high=0.31)
        for exponent, said in ((rate, True), (off, False)):
            exponents = {**law.exponents, "learning_rate": exponent}
            found = replace(law, law=laws, exponents=exponents)
            text = _texts(summarize(demo.landscape, replace(demo.scaling, laws=(found,)), None))[2]
            assert "the optimum follows the edge" in text
            assert (clause in text) == said

    def test_the_smallest_p_is_of_peaks_that_may_be_inside(self, demo):
        law = demo.scaling.laws[0]
        flat = [replace(p, peak_p=0.4) for p in law.peaks]
        flat[0] = replace(flat[0], censored=True, censored_side="low", peak_p=0.001)
        flat[1] = replace(flat[1], peak_p=0.3)
        scaling = replace(demo.scaling, laws=(replace(law, peaks=tuple(flat)),))
        text = _texts(summarize(demo.landscape, scaling, None))[0]
        assert "in 0 of 7 conditions" in text
        assert "(smallest p = 0.3)" in text

    def test_a_better_condition_whose_peak_is_not_located_is_named(self, demo):
        law = demo.scaling.laws[0]
        peaks, b = _with_better_censored(law)
        scaling = replace(demo.scaling, laws=(replace(law, peaks=peaks),))
        summary = summarize(demo.landscape, scaling, None)
        better = (
            f"ore accurate still: 60.0 % [59.8, 60.2] at batch size {b}, learning rate "
            f"{peaks[-1].learning_rate:.3g}, momentum 0.9, N = 1000, whose best batch size may "
            "lie beyond the smallest sampled one."
        )
        assert _texts(summary)[1].endswith(f"; m{better}")
        assert "; the most accurate of those whose peak is located has it at" in _texts(summary)[1]
        (advice,) = (t.replace("\u00a0", " ") for t in summary.recommendation)
        assert advice.endswith(f" M{better}")
        assert ", the most accurate condition of those whose peak is located: accuracy" in advice

    def test_without_a_located_peak_accuracy_is_the_best_cells(self, demo):
        law = demo.scaling.laws[0]
        peaks, b = _with_better_censored(law)
        alone = replace(peaks[-1], accuracy_opt=0.55)  # of the smooth curve, elsewhere
        scaling = replace(demo.scaling, laws=(replace(law, peaks=(alone,), n_conditions=0),))
        summary = summarize(demo.landscape, scaling, None)
        assert (
            f"the highest accuracy, 60.0 % [59.8, 60.2], is at batch size {b},"
            in (_texts(summary)[1])
        )
        (advice,) = (t.replace("\u00a0", " ") for t in summary.recommendation)
        assert advice.startswith(f"The best that was found is batch size {b} at learning rate")
        assert "(accuracy 60.0 % [59.8, 60.2]), but the best batch size may lie beyond" in advice

    def test_many_groups_are_cut_to_the_strongest_and_the_rest_counted(self, six_groups, table):
        landscape, scaling = six_groups
        summary = summarize(landscape, scaling, table)
        assert len(summary.findings) <= MAX_FINDINGS
        assert _anchors(summary)[0] == "peaks"
        assert _anchors(summary)[-1] == "claims"
        assert _anchors(summary).count("landscape") == 3
        (note,) = summary.notes
        assert note == (
            "Where the best batch size lies, and whether it follows the law, is said of the 3 "
            "groups with the most conditions in their law only, not of the other 3; the other "
            "findings are of all 6 groups."
        )
        assert _texts(summary)[1].startswith("net-")
        assert len(summary.recommendation) == 5
        assert summary.recommendation[-1].startswith("Nothing is said here of 2 further groups,")

    def test_groups_that_say_the_same_share_a_finding(self, six_groups):
        landscape, scaling = six_groups
        alone = replace(scaling, laws=tuple(replace(x, n_conditions=0) for x in scaling.laws))
        texts = _texts(summarize(landscape, alone, None))
        assert sum("cannot be tested" in t for t in texts) == 1
        assert any(t.startswith("In each of the 6 groups: Whether the best") for t in texts)

    def test_the_first_finding_counts_over_all_groups(self, six_groups):
        landscape, scaling = six_groups
        laws = list(scaling.laws[:3])
        laws[1] = replace(laws[1], peaks=tuple(replace(p, censored=True) for p in laws[1].peaks))
        laws[2] = replace(laws[2], peaks=tuple(replace(p, peak_p=math.nan) for p in laws[2].peaks))
        text = _texts(summarize(landscape, replace(scaling, laws=tuple(laws)), None))[0]
        assert text == (
            "There is a best batch size in most conditions: in 7 of 14 conditions (net-0: 7 of 7; "
            "net-1: 0 of 7; net-2: none tested) accuracy rises and then falls as the batch grows "
            "(p < 0.05 each); in 7 of all 21 the peak may lie beyond the sampled batch sizes."
        )


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
        assert (
            "Nothing stands out from chance, so there is no best batch size to locate."
            in (_texts(summary)[1])
        )

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


def test_momenta_close_to_one_are_not_called_one(demo, make_peak):
    assert momentum_labels([0.0, 0.9, 0.9995]) == {0.0: "0", 0.9: "0.9", 0.9995: "0.9995"}
    assert set(momentum_labels([0.99951, 0.99952]).values()) == {"0.99951", "0.99952"}
    peak = make_peak(0.1, 16.0, momentum=0.9995)
    assert condition_text(peak, [peak]) == "learning rate 0.1, momentum 0.9995, N = 1000"
    near = make_peak(0.1001, 16.0)
    assert condition_text(near, [peak, near]).startswith("learning rate 0.1001, momentum 0.9,")
    trials = demo.landscape.trials
    several = trials.assign(momentum=[0.0, 0.9, 0.9995, 0.9998] * (len(trials) // 4))
    landscape = Landscape.from_frame(several, "here")
    what = summarize(landscape, ScalingReport((), "test_accuracy"), None).study[0]
    assert "4 momenta from 0 to 0.9998" in what
    law = demo.scaling.laws[0]
    fast = tuple(replace(p, momentum=0.9995) for p in law.peaks)
    scaling = replace(demo.scaling, laws=(replace(law, peaks=fast),))
    lines = recommend(demo.landscape, scaling).next_runs
    assert any(line.startswith("Momentum was 0.9995 throughout") for line in lines)


def test_one_trial_waits_and_one_failed_trial_is_tried_again(demo):
    trials = demo.landscape.trials
    plan = trials[list(CONFIGURATION_COLUMNS)].iloc[:1]
    empty = replace(Landscape.from_frame(trials.iloc[:0], "store"), planned=plan)
    lines = recommend(empty, ScalingReport((), "test_accuracy")).next_runs
    assert lines == ("Run the study: 1 planned trial waits to be trained.",)
    failed = Landscape.from_frame(trials.iloc[:1].assign(status="failed"), "store")
    lines = recommend(failed, ScalingReport((), "test_accuracy")).next_runs
    assert lines[0].endswith("running the study again tries it again.")


def test_a_comma_in_a_name_does_not_hide_what_differs(six_groups):
    _, scaling = six_groups
    group = scaling.laws[0].group
    one = replace(group, dataset="mnist, small", model="small", settings=(("clip_norm", None),))
    other = replace(group, dataset="cifar, small", model="mnist", settings=(("clip_norm", 1.0),))
    assert list(short_labels([one, other]).values()) == [
        "mnist, small, small, clip_norm none",
        "cifar, small, mnist, clip_norm 1.0",
    ]


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
