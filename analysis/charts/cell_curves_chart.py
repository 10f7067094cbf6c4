"""The learning curves of one cell: a line a seed, solid for test and dashed for training."""

from __future__ import annotations

import altair as alt

from analysis.charts.cell_curves_data import SETS, CellCurvesInfo
from analysis.charts.common import AnyChart, Row, layered

#: Name of the data in the specification, by which the page's script replaces them.
DATA_NAME = "seeds"


def cell_curves_panels(info: CellCurvesInfo) -> tuple[alt.LayerChart, ...]:
    """Draw the chart.

    Args:
        info: what to draw, with at least one row.
    """
    rows: list[Row] = [
        {"seed": r.seed, "of": r.of, "step": r.step, "accuracy": r.accuracy} for r in info.rows
    ]
    sets = list(SETS.values())
    base = alt.Chart(alt.InlineData(values=rows, name=DATA_NAME))
    x = alt.X(
        "step:Q",
        scale=alt.Scale(zero=True),
        axis=alt.Axis(title="SGD steps", format=",d", tickMinStep=1, tickCount=6),
    )
    y = alt.Y(
        "accuracy:Q",
        scale=alt.Scale(zero=False),
        axis=alt.Axis(title="accuracy of each seed", format="~%"),
    )
    color = alt.Color(
        "of:N",
        scale=alt.Scale(domain=sets, range=["#3b7fb8", "#c2711b"]),
        legend=alt.Legend(title="accuracy of the"),
    )
    dash = alt.StrokeDash(
        "of:N",
        scale=alt.Scale(domain=sets, range=[[1, 0], [5, 3]]),
        legend=alt.Legend(title="accuracy of the"),
    )
    tooltip = [
        alt.Tooltip("seed:Q"),
        alt.Tooltip("of:N", title="accuracy of the"),
        alt.Tooltip("step:Q"),
        alt.Tooltip("accuracy:Q", format=".2%"),
    ]
    lines = base.mark_line(strokeWidth=1.3, opacity=0.75, tooltip=None).encode(
        x=x, y=y, color=color, strokeDash=dash, detail="seed:N"
    )
    points = base.mark_point(filled=True, size=16, opacity=0.75).encode(
        x=x, y=y, color=color, tooltip=tooltip
    )
    return (layered([lines, points], height=300, description=info.description),)


def cell_curves(info: CellCurvesInfo) -> AnyChart:
    """The chart as one; see `cell_curves_panels`."""
    return cell_curves_panels(info)[0]
