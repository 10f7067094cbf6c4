"""CSV files as spreadsheets of several countries write them: the same table, or a refusal."""

from __future__ import annotations

import csv
import io

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.csv_text import EMPTY, read_csv_text, shown
from analysis.results_file import read_results_file
from explorer.errors import InputError

HEADER = ["batch_size", "learning_rate", "momentum", "train_size", "seed", "test_accuracy"]
ROWS = [
    ["16", "0.1", "0.9", "1000", "0", "0.45"],
    ["16", "1e-05", "0.9", "1000", "1", "0.46"],
    ["32", "0.25", "0", "60000", "0", "0.4"],
]


@pytest.fixture
def read(tmp_path):
    """Reads bytes or text as a results file."""

    def from_content(content):
        path = tmp_path / "sheet.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_results_file(path)

    return from_content


@pytest.fixture
def refusal(read):
    def message(content):
        with pytest.raises(InputError) as caught:
            read(content)
        text = str(caught.value)
        assert "sheet.csv" in text
        assert "\n" not in text
        return text

    return message


def joined(rows, separator=";", line_end="\n", decimal="."):
    rows = [[cell.replace(".", decimal) for cell in row] for row in rows]
    return "".join(separator.join(row) + line_end for row in [HEADER, *rows])


def plain(read):
    return read(joined(ROWS, ","))[0]


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le-mark", "utf-16-be-mark", "utf-32"]
)
def test_every_dialect_holds_the_same_table(read, separator, line_end, encoding):
    text = joined(ROWS, separator, line_end)
    if encoding.endswith("-mark"):
        content = ("\ufeff" + text).encode(encoding.removesuffix("-mark"))
    else:
        content = text.encode(encoding)
    frame, notes = read(content)
    assert notes == []
    pd.testing.assert_frame_equal(frame, plain(read))


@pytest.mark.parametrize(
    "change",
    [
        lambda text: "sep=;\n" + text,
        lambda text: "SEP=;\r\n" + text,
        lambda text: '"sep=;"\n' + text,
        lambda text: "\n\n" + text,
        lambda text: text.replace("\n", ";\n"),  # an empty column without a name
        lambda text: text.replace("\n", ";;;\n"),
        lambda text: text.replace("\n", "\n\n"),
        lambda text: text.replace("\n", "\n;;;;;\n"),
        lambda text: text.replace("\n", "\n \n").rstrip(),
        lambda text: text + ";;;;;\n;;;;;\n",
        lambda text: text.replace(";", " ; "),
        lambda text: text.replace("seed", '"seed"').replace("60000", '"60000"'),
        lambda text: text.replace("seed", ' " seed "'),
        lambda text: text.replace("seed", '"seed\n"'),
        lambda text: text.replace("0.4\n", "0.4;\n"),  # only some rows end in a separator
    ],
)
def test_what_a_spreadsheet_adds_changes_nothing(read, change):
    frame, notes = read(change(joined(ROWS)))
    assert notes == []
    pd.testing.assert_frame_equal(frame, plain(read))


def test_a_said_separator_counts_before_the_header(read):
    names = [*HEADER[:-1], "test_accuracy", "a;b;c;d;e;f;g;h;i"]
    rows = [[*row, "x"] for row in ROWS]
    text = "sep=,\n" + "".join(",".join(row) + "\n" for row in [names, *rows])
    assert len(read(text)[0]) == 3


def test_rows_are_counted_as_a_spreadsheet_does(refusal):
    text = joined(ROWS).split("\n")
    text[3:3] = ["", ";;;;;", '16;0.1;0.9;1000;"\n2";0.44']  # rows 4, 5 and 6
    assert "row 7: batch_size is 'x'" in refusal("\n".join(text).replace("32", "x"))


def test_an_unnamed_column_with_cells_is_named_by_its_place(read):
    text = joined(ROWS).replace("\n", ";\n").replace("0.46;", "0.46;why")
    _, (note,) = read(text)
    assert "(unnamed column 7) (2 values: empty, why)" in note


@pytest.mark.parametrize("separator", [";", "\t"])
def test_decimal_commas_are_read_and_that_is_said(read, separator):
    rows = [[cell.replace("1e-05", "1.0e-05") for cell in row] for row in ROWS]
    frame, notes = read(joined(rows, separator, decimal=","))
    pd.testing.assert_frame_equal(frame, plain(read))
    assert notes == [
        "Decimal commas were read as such in sheet.csv: test_accuracy, learning_rate, momentum."
    ]


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        ("16;0,1;0,9;1.000;1;0,45", ["train_size is '1.000'", "may mean 1000 or 1"]),
        ("16;0,1;0,9;60,000;1;0,45", ["train_size is '60,000'", "may mean 60000 or 60"]),
        ("16;0,1;0,9;60.000;1;0,45", ["train_size is '60.000'", "may mean 60000 or 60"]),
        ("16;0.1;0.9;60.000;1;0.45", ["train_size is '60.000'", "may mean 60000 or 60"]),
        ("16;1.000,5;0,9;1000;1;0,45", ["learning_rate is '1.000,5'", "thousands"]),
        ("16;0,1;0,9;1.000.000;1;0,45", ["train_size is '1.000.000'", "thousands"]),
        ("16;0,1;0,9;1,000,000;1;0,45", ["train_size is '1,000,000'", "thousands"]),
        ("16;0,1;0,9;60 000;1;0,45", ["train_size is '60 000'", "thousands"]),
        ("16;0,1;0,9;60\u202f000;1;0,45", ["train_size", "thousands"]),
        ("16;0,1;0,9;60'000;1;0,45", ['train_size is "60\'000"', "thousands"]),
        ("16;0,1;0,9;1000;1;0.45", ["test_accuracy is '0.45'", "decimal commas"]),
        ("16;0,1;0,9;1000;1;0,4,5", ["test_accuracy is '0,4,5'", "no number"]),
        ("16;0,1;0,9;1000;1;,45", ["test_accuracy is ',45'", "no number"]),
    ],
)
def test_a_number_that_can_be_read_in_two_ways_is_refused(refusal, cells, words):
    message = refusal(";".join(HEADER) + "\n32;1;0;1000;0;1\n" + cells + "\n")
    assert "row 3" in message
    for word in words:
        assert word in message


def test_thousands_among_commas_are_refused_by_name(refusal):
    message = refusal(",".join(HEADER) + '\n16,0.1,0.9,"1.000,5",0,0.4\n')
    assert "train_size is '1.000,5', which separates its thousands" in message


def test_whole_numbers_with_decimals_are_read(read):
    """Tables written from floats have 16,0 for 16; three decimals would be doubtful."""
    frame, _ = read(";".join(HEADER) + "\n16,0;0,1;0,9;1000,00;0,0;0,451\n")
    assert frame[["batch_size", "train_size", "test_accuracy"]].values.tolist() == [
        [16, 1000, 0.451]
    ]


@settings(max_examples=100, deadline=None)
@given(
    table=st.integers(1, 5).flatmap(
        lambda width: st.lists(
            st.lists(
                st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=6),
                min_size=width,
                max_size=width,
            ),
            max_size=6,
        )
    ),
    separator=st.sampled_from(",;\t|"),
)
def test_what_a_csv_writer_wrote_is_read_cell_by_cell(tmp_path_factory, table, separator):
    """Python's own writer is the oracle; white space around a cell is not kept."""
    width = len(table[0]) if table else 1
    names = [f"c{i}" for i in range(width)]
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=separator, quoting=csv.QUOTE_ALL).writerows([names, *table])
    path = tmp_path_factory.mktemp("csv") / "t.csv"
    path.write_bytes(text.getvalue().encode())
    if width == 1 and separator != ",":  # nothing in the header says what separates cells
        path.write_bytes(f"sep={separator}\n{text.getvalue()}".encode())
    found = read_csv_text(path)
    stripped = [[cell.strip() for cell in row] for row in table]
    cleaned = [[None if cell.lower() in EMPTY else cell for cell in row] for row in stripped]
    expected = [(i + 2, row) for i, row in enumerate(cleaned) if any(c is not None for c in row)]
    frame = found.frame.astype(object).where(found.frame.notna(), None)
    assert list(zip(frame.index, frame.values.tolist(), strict=True)) == expected
    assert list(frame.columns) == names


def test_shown_text_is_short_and_printable():
    assert shown(" a\nb\x1b ") == "a b\N{REPLACEMENT CHARACTER}"
    assert len(shown("x" * 1000)) == 60


def test_many_rows_keep_their_order(tmp_path):
    """More rows than are transposed at once, with a short and a blank one among them."""
    rng = np.random.default_rng(0)
    values = rng.integers(0, 1000, (25_000, 2)).astype(str)
    lines = [",".join(row) for row in values]
    lines[12_345], lines[12_346] = "7", ""
    path = tmp_path / "many.csv"
    path.write_text("a,b\n" + "\n".join(lines) + "\n")
    frame = read_csv_text(path).frame
    assert frame.loc[12_347, "a"] == "7"
    assert 12_348 not in frame.index
    others = np.delete(np.arange(25_000), [12_345, 12_346])
    assert frame.drop(index=12_347).values.tolist() == values[others].tolist()
