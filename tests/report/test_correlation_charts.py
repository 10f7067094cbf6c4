"""The charts of the correlation claims: coefficients against scipy, cells against the trials."""

import json
import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import vl_convert
from scipy import stats

from analysis.charts.correlation_chart import accuracy_axis
from analysis.charts.correlation_data import correlation_cells
from analysis.charts.correlation_lines_chart import correlation_lines_panels
from analysis.charts.correlation_lines_data import correlation_lines_info
from analysis.charts.ratio_chart import ratio_panels
from analysis.charts.ratio_data import ratio_info
from analysis.charts.training_check_chart import training_check_panels
from analysis.charts.training_check_data import training_check_info
from analysis.correlation import correlations
from analysis.planted import PlantedLaw, plant

CELL = ["momentum", "train_size", "learning_rate", "batch_size"]


@pytest.fixture(scope="module")
def means(grid) -> pd.DataFrame:
    """Mean accuracies of every cell, diverged trials being absent here."""
    assert (grid.landscape.trials["status"] == "completed").all()
    columns = ["test_accuracy", "train_accuracy"]
    found = grid.landscape.trials.groupby(CELL)[columns].mean().reset_index()
    return found.assign(ratio=found["batch_size"] / found["learning_rate"])


def of(means: pd.DataFrame, label: str) -> pd.DataFrame:
    """The cells of the stratum with this label."""
    momentum = float(label.split("momentum ")[1].split(",")[0])
    size = int(label.split("train_size ")[1])
    found = means[(means["momentum"] == momentum) & (means["train_size"] == size)]
    assert len(found) > 10
    return found


def count(svg: str, role: str) -> int:
    return svg.count(f'role="graphics-symbol" aria-roledescription="{role}"')


def shown(text: str) -> float:
    """The coefficient at the head of a text such as `+0.50 [+0.10, +0.80]`."""
    return float(text.split()[0].replace("−", "-"))


# Cells


def test_the_cells_are_those_of_the_tests(table, cells, means):
    assert [s.label for s in cells.strata] == [s.label for s in table.strata]
    assert len(cells.strata) == 4
    assert cells.drawn == cells.strata
    assert cells.note == ""
    for stratum, summary in zip(cells.strata, table.strata, strict=True):
        expected = of(means, stratum.label)
        assert len(stratum.cells) == summary.n == len(expected)
        by_cell = expected.set_index(["learning_rate", "batch_size"])
        for c in stratum.cells:
            row = by_cell.loc[(c.learning_rate, c.batch_size)]
            assert c.accuracy == pytest.approx(row["test_accuracy"])
            assert c.train_accuracy == pytest.approx(row["train_accuracy"])
            assert c.ratio == pytest.approx(row["ratio"])


def test_the_standard_error_is_that_of_the_mean(grid, cells):
    spread = grid.landscape.trials.groupby(CELL)["test_accuracy"].sem()
    for s in cells.strata:
        momentum, size = (float(part.split()[1]) for part in s.short.split(", "))
        for c in s.cells:
            expected = spread[momentum, size, c.learning_rate, c.batch_size]
            assert c.standard_error == pytest.approx(expected)
            assert c.high - c.low == pytest.approx(2 * expected)


def test_strata_are_offered_without_what_they_share(cells):
    assert [s.short for s in cells.strata] == [
        f"momentum {m}, train_size {n}" for m in (0, 0.9) for n in (500, 2000)
    ]
    sizes = [len(s.cells) for s in cells.drawn]
    assert sizes[cells.first] == max(sizes)


def test_a_single_stratum_keeps_its_name(demo):
    found = correlations(demo.landscape, permutations=1000)
    assert [s.short for s in correlation_cells(found, demo.landscape).strata] == [
        "planted, planted"
    ]


def test_too_many_cells_thin_the_strata_and_then_their_cells(grid, table, cells, to_svg):
    n = [len(s.cells) for s in cells.strata]
    two = correlation_cells(table, grid.landscape, most=2 * max(n))
    assert [s.label for s in two.drawn] == [cells.strata[0].label, cells.strata[-1].label]
    assert two.strata == cells.strata
    assert f"{n[0] + n[-1]} cells of {sum(n)}, in 2 evenly spaced strata of 4" in two.note
    few = correlation_cells(table, grid.landscape, most=10)
    assert [len(s.cells) for s in few.drawn] == [5, 5]
    info = ratio_info(table, few)
    assert few.note in info.notes
    assert len(info.table().rows) == sum(n)
    assert count(to_svg(ratio_panels(info)[0]), "point") == 5


def test_a_table_of_another_landscape_is_refused(demo, table):
    with pytest.raises(ValueError, match="another landscape"):
        correlation_cells(table, demo.landscape)


# The scatter


def test_rho_over_all_cells_and_on_both_sides_of_the_turn(table, cells, means):
    info = ratio_info(table, cells)
    turned = 0
    for s, regime in zip(info.strata, table.regimes, strict=True):
        here = of(means, s.label)
        expected = stats.spearmanr(here["ratio"].round(6), here["test_accuracy"]).statistic
        assert s.whole.rho == pytest.approx(expected)
        assert s.whole.n == len(here)
        assert shown(s.lines[0].removeprefix("ρ = ")) == pytest.approx(expected, abs=0.006)
        if s.below is None:
            continue
        turned += 1
        assert s.turn == regime.turn
        for side, part in (
            (s.below, here[here["ratio"] < s.turn]),
            (s.above, here[here["ratio"] >= s.turn]),
        ):
            assert side.n == len(part)
            rho = stats.spearmanr(part["ratio"].round(6), part["test_accuracy"]).statistic
            assert side.rho == pytest.approx(rho)
            assert side.low < rho < side.high
            # Fisher's z with the variance of Bonett & Wright (2000).
            half = 1.959964 * math.sqrt((1 + rho**2 / 2) / (side.n - 3))
            assert side.high == pytest.approx(math.tanh(math.atanh(rho) + half))
    assert turned == 4
    assert "rises and then falls in 4" in info.answer
    assert info.answer.startswith("Not throughout")


def test_the_scatter_draws_the_chosen_stratum_with_its_turn(table, cells, to_svg):
    info = ratio_info(table, cells)
    (panel,) = ratio_panels(info)
    for s in cells.strata[::3]:
        svg = to_svg(panel, shown_stratum=s.short)
        assert count(svg, "point") == len(s.cells)
        # Error bars and the turn.
        assert count(svg, "rule mark") == len(s.cells) + 1
        assert count(svg, "rect mark") == 1
        assert all(line in svg for line in info.by_label(s.label).lines)


def test_a_fall_throughout_and_a_rise_throughout_are_told(table, cells, to_svg):
    info = ratio_info(table, cells)
    for word, text in (("falls", "no turn is found"), ("rises", "no fall is found")):
        regimes = tuple(
            replace(r, verdict=word, turn=math.nan, low=math.nan, high=math.nan)
            for r in table.regimes
        )
        other = ratio_info(replace(table, regimes=regimes), cells)
        assert all(text in s.lines[1] and s.turn is None for s in other.strata)
        assert f"{word} throughout in 4" in other.answer
        assert count(to_svg(ratio_panels(other)[0]), "rect mark") == 0
    assert info.strata[0].lines != other.strata[0].lines


def test_one_stratum_is_answered_with_its_numbers(demo):
    found = correlations(demo.landscape, permutations=1000)
    info = ratio_info(found, correlation_cells(found, demo.landscape))
    (s,) = info.strata
    assert info.answer.startswith("Not throughout: accuracy turns at B/ε = ")
    assert s.below.text in info.answer
    assert s.above.text in info.answer
    assert s.whole.text in info.answer
    spec = ratio_panels(info)[0].to_dict()
    assert "shown_stratum" not in {p["name"] for p in spec["params"] if "bind" in p}


# The curves


def test_each_line_has_the_coefficient_of_its_cells(table, cells, means):
    info = correlation_lines_info(table, cells)
    assert len(info.lines) == sum(g.kind != "ratio" for g in table.groups)
    tested = 0
    for line in info.lines:
        here = of(means, line.stratum)
        fixed = "learning_rate" if line.kind == "batch_size" else "batch_size"
        part = here[here[fixed] == line.fixed]
        assert line.n == len(part)
        if line.reason:
            assert line.rho is None
            assert line.text.startswith("not tested: ")
            continue
        tested += 1
        rho = stats.spearmanr(part[line.kind], part["test_accuracy"]).statistic
        assert line.rho == pytest.approx(rho)
        assert shown(line.text) == pytest.approx(rho, abs=0.006)
    assert tested >= 12
    assert len(info.table().rows) == len(info.lines)


def test_the_panels_draw_a_line_a_learning_rate_and_a_line_a_batch_size(table, cells, to_svg):
    info = correlation_lines_info(table, cells)
    panels = correlation_lines_panels(info)
    assert len(panels) == 2
    for s in cells.strata[1:3]:
        for panel, fixed in zip(panels, ("learning_rate", "batch_size"), strict=True):
            svg = to_svg(panel, shown_stratum=s.short)
            assert count(svg, "point") == len(s.cells)
            assert count(svg, "line mark") == len({getattr(c, fixed) for c in s.cells})


def test_the_answer_counts_what_the_paper_counts(table, cells):
    info = correlation_lines_info(table, cells)
    for c in table.metrics[0].counts[:2]:
        if c.n_tested:
            assert f"at {c.as_claimed} of {c.n_tested} fixed" in info.answer
            assert f"{c.as_claimed_raw} of them with p < 0.005" in info.answer
    assert "He et al. print 80 of 80, 79" in info.answer
    rhos = [x.rho for x in info.lines if x.kind == "batch_size" and x.rho is not None]
    assert f"(median ρ {np.median(rhos):+.2f};".replace("-", "−") in info.answer


def test_an_axis_that_cannot_be_zoomed_holds_one_view_a_stratum(cells):
    whole = accuracy_axis(cells, zoomed=False).to_dict()
    zoomed = accuracy_axis(cells).to_dict()
    for axis, views in ((whole, 1), (zoomed, 2)):
        found, _ = json.JSONDecoder().raw_decode(axis["scale"]["domain"][0]["expr"][1:])
        assert [len(each) for each in found] == [views] * len(cells.drawn)
    assert "shown_accuracies" not in json.dumps(whole)


# The training check


def test_untrained_cells_are_hollow(table, cells, means):
    info = training_check_info(table, cells)
    panels = training_check_panels(info)
    for s in cells.strata[:1]:
        trained = int((of(means, s.label)["train_accuracy"] >= 0.99).sum())
        assert 0 < trained < len(s.cells)
        assert info.by_label(s.label).n_trained == trained
        assert info.train_head(s.label)[0] == f"{trained} of {len(s.cells)} cells reach 0.99"
        for panel in panels:
            spec = panel.to_dict()
            for param in spec["params"]:
                if param["name"] == "shown_stratum":
                    param["value"] = s.short
            spec["width"] = 600
            for filled, expected in ((True, trained), (False, len(s.cells) - trained)):
                alone = {
                    **spec,
                    "layer": [x for x in spec["layer"] if x["mark"].get("filled") is filled],
                }
                assert count(vl_convert.vegalite_to_svg(alone), "point") == expected


def test_rho_among_the_trained_is_told(table, cells, means):
    info = training_check_info(table, cells)
    for s in cells.strata:
        here = of(means, s.label)
        trained = here[here["train_accuracy"] >= 0.99]
        rho = stats.spearmanr(trained["ratio"].round(6), trained["test_accuracy"]).statistic
        told = info.test_head(s.label)[1].removeprefix("ρ = ")
        assert shown(told) == pytest.approx(rho, abs=0.006)
        rho = stats.spearmanr(here["ratio"].round(6), here["train_accuracy"]).statistic
        told = info.train_head(s.label)[1].removeprefix("ρ = ")
        assert shown(told) == pytest.approx(rho, abs=0.006)


def test_diverged_cells_are_crossed_out(to_svg):
    law = PlantedLaw(learning_rates=(0.1, 0.2), below=16, diverge_below=1.0, n_seeds=2)
    landscape = plant(law, seed=3).landscape
    found = correlations(landscape, permutations=1000)
    cells = correlation_cells(found, landscape)
    diverged = landscape.trials[landscape.trials["status"] == "diverged"]
    n = diverged.groupby(["learning_rate", "batch_size"]).ngroups
    assert n > 0
    every = cells.strata[0].cells
    assert {c.accuracy for c in every if c.n_diverged} == {0.1}
    (panel,) = ratio_panels(ratio_info(found, cells))
    assert count(to_svg(panel), "point") == len(every) + n
    assert any(
        f"{n} cells with a diverged trial" in note for note in ratio_info(found, cells).notes
    )


def test_more_learning_rates_than_colours_get_a_ramp(to_svg):
    rates = tuple(0.01 * 1.3**i for i in range(14))
    landscape = plant(PlantedLaw(learning_rates=rates, n_seeds=1), seed=4).landscape
    found = correlations(landscape, permutations=1000)
    info = ratio_info(found, correlation_cells(found, landscape))
    spec = ratio_panels(info)[0].to_dict()
    fields = {x["encoding"]["color"]["field"] for x in spec["layer"] if "color" in x["encoding"]}
    assert fields == {"eps"}
    assert count(to_svg(ratio_panels(info)[0]), "point") == len(info.cells.strata[0].cells)
