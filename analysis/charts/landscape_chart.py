"""The map of accuracy over batch size and learning rate, with the ridge, its band and the edge."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import altair as alt

from analysis.charts.common import (
    AnyChart,
    Row,
    beside,
    choice,
    inline,
    labels,
    layered,
    powers_of_two,
    thinned,
)
from analysis.charts.landscape_data import (
    ALL_DIVERGED,
    MISSING,
    PARTLY,
    ROW_TITLES,
    TRAINED,
    UNTRAINED,
    LandscapeCell,
    LandscapeInfo,
    RidgeRow,
)

#: What the colour can tell, in the order of the drop-down.
NEAR, WHOLE, BELOW, TRAINING = (
    "accuracy, near the best",
    "accuracy, whole range",
    "points below the condition's best",
    "training accuracy",
)
#: Points below the condition's best at which that colour scale ends.
_BELOW_RANGE = 0.05
#: The colours of NEAR begin this far below the lowest of the conditions' best means, as a share
#: of their height above the lowest cell.
_NEAR_SHARE = 0.15

#: More cells than this in one view, and no values are written into them.
_MOST_TEXTS = 180
_MOST_ROW_TICKS = 14

#: Marks of states, drawn in the middle of a cell.
_STATES = {
    UNTRAINED: "M-.6,.6L.6,-.6",
    PARTLY: "M-.35,-.35L.35,.35M.35,-.35L-.35,.35",
    ALL_DIVERGED: "M-.8,-.8L.8,.8M.8,-.8L-.8,.8",
    MISSING: "M-.5,0L.5,0",
}
_RIDGE, _BAND, _EDGE = "best batch size", "near-optimal range", "edge of trainability"
_DASHES = {_RIDGE: [1, 0], _BAND: [2, 2], _EDGE: [7, 4]}
#: Readable on every colour of the scale: a light line in a dark casing.
_LIGHT, _DARK = "#ffffff", "#16181c"
_LEGEND_INK = "#8a929c"

View = Callable[[LandscapeCell], str]

_AXES = ("learning_rate", "train_size", "momentum")
#: For each axis the parameter of its drop-down and its name in tables.
PARAMS = {
    "learning_rate": ("shown_rate", "learning rate"),
    "momentum": ("shown_momentum", "momentum"),
    "train_size": ("shown_size", "train size"),
}


def landscape_panels(info: LandscapeInfo) -> tuple[alt.LayerChart, ...]:
    """Draw the map.

    Drop-downs pick what the colour tells and the axes that are not drawn. The parameter `picked`
    is the number of the outlined cell in `info.cells`.

    Args:
        info: what to draw, with at least one cell.
    """
    names = {axis: labels(getattr(c, axis) for c in info.cells) for axis in _AXES}
    others = [axis for axis in _AXES if axis != info.row_axis]
    here = " && ".join(f"datum.{axis} == {PARAMS[axis][0]}" for axis in others)
    measures = _measures(info)

    def view(c: LandscapeCell) -> str:
        return "|".join(names[axis][getattr(c, axis)] for axis in others)

    data = inline([_cell_row(i, c, names) for i, c in enumerate(info.cells)])
    cells = alt.Chart(data).transform_filter(here)
    x, y = _axes(info)
    reach = _reach(info, view)
    layers = [
        *_cell_layers(cells, info, x, y, measures),
        *_ridge_layers(info, names, here),
        cells.transform_filter("datum.cell == picked")
        .mark_rect(fill=None, stroke=_LIGHT, strokeWidth=5, tooltip=None)
        .encode(**_sides()),
        cells.transform_filter("datum.cell == picked")
        .mark_rect(fill=None, stroke="#d1495b", strokeWidth=3, tooltip=None)
        .encode(**_sides()),
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
    return (chart,)


def landscape(info: LandscapeInfo) -> AnyChart:
    """The map as one chart; see `landscape_panels`."""
    return beside(landscape_panels(info))


def _height(info: LandscapeInfo) -> int:
    rows = len({c.row for c in info.cells})
    return min(560, max(120, 44 * rows + 30))


def _cell_row(i: int, c: LandscapeCell, names: dict[str, dict[float, str]]) -> Row:
    return {
        "cell": i,
        **{axis: names[axis][getattr(c, axis)] for axis in _AXES},
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
        ends = {
            NEAR: _near(cells),
            WHOLE: (min(means), max(means)),
            BELOW: (-_BELOW_RANGE, 0.0),
            TRAINING: (min(training), max(training)),
        }
        for measure in measures:
            low, high = ends[measure]
            domains[f"{measure}|{name}"] = [low, high if high > low else low + 0.01]
    return domains


def _near(cells: Sequence[LandscapeCell]) -> tuple[float, float]:
    """From a little below the lowest of the rows' best means to the highest mean."""
    tops: dict[float, float] = {}
    for c in cells:
        if c.mean is not None:
            tops[c.row] = max(tops.get(c.row, c.mean), c.mean)
    if not tops:
        return 0.0, 1.0
    lowest = min(c.mean for c in cells if c.mean is not None)
    lowest_top = min(tops.values())
    return lowest_top - _NEAR_SHARE * (lowest_top - lowest), max(tops.values())


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
    ticks = thinned(sorted({c.row for c in info.cells}), _MOST_ROW_TICKS)
    label = "1 - 1 / datum.value" if info.row_axis == "momentum" else "datum.value"
    y = alt.Y(
        "y1:Q",
        scale=alt.Scale(type="log", nice=False, domain=[bottom, top]),
        axis=alt.Axis(
            title=ROW_TITLES[info.row_axis],
            values=ticks,
            labelExpr=f"format({label}, '.3~r')",
            grid=False,
            labelOverlap=True,
        ),
    )
    return x, y


def _sides() -> dict[str, Any]:
    return {"x": alt.X("x1:Q"), "x2": "x2:Q", "y": alt.Y("y1:Q"), "y2": "y2:Q"}


def _cell_layers(
    cells: alt.Chart,
    info: LandscapeInfo,
    x: alt.X,
    y: alt.Y,
    measures: dict[str, str],
) -> list[alt.Chart]:
    """Coloured rectangles, outlines where there is no result, states and values."""
    valued = cells.transform_calculate(
        value=f"datum[({json.dumps(measures)})[shown_measure]]"
    ).transform_filter("isValid(datum.value)")
    color = alt.Color(
        "value:Q",
        scale=alt.Scale(
            scheme="viridis", domain=[alt.ExprRef("ends[0]"), alt.ExprRef("ends[1]")], clamp=True
        ),
        legend=alt.Legend(
            title="accuracy",
            format=".1~%",
            gradientLength=alt.ExprRef("min(260, width / 2)"),
            gradientThickness=10,
            tickCount=4,
        ),
    )
    tooltip = [
        alt.Tooltip("learning_rate:N", title="learning rate"),
        alt.Tooltip("B:Q", title="batch size"),
        alt.Tooltip("mean:Q", title="mean", format=".2%"),
        alt.Tooltip("error:Q", title="standard error", format=".2%"),
        alt.Tooltip("training:Q", title="training accuracy", format=".1%"),
        alt.Tooltip("trials:Q"),
        alt.Tooltip("diverged:Q"),
        alt.Tooltip("missing:Q"),
        alt.Tooltip("state:N"),
    ]
    sides = {"x": x, "x2": "x2:Q", "y": y, "y2": "y2:Q"}
    layers = [
        valued.mark_rect(stroke=_DARK, strokeOpacity=0.25, strokeWidth=0.5).encode(
            **sides, color=color, tooltip=tooltip
        ),
        cells.transform_filter("!isValid(datum.mean)")
        .mark_rect(fillOpacity=0.01, fill=_LEGEND_INK, stroke=_LEGEND_INK, strokeDash=[3, 3])
        .encode(**sides, tooltip=tooltip),
    ]
    present = [s for s in _STATES if any(c.state == s for c in info.cells)]
    if present:
        shape = alt.Shape(
            "state:N",
            scale=alt.Scale(domain=present, range=[_STATES[s] for s in present]),
            legend=alt.Legend(
                title="marks", symbolStrokeColor=_LEGEND_INK, symbolSize=130, columns=1
            ),
        )
        marked = cells.transform_filter(f"datum.state != '{TRAINED}'")
        for ink, width in ((_DARK, 3.2), (_LIGHT, 1.4)):
            layers.append(
                marked.mark_point(size=130, stroke=ink, strokeWidth=width, filled=False).encode(
                    x=alt.X("B:Q"), y=alt.Y("row:Q"), shape=shape, tooltip=tooltip
                )
            )
    if _most_in_view(info) <= _MOST_TEXTS:
        layers.append(_values(valued))
    return layers


def _most_in_view(info: LandscapeInfo) -> int:
    others = [axis for axis in _AXES if axis != info.row_axis]
    counts = Counter(tuple(getattr(c, axis) for axis in others) for c in info.cells)
    return max(counts.values())


def _values(valued: alt.Chart) -> alt.Chart:
    """The value in the lower part of each cell that is wide enough for it."""
    ink = alt.when("(datum.value - ends[0]) / (ends[1] - ends[0]) > 0.6").then(alt.value(_DARK))
    drawn: alt.Chart = (
        valued.transform_filter(
            "width * log(datum.x2 / datum.x1) / log(reach.ends[1] / reach.ends[0]) > 32"
        )
        .mark_text(fontSize=10, baseline="bottom", dy=18, tooltip=None)
        .encode(
            x=alt.X("B:Q"),
            y=alt.Y("row:Q"),
            text=alt.Text("value:Q", format=".1%"),
            color=ink.otherwise(alt.value(_LIGHT)),
        )
    )
    return drawn


def _ridge_layers(
    info: LandscapeInfo, names: dict[str, dict[float, str]], here: str
) -> list[alt.Chart]:
    """The near-optimal band, the edge and the ridge, each light in a dark casing."""
    lines = []
    for r in info.ridge:
        place = {axis: names[axis][getattr(r, axis)] for axis in _AXES} | {"row": r.row}
        for kind, middle, low, high, hollow in _landmarks(r):
            if middle is not None:
                row = {"kind": kind, "B": middle, "low": low, "high": high, "hollow": hollow}
                lines.append({**place, **row, "line": f"{kind} {row['hollow']}"})
    bands = [
        {
            **{axis: names[axis][getattr(r, axis)] for axis in _AXES},
            "row": r.row,
            "low": low,
            "high": high,
        }
        for r in info.ridge
        for low, high in [(r.near_low, r.near_high)]
        if low is not None and high is not None
    ]
    if not lines and not bands:
        return []
    layers = []
    if bands:
        band = alt.Chart(inline(bands)).transform_filter(here)
        layers.append(
            band.mark_area(
                fill=_LIGHT, fillOpacity=0.16, orient="horizontal", clip=True, tooltip=None
            ).encode(x=alt.X("low:Q"), x2="high:Q", y=alt.Y("row:Q"))
        )
    return [*layers, *_line_layers(lines, here)]


def _landmarks(
    r: RidgeRow,
) -> list[tuple[str, float | None, float | None, float | None, bool]]:
    return [
        (_RIDGE, r.batch_size_opt, r.low, r.high, r.censored),
        (_EDGE, r.edge, r.edge_low, r.edge_high, False),
    ]


def _line_layers(lines: Sequence[Row], here: str) -> list[alt.Chart]:
    kinds = [k for k in (_RIDGE, _EDGE) if any(r["kind"] == k for r in lines)]
    if not kinds:
        return []
    base = alt.Chart(inline(lines)).transform_filter(here)
    legend = alt.Legend(
        title="lines", symbolType="stroke", symbolSize=260, symbolStrokeColor=_LEGEND_INK, columns=1
    )
    dash = alt.StrokeDash(
        "kind:N",
        scale=alt.Scale(domain=kinds, range=[_DASHES[k] for k in kinds]),
        legend=legend,
    )
    order = alt.Order("row:Q")
    x, y = alt.X("B:Q"), alt.Y("row:Q")
    layers = [
        base.mark_line(
            stroke=_DARK, strokeWidth=4.2, strokeOpacity=0.7, clip=True, tooltip=None
        ).encode(x=x, y=y, detail="kind:N", order=order),
        base.mark_line(stroke=_LIGHT, strokeWidth=2, clip=True, tooltip=None).encode(
            x=x, y=y, strokeDash=dash, order=order
        ),
    ]
    ends = base.transform_filter("isValid(datum.low) && isValid(datum.high)")
    for ink, width in ((_DARK, 4.2), (_LIGHT, 2.0)):
        layers.append(
            ends.mark_rule(
                stroke=ink, strokeWidth=width, strokeOpacity=0.8, clip=True, tooltip=None
            ).encode(x=alt.X("low:Q"), x2="high:Q", y=y)
        )
    tooltip = [
        alt.Tooltip("kind:N", title="landmark"),
        alt.Tooltip("B:Q", title="batch size", format=".3~r"),
        alt.Tooltip("low:Q", title="95 % from", format=".3~r"),
        alt.Tooltip("high:Q", title="to", format=".3~r"),
    ]
    for kind, mark in ((_RIDGE, "circle"), (_EDGE, "square")):
        fill = alt.when("datum.hollow").then(alt.value(_DARK)).otherwise(alt.value(_LIGHT))
        layers.append(
            base.transform_filter(f"datum.kind == '{kind}'")
            .mark_point(shape=mark, size=52, stroke=_DARK, strokeWidth=1.4, filled=False, opacity=1)
            .encode(x=x, y=y, fill=fill, tooltip=tooltip)
        )
    return layers
