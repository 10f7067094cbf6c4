"""The correlation claims on the page: their tables, their verdicts, and sections of little."""

import json
import math
from dataclasses import replace

import pandas as pd
import pytest

from analysis.charts.correlation_data import correlation_cells
from analysis.charts.correlation_lines_chart import correlation_lines
from analysis.charts.correlation_lines_data import correlation_lines_info
from analysis.charts.correlation_tables import counts_table, groups_table, verdict
from analysis.charts.ratio_chart import ratio
from analysis.charts.ratio_data import ratio_info
from analysis.charts.training_check_chart import training_check
from analysis.charts.training_check_data import training_check_info
from analysis.claims import judge
from analysis.correlation import CorrelationGroup, correlations
from analysis.landscape import Landscape
from analysis.planted import PlantedLaw, plant
from analysis.report.claims_section import claims_section

CELL = ["momentum", "train_size", "learning_rate", "batch_size"]


@pytest.fixture(scope="module")
def section(grid, table):
    return claims_section(table, grid.landscape, judge(grid.scaling, table))


def count(svg: str, role: str) -> int:
    return svg.count(f'role="graphics-symbol" aria-roledescription="{role}"')


def rows_of(table, *names):
    places = [table.columns.index(name) for name in names]
    return [tuple(row[i] for i in places) for row in table.rows]


# Tables


def test_the_three_tables_keep_every_group(table, section):
    named = {t.anchor: t.table for t in section.tables}
    for anchor, kind in (
        ("batch-size", "batch_size"),
        ("learning-rate", "learning_rate"),
        ("over-all-cells", "ratio"),
    ):
        groups = [g for g in table.groups if g.kind == kind]
        assert named[anchor] == groups_table(table, kind)
        found = rows_of(named[anchor], "stratum", "cells", "Spearman ρ", "permutation p", "Holm p")
        for row, g in zip(found, groups, strict=True):
            assert row[:2] == (g.stratum, g.n)
            assert row[2:] == (
                (g.rho, g.p_permutation, g.p_holm) if g.tested else (None, None, None)
            )
    fixed = rows_of(named["learning-rate"], "batch size")
    assert {type(v) for (v,) in fixed} == {int}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"rho": -0.9, "significant_permutation": True}, "as claimed"),
        ({"rho": 0.9, "significant_permutation": True}, "the other way"),
        ({"rho": -0.9, "significant": True}, "not significant"),
        ({"reason": "fewer than 4 cells"}, "not tested: fewer than 4 cells"),
    ],
)
def test_the_verdict_of_a_group(changes, said):
    group = CorrelationGroup("batch_size", "s", (("learning_rate", 0.1),), 9, 0, 0)
    assert verdict(replace(group, **changes)) == said


def test_the_counts_stand_beside_the_papers(table):
    counts = counts_table(table)
    paper = rows_of(
        counts,
        "He et al.: groups",
        "He et al.: as claimed",
        "He et al.: and p < 0.005",
    )
    # Tables 1 to 3 of the paper: 80, 80 and 4 coefficients.
    assert paper == [(80, 80, 79), (80, 80, 76), (4, 4, 4)] * len(table.metrics)
    ours = rows_of(counts, "groups", "tested", "as claimed")
    for (n, tested, good), kind in zip(ours, ("batch_size", "learning_rate", "ratio"), strict=True):
        groups = [g for g in table.groups if g.kind == kind]
        sign = 1 if kind == "learning_rate" else -1
        assert n == len(groups)
        assert tested == sum(math.isfinite(g.rho) for g in groups)
        assert good == sum(sign * g.rho > 0 for g in groups)


def test_every_claim_stands_with_its_verdict(grid, table, section):
    claims = judge(grid.scaling, table)
    named = {t.anchor: t.table for t in section.tables}
    assert rows_of(named["verdicts"], "claim", "verdict", "finding", "n") == [
        (c.claim, c.verdict, c.finding, c.n) for c in claims
    ]
    supported = sum(c.verdict == "supported" for c in claims)
    assert section.remarks[0].startswith(f"Of {len(claims)} judgements")
    assert f": {supported} supported," in section.remarks[0]


def test_budgets_stand_side_by_side_where_there_are_several(grid):
    trials = grid.landscape.trials
    trials = trials[(trials["momentum"] == 0.9) & (trials["train_size"] == 500)]
    other = trials.assign(budget="epochs", budget_value=20.0)
    both = pd.concat([trials.assign(budget="steps", budget_value=500.0), other])
    landscape = Landscape.from_frame(both, source="two budgets")
    found = correlations(landscape, permutations=1000)
    section = claims_section(found, landscape, ())
    named = {t.anchor: t.table for t in section.tables}
    rows = rows_of(named["budgets"], "budget", "its value", "cells")
    n = trials.groupby(CELL).ngroups
    assert rows == [("epochs", 20.0, n), ("steps", 500.0, n)]
    shorts = [s.short for s in correlation_cells(found, landscape).strata]
    assert shorts == ["epochs 20", "steps 500"]


# Sections of little


def test_without_a_table_the_section_says_why(grid):
    section = claims_section(None, grid.landscape, (), reason="No trial has an accuracy.")
    assert section.anchor == "claims"
    assert section.remarks == (
        "The correlation claims could not be tested. No trial has an accuracy.",
    )
    assert section.figures == ()
    assert section.tables == ()
    assert "no results" in claims_section(None, grid.landscape, ()).remarks[0]


@pytest.fixture(scope="module")
def small_trials() -> pd.DataFrame:
    return plant(PlantedLaw(learning_rates=(0.1, 0.2, 0.4), n_seeds=2), seed=5).landscape.trials


def trials_like(name: str, trials: pd.DataFrame) -> pd.DataFrame:
    first = trials.iloc[0]
    kept = trials[trials["learning_rate"] == first["learning_rate"]]
    return {
        "one cell": kept[kept["batch_size"] == first["batch_size"]],
        "one trial": trials.head(1),
        "one learning rate": kept,
        "one batch size": trials.assign(batch_size=8).drop_duplicates(["learning_rate", "seed"]),
        "single seed": trials[trials["seed"] == 0],
        "all diverged": trials.assign(status="diverged"),
        "no training accuracy": trials.assign(train_accuracy=None),
        "no budget": trials.assign(budget="not given", budget_value=None, model="not given"),
    }[name]


@pytest.mark.parametrize(
    ("name", "panels"),
    [
        ("one cell", (1, 1, 2)),
        ("one trial", (1, 1, 2)),
        ("one learning rate", (1, 1, 2)),
        ("one batch size", (1, 1, 2)),
        ("single seed", (1, 2, 2)),
        ("all diverged", (1, 2, 2)),
        ("no training accuracy", (1, 2, 0)),
        ("no budget", (1, 2, 2)),
    ],
)
def test_little_data_give_a_section_that_draws(small_trials, name, panels, to_svg):
    landscape = Landscape.from_frame(trials_like(name, small_trials), source=name)
    found = correlations(landscape, permutations=1000)
    section = claims_section(found, landscape, ())
    assert tuple(len(f.panels) for f in section.figures) == panels
    for figure in section.figures:
        assert figure.answer.endswith(".")
        assert "nan" not in figure.answer
        for panel in figure.panels[:1]:
            svg = to_svg(panel)
            assert count(svg, "point") > 0
            assert "NaN" not in svg
    for named in section.tables:
        assert "nan" not in named.table.csv()


def test_what_cannot_be_told_is_said(small_trials):
    def answers(name):
        landscape = Landscape.from_frame(trials_like(name, small_trials), source=name)
        found = correlations(landscape, permutations=1000)
        return [f.answer for f in claims_section(found, landscape, ()).figures]

    scatter, lines, training = answers("one cell")
    assert scatter.startswith("It cannot be told")
    assert "cannot be tested" in lines
    assert "cannot be told" in training
    assert answers("all diverged")[0].startswith("It cannot be told")
    assert "cannot be told" in answers("no training accuracy")[2]


def test_the_sections_figures_are_described_and_fit_their_container(section, table, cells):
    assert [f.anchor for f in section.figures] == ["ratio", "curves", "training"]
    assert len({t.anchor for t in section.tables}) == len(section.tables)
    for figure in section.figures:
        for panel in figure.panels:
            spec = panel.to_dict()
            assert spec["width"] == "container"
            assert len(spec["description"]) > 60
            json.dumps(spec, allow_nan=False)
    wholes = [
        ratio(ratio_info(table, cells)),
        correlation_lines(correlation_lines_info(table, cells)),
        training_check(training_check_info(table, cells)),
    ]
    for whole, figure in zip(wholes, section.figures, strict=True):
        spec = whole.to_dict()
        assert len(spec.get("hconcat", [spec])) == len(figure.panels)
        names = [p["name"] for p in spec["params"]]
        assert len(names) == len(set(names))
