"""The curves of He, Liu & Tao (2019): accuracy along batch size, and along learning rate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import altair as alt

from analysis.charts.common import AnyChart, Row, beside, inline, labels, layered
from analysis.charts.correlation_chart import (
    AXIS_TITLES,
    HERE,
    accuracy_axis,
    diverged_marks,
    head,
    log_axis,
    looks,
    range_param,
    stratum_params,
)
from analysis.charts.correlation_data import StratumCell
from analysis.charts.correlation_lines_data import CorrelationLinesInfo, Line
from analysis.correlation.groups import BATCH_SIZE


def correlation_lines_panels(info: CorrelationLinesInfo) -> tuple[alt.LayerChart, ...]:
    """Draw both panels, or the one whose axis was varied; a drop-down picks their stratum.

    Args:
        info: what to draw; nothing where no stratum has a cell.
    """
    return tuple(_panel(info, kind) for kind in info.kinds)


def correlation_lines(info: CorrelationLinesInfo) -> AnyChart:
    """The panels side by side; see `correlation_lines_panels`.

    Args:
        info: what to draw, with at least one cell.
    """
    return beside(correlation_lines_panels(info))


def _panel(info: CorrelationLinesInfo, kind: str) -> alt.LayerChart:
    fixed = "learning_rate" if kind == BATCH_SIZE else "batch_size"
    every = [c for s in info.cells.drawn for c in s.cells]
    names = labels(float(getattr(c, fixed)) for c in every)
    rows = [
        _row(i, c, kind, fixed, names, lines)
        for i, s in enumerate(info.cells.drawn)
        for lines in [info.of(s.label, kind)]
        for c in s.cells
    ]
    here = alt.Chart(inline(rows)).transform_filter(HERE)
    color, shape = looks(names, "fixed", "value", AXIS_TITLES[fixed])
    x = log_axis(info.cells, kind, "x")
    y = accuracy_axis(info.cells)
    tooltip = [
        alt.Tooltip("accuracy:Q", title=info.cells.metric_title, format=".2%"),
        alt.Tooltip("error:Q", title="standard error", format=".2%"),
        alt.Tooltip("x:Q", title=AXIS_TITLES[kind], format=".4~g"),
        alt.Tooltip("fixed:N", title=AXIS_TITLES[fixed]),
        alt.Tooltip("rho:N", title="ρ of the line"),
        alt.Tooltip("trials:Q"),
        alt.Tooltip("diverged:Q"),
    ]
    layers: list[Any] = [
        here.mark_line(strokeWidth=1.5, opacity=0.75, clip=True, tooltip=None).encode(
            x=x, y=y, color=color, detail="fixed:N"
        ),
        here.transform_filter("isValid(datum.low)")
        .mark_rule(strokeWidth=1.1, opacity=0.5, clip=True, tooltip=None)
        .encode(x=x, y=alt.Y("low:Q"), y2="high:Q", color=color),
        here.mark_point(filled=True, size=44, opacity=0.95, clip=True).encode(
            x=x, y=y, color=color, shape=shape, tooltip=tooltip
        ),
    ]
    if any(c.n_diverged for c in every):
        layers.append(diverged_marks(here, x, y))
    chart = layered(
        layers,
        height=330,
        description=f"{info.description} Here: against {AXIS_TITLES[kind]}.",
        params=[*stratum_params(info.cells), range_param()],
    )
    chart.title = head(info.heads(kind))
    return chart


def _row(
    i: int,
    c: StratumCell,
    kind: str,
    fixed: str,
    names: Mapping[float, str],
    lines: Mapping[float, Line],
) -> Row:
    value = float(getattr(c, fixed))
    return {
        "s": i,
        "fixed": names[value],
        "value": value,
        "x": float(getattr(c, kind)),
        "accuracy": c.accuracy,
        "low": c.low,
        "high": c.high,
        "error": c.standard_error,
        "rho": lines[value].text,
        "trials": c.n,
        "diverged": c.n_diverged,
    }
