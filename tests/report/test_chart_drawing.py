"""The drawn charts: their data reads back, they render, and pictures are written or refused."""

import csv
import io
import json
import math
import re
from dataclasses import replace

import pytest
import vl_convert

from analysis import charts
from analysis.charts.common import inline
from analysis.charts.law_chart import law_panels
from analysis.charts.peaks_chart import peaks_panels
from explorer.errors import EnvironmentFailure, InputError


@pytest.fixture(scope="module")
def drawn(grid):
    law = grid.scaling.laws[0]
    trials = grid.landscape.groups()[0][1]
    return {
        "peaks": charts.peaks(charts.peaks_info(law.peaks)),
        "law": charts.law(charts.law_info(law)),
        "curves": charts.learning_curves(charts.learning_curves_info(trials, grid.curves)),
    }


def marks(chart, **chosen) -> dict[str, int]:
    """Counts of drawn marks by role, from the SVG's own accessibility attributes.

    Altair's check of a specification takes as long as drawing it; other tests have it done.
    """
    spec = chart.to_dict(validate=False)
    for param in spec.get("params", []):
        if param["name"] in chosen:
            param["value"] = chosen.pop(param["name"])
    assert not chosen
    spec["width"] = 700
    svg = vl_convert.vegalite_to_svg(spec)
    counts: dict[str, int] = {}
    for role in re.findall(r'role="graphics-symbol" aria-roledescription="([^"]+)"', svg):
        counts[role] = counts.get(role, 0) + 1
    return counts


def test_inline_rows_read_back():
    rows = [
        {"text": "0.05", "x": 1 / 3, "n": 7, "good": True, "low": None},
        {"text": 'a,"b"', "x": 2.0, "n": 8, "good": False, "low": 0.5},
    ]
    data = inline(rows).to_dict()
    read = list(csv.DictReader(io.StringIO(data["values"])))
    assert [r["text"] for r in read] == ["0.05", 'a,"b"']
    assert [float(r["x"]) for r in read] == pytest.approx([1 / 3, 2.0], rel=1e-5)
    assert [r["low"] for r in read] == ["", "0.5"]
    assert data["format"]["parse"] == {
        "text": "string",
        "x": "number",
        "n": "number",
        "good": "boolean",
        "low": "number",
    }
    assert inline([]).to_dict() == {"values": []}


def test_every_cell_and_optimum_of_the_shown_condition_is_a_point(drawn, grid):
    law = grid.scaling.laws[0]
    for momentum, size in [(0.0, 500), (0.9, 2000)]:
        here = [p for p in law.peaks if (p.momentum, p.train_size) == (momentum, size)]
        arrows = sum(2 if p.censored and p.censored_side is None else p.censored for p in here)
        expected = sum(len(p.cells) for p in here) + len(here) + arrows
        counts = marks(drawn["peaks"], shown_momentum=f"{momentum:g}", shown_size=str(size))
        assert counts["point"] == expected


@pytest.mark.parametrize("axis", ["train_size", "momentum"])
def test_the_other_axes_have_their_curves_too(grid, axis):
    peaks = grid.scaling.laws[0].peaks
    info = charts.peaks_info(peaks, axis=axis)
    other = "train_size" if axis == "momentum" else "momentum"
    value = info.levels[other][-1]
    here = [p for p in peaks if p.learning_rate == 0.2 and getattr(p, other) == value]
    arrows = sum(2 if p.censored and p.censored_side is None else p.censored for p in here)
    name = "shown_size" if other == "train_size" else "shown_momentum"
    counts = marks(charts.peaks(info), shown_rate="0.2", **{name: f"{value:g}"})
    assert counts["point"] == sum(len(p.cells) for p in here) + len(here) + arrows
    assert counts["line mark"] == len(here) == 2


def test_one_picked_curve_gets_its_band(drawn):
    assert "area mark" not in marks(drawn["peaks"])
    assert marks(drawn["peaks"], picked_rate="0.2")["area mark"] == 1


def test_a_pair_without_trials_says_so(make_peak):
    here = [make_peak(0.1, 8.0, train_size=500), make_peak(0.1, 8.0, momentum=0.5)]
    spec = charts.peaks(charts.peaks_info(here)).to_dict()
    spec["width"] = 600
    assert "no trials at this condition" not in vl_convert.vegalite_to_svg(spec)
    pair = {"shown_size": "500", "shown_momentum": "0.5"}
    for param in spec["params"]:
        param["value"] = pair.get(param["name"], param.get("value"))
        if param["value"] is None:
            del param["value"]
    assert "no trials at this condition" in vl_convert.vegalite_to_svg(spec)


@pytest.mark.parametrize(("side", "arrows"), [("low", 1), ("high", 1), (None, 2)])
def test_a_censored_optimum_is_hollow_with_arrows(make_peak, demo, side, arrows):
    edge = make_peak(0.1, 8.0, censored=True, censored_side=side)
    counts = marks(charts.peaks(charts.peaks_info([edge, make_peak(0.2, 16.0)])))
    assert counts["point"] == 2 * 3 + 2 + arrows
    law = replace(demo.scaling.laws[0], peaks=(edge, make_peak(0.2, 16.0)))
    assert marks(charts.law(charts.law_info(law)))["point"] == 2 + arrows


def test_every_landmark_of_every_condition_is_a_mark_of_the_law(drawn, grid):
    peaks = grid.scaling.laws[0].peaks
    edges = [p.landmark("edge") for p in peaks if math.isfinite(p.batch_size_edge)]
    arrows = sum(2 if p.censored and p.censored_side is None else p.censored for p in peaks)
    arrows += sum(e.open_low + e.open_high for e in edges)
    counts = marks(drawn["law"])
    assert counts["point"] == len(peaks) + len(edges) + arrows
    # Four groups of both landmarks, and slope 1.
    assert counts["line mark"] == 4 + 4 + 1


def test_where_there_is_nothing_there_is_no_panel(demo):
    law = replace(demo.scaling.laws[0], peaks=())
    assert peaks_panels(charts.peaks_info(())) == ()
    assert law_panels(charts.law_info(law)) == ()


@pytest.mark.parametrize("measure", ["test accuracy", "train loss"])
def test_the_learning_curves_show_the_chosen_condition(drawn, grid, measure):
    trials = grid.landscape.trials
    here = trials[
        (trials["learning_rate"] == 0.2)
        & (trials["momentum"] == 0.9)
        & (trials["train_size"] == 500)
    ]
    counts = marks(
        drawn["curves"],
        shown_rate="0.2",
        shown_momentum="0.9",
        shown_size="500",
        measure=measure,
    )
    assert counts["point"] == here["batch_size"].nunique() * 10
    assert counts["line mark"] == here["batch_size"].nunique()


def test_a_condition_without_trials_says_so(drawn):
    spec = drawn["curves"].to_dict()
    next(p for p in spec["params"] if p["name"] == "shown_rate")["value"] = "0.3"
    spec["width"] = 600
    assert "no trials at this condition" in vl_convert.vegalite_to_svg(spec)
    spec = drawn["curves"].to_dict()
    spec["width"] = 600
    assert "no trials at this condition" not in vl_convert.vegalite_to_svg(spec)


def test_charts_carry_their_description_and_fit_their_container(drawn):
    for chart in drawn.values():
        spec = chart.to_dict()
        assert len(spec["description"]) > 60
        assert spec["width"] == "container"
        json.dumps(spec, allow_nan=False)


def test_one_learning_rate_needs_no_drop_down_for_it(make_peak):
    spec = charts.peaks(charts.peaks_info([make_peak(0.1, 8.0)])).to_dict()
    bound = {p["name"] for p in spec["params"] if "bind" in p}
    assert bound == {"shown_range"}


def test_equal_accuracies_still_have_a_readable_axis(make_peak):
    cells = tuple(replace(c, mean=0.1, standard_error=0.0) for c in make_peak(0.1, 8.0).cells)
    info = charts.peaks_info([make_peak(0.1, 8.0, cells=cells, curve=())])
    spec = charts.peaks(info).to_dict()
    spec["width"] = 600
    svg = vl_convert.vegalite_to_svg(spec)
    assert ">10%<" in svg
    assert "NaN" not in svg


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_pictures_are_rendered(drawn, tmp_path, mode):
    svg = charts.save_static(drawn["law"], tmp_path / "law.svg", mode=mode).read_text()
    assert svg.startswith("<svg")
    assert "fitted laws" in svg
    png = charts.save_static(drawn["peaks"], tmp_path / "peaks.png", width=300).read_bytes()
    assert png.startswith(b"\x89PNG")


def test_other_pictures_are_refused(drawn, tmp_path):
    with pytest.raises(InputError, match=r"law\.gif.*'\.gif'"):
        charts.save_static(drawn["law"], tmp_path / "law.gif")
    (tmp_path / "file").write_text("")
    with pytest.raises(EnvironmentFailure, match="could not be written"):
        charts.save_static(drawn["law"], tmp_path / "file" / "law.svg")
