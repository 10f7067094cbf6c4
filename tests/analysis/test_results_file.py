"""Every file that a stranger may bring: read right, or refused in one sentence that helps."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from analysis.landscape import Landscape
from analysis.planted import PlantedLaw, plant
from analysis.results_file import read_results_file
from explorer.errors import InputError

HEADER = "batch_size,learning_rate,momentum,train_size,seed,test_accuracy"
GOOD = ["16,0.1,0.9,1000,0,0.45", "16,0.1,0.9,1000,1,0.46", "32,0.1,0.9,1000,0,0.44"]


@pytest.fixture
def write(tmp_path):
    def to_file(*lines, header=HEADER, encoding="utf-8", name="results.csv"):
        path = tmp_path / name
        path.write_bytes("\n".join([header, *lines]).encode(encoding))
        return path

    return to_file


@pytest.fixture
def refusal():
    def message(path):
        with pytest.raises(InputError) as caught:
            read_results_file(path)
        text = str(caught.value)
        assert str(path) in text
        assert "\n" not in text
        assert text.endswith(".")
        return text

    return message


def test_reads_plain_csv(write):
    frame, notes = read_results_file(write(*GOOD))
    assert notes == []
    assert frame["batch_size"].tolist() == [16, 16, 32]
    assert frame["test_accuracy"].tolist() == [0.45, 0.46, 0.44]
    assert set(frame["status"]) == {"completed"}


@pytest.mark.parametrize("separator", [";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_reads_other_separators_and_byte_order_marks(write, separator, encoding):
    lines = [line.replace(",", separator) for line in GOOD]
    path = write(*lines, header=HEADER.replace(",", separator), encoding=encoding)
    expected, _ = read_results_file(write(*GOOD, name="plain.csv"))
    pd.testing.assert_frame_equal(read_results_file(path)[0], expected)


def test_reads_windows_line_ends_and_spaces(write):
    path = write(*[line.replace(",", ", ") + "\r" for line in GOOD], header=HEADER + "\r")
    assert read_results_file(path)[0]["test_accuracy"].tolist() == [0.45, 0.46, 0.44]


def test_momentum_may_be_absent_and_that_is_said(write):
    path = write("16,0.1,1000,0,0.45", header=HEADER.replace("momentum,", ""))
    frame, notes = read_results_file(path)
    assert frame["momentum"].tolist() == [0.0]
    assert any("momentum" in note and "0" in note for note in notes)


def test_percent_becomes_fractions_and_that_is_said(write):
    path = write("16,0.1,0.9,1000,0,45.5", "16,0.1,0.9,1000,1,99")
    frame, notes = read_results_file(path)
    assert frame["test_accuracy"].tolist() == pytest.approx([0.455, 0.99])
    assert any("percent" in note for note in notes)


def test_equal_rows_count_once_and_that_is_said(write):
    frame, notes = read_results_file(write(*GOOD, GOOD[1]))
    assert len(frame) == 3
    assert any(note.startswith("1 row") for note in notes)


def test_a_diverged_trial_may_lack_its_accuracy(write):
    path = write(
        "16,0.1,0.9,1000,0,NaN,diverged", GOOD[1] + ",Completed", header=HEADER + ",status"
    )
    frame, _ = read_results_file(path)
    assert frame["status"].tolist() == ["diverged", "completed"]
    assert np.isnan(frame["test_accuracy"][0])


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("16,0.1,0.9,1000,0,", ["row 5", "test_accuracy", "empty", "status"]),
        ("16,0.1,0.9,1000,7,nan", ["row 5", "test_accuracy", "empty"]),
        ("0,0.1,0.9,1000,0,0.4", ["row 5", "batch_size is 0", "at least 1"]),
        ("-4,0.1,0.9,1000,0,0.4", ["row 5", "batch_size is -4"]),
        ("2000,0.1,0.9,1000,0,0.4", ["row 5", "batch_size is 2000", "train_size"]),
        ("16.5,0.1,0.9,1000,0,0.4", ["row 5", "batch_size is 16.5", "whole"]),
        ("16,0,0.9,1000,0,0.4", ["row 5", "learning_rate is 0", "above 0"]),
        ("16,fast,0.9,1000,0,0.4", ["row 5", "learning_rate", "'fast'"]),
        ("16,inf,0.9,1000,0,0.4", ["row 5", "learning_rate is inf"]),
        ("16,0.1,1,1000,0,0.4", ["row 5", "momentum is 1", "[0, 1)"]),
        ("16,0.1,0.9,,0,0.4", ["row 5", "train_size is empty"]),
        ("16,0.1,0.9,1000,0,-0.2", ["row 5", "test_accuracy is -0.2"]),
        ("16,0.1,0.9,1000,0,45", ["row 2", "fractions and percent"]),
        ("16,0.1,0.9,1000,0,145", ["row 5", "test_accuracy is 145"]),
        ("16,0.1,0.9,1000,0,0.7", ["rows 2 and 5", "two results", "batch_size 16"]),
        ("16,0.1,0.9,1000,0,0.4,9,9", ["CSV"]),
    ],
)
def test_bad_values_are_refused_by_row_column_and_value(write, refusal, line, words):
    message = refusal(write(*GOOD, line))
    for word in words:
        assert word in message


def test_decimal_commas_are_refused_with_advice(write, refusal):
    header = HEADER.replace(",", ";")
    message = refusal(write("16;0,1;0,9;1000;0;0,45", header=header))
    assert "'0,45'" in message
    assert "point" in message


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"", "empty"),
        (b"\xff\xfe\x00bad", "UTF-8"),
        (b"PAR1 but not Parquet", "Parquet"),
        (HEADER.encode(), "no rows"),
        (b"a,b\n1,2\n", "no column batch_size"),
        (b"seed,seed\n1,2\n", "seed twice"),
        (f"{HEADER},status\n16,.1,.9,1000,0,.4,lost".encode(), "status is 'lost'"),
        (f"{HEADER},n_classes\n16,.1,.9,1000,0,.4,1".encode(), "n_classes is 1"),
    ],
)
def test_unusable_files_are_refused(tmp_path, refusal, content, word):
    path = tmp_path / "results.csv"
    path.write_bytes(content)
    assert word in refusal(path)


def test_absent_files_and_folders_are_refused(tmp_path, refusal):
    assert "does not exist" in refusal(tmp_path / "none.csv")
    assert "folder" in refusal(tmp_path)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_landscape_survives_its_file(tmp_path, kind):
    planted = plant(PlantedLaw(n_seeds=2, learning_rates=(0.1, 0.2)), seed=1)
    path = tmp_path / f"results.{kind}"
    trials = planted.landscape.trials.dropna(axis="columns", how="all")
    if kind == "csv":
        trials.to_csv(path, index=False)
    else:
        trials.to_parquet(path)
    read = Landscape.from_file(path)
    for name in trials.columns:
        expected, found = trials[name].tolist(), read.trials[name].tolist()
        if name == "learning_rate":  # kept to 12 digits, as a configuration keeps it
            assert found == pytest.approx(expected, rel=1e-11)
        else:
            assert found == expected
    assert read.notes == ()


def test_varying_columns_that_are_not_understood_are_named(write):
    header = HEADER + ",optimizer,team,host,error,run"
    lines = [
        f"{line},{name},blue,{name},{name},{i}"
        for i, (line, name) in enumerate(zip(GOOD, ("sgd", "adam", "sgd"), strict=True))
    ]
    frame, notes = read_results_file(write(*lines, header=header))
    assert len(frame) == 3
    (note,) = notes
    assert "optimizer (2 values: sgd, adam)" in note
    assert "run (3 values: 0, 1, 2)" in note
    assert "IGNORED" in note
    assert "column model" in note
    for known in ("team", "host", "error", "seed ("):  # constant, or of our own export
        assert known not in note


def test_a_clash_names_the_unknown_column_that_may_explain_it(write, refusal):
    lines = [GOOD[0] + ",sgd", "16,0.1,0.9,1000,0,0.7,adam"]
    message = refusal(write(*lines, header=HEADER + ",optimizer"))
    assert "rows 2 and 3" in message
    assert "they differ in optimizer" in message


def test_unknown_columns_may_hold_anything(tmp_path):
    frame = pd.DataFrame(
        {
            "batch_size": [16, 32, 32],
            "learning_rate": 0.1,
            "train_size": 1000,
            "seed": 0,
            "test_accuracy": [0.4, 0.5, 0.5],
            "tags": [["a"], ["b"], ["b"]],
        }
    )
    path = tmp_path / "tags.parquet"
    frame.to_parquet(path)
    read, notes = read_results_file(path)
    assert read["batch_size"].tolist() == [16, 32]
    assert any("tags (2 values" in note for note in notes)


def test_two_results_of_one_observation_are_refused(write, refusal):
    lines = [GOOD[0] + ",10", "16,0.1,0.9,1000,0,0.7,10"]
    assert "two results" in refusal(write(*lines, header=HEADER + ",evaluations"))
