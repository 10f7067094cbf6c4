"""Accuracy against B/eps, the scatter of He, Liu & Tao (2019), with the turn of its fall."""

from __future__ import annotations

import altair as alt

from analysis.charts.common import AnyChart, Row, beside, inline, labels, layered
from analysis.charts.correlation_chart import (
    HERE,
    accuracy_axis,
    diverged_marks,
    head,
    log_axis,
    looks,
    range_param,
    stratum_params,
)
from analysis.charts.ratio_data import RatioInfo


def ratio_panels(info: RatioInfo) -> tuple[alt.LayerChart, ...]:
    """Draw the scatter; a drop-down picks the stratum.

    Args:
        info: what to draw; nothing where no stratum has a cell.
    """
    if not info.cells.drawn:
        return ()
    every = [c for s in info.cells.drawn for c in s.cells]
    rates = labels(c.learning_rate for c in every)
    rows: list[Row] = [
        {
            "s": i,
            "rate": rates[c.learning_rate],
            "eps": c.learning_rate,
            "B": c.batch_size,
            "ratio": c.ratio,
            "accuracy": c.accuracy,
            "low": c.low,
            "high": c.high,
            "error": c.standard_error,
            "trials": c.n,
            "diverged": c.n_diverged,
        }
        for i, s in enumerate(info.cells.drawn)
        for c in s.cells
    ]
    here = alt.Chart(inline(rows)).transform_filter(HERE)
    color, shape = looks(rates, "rate", "eps", "learning rate")
    x, y = log_axis(info.cells, "ratio", "ratio"), accuracy_axis(info.cells)
    tooltip = [
        alt.Tooltip("accuracy:Q", title=info.cells.metric_title, format=".2%"),
        alt.Tooltip("error:Q", title="standard error", format=".2%"),
        alt.Tooltip("ratio:Q", title="B / ε", format=".4~g"),
        alt.Tooltip("B:Q", title="batch size"),
        alt.Tooltip("rate:N", title="learning rate"),
        alt.Tooltip("trials:Q"),
        alt.Tooltip("diverged:Q"),
    ]
    bars = (
        here.transform_filter("isValid(datum.low)")
        .mark_rule(strokeWidth=1.1, opacity=0.55, clip=True, tooltip=None)
        .encode(x=x, y=alt.Y("low:Q"), y2="high:Q", color=color)
    )
    points = here.mark_point(filled=True, size=52, opacity=0.95, clip=True).encode(
        x=x, y=y, color=color, shape=shape, tooltip=tooltip
    )
    layers = [*_turn(info), bars, points]
    if any(c.n_diverged for c in every):
        layers.append(diverged_marks(here, x, y))
    chart = layered(
        layers,
        height=340,
        description=info.description,
        params=[*stratum_params(info.cells), range_param()],
    )
    chart.title = head([info.by_label(s.label).lines for s in info.cells.drawn])
    return (chart,)


def ratio(info: RatioInfo) -> AnyChart:
    """The scatter as one chart; see `ratio_panels`.

    Args:
        info: what to draw, with at least one cell.
    """
    return beside(ratio_panels(info))


def _turn(info: RatioInfo) -> list[alt.Chart]:
    """A rule at the turn in the band of its interval, where a stratum has one."""
    rows: list[Row] = []
    for i, drawn in enumerate(info.cells.drawn):
        s = info.by_label(drawn.label)
        if s.turn is not None:
            rows.append({"s": i, "turn": s.turn, "low": s.turn_low, "high": s.turn_high})
    if not rows:
        return []
    here = alt.Chart(inline(rows)).transform_filter(HERE)
    tooltip = [
        alt.Tooltip("turn:Q", title="accuracy turns at B / ε", format=".3~r"),
        alt.Tooltip("low:Q", title="95 % from", format=".3~r"),
        alt.Tooltip("high:Q", title="to", format=".3~r"),
    ]
    return [
        here.mark_rect(style="band", clip=True).encode(
            x=alt.X("low:Q"), x2="high:Q", tooltip=tooltip
        ),
        here.mark_rule(style="reference", strokeDash=[5, 4], clip=True).encode(
            x=alt.X("turn:Q"), tooltip=tooltip
        ),
    ]
