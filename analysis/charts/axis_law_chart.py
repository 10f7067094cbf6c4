"""Best batch size and edge of trainability against each axis, a panel an axis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt

from analysis.charts.axis_law_data import AxisLawInfo, AxisPanel, position
from analysis.charts.common import (
    AXES,
    AXIS_FIELDS,
    LAW_AXIS_NAMES,
    AnyChart,
    Axis,
    beside,
    labels,
    log_ticks,
    tick_labels,
    widened,
)
from analysis.charts.law_chart import Levels, apart, batch_size_axis, landmark_chart
from analysis.charts.law_data import PointRow

#: Levels of an axis that are all ticks.
_MAX_TICKS = 8


def axis_law(info: AxisLawInfo) -> AnyChart | None:
    """Draw the panels side by side, for a notebook or a picture; None where no axis was varied."""
    panels = axis_law_panels(info)
    return beside(panels) if panels else None


def axis_law_panels(info: AxisLawInfo) -> tuple[alt.LayerChart, ...]:
    """Draw a panel for each varied axis, all axes logarithmic.

    Args:
        info: what to draw.

    Returns:
        Charts of container width, their vertical axes alike.
    """
    panels = [panel for panel in info.panels if panel.drawn]
    if not panels:
        return ()
    lines = [r for panel in panels for r in (*panel.fit, *panel.proportional)]
    y = batch_size_axis([p for panel in panels for p in panel.drawn], lines)
    return tuple(_panel(info, panel, y, first=not i) for i, panel in enumerate(panels))


def _panel(info: AxisLawInfo, panel: AxisPanel, y: alt.Y, *, first: bool) -> alt.LayerChart:
    values = [position(p, panel.axis) for p in panel.drawn]
    domain = widened(values)
    x = alt.X(
        "x:Q",
        scale=alt.Scale(type="log", base=2, nice=False, padding=26, domain=domain),
        axis=alt.Axis(
            title=LAW_AXIS_NAMES[panel.axis],
            values=_ticks(values),
            labelOverlap="parity",
            **_format(panel.axis, values),
        ),
    )
    chart = landmark_chart(
        panel.drawn,
        apart(values, _places(panel.drawn, panel.axis)),
        [*panel.fit, *panel.proportional],
        Levels.of(panel.drawn, along=AXIS_FIELDS[panel.axis]),
        x=x,
        y=y,
        height=300,
        description=(
            f"{info.description} This panel: {LAW_AXIS_NAMES[panel.axis]}; "
            f"{'; '.join(panel.title)}."
        ),
        line_legend=first,
    )
    chart.title = alt.TitleParams(
        panel.title[0],
        subtitle=panel.title[1],
        anchor="start",
        frame="bounds",
        fontSize=12,
        offset=8,
    )
    return chart


def _ticks(values: Sequence[float]) -> list[float]:
    """The levels of an axis where they are few, else round values."""
    distinct = sorted(set(values))
    return distinct if len(distinct) <= _MAX_TICKS else log_ticks(distinct[0], distinct[-1])


def _format(axis: Axis, values: Sequence[float]) -> dict[str, Any]:
    """How ticks are written: all digits of a size, and of levels as many as keep them apart."""
    if axis == "train_size" or len(set(values)) > _MAX_TICKS:
        return {"format": ",~r"}
    return {"labelExpr": tick_labels(labels(values))}


def _places(points: tuple[PointRow, ...], axis: str) -> list[tuple[int, int]]:
    """Of each point, the number of its values of the other axes among all such pairs."""
    at = [a for a in AXES if a != axis]
    keys = [tuple(float(getattr(p, a)) for a in at) for p in points]
    order = {key: i for i, key in enumerate(sorted(set(keys)))}
    return [(order[key], len(order)) for key in keys]
