"""The collapse: every number against the trials, what the panels say, and what is drawn."""

import json
from dataclasses import replace

import pytest

from analysis.charts.collapse_chart import MOST_CELLS, collapse, collapse_panels, thinning_note
from analysis.charts.collapse_data import collapse_info
from analysis.law.collapse import collapse as compare
from analysis.report.collapse_section import collapse_section


@pytest.fixture(scope="module")
def demo_info(demo):
    return collapse_info(demo.scaling.laws[0])


@pytest.fixture(scope="module")
def grid_info(grid):
    return collapse_info(grid.scaling.laws[0])


def count(svg: str, role: str) -> int:
    return svg.count(f'role="graphics-symbol" aria-roledescription="{role}"')


def with_peaks(law, peaks):
    """The law with other peaks, and their own comparison of variables."""
    report = replace(law.law, collapse=compare(peaks, n_resamples=40))
    return replace(law, peaks=tuple(peaks), law=report)


def many(make_peak, n: int):
    return [make_peak(0.001 * 1.01**i, 8.0) for i in range(n)]


def test_every_cell_is_the_mean_of_its_trials_over_its_conditions_height(grid, grid_info):
    keys = ["learning_rate", "momentum", "train_size", "batch_size"]
    mean = grid.landscape.trials.groupby(keys)["test_accuracy"].mean()
    height = {
        (p.learning_rate, p.momentum, p.train_size): p.accuracy_opt
        for p in grid.scaling.laws[0].peaks
    }
    assert len(grid_info.cells) == len(mean)
    for c in grid_info.cells:
        eps, m, n, b = c.learning_rate, c.momentum, c.train_size, c.batch_size
        assert c.mean == pytest.approx(mean[eps, m, n, b])
        assert c.relative == pytest.approx(mean[eps, m, n, b] / height[eps, m, n])
        assert c.noise_scale == pytest.approx(eps * n / (b * (1 - m)))
        assert c.exact_noise_scale == pytest.approx(eps * (n - b) / (b * (1 - m)))
        assert c.ratio == pytest.approx(b / eps)
        assert c.scale == pytest.approx(eps * n / (1 - m))
        assert c.relative_error == pytest.approx(c.standard_error / height[eps, m, n])


def test_the_table_holds_every_cell_unrounded(grid_info):
    table = grid_info.table()
    relative = table.columns.index("relative accuracy")
    assert [row[relative] for row in table.rows] == [c.relative for c in grid_info.cells]
    assert "relative accuracy" in table.percent
    fitted = table.columns.index("in the fits")
    assert sum(not row[fitted] for row in table.rows) == sum(not c.fitted for c in grid_info.cells)


def test_a_batch_of_all_samples_has_an_exact_noise_scale_of_zero(make_peak, demo):
    law = with_peaks(demo.scaling.laws[0], [make_peak(0.1, 8.0, train_size=16)])
    whole = [c for c in collapse_info(law).cells if c.batch_size == 16]
    assert [c.exact_noise_scale for c in whole] == [0.0]
    assert whole[0].noise_scale == pytest.approx(0.1 / 0.1)


def test_each_panel_says_what_its_variable_explains(grid, grid_info):
    by_name = {v.name: v for v in grid.scaling.laws[0].law.collapse.variables}
    assert [p.name for p in grid_info.panels] == ["noise_scale", "batch_size", "ratio"]
    for panel in grid_info.panels:
        v = by_name[panel.name]
        shown = f"{v.r2:.2f} [{v.low:.2f}, {v.high:.2f}]".replace("-", "−")
        assert shown in panel.lines[0]
    assert grid_info.answer == grid.scaling.laws[0].law.collapse.sentence


def test_a_variable_that_is_the_noise_scale_in_disguise_is_named(demo, demo_info):
    assert not demo.scaling.laws[0].law.collapse.variables[3].identifiable
    ratio = next(p for p in demo_info.panels if p.name == "ratio")
    assert "not told apart" in ratio.lines[1]
    rows = {row[0]: row for row in demo_info.variables_table().rows}
    told_apart = demo_info.variables_table().columns.index("identifiable here")
    assert rows["B/ε"][told_apart] is False
    assert rows["batch size B"][told_apart] is True
    assert rows["noise scale εN/(B(1 − m))"][told_apart] is None
    assert "eps" not in rows["B/ε"][-1]


def test_a_worse_variable_than_the_mean_is_not_said_to_explain(demo):
    law = demo.scaling.laws[0]
    variables = tuple(replace(v, r2=-1.5, low=-2.0, high=-1.0) for v in law.law.collapse.variables)
    worse = replace(law.law.collapse, variables=variables)
    info = collapse_info(replace(law, law=replace(law.law, collapse=worse)))
    assert info.panels[0].lines[0] == "r² −1.50 [−2.00, −1.00]: worse than the mean"


@pytest.mark.parametrize("range_", ["trained cells", "all cells"])
def test_every_panel_draws_every_cell_and_joins_each_condition(grid, grid_info, range_, to_svg):
    panels = collapse_panels(grid_info)
    assert len(panels) == 3
    for panel in panels:
        svg = to_svg(panel, shown_relative=range_)
        assert count(svg, "point") == len(grid_info.cells)
        assert count(svg, "line mark") == len(grid.scaling.laws[0].peaks)


def test_the_panels_share_their_vertical_scale_and_one_legend(grid_info):
    specs = [p.to_dict() for p in collapse_panels(grid_info)]

    def channel(spec, name):
        return [layer["encoding"][name] for layer in spec["layer"] if name in layer["encoding"]]

    domains = {
        json.dumps(y["scale"]["domain"]) for s in specs for y in channel(s, "y") if "scale" in y
    }
    assert len(domains) == 1
    for i, spec in enumerate(specs):
        legends = [c["legend"] for n in ("color", "shape") for c in channel(spec, n)]
        assert all(legends) if i == 0 else not any(legends)


@pytest.mark.parametrize(
    ("momenta", "sizes", "color", "shape"),
    [
        ((0.9,), (1000,), "rate", "rate"),
        ((0.0, 0.9), (1000,), "rate", "momentum"),
        ((0.9,), (500, 1000), "rate", "size"),
        ((0.0, 0.9), (500, 1000), "scale", "size"),
    ],
)
def test_colour_and_shape_tell_the_varied_axes(make_peak, demo, momenta, sizes, color, shape):
    peaks = [
        make_peak(eps, 8.0, momentum=m, train_size=n)
        for eps in (0.1, 0.2, 0.4)
        for m in momenta
        for n in sizes
    ]
    spec = collapse_panels(collapse_info(with_peaks(demo.scaling.laws[0], peaks)))[0].to_dict()
    points = [x["encoding"] for x in spec["layer"] if "shape" in x["encoding"]]
    assert {p["color"]["field"] for p in points} == {color}
    assert {p["shape"]["field"] for p in points} == {shape}


def test_more_conditions_than_colours_get_a_ramp_and_are_thinned_evenly(make_peak, demo, to_svg):
    law = with_peaks(demo.scaling.laws[0], many(make_peak, 600))
    info = collapse_info(law)
    panel = collapse_panels(info)[0]
    drawn_points = count(to_svg(panel), "point")
    assert 0.9 * MOST_CELLS < drawn_points <= MOST_CELLS
    assert len(info.cells) == len(info.table().rows) == 1800
    assert f"{drawn_points:,} cells of" in thinning_note(info)
    assert thinning_note(info) in collapse_section(law).figures[0].notes
    colors = [x["encoding"]["color"] for x in panel.to_dict()["layer"] if "color" in x["encoding"]]
    assert {c["field"] for c in colors} == {"scale"}


def test_nothing_is_thinned_where_there_is_room(grid_info):
    assert thinning_note(grid_info) == ""


def test_bars_stand_on_cells_with_a_known_error_alone(make_peak, demo, to_svg):
    info = collapse_info(with_peaks(demo.scaling.laws[0], [make_peak(0.1, 8.0)]))
    assert [c.relative_error is None for c in info.cells] == [False, False, True]
    # Two bars and the line of the condition's best.
    assert count(to_svg(collapse_panels(info)[0]), "rule mark") == 2 + 1


def test_of_single_seeds_no_error_is_drawn_or_tabled(study_of, demo_trials, to_svg):
    """The noise of single seeds is assumed by the analysis, not measured."""
    (law,) = study_of(demo_trials[demo_trials["seed"] == 0]).scaling.laws
    assert any(c.standard_error > 0 for p in law.peaks for c in p.cells)
    info = collapse_info(law)
    assert {(c.standard_error, c.relative_error) for c in info.cells} == {(None, None)}
    table = info.table()
    for name in ("standard error", "relative standard error"):
        assert {row[table.columns.index(name)] for row in table.rows} == {None}
    assert count(to_svg(collapse_panels(info)[0]), "rule mark") == 1
    assert any(n.startswith("No cell has a measured standard error:") for n in info.notes)


def test_cells_that_take_no_part_are_not_called_below_the_edge(make_peak, demo):
    section = collapse_section(with_peaks(demo.scaling.laws[0], [make_peak(0.1, 8.0)]))
    notes = section.figures[0].notes
    assert "1 cell left out of the smooth curves (hollow) takes no part in the comparison." in notes
    assert "edge of trainability" not in " ".join((section.figures[0].caption, *notes))


def test_a_condition_without_a_height_is_left_out_and_said(make_peak, demo):
    peaks = [make_peak(0.1, 8.0), make_peak(0.2, 8.0, accuracy_opt=float("nan"))]
    info = collapse_info(with_peaks(demo.scaling.laws[0], peaks))
    assert {c.learning_rate for c in info.cells} == {0.1}
    assert any(n.startswith("1 condition without a fitted best") for n in info.notes)
    assert "too few conditions" in info.answer
    assert info.panels[0].lines == ("too few conditions or batch sizes",)


def test_without_any_height_there_is_no_picture_but_a_reason(make_peak, demo):
    peaks = [make_peak(0.2, 8.0, accuracy_opt=float("nan"))]
    section = collapse_section(with_peaks(demo.scaling.laws[0], peaks))
    figure = section.figures[0]
    assert figure.panels == ()
    assert figure.table.rows == ()
    assert figure.notes == ("No condition has a fitted best accuracy to compare its cells with.",)
    assert len(section.tables[0].table.rows) == 5


def test_the_section_and_the_single_chart_hold_the_same(grid, grid_info):
    section = collapse_section(grid.scaling.laws[0])
    assert (section.anchor, section.figures[0].anchor) == ("collapse", "collapse")
    whole = collapse(grid_info).to_dict()
    assert len(whole["hconcat"]) == len(section.figures[0].panels) == 3
    assert [p["name"] for p in whole["params"]] == ["shown_relative"]
    for panel in section.figures[0].panels:
        spec = panel.to_dict()
        assert spec["width"] == "container"
        assert len(spec["description"]) > 60
        json.dumps(spec, allow_nan=False)
