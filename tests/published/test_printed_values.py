"""What a rounded number can have been, and whether the data file is the whole of three tables."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.published.printed_values import DATA_FILE, FIXED, read_printed, rounded_number
from explorer.errors import InputError

HEADER = "table,kind,fixed,dataset,architecture,rho,p,n_nominal,column"
GOOD = "1,batch_size,0.01,CIFAR-10,ResNet-110,-0.96,2.6e-11,20,stated"


@pytest.mark.parametrize(
    ("printed", "low", "high"),
    [
        ("0.96", "0.955", "0.965"),
        ("-0.96", "-0.965", "-0.955"),
        ("1.00", "0.995", "1.005"),
        ("0.00", "-0.005", "0.005"),
        ("2.6e-11", "2.55e-11", "2.65e-11"),
        ("1.0e-7", "0.995e-7", "1.05e-7"),
        ("1e-7", "0.95e-7", "1.5e-7"),
        ("1.1e-7", "1.05e-7", "1.15e-7"),
        ("9.9e-8", "9.85e-8", "9.95e-8"),
        ("-1.0e-7", "-1.05e-7", "-0.995e-7"),
        ("5.3e-293", "5.25e-293", "5.35e-293"),
        ("10", "9.5", "10.5"),
    ],
)
def test_rounding_intervals(printed, low, high):
    found = rounded_number(printed)
    assert (found.low, found.high) == (Decimal(low), Decimal(high))


@given(st.floats(1e-300, 0.99))
def test_a_number_lies_in_the_interval_of_its_print(value):
    for printed in (f"{value:.1e}", f"{value:.0e}", f"{value:.2f}", f"{-value:.2f}"):
        found = rounded_number(printed)
        exact = -Decimal(value) if printed.startswith("-") else Decimal(value)
        assert found.low <= exact <= found.high


@given(st.integers(10, 99), st.integers(-250, -1))
def test_just_outside_the_interval_another_number_is_printed(digits, exponent):
    printed = f"{digits // 10}.{digits % 10}e{exponent}"
    found = rounded_number(printed)
    tiny = Decimal(f"1e{exponent - 8}")

    def shown(value: Decimal) -> Decimal:
        return Decimal(f"{value:.1e}")

    assert shown(found.low - tiny) != Decimal(printed) == shown(found.low + tiny)
    assert shown(found.high + tiny) != Decimal(printed) == shown(found.high - tiny)


def test_the_file_holds_every_group_once():
    rows = read_printed()
    grids = {(r.architecture, r.dataset) for r in rows}
    assert grids == {(a, d) for a in ("ResNet-110", "VGG-19") for d in ("CIFAR-10", "CIFAR-100")}
    rates = [k / 100 for k in range(1, 21)]
    batch_sizes = [16.0 * k for k in range(1, 21)]
    for grid in grids:
        mine = [r for r in rows if (r.architecture, r.dataset) == grid]
        by_kind = {kind: [r.fixed for r in mine if r.kind == kind] for kind in FIXED}
        assert by_kind == {"batch_size": rates, "learning_rate": batch_sizes, "ratio": [None]}
    assert Counter(r.table for r in rows) == {1: 80, 2: 80, 3: 4}
    assert {(r.table, r.kind) for r in rows} == {
        (1, "batch_size"),
        (2, "learning_rate"),
        (3, "ratio"),
    }
    assert {(r.kind, r.n_nominal) for r in rows} == {
        ("batch_size", 20),
        ("learning_rate", 20),
        ("ratio", 400),
    }


def test_signs_and_digits_are_as_the_paper_has_them():
    for row in read_printed():
        assert row.rho.startswith("-") == (row.kind != "learning_rate")
        assert len(row.rho.lstrip("-")) == 4  # two decimals
        digits, mark, exponent = row.p.partition("e")
        assert len(digits) == 3
        assert mark == "e"
        assert int(exponent) < 0
        assert row.column in ("stated", "inferred")


def test_labels_name_the_group():
    rows = {row.label for row in read_printed()}
    assert {"ResNet-110 CIFAR-10, learning_rate 0.01", "VGG-19 CIFAR-100, all cells"} <= rows


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (GOOD.replace("-0.96", "-1.96"), "rho is '-1.96', outside"),
        (GOOD.replace("-0.96", "high"), "rho is 'high', which is no number"),
        (GOOD.replace("-0.96", "nan"), "rho is 'nan', which is no number"),
        (GOOD.replace("2.6e-11", "2.6e11"), "p is '2.6e11', outside"),
        (GOOD.replace("2.6e-11", "0.0"), "p is '0.0', outside"),
        (GOOD.replace("2.6e-11", ""), "p is '', which is no number"),
        (GOOD.replace(",20,", ",3,"), "n_nominal is '3', but must be at least 4"),
        (GOOD.replace(",20,", ",2.5,"), "n_nominal is '2.5', which is no whole number"),
        (GOOD.replace("batch_size", "momentum"), "kind is 'momentum', not one of"),
        (GOOD.replace("batch_size", "ratio"), "fixed is '0.01', but kind is ratio"),
        (GOOD.replace("0.01", ""), "fixed is '', but kind is batch_size"),
        (GOOD.replace("0.01", "x"), "fixed is 'x', which is no number"),
        (GOOD + ",more", "has 10 fields, not 9"),
        (f"{GOOD}\n{GOOD}", "a second coefficient of ResNet-110 CIFAR-10, learning_rate 0.01"),
    ],
)
def test_bad_rows_are_named(tmp_path, line, said):
    path = tmp_path / "printed.csv"
    path.write_text(f"# a comment\n{HEADER}\n{line}\n")
    with pytest.raises(InputError) as caught:
        read_printed(path)
    n = 3 + line.count("\n")
    assert str(caught.value).startswith(f"{path}, line {n}")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_absent_and_foreign_files_are_refused(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_printed(tmp_path / "none.csv")
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="does not have the columns"):
        read_printed(tmp_path / "other.csv")


def test_the_file_is_plain_text_with_short_lines():
    assert max(len(line) for line in DATA_FILE.read_text(encoding="ascii").splitlines()) <= 100
