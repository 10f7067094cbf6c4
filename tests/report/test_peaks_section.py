"""The section of peaks: a figure for each varied axis, and the table of all conditions."""

import math

import pytest

from analysis.report.peaks_section import FLAGS, peaks_section


@pytest.fixture(scope="module")
def section(grid):
    return peaks_section(grid.scaling.laws[0])


def rows_of(table) -> list[dict]:
    return [dict(zip(table.columns, row, strict=True)) for row in table.rows]


def test_each_varied_axis_has_a_figure(section, demo):
    assert section.anchor == "peaks"
    assert [f.anchor for f in section.figures] == [
        "by-learning-rate",
        "by-train-size",
        "by-momentum",
    ]
    assert [f.anchor for f in peaks_section(demo.scaling.laws[0]).figures] == ["by-learning-rate"]
    for figure in section.figures:
        assert len(figure.panels) == 1
        assert figure.answer.count(".") >= 1
        assert figure.answer.endswith(".")
        assert "edge of trainability" not in " ".join((figure.caption, *figure.notes))


def test_where_nothing_was_varied_there_is_one_figure(study_of, demo_trials):
    one = demo_trials[demo_trials["learning_rate"] == demo_trials["learning_rate"].min()]
    (law,) = study_of(one).scaling.laws
    (figure,) = peaks_section(law).figures
    assert figure.anchor == "by-learning-rate"
    assert figure.answer.startswith("The best batch size is ")


def test_the_cells_are_the_means_of_the_trials(section, grid):
    trials = grid.landscape.trials
    keys = ["learning_rate", "momentum", "train_size", "batch_size"]
    means = trials.groupby(keys)["test_accuracy"].agg(["mean", "size"])
    for figure in section.figures:
        rows = rows_of(figure.table)
        assert len(rows) == len(means)
        for row in rows:
            key = tuple(row[k.replace("_", " ")] for k in keys)
            assert row["mean test accuracy"] == pytest.approx(means.loc[key, "mean"])
            assert row["trials"] == means.loc[key, "size"]


def test_the_table_of_conditions_is_unrounded(section, grid):
    (table,) = section.tables
    assert table.heading == "The best batch size of each condition"
    rows = rows_of(table.table)
    peaks = grid.scaling.laws[0].peaks
    assert len(rows) == len(peaks) == 12
    for row, p in zip(rows, peaks, strict=True):
        assert row["B_opt"] == p.batch_size_opt
        assert (row["low"], row["high"]) == (p.low, p.high)
        assert row["near-optimal high"] == p.near_optimal_high
        assert row["p of a peak"] == p.peak_p
        assert row["accuracy there"] == p.accuracy_opt
        assert row["training accuracy there"] == p.training.train_accuracy
        known = math.isfinite(p.batch_size_edge)
        assert row["edge of trainability"] == (p.batch_size_edge if known else None)
    assert {"accuracy there", "training accuracy there"} == table.table.percent
    assert "within 0.5 points" in table.table.note


def test_flags_are_told_in_words(study_of, demo_trials):
    (law,) = study_of(demo_trials[demo_trials["seed"] == 0]).scaling.laws
    (table,) = peaks_section(law).tables
    told = [row["remarks"] for row in rows_of(table.table)]
    for remarks, p in zip(told, law.peaks, strict=True):
        assert remarks.split("; ") == [FLAGS[flag] for flag in p.flags]
    assert "a single seed; noise assumed, not measured" in told[0]


def test_without_training_accuracy_there_is_none(study_of, demo_trials):
    (law,) = study_of(demo_trials.assign(train_accuracy=None)).scaling.laws
    section = peaks_section(law)
    rows = rows_of(section.tables[0].table)
    assert {row["training accuracy there"] for row in rows} == {None}
    assert any(r.startswith("No training accuracy is recorded") for r in section.remarks)


def test_all_diverged_and_a_single_cell_are_said(study_of, demo_trials):
    (law,) = study_of(demo_trials.assign(status="diverged")).scaling.laws
    (figure,) = peaks_section(law).figures
    assert figure.answer == "Every trial diverged, so no batch size can be called best."
    assert len(figure.panels) == 1
    (law,) = study_of(demo_trials.iloc[:1]).scaling.laws
    (figure,) = peaks_section(law).figures
    assert figure.answer.startswith("No best batch size lies inside its sampled range; the best ")
    assert "Every cell holds a single seed, so no cell has an error bar." in figure.notes
