"""The collapse: relative accuracy against the noise scale, beside batch size and B/eps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt

from analysis.charts.collapse_data import BATCH_SIZE, CollapseCell, CollapseInfo, CollapsePanel
from analysis.charts.common import (
    AXES,
    AXIS_FIELDS,
    AXIS_NAMES,
    AnyChart,
    Row,
    beside,
    choice,
    inline,
    labels,
    layered,
    log_ticks,
    marks,
    plural,
    powers_of_two,
    round_ticks,
    shapes,
    thinned,
    widened,
    with_margin,
    without_legend,
)

#: More cells than this, and evenly spaced conditions are drawn.
MOST_CELLS = 1_500
#: More values of an axis than this, and colour is a ramp without single entries.
_MOST_ENTRIES = 12
#: More cells than this, and their marks are small.
_MANY_CELLS = 600
#: More conditions than this, and error bars would hide the points.
_MOST_WITH_BARS = 14

#: What each field of the rows is called.
_NAMES = {AXIS_FIELDS[axis]: AXIS_NAMES[axis] for axis in AXES}
_SCALE = "εN / (1 − m)"
_ZOOMED = "shown_relative == 'trained cells'"


def collapse_panels(info: CollapseInfo) -> tuple[alt.LayerChart, ...]:
    """Draw the three panels, which share their vertical axis; the first has the legend.

    Colour and shape tell the axis that was varied; of two, colour the one with more values; of
    three, or of very many values, colour is eps*N/(1-m) and shape the axis with the fewest.

    Args:
        info: what to draw; nothing where it has no cell.
    """
    if not info.cells:
        return ()
    cells = drawn_cells(info)
    names = {
        "rate": labels(c.learning_rate for c in cells),
        "momentum": labels(c.momentum for c in cells),
        "size": labels(c.train_size for c in cells),
    }
    color, shape = _looks(cells, names)
    return tuple(
        _panel(info, cells, panel, names, color, shape, is_first=i == 0)
        for i, panel in enumerate(info.panels)
    )


def collapse(info: CollapseInfo) -> AnyChart:
    """The panels side by side; see `collapse_panels`.

    Args:
        info: what to draw, with at least one cell.
    """
    return beside(collapse_panels(info))


def drawn_cells(info: CollapseInfo) -> tuple[CollapseCell, ...]:
    """The cells of evenly spaced conditions, at most MOST_CELLS."""
    if len(info.cells) <= MOST_CELLS:
        return info.cells
    by_condition: dict[tuple[float, float, int], list[CollapseCell]] = {}
    for c in info.cells:
        by_condition.setdefault(c.condition, []).append(c)
    widest = max(len(cells) for cells in by_condition.values())
    kept = thinned(list(by_condition.values()), max(2, MOST_CELLS // widest))
    return tuple(c for cells in kept for c in thinned(cells, MOST_CELLS // len(kept)))


def thinning_note(info: CollapseInfo) -> str:
    """What is not drawn; empty where everything is."""
    drawn = drawn_cells(info)
    if len(drawn) == len(info.cells):
        return ""
    n, of = len({c.condition for c in drawn}), len({c.condition for c in info.cells})
    return (
        f"Drawn are {plural(len(drawn), 'cell')} of {n:,} evenly spaced conditions of {of:,}; "
        "the table and the comparison have all."
    )


def _looks(cells: Sequence[CollapseCell], names: dict[str, dict[float, str]]) -> tuple[Any, Any]:
    """Colour and shape of the conditions, each with its legend."""
    varied = sorted((f for f in names if len(names[f]) > 1), key=lambda f: -len(names[f])) or [
        "rate"
    ]
    many = len(names[varied[0]]) > _MOST_ENTRIES
    if len(varied) < 3 and not many:
        color, shape = _nominal(varied[0], names)
        if len(varied) == 2:
            shape = _shape(varied[1], names)
        return color, shape
    low, high = widened(c.scale for c in cells)
    color = alt.Color(
        "scale:Q",
        scale=alt.Scale(type="log", domain=[low, high], nice=False),
        legend=alt.Legend(title=_SCALE, values=log_ticks(low, high), format=",~r", columns=3),
    )
    few = [f for f in reversed(varied) if len(names[f]) <= len(shapes(7))]
    return color, _shape(few[0], names) if few else alt.value("circle")


def _nominal(field: str, names: dict[str, dict[float, str]]) -> tuple[Any, Any]:
    return marks(field, list(names[field].values()), _NAMES[field], in_row=4)


def _shape(field: str, names: dict[str, dict[float, str]]) -> Any:
    order = list(names[field].values())
    return alt.Shape(
        f"{field}:N",
        scale=alt.Scale(domain=order, range=shapes(len(order))),
        legend=alt.Legend(title=_NAMES[field], columns=4),
    )


def _panel(
    info: CollapseInfo,
    cells: Sequence[CollapseCell],
    panel: CollapsePanel,
    names: dict[str, dict[float, str]],
    color: Any,
    shape: Any,
    *,
    is_first: bool,
) -> alt.LayerChart:
    if not is_first:
        color, shape = without_legend(color), without_legend(shape)
    lines_of = {
        condition: i for i, condition in enumerate(dict.fromkeys(c.condition for c in cells))
    }
    rows = [_row(c, panel.name, names, lines_of[c.condition]) for c in cells]
    base = alt.Chart(inline(rows))
    many = len(cells) > _MANY_CELLS
    x, y = _x(panel, cells), _y(info, cells)
    tooltip = [
        alt.Tooltip("relative:Q", title="relative accuracy", format=".1%"),
        alt.Tooltip("mean:Q", title=f"mean {info.metric.replace('_', ' ')}", format=".2%"),
        alt.Tooltip("error:Q", title="standard error", format=".2%"),
        alt.Tooltip("B:Q", title="batch size"),
        *(alt.Tooltip(f"{field}:N", title=name) for field, name in _NAMES.items()),
        alt.Tooltip("x:Q", title=panel.title, format=".4~g"),
    ]
    best = alt.Chart(alt.InlineData(values=[{"y": 1}])).mark_rule(
        style="reference", strokeDash=[4, 4], strokeOpacity=0.6, tooltip=None
    )
    line = base.mark_line(
        strokeWidth=1.1, opacity=0.3 if many else 0.55, clip=True, tooltip=None
    ).encode(x=x, y=y, color=color, detail="line:N")
    layers = [best.encode(y=alt.Y("y:Q")), line]
    if len(lines_of) <= _MOST_WITH_BARS:
        layers.append(
            base.transform_filter("isValid(datum.low)")
            .mark_rule(strokeWidth=1.1, opacity=0.5, clip=True, tooltip=None)
            .encode(x=x, y=alt.Y("low:Q"), y2="high:Q", color=color)
        )
    for fitted, opacity in ((False, 0.5), (True, 0.95)):
        if any(c.fitted == fitted for c in cells):
            layers.append(
                base.transform_filter(f"datum.fitted == {str(fitted).lower()}")
                .mark_point(
                    filled=fitted,
                    size=16 if many else 40,
                    strokeWidth=1.3,
                    opacity=opacity,
                    clip=True,
                )
                .encode(x=x, y=y, color=color, shape=shape, tooltip=tooltip)
            )
    chart = layered(
        layers,
        height=330,
        description=f"{info.description} Here: {panel.title}; {' '.join(panel.lines)}.",
        params=[choice("shown_relative", "cells", ["trained cells", "all cells"], "trained cells")],
    )
    chart.title = alt.TitleParams(panel.heading, subtitle=list(panel.lines))
    return chart


def _row(c: CollapseCell, variable: str, names: dict[str, dict[float, str]], line: int) -> Row:
    error = c.relative_error
    return {
        "line": line,
        "rate": names["rate"][c.learning_rate],
        "momentum": names["momentum"][c.momentum],
        "size": names["size"][c.train_size],
        "scale": c.scale,
        "B": c.batch_size,
        "x": float(getattr(c, variable)),
        "relative": c.relative,
        "low": None if error is None else c.relative - error,
        "high": None if error is None else c.relative + error,
        "mean": c.mean,
        "error": c.standard_error,
        "fitted": c.fitted,
    }


def _x(panel: CollapsePanel, cells: Sequence[CollapseCell]) -> alt.X:
    low, high = widened(getattr(c, panel.name) for c in cells)
    is_batch = panel.name == BATCH_SIZE
    ticks = powers_of_two(low, high) if is_batch else log_ticks(low, high)
    scale = alt.Scale(
        type="log", base=2 if is_batch else 10, nice=False, padding=12, domain=[low, high]
    )
    return alt.X("x:Q", scale=scale, axis=alt.Axis(title=panel.title, values=ticks, format=",~r"))


def _y(info: CollapseInfo, cells: Sequence[CollapseCell]) -> alt.Y:
    """One scale for all panels: of the trained cells, or of all; both reach up to 1."""
    trained = [c for c in cells if c.fitted] or list(cells)
    near, whole = _ends(trained), _ends(cells)
    ticks = [round_ticks(*ends) for ends in (near, whole)]
    return alt.Y(
        "relative:Q",
        scale=alt.Scale(
            zero=False,
            nice=False,
            domain=[
                alt.ExprRef(f"{_ZOOMED} ? {near[0]} : {whole[0]}"),
                alt.ExprRef(f"{_ZOOMED} ? {near[1]} : {whole[1]}"),
            ],
        ),
        axis=alt.Axis(
            title=f"{info.metric.replace('_', ' ')}, share of the condition's best",
            format="~%",
            values=alt.ExprRef(f"{_ZOOMED} ? {ticks[0]} : {ticks[1]}"),
        ),
    )


def _ends(cells: Sequence[CollapseCell]) -> tuple[float, float]:
    values = [1.0, *(c.relative for c in cells)]
    return with_margin(min(values), max(values))
