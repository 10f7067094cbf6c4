"""The map of accuracy over batch size and learning rate, with the ridge, its band and the edge."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping

import altair as alt

from analysis.charts.common import (
    AXES,
    AXIS_FIELDS,
    AXIS_NAMES,
    SHORT_AXIS_NAMES,
    AnyChart,
    Row,
    beside,
    choice,
    inline,
    labels,
    layered,
    near_best,
    powers_of_two,
    thinned,
    tick_labels,
)
from analysis.charts.landscape_cells import LandscapeCell
from analysis.charts.landscape_data import LandscapeInfo
from analysis.charts.landscape_layers import Names, cell_layers, picked_layers, ridge_layers

#: What the colour can tell, in the order of the drop-down.
NEAR, WHOLE, BELOW, TRAINING = (
    "accuracy, near the best",
    "accuracy, whole range",
    "points below the condition's best",
    "training accuracy",
)
#: Points below the condition's best at which that colour scale ends.
_BELOW_RANGE = 0.05
_MOST_ROW_TICKS = 14

View = Callable[[LandscapeCell], str]

#: For each axis the parameter of its drop-down and its name in tables.
PARAMS: Mapping[str, tuple[str, str]] = {
    axis: (f"shown_{AXIS_FIELDS[axis]}", SHORT_AXIS_NAMES[axis]) for axis in AXES
}


def landscape_panels(info: LandscapeInfo) -> tuple[alt.LayerChart, ...]:
    """Draw the map.

    Drop-downs pick what the colour tells and the axes that are not drawn. The parameter `picked`
    is the number of the outlined cell in `info.cells`.

    Args:
        info: what to draw, with at least one cell.
    """
    names = {axis: labels(getattr(c, axis) for c in info.cells) for axis in AXES}
    others = [axis for axis in AXES if axis != info.row_axis]
    here = " && ".join(f"datum.{axis} == {PARAMS[axis][0]}" for axis in others)
    measures = _measures(info)

    def view(c: LandscapeCell) -> str:
        return "|".join(names[axis][getattr(c, axis)] for axis in others)

    data = inline([_cell_row(i, c, names) for i, c in enumerate(info.cells)])
    cells = alt.Chart(data).transform_filter(here)
    x, y = _axes(info)
    reach = _reach(info, view)
    layers = [
        *cell_layers(cells, info, x, y, measures),
        *ridge_layers(info, names, here),
        *picked_layers(cells),
    ]
    shown = info.cells[info.best or 0]
    domains = _domains(info, measures, view)
    view_now = " + '|' + ".join(PARAMS[axis][0] for axis in others)
    params = [
        choice("shown_measure", "colour", list(measures), next(iter(measures))),
        *(
            choice(
                PARAMS[axis][0],
                PARAMS[axis][1],
                list(names[axis].values()),
                names[axis][getattr(shown, axis)],
            )
            for axis in others
        ),
        alt.param(name="picked", value=-1),
        alt.param(
            name="ends",
            expr=f"({json.dumps(domains)})[shown_measure + '|' + {view_now}] || [0, 1]",
        ),
        alt.param(
            name="reach",
            expr=f"({json.dumps(reach)})[{view_now}] || {{ends: [1, 2], ticks: [1, 2]}}",
        ),
    ]
    chart = layered(layers, height=_height(info), description=info.description, params=params)
    # A legend's title cannot follow the drop-down.
    chart.title = alt.TitleParams(
        alt.ExprRef("'Colour: ' + shown_measure"),
        anchor="start",
        frame="group",
        fontSize=12,
        fontWeight="normal",
    )
    return (chart,)


def landscape(info: LandscapeInfo) -> AnyChart:
    """The map as one chart; see `landscape_panels`."""
    return beside(landscape_panels(info))


def _height(info: LandscapeInfo) -> int:
    rows = len({c.row for c in info.cells})
    return min(560, max(120, 44 * rows + 30))


def _cell_row(i: int, c: LandscapeCell, names: Names) -> Row:
    return {
        "cell": i,
        **{axis: names[axis][getattr(c, axis)] for axis in AXES},
        "B": c.batch_size,
        "x1": c.batch_low,
        "x2": c.batch_high,
        "row": c.row,
        "y1": c.row_low,
        "y2": c.row_high,
        "mean": c.mean,
        "error": c.standard_error,
        "below": c.below_best,
        "training": c.train_accuracy,
        "trials": c.n,
        "diverged": c.n_diverged,
        "failed": c.n_failed,
        "missing": c.n_missing,
        "state": c.state,
    }


def _measures(info: LandscapeInfo) -> dict[str, str]:
    """What the colour can tell, with the field that holds it."""
    measures = {NEAR: "mean", WHOLE: "mean", BELOW: "below"}
    if any(c.train_accuracy is not None for c in info.cells):
        measures[TRAINING] = "training"
    return measures


def _domains(info: LandscapeInfo, measures: Iterable[str], view: View) -> dict[str, list[float]]:
    """Both ends of the colours for each measure in each view, by measure and view."""
    means = [c.mean for c in info.cells if c.mean is not None] or [0.0]
    training = [c.train_accuracy for c in info.cells if c.train_accuracy is not None] or [0.0]
    views: dict[str, list[LandscapeCell]] = {}
    for c in info.cells:
        views.setdefault(view(c), []).append(c)
    domains = {}
    for name, cells in views.items():
        known = [(c.row, c.mean) for c in cells if c.mean is not None]
        ends = {
            NEAR: near_best(known) if known else (0.0, 1.0),
            WHOLE: (min(means), max(means)),
            BELOW: (-_BELOW_RANGE, 0.0),
            TRAINING: (min(training), max(training)),
        }
        for measure in measures:
            low, high = ends[measure]
            domains[f"{measure}|{name}"] = [low, high if high > low else low + 0.01]
    return domains


def _reach(info: LandscapeInfo, view: View) -> dict[str, dict[str, list[float]]]:
    """Ends and ticks of the batch-size axis in each view."""
    sides: dict[str, list[float]] = {}
    for c in info.cells:
        sides.setdefault(view(c), []).extend((c.batch_low, c.batch_high))
    return {
        name: {"ends": [min(found), max(found)], "ticks": powers_of_two(min(found), max(found))}
        for name, found in sides.items()
    }


def _axes(info: LandscapeInfo) -> tuple[alt.X, alt.Y]:
    bottom, top = min(c.row_low for c in info.cells), max(c.row_high for c in info.cells)
    x = alt.X(
        "x1:Q",
        scale=alt.Scale(
            type="log",
            base=2,
            nice=False,
            domain=[alt.ExprRef("reach.ends[0]"), alt.ExprRef("reach.ends[1]")],
        ),
        axis=alt.Axis(title="batch size", values=alt.ExprRef("reach.ticks"), format=",~r"),
    )
    texts = labels(getattr(c, info.row_axis) for c in info.cells)
    names = {c.row: texts[getattr(c, info.row_axis)] for c in info.cells}
    ticks = thinned(sorted(names), _MOST_ROW_TICKS)
    y = alt.Y(
        "y1:Q",
        scale=alt.Scale(type="log", nice=False, domain=[bottom, top]),
        axis=alt.Axis(
            title=AXIS_NAMES[info.row_axis],
            values=ticks,
            labelExpr=tick_labels({row: names[row] for row in ticks}),
            grid=False,
            labelOverlap=True,
        ),
    )
    return x, y
