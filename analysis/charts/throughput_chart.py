"""Throughput: trials finished along the training time, and how many a minute."""

from __future__ import annotations

import altair as alt

from analysis.charts.common import AnyChart, Row, beside, inline, layered, marks
from analysis.charts.throughput_data import ThroughputInfo

#: One colour where nothing is to be told apart: readable on light and dark paper.
_HUE = "#2a8a8c"


def throughput_panels(info: ThroughputInfo) -> tuple[alt.LayerChart, ...]:
    """The charts for a page: trials finished so far, and trials a minute.

    Args:
        info: what to draw; without points there is no panel.
    """
    if not info.points:
        return ()
    finished = inline(
        [
            {
                "maker": p.maker,
                "time": p.time / info.unit_seconds,
                "at": p.at,
                "finished": p.finished,
            }
            for p in info.points
        ]
    )
    rates = inline(_stacked(info))
    end = max(b.end for b in info.bins) / info.unit_seconds
    scale = alt.Scale(domain=[0.0, end], nice=False)
    axis = alt.Axis(title=f"time, {info.unit}", tickCount=6)
    x = alt.X("time:Q", scale=scale, axis=axis)
    y = alt.Y("finished:Q", axis=alt.Axis(title="trials finished", format=",d", tickCount=6))
    several = len(info.makers) > 1
    hue = alt.Undefined if several else _HUE
    color, shape = marks("maker", info.makers, info.several, in_row=3)
    told = [alt.Tooltip("maker:N", title=info.several)] if several else []
    shown = [*told, alt.Tooltip("at:N", title="time (UTC)"), alt.Tooltip("finished:Q", format=",")]
    curve = alt.Chart(finished).mark_line(strokeWidth=2, interpolate="step-after", color=hue)
    curve = curve.encode(x=x, y=y, tooltip=shown, color=color if several else alt.Undefined)
    cumulative = [*_pauses(info, scale), curve]
    if several:
        few = _few(info)
        cumulative.append(
            alt.Chart(few)
            .mark_point(filled=True, size=44)
            .encode(x=x, y=y, color=color, shape=shape, tooltip=shown)
        )
    shown = [
        *told,
        alt.Tooltip("at:N", title="from (UTC)"),
        alt.Tooltip("trained:Q", title="trials trained", format=",.3~g"),
        alt.Tooltip("rate:Q", title="trials a minute", format=",.3~g"),
    ]
    height = alt.Y(
        "top:Q",
        scale=alt.Scale(zero=True),
        axis=alt.Axis(title="trials a minute", format=",~r", tickCount=6),
    )
    bars = (
        alt.Chart(rates)
        .mark_rect(color=hue, opacity=0.85)
        .encode(
            x=alt.X("start:Q", scale=scale, axis=axis),
            x2="end:Q",
            y=height,
            y2="base:Q",
            tooltip=shown,
            color=color if several else alt.Undefined,
        )
    )
    return (
        layered(cumulative, height=240, description=info.description),
        layered([*_pauses(info, scale), bars], height=240, description=info.description),
    )


def throughput(info: ThroughputInfo) -> AnyChart:
    """The chart for a notebook or a picture; see `throughput_panels`.

    Args:
        info: what to draw, with at least one point.
    """
    return beside(throughput_panels(info))


def _stacked(info: ThroughputInfo) -> list[Row]:
    """The bins as rectangles, those of one stretch of time on top of each other."""
    height: dict[float, float] = {}
    rows: list[Row] = []
    for b in info.bins:
        base = height.get(b.start, 0.0)
        height[b.start] = base + b.per_minute
        rows.append(
            {
                "maker": b.maker,
                "start": b.start / info.unit_seconds,
                "end": b.end / info.unit_seconds,
                "base": base,
                "top": base + b.per_minute,
                "at": b.at,
                "trained": b.trained,
                "rate": b.per_minute,
            }
        )
    return rows


def _pauses(info: ThroughputInfo, scale: alt.Scale) -> list[alt.Chart]:
    if not info.pauses:
        return []
    rows = inline([{"time": at / info.unit_seconds} for at in info.pauses])
    rule = alt.Chart(rows).mark_rule(style="reference", strokeDash=[4, 4])
    return [rule.encode(x=alt.X("time:Q", scale=scale))]


def _few(info: ThroughputInfo) -> alt.InlineData:
    """A few marks along each curve, so that no machine is told by its colour alone."""
    rows = []
    for maker in info.makers:
        mine = [p for p in info.points if p.maker == maker]
        for p in {round(i * (len(mine) - 1) / 6) for i in range(1, 7)}:
            rows.append(
                {
                    "maker": maker,
                    "time": mine[p].time / info.unit_seconds,
                    "at": mine[p].at,
                    "finished": mine[p].finished,
                }
            )
    return inline(rows)
