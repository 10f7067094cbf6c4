"""What lies on the map: cells with their states and values, ridge, near-optimal band and edge."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from analysis.charts.common import AXES, Axis, Row, inline
from analysis.charts.landscape_cells import (
    ALL_DIVERGED,
    LEFT_OUT,
    MISSING,
    PARTLY,
    TRAINED,
    UNTRAINED,
)
from analysis.charts.landscape_data import LandscapeInfo, RidgeRow

#: The label of each value, by axis.
Names = Mapping[Axis, Mapping[float, str]]

#: More cells than this in one view, and no values are written into them.
_MOST_TEXTS = 180

#: Marks of states, drawn in the middle of a cell.
_STATES = {
    LEFT_OUT: "M-.6,.6L.6,-.6",
    UNTRAINED: "M-.6,-.3L0,.35L.6,-.3",
    PARTLY: "M-.35,-.35L.35,.35M.35,-.35L-.35,.35",
    ALL_DIVERGED: "M-.8,-.8L.8,.8M.8,-.8L-.8,.8",
    MISSING: "M-.5,0L.5,0",
}
_RIDGE, _BAND, _EDGE = "best batch size", "near-optimal range", "edge of trainability"
_DASHES = {_RIDGE: [1, 0], _BAND: [2, 2], _EDGE: [7, 4]}
#: Readable on every colour of the scale: a light line in a dark casing.
_LIGHT, _DARK = "#ffffff", "#16181c"
_LEGEND_INK = "#8a929c"


def sides() -> dict[str, Any]:
    """The encoding of a cell's rectangle."""
    return {"x": alt.X("x1:Q"), "x2": "x2:Q", "y": alt.Y("y1:Q"), "y2": "y2:Q"}


def picked_layers(cells: alt.Chart) -> list[alt.Chart]:
    """The outline of the picked cell, red in a light casing."""
    picked = cells.transform_filter("datum.cell == picked")
    return [
        picked.mark_rect(fill=None, stroke=ink, strokeWidth=width, tooltip=None).encode(**sides())
        for ink, width in ((_LIGHT, 5), ("#d1495b", 3))
    ]


def cell_layers(
    cells: alt.Chart,
    info: LandscapeInfo,
    x: alt.X,
    y: alt.Y,
    measures: Mapping[str, str],
) -> list[alt.Chart]:
    """Coloured rectangles, outlines where there is no result, states and values."""
    valued = cells.transform_calculate(
        value=f"datum[({json.dumps(dict(measures))})[shown_measure]]"
    ).transform_filter("isValid(datum.value)")
    color = alt.Color(
        "value:Q",
        scale=alt.Scale(
            scheme="viridis", domain=[alt.ExprRef("ends[0]"), alt.ExprRef("ends[1]")], clamp=True
        ),
        legend=alt.Legend(
            title="colour",
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
    whole = {"x": x, "x2": "x2:Q", "y": y, "y2": "y2:Q"}
    layers = [
        valued.mark_rect(stroke=_DARK, strokeOpacity=0.25, strokeWidth=0.5).encode(
            **whole, color=color, tooltip=tooltip
        ),
        cells.transform_filter("!isValid(datum.mean)")
        .mark_rect(fillOpacity=0.01, fill=_LEGEND_INK, stroke=_LEGEND_INK, strokeDash=[3, 3])
        .encode(**whole, tooltip=tooltip),
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
        # Light in a dark casing on colours; without a result there is only the paper below.
        marked = cells.transform_filter(f"datum.state != '{TRAINED}'")
        on_paper = f"datum.state == '{MISSING}'"
        for ink, width in ((_DARK, 3.2), (_LIGHT, 1.4)):
            stroke = alt.when(on_paper).then(alt.value(_LEGEND_INK)).otherwise(alt.value(ink))
            layers.append(
                marked.mark_point(size=130, strokeWidth=width, filled=False).encode(
                    x=alt.X("B:Q"), y=alt.Y("row:Q"), shape=shape, stroke=stroke, tooltip=tooltip
                )
            )
    if _most_in_view(info) <= _MOST_TEXTS:
        layers.append(_values(valued))
    return layers


def _most_in_view(info: LandscapeInfo) -> int:
    others = [axis for axis in AXES if axis != info.row_axis]
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


def ridge_layers(info: LandscapeInfo, names: Names, here: str) -> list[alt.Chart]:
    """The near-optimal band, the edge and the ridge, each light in a dark casing."""
    lines = []
    for r in info.ridge:
        place = {axis: names[axis][getattr(r, axis)] for axis in AXES} | {"row": r.row}
        for kind, middle, low, high, hollow in _landmarks(r):
            if middle is not None:
                row = {"kind": kind, "B": middle, "low": low, "high": high, "hollow": hollow}
                lines.append({**place, **row, "line": f"{kind} {row['hollow']}"})
    bands = [
        {
            **{axis: names[axis][getattr(r, axis)] for axis in AXES},
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
