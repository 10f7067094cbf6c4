"""The completeness map: a small picture of what was planned and what became of it."""

from __future__ import annotations

import altair as alt

from analysis.charts.common import AnyChart, beside, inline, layered, powers_of_two
from analysis.charts.completeness_data import (
    ALL_DIVERGED,
    ALL_MISSING,
    DONE,
    SOME_DIVERGED,
    SOME_FAILED,
    SOME_MISSING,
    STATES,
    CompletenessInfo,
)

#: Okabe & Ito's (2008) hues, which colour-blind readers tell apart, in tones for both papers.
_HUES = {
    DONE: "#4a8fc4",
    SOME_DIVERGED: "#e0a02a",
    ALL_DIVERGED: "#d5602a",
    SOME_MISSING: "#8a939e",
    ALL_MISSING: "#8a939e",
    SOME_FAILED: "#c45f9b",
}
_SHAPES = {
    DONE: "circle",
    SOME_DIVERGED: "triangle-up",
    ALL_DIVERGED: "diamond",
    SOME_MISSING: "M-1,-.25L1,-.25L1,.25L-1,.25Z",
    ALL_MISSING: "M-1,-1L1,-1L1,1L-1,1ZM-.55,-.55L-.55,.55L.55,.55L.55,-.55Z",
    SOME_FAILED: "M-1,-.6L-.6,-1L0,-.4L.6,-1L1,-.6L.4,0L1,.6L.6,1L0,.4L-.6,1L-1,.6L-.4,0Z",
}
#: Of the map and of a row in it, pixels.
_HEIGHT, _ROW_HEIGHT = 150, 30


def completeness_panels(info: CompletenessInfo) -> tuple[alt.LayerChart, ...]:
    """The map for a page.

    Args:
        info: what to draw; without cells there is no panel.
    """
    if not info.cells:
        return ()
    order = list(dict.fromkeys(c.row for c in reversed(info.cells)))
    data = inline(
        [
            {
                "row": c.row,
                "sizes": c.batch_sizes,
                "low": c.low,
                "high": c.high,
                "middle": (c.batch_size * c.batch_size_high) ** 0.5,
                "state": c.state,
                "planned": c.planned,
                "completed": c.completed,
                "diverged": c.diverged,
                "failed": c.failed,
                "missing": c.missing,
            }
            for c in info.cells
        ]
    )
    states = [s for s in STATES if any(c.state == s for c in info.cells)]
    legend = alt.Legend(title=None, columns=alt.ExprRef("width < 420 ? 3 : 6"))
    color = alt.Color(
        "state:N",
        scale=alt.Scale(domain=states, range=[_HUES[s] for s in states]),
        legend=legend,
    )
    shape = alt.Shape(
        "state:N",
        scale=alt.Scale(domain=states, range=[_SHAPES[s] for s in states]),
        legend=legend,
    )
    low, high = min(c.low for c in info.cells), max(c.high for c in info.cells)
    scale = alt.Scale(type="log", base=2, domain=[low, high], nice=False)
    axis = alt.Axis(title="batch size", values=powers_of_two(low, high), format=",d", ticks=False)
    y = alt.Y("row:N", sort=order, axis=alt.Axis(title=info.axis, grid=False, domain=False))
    told = [
        alt.Tooltip("sizes:N", title="batch size"),
        alt.Tooltip("row:N", title=info.axis),
        alt.Tooltip("state:N"),
    ]
    known = ["completed", "diverged", "failed"]
    if info.counts.planned is not None:
        known = ["planned", *known, "missing"]
    told += [alt.Tooltip(f"{name}:Q", format=",") for name in known]
    base = alt.Chart(data)
    rects = base.mark_rect(fillOpacity=0.3, stroke=None).encode(
        x=alt.X("low:Q", scale=scale, axis=axis), x2="high:Q", y=y, color=color, tooltip=told
    )
    height = min(_HEIGHT, max(3, len(order)) * _ROW_HEIGHT)
    in_row = max(sum(c.row == row for c in info.cells) for row in order)
    room = min(46.0, 3.0 * height / len(order))
    size = alt.ExprRef(f"clamp(pow(0.6 * width / {in_row}, 2), 7, {room:g})")
    glyphs = base.mark_point(filled=True, size=size, opacity=1).encode(
        x=alt.X("middle:Q", scale=scale, axis=axis), y=y, color=color, shape=shape, tooltip=told
    )
    return (layered([rects, glyphs], height=height, description=info.description),)


def completeness(info: CompletenessInfo) -> AnyChart:
    """The map for a notebook or a picture; see `completeness_panels`.

    Args:
        info: what to draw, with at least one cell.
    """
    return beside(completeness_panels(info))
