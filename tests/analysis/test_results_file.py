"""Every file that a stranger may bring: read right, or refused in one sentence that helps."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from analysis.landscape import Landscape
from analysis.planted import PlantedLaw, plant
from analysis.results_file import read_results_file
from explorer.errors import InputError

HEADER = "batch_size,learning_rate,momentum,train_size,seed,test_accuracy"
GOOD = ["16,0.1,0.9,1000,0,0.45", "16,0.1,0.9,1000,1,0.46", "32,0.1,0.9,1000,0,0.44"]
GOOD_FRAME = pd.DataFrame(
    [[float(cell) for cell in line.split(",")] for line in GOOD], columns=HEADER.split(",")
)


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
        ("16,0.1,0.9,1000,0,0.4,9,9", ["CSV", "row 5 has 8 cells"]),
        ("16,0.1,0.9,1000,0,inf", ["row 5", "test_accuracy is inf"]),
        ("16,0.1,0.9,1000,0,1e400", ["row 5", "test_accuracy is inf"]),
        ("16,1e400,0.9,1000,0,0.4", ["row 5", "learning_rate is inf"]),
        ("16,1e-400,0.9,1000,0,0.4", ["row 5", "learning_rate is 0"]),
        ("16,=A1,0.9,1000,0,0.4", ["row 5", "learning_rate is '=A1'"]),
        ("1_6,0.1,0.9,1000,0,0.4", ["row 5", "batch_size is '1_6'"]),
        ("0x10,0.1,0.9,1000,0,0.4", ["row 5", "batch_size is '0x10'"]),
        ("True,0.1,0.9,1000,0,0.4", ["row 5", "batch_size is 'True'"]),
        ("16,0.1,0.9,1000," + "9" * 5000 + ",0.4", ["row 5", "seed is inf"]),
        ("16,0.1,0.9,1000,9007199254740993,0.4", ["row 5", "seed", "too large"]),
        ("16,0.1,0.9", ["row 5", "train_size is empty"]),
        ("\n\n16,0.1,0.9,1000,0,", ["row 7", "test_accuracy"]),  # as a spreadsheet counts them
    ],
)
def test_bad_values_are_refused_by_row_column_and_value(write, refusal, line, words):
    message = refusal(write(*GOOD, line))
    for word in words:
        assert word in message


def test_a_decimal_comma_among_commas_is_refused_with_advice(write, refusal):
    message = refusal(write('16,"0,1",0.9,1000,0,0.45'))
    assert "row 2: learning_rate is '0,1'" in message
    assert "point" in message


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"", "empty"),
        (b" \n\n", "empty"),
        (b"sep=;\n", "empty"),
        (b",,\n,,\n", "only separators"),
        (b"\xff\xfe\x00bad!", "not UTF-16"),
        (b"\xff\xfe\x00\x00bad", "not UTF-32"),
        (b"seed\xe4", "not UTF-8 text (byte 4)"),
        (HEADER.encode("utf-16-le"), "NUL"),
        (b"PK\x03\x04\x14", "Excel workbook or zip"),
        (b"\x1f\x8b\x08", "gzip"),
        (b"PAR1 but not Parquet", "Parquet"),
        (HEADER.encode(), "no rows"),
        (b"a,b\n1,2\n", "no column batch_size"),
        (b"seed,seed\n1,2\n", "seed twice"),
        (f"{HEADER},status\n16,.1,.9,1000,0,.4,lost".encode(), "status is 'lost'"),
        (f"{HEADER},status\n16,.1,.9,1000,0,.4,".encode(), "status is empty"),
        (f"{HEADER},n_classes\n16,.1,.9,1000,0,.4,1".encode(), "n_classes is 1"),
        (f"{HEADER},clip_norm\n16,.1,.9,1000,0,.4,inf".encode(), "clip_norm is inf"),
        (f"{HEADER},clip_norm\n16,.1,.9,1000,0,.4,0".encode(), "clip_norm is 0"),
        (f"{HEADER},weight_decay\n16,.1,.9,1000,0,.4,-1".encode(), "weight_decay is -1"),
        (f"{HEADER},steps\n16,.1,.9,1000,0,.4,1.5".encode(), "steps is 1.5"),
        (f"{HEADER},model\n16,.1,.9,1000,0,.4,a\x1b[2J".encode(), "cannot be printed"),
        (f'{HEADER}\n16,.1,.9,1000,0,".4\n'.encode(), "regular CSV table"),
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


def test_seeds_are_exact(write):
    lines = ["16,0.1,0.9,1000,1234567890123456,0.4", "16,0.1,0.9,1000,1234567890123457,0.5"]
    frame, _ = read_results_file(write(*lines))
    assert frame["seed"].tolist() == [1234567890123456, 1234567890123457]


def test_other_trackers_statuses_are_read_and_that_is_said(write):
    header = HEADER + ",status"
    path = write(GOOD[0] + ",finished", GOOD[1] + ",CRASHED", GOOD[2] + ",completed", header=header)
    frame, notes = read_results_file(path)
    assert frame["status"].tolist() == ["completed", "failed", "completed"]
    assert any("finished as completed, crashed as failed" in note for note in notes)


def test_row_labels_of_pandas_are_no_difference(tmp_path):
    frame = pd.concat([GOOD_FRAME, GOOD_FRAME.iloc[:1]], ignore_index=True)
    frame.to_csv(tmp_path / "labelled.csv")
    read, notes = read_results_file(tmp_path / "labelled.csv")
    assert len(read) == 3
    assert notes == ["1 row(s) of labelled.csv repeat another row and count once."]


def test_an_index_of_parquet_is_a_column_like_others(tmp_path):
    frame = GOOD_FRAME
    frame.set_index(["batch_size", "seed"]).to_parquet(tmp_path / "indexed.parquet")
    frame.iloc[[2, 0, 1]].to_parquet(tmp_path / "shuffled.parquet")
    for name, order in (("indexed", [16, 16, 32]), ("shuffled", [32, 16, 16])):
        read, _ = read_results_file(tmp_path / f"{name}.parquet")
        assert read["batch_size"].tolist() == order


@pytest.mark.parametrize(
    ("column", "values", "words"),
    [
        ("seed", [True, False, True], "column seed holds true and false"),
        ("learning_rate", pd.to_datetime(["2026-01-01"] * 3), "row 2: learning_rate is '2026-01"),
        ("learning_rate", [[0.1], [0.2], [0.3]], "row 2: learning_rate is '[0.1]'"),
        ("learning_rate", ["0.1", None, "0.1"], "row 3: learning_rate is empty"),
        ("learning_rate", ["0.1", "0,2", "0.1"], "row 3: learning_rate is '0,2'"),
    ],
)
def test_parquet_columns_of_other_kinds_are_refused(tmp_path, refusal, column, values, words):
    path = tmp_path / "results.parquet"
    GOOD_FRAME.assign(**{column: values}).to_parquet(path)
    assert words in refusal(path)


def test_a_parquet_column_named_twice_is_refused(tmp_path, refusal):
    path = tmp_path / "results.parquet"
    pq.write_table(pa.table([[1], [2]], names=["seed", "seed"]), path)
    assert "seed twice" in refusal(path)
