"""The numbers behind a chart: what stands in the CSV, and what is shown."""

import csv
import io
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.charts.table import Table, bounds, stacked, written


def read(table):
    return list(csv.reader(io.StringIO(table.csv(), newline="")))


def test_shown_has_three_digits_percentages_and_a_dash_for_nothing():
    table = Table(
        columns=("x", "share", "name"),
        rows=((0.123456, 0.46449, "a"), (1_234_567, 1, ""), (None, math.nan, None)),
        percent=frozenset({"share"}),
    )
    assert [tuple(v.replace("\u00a0", " ") for v in row) for row in table.shown()] == [
        ("0.123", "46.45 %", "a"),
        ("1234567", "100.00 %", "–"),
        ("–", "–", "–"),
    ]


def test_truth_is_a_word_in_any_column():
    table = Table(columns=("a", "b"), rows=((True, False),), percent=frozenset({"b"}))
    assert table.shown() == [("yes", "no")]
    assert table.csv() == "a,b\nyes,no\n"


def test_a_row_of_another_length_is_refused_when_shown():
    with pytest.raises(ValueError, match="zip"):
        Table(columns=("a", "b"), rows=((1,),)).shown()


def test_csv_quotes_what_csv_needs_quoted():
    texts = ("a,b", 'say "b"', "two\nlines", " spaced ", "ε·N/(1 − m)")
    table = Table(columns=("x,y", *"bcde"), rows=(texts,))
    assert read(table) == [["x,y", *"bcde"], list(texts)]
    assert '"say ""b"""' in table.csv()


@pytest.mark.parametrize("line_break", ["\n", "\r\n", "\r"])
def test_every_line_break_stays_inside_its_field(line_break):
    text = Table(columns=("a", "b"), rows=((f"one{line_break}two", 1),)).csv()
    # The strictest reader: any kind of line break ends a row unless it is quoted.
    assert list(csv.reader(text.splitlines(keepends=True))) == [["a", "b"], ["one\ntwo", "1"]]
    assert "\r" not in text


@pytest.mark.parametrize("first", ["=", "+", "-", "@", "\t", "\r"])
def test_no_text_is_run_as_a_formula(first):
    table = Table(columns=(f"{first}a",), rows=((f"{first}1+1",), ("1=1",)))
    kept = first.replace("\r", "\n")
    assert read(table) == [[f"'{kept}a"], [f"'{kept}1+1"], ["1=1"]]


def test_numbers_are_not_taken_for_formulas():
    assert [written(v) for v in (-1, -0.5, 1e-7)] == ["-1", "-0.5", "1e-07"]


@pytest.mark.parametrize("unknown", [None, math.nan, math.inf, -math.inf, np.float64("nan")])
def test_the_unknown_is_an_empty_field(unknown):
    assert written(unknown) == ""
    assert read(Table(columns=("a", "b"), rows=((unknown, 1),)))[1] == ["", "1"]


def test_whole_numbers_keep_every_digit():
    assert written(2**60) == "1152921504606846976"


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_read_back_to_nine_digits(value):
    text = written(value)
    assert float(text) == pytest.approx(value, rel=5.1e-9, abs=5e-324)
    digits = text.lstrip("-").split("e")[0].replace(".", "").strip("0")
    assert len(digits) <= 9


@given(st.lists(st.lists(st.text(), min_size=2, max_size=2), min_size=1, max_size=5))
def test_any_text_reads_back(rows):
    table = Table(columns=("a", "b"), rows=tuple(map(tuple, rows)))
    dangerous = ("=", "+", "-", "@", "\t", "\r")

    def expected(text):
        mark = "'" if text.startswith(dangerous) else ""
        return mark + text.replace("\r\n", "\n").replace("\r", "\n")

    assert read(table)[1:] == [[expected(v) for v in row] for row in rows]


def test_bounds_are_table_values():
    assert bounds(1, math.nan) == (1.0, None)
    assert bounds(None, math.inf) == (None, None)


def test_tables_are_stacked_with_each_note_once():
    def table(x, note):
        return Table(columns=("x",), rows=((x,),), percent=frozenset({"x"}), note=note)

    whole = stacked([table(1, "b"), table(2, "a"), table(3, ""), table(4, "b")])
    assert whole == Table(
        columns=("x",), rows=((1,), (2,), (3,), (4,)), percent=frozenset({"x"}), note="b a"
    )


@pytest.mark.parametrize(
    "tables",
    [
        [],
        [Table(columns=("x",), rows=()), Table(columns=("y",), rows=())],
        [Table(columns=("x",), rows=(), percent=frozenset({"x"})), Table(columns=("x",), rows=())],
    ],
    ids=["none", "other columns", "other percentages"],
)
def test_tables_of_other_columns_are_not_stacked(tables):
    with pytest.raises(ValueError, match="cannot be stacked"):
        stacked(tables)
