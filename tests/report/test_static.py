"""The pictures and the Markdown report: which files, what they say, and that text is escaped."""

import csv
import doctest
import re
from dataclasses import replace

import pytest

from analysis.charts.table import Table
from analysis.report import markdown, static
from analysis.report.figure import Figure, NamedTable, Section
from analysis.report.markdown import escaped, markdown_table
from analysis.report.runs_section import runs_section
from analysis.report.static import MAX_TABLE_ROWS, write_pictures
from analysis.report.summary import summarize
from explorer.errors import EnvironmentFailure

HOSTILE = "<script>alert(1)</script> a|b `c` [d](e) _f_ *g* # h\n# heading"


def _table(n: int) -> Table:
    return Table(
        columns=("x", "share"),
        rows=tuple((i, i / n) for i in range(n)),
        percent=frozenset({"share"}),
    )


@pytest.fixture(scope="module")
def summary(demo):
    return summarize(demo.landscape, demo.scaling, None)


@pytest.fixture(scope="module")
def runs(demo):
    return runs_section(demo.landscape.trials, demo.curves)


def _figure(summary, **changes):
    values = {name: getattr(summary.completeness, name) for name in Figure.__dataclass_fields__}
    return Figure(**{**values, **changes})


def test_the_examples_in_the_docstrings_hold():
    found = doctest.testmod(markdown)
    assert found.attempted == 1
    assert found.failed == 0


def test_every_figure_is_a_picture_in_two_formats(tmp_path, summary, runs):
    files = write_pictures(tmp_path / "new" / "folder", "demo", summary, [("", [runs])])
    assert [f.name for f in files] == [
        "summary-completeness.svg",
        "summary-completeness.png",
        "summary-completeness.csv",
        "runs-learning-curves.svg",
        "runs-learning-curves.png",
        "runs-learning-curves.csv",
        "report.md",
    ]
    assert sorted(p.name for p in files[0].parent.iterdir()) == sorted(f.name for f in files)
    for file in files:
        head = file.read_bytes()[:8]
        expected = {".svg": b"<svg", ".png": b"\x89PNG"}.get(file.suffix, b"")
        assert head.startswith(expected)
    rows = list(csv.reader(files[5].read_text(encoding="utf-8").splitlines()))
    assert len(rows) == 1 + 70 * 10


def test_the_report_says_what_the_page_says(tmp_path, summary, runs):
    write_pictures(tmp_path, "demo", summary, [("", [runs])], notes=["Read from here."])
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    for sentence in (
        *summary.study,
        *(t for t, _ in summary.findings),
        *summary.recommendation,
        *summary.next_runs,
        runs.figures[0].question,
        runs.figures[0].answer,
        "Read from here.",
    ):
        assert escaped(sentence) in text
    named = set(re.findall(r"\]\(([^)]+)\)", text))
    assert named == {
        "summary-completeness.svg",
        "summary-completeness.csv",
        "runs-learning-curves.svg",
        "runs-learning-curves.csv",
    }
    assert "drop-down" not in text
    assert "Shown: show test accuracy, learning rate" in text


def test_hostile_text_shows_as_text(tmp_path, summary):
    figure = _figure(
        summary,
        question=HOSTILE,
        answer=HOSTILE,
        notes=(HOSTILE,),
        table=Table(columns=(HOSTILE,), rows=((HOSTILE,),)),
    )
    write_pictures(
        tmp_path,
        HOSTILE,
        summary,
        [(HOSTILE, [Section(anchor="law", remarks=(HOSTILE,), figures=(figure,))])],
    )
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "<" not in text
    assert not re.search(r"(?<!\\)`", text)
    assert not re.search(r"(?m)^# (?!&lt;)", text)
    rows = [line for line in text.splitlines() if "alert" in line and line.startswith("| ")]
    assert len(rows) == 2
    assert all(len(re.findall(r"(?<!\\)\|", row)) == 2 for row in rows)


def test_groups_have_names_of_their_own(tmp_path, summary):
    figure = _figure(summary, anchor="law")
    section = Section(anchor="law", figures=(figure,))
    labels = ("mnist1d, mlp, epochs 50, clip_norm none", "mnist1d, mlp, epochs 50, clip_norm 1.0")
    short = dict(zip(labels, ("clip_norm none", "clip_norm 1.0"), strict=True))
    sections = [(label, [section]) for label in labels]
    files = write_pictures(tmp_path, "two", summary, sections, short=short)
    assert {f.name for f in files if f.suffix == ".svg"} == {
        "summary-completeness.svg",
        "1-clip-norm-none-law-law.svg",
        "2-clip-norm-1-0-law-law.svg",
    }


def test_a_comma_in_a_name_does_not_hide_what_differs(tmp_path, groups, monkeypatch):
    first, second = (replace(law.group, dataset="a, b") for law in groups.scaling.laws)
    found = (replace(first, model="a, net"), replace(second, model="b, net"))
    laws = tuple(
        replace(law, group=group) for law, group in zip(groups.scaling.laws, found, strict=True)
    )
    given = {}
    monkeypatch.setattr(static, "write_pictures", lambda *_args, **values: given.update(values))
    static.write_static(replace(groups, scaling=replace(groups.scaling, laws=laws)), tmp_path)
    assert given["short"] == {found[0].label: "a, net", found[1].label: "b, net"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("- item", r"\- item"),
        ("+ item", r"\+ item"),
        ("-", r"\-"),
        ("--- rule", r"\--- rule"),
        ("===", r"\==="),
        ("1. first", r"1\. first"),
        ("12) twelfth", r"12\) twelfth"),
        ("# heading", r"\# heading"),
        ("> quote", "&gt; quote"),
        ("-0.5 and 1.5", "-0.5 and 1.5"),
        ("1.5 points", "1.5 points"),
        ("a - b 1. c", "a - b 1. c"),
    ],
)
def test_the_start_of_a_paragraph_is_no_markup(text, expected):
    assert escaped(text) == expected


def test_two_figures_of_one_name_do_not_overwrite_each_other(tmp_path, summary):
    section = Section(anchor="law", figures=(_figure(summary, anchor="law"),) * 2)
    files = write_pictures(tmp_path, "two", summary, [("", [section])])
    assert len({f.name for f in files}) == len(files)
    assert (tmp_path / "law-law-2.png").exists()


def test_small_tables_stand_in_the_report_and_large_ones_beside_it(tmp_path, summary):
    def named(anchor, n):
        return NamedTable(anchor=anchor, heading=f"{n} rows", table=_table(n), absent="none here")

    tables = (named("small", MAX_TABLE_ROWS), named("large", MAX_TABLE_ROWS + 1), named("empty", 0))
    write_pictures(tmp_path, "demo", summary, [("", [Section(anchor="law", tables=tables)])])
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    small = text.split("### 30 rows")[1].split("###")[0]
    assert sum(line.startswith("| ") for line in small.splitlines()) == MAX_TABLE_ROWS + 2
    assert not (tmp_path / "law-small.csv").exists()
    written = (tmp_path / "law-large.csv").read_text(encoding="utf-8")
    assert written == _table(MAX_TABLE_ROWS + 1).csv()
    assert "[law-large.csv](law-large.csv), 31 rows." in text
    assert "none here" in text


def test_numbers_stand_to_the_right_and_unknown_ones_are_dashes():
    table = Table(columns=("a", "b"), rows=((0.123456, "x"), (None, "")))
    assert list(markdown_table(table)) == [
        "| a | b |",
        "| ---: | :--- |",
        "| 0.123 | x |",
        "| – | – |",
        "",
    ]


def test_a_folder_that_cannot_be_made_is_named(tmp_path, summary):
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(EnvironmentFailure, match=r"taken: the folder could not be made"):
        write_pictures(tmp_path / "taken", "demo", summary, [])


def test_a_file_that_cannot_be_written_is_named_and_nothing_is_left(tmp_path, summary, monkeypatch):
    def full(*_args, **_values):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_text", full)
    with pytest.raises(EnvironmentFailure) as caught:
        write_pictures(tmp_path, "demo", summary, [])
    assert str(caught.value) == (
        f"{tmp_path / 'summary-completeness.svg'}: could not be written (No space left on device)."
    )
    assert list(tmp_path.iterdir()) == []


def test_an_older_picture_is_replaced(tmp_path, summary):
    (tmp_path / "summary-completeness.svg").write_text("old")
    write_pictures(tmp_path, "demo", summary, [])
    assert (tmp_path / "summary-completeness.svg").read_text(encoding="utf-8").startswith("<svg")
