"""The first part of the page: what was trained, and what is said where little was."""

import math
from dataclasses import replace

import pytest

from analysis.landscape import CONFIGURATION_COLUMNS, Landscape
from analysis.report.definitions import DEFINITIONS
from analysis.report.groups import condition_text, momentum_labels, short_labels
from analysis.report.recommendation import recommend
from analysis.report.summary import summarize
from analysis.scaling import ScalingReport, fit_scaling


def _texts(summary) -> list[str]:
    return [text.replace("\u00a0", " ") for text, _ in summary.findings]


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
