"""The findings: each sentence and its numbers, against the laws and tests it speaks of."""

import math
from dataclasses import replace

import pytest

from analysis.correlation import correlations
from analysis.planted import FAMILIES, PlantedLaw, plant
from analysis.report.findings import MAX_FINDINGS, main_findings
from analysis.report.summary import summarize
from analysis.scaling import ScalingReport


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
def table(demo_tested):
    return demo_tested.correlations


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
