"""The law: best batch size against eps*N/(1-m), with the fit and the line of slope 1."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import altair as alt

from analysis.charts.common import inline, labels, layered, marks, powers_of_two, widened
from analysis.charts.law_data import LawInfo

_TITLES = {"rate": "learning rate", "momentum": "momentum", "size": "train size"}


def law(info: LawInfo) -> alt.LayerChart:
    """Draw the chart on two logarithmic axes.

    Colour tells the training-set size where it was varied, else the momentum, else the learning
    rate; shape tells the momentum where it was varied, else the same as colour.

    Args:
        info: what to draw, with at least one point.
    """
    values = {
        "rate": labels(p.learning_rate for p in info.points),
        "momentum": labels(p.momentum for p in info.points),
        "size": labels(p.train_size for p in info.points),
    }
    varied = [field for field in ("size", "momentum") if len(values[field]) > 1]
    hue = varied[0] if varied else "rate"
    form = "momentum" if "momentum" in varied else hue
    color, _ = marks(hue, list(values[hue].values()), _TITLES[hue], in_row=8)
    _, shape = marks(form, list(values[form].values()), _TITLES[form], in_row=8)
    points = inline(
        [
            {
                "rate": values["rate"][p.learning_rate],
                "momentum": values["momentum"][p.momentum],
                "size": values["size"][p.train_size],
                "scale": p.scale,
                "B": p.batch_size_opt,
                "low": p.low,
                "high": p.high,
                "used": p.used,
                "opens_low": p.censored and p.censored_side != "high",
                "opens_high": p.censored and p.censored_side != "low",
                "text": p.text,
            }
            for p in info.points
        ]
    )
    x, y = _axes(info)
    tooltip = [
        alt.Tooltip("text:N", title="best batch size"),
        alt.Tooltip("rate:N", title="learning rate"),
        alt.Tooltip("momentum:N"),
        alt.Tooltip("size:N", title="train size"),
        alt.Tooltip("scale:Q", title="εN/(1 − m)", format=".4~g"),
    ]
    bars = (
        alt.Chart(points)
        .transform_filter("isValid(datum.low) && isValid(datum.high)")
        .mark_rule(strokeWidth=2, opacity=0.7)
        .encode(x=x, y=alt.Y("low:Q"), y2="high:Q", color=color)
    )
    arrows = [
        alt.Chart(points)
        .transform_filter(f"datum.opens_{end}")
        .mark_point(shape=mark, filled=True, size=60)
        .encode(x=x, y=alt.Y(f"{end}:Q"), color=color)
        for end, mark in (("low", "triangle-down"), ("high", "triangle-up"))
    ]
    dots = [
        alt.Chart(points)
        .transform_filter(f"datum.used == {str(used).lower()}")
        .mark_point(filled=used, size=100, strokeWidth=1.8, opacity=1)
        .encode(x=x, y=y, color=color, shape=shape, tooltip=tooltip)
        for used in (True, False)
    ]
    lines = [_lines(info, x, y)] if info.fit or info.proportional else []
    return layered([*lines, bars, *arrows, *dots], height=360, description=info.description)


def _axes(info: LawInfo) -> tuple[alt.X, alt.Y]:
    """Both axes with powers of two; they reach over all intervals and lines."""
    ends = [v for p in info.points for v in (p.batch_size_opt, p.low, p.high) if v is not None]
    ends += [r.batch_size for r in (*info.fit, *info.proportional)]

    def axis(values: Iterable[float], title: str, padding: int) -> dict[str, Any]:
        low, high = widened(values)
        ticks = powers_of_two(low, high)
        return {
            "scale": alt.Scale(type="log", base=2, nice=False, padding=padding, domain=[low, high]),
            "axis": alt.Axis(title=title, values=ticks, format=",~r"),
        }

    x = alt.X("scale:Q", **axis((p.scale for p in info.points), "εN / (1 − m)", 24))
    return x, alt.Y("B:Q", **axis(ends, "best batch size", 16))


def _lines(info: LawInfo, x: alt.X, y: alt.Y) -> alt.Chart:
    """The fitted law and the line of slope 1, told apart by their dashes."""
    kinds = {"fitted law": info.fit, "slope 1": info.proportional}
    kinds = {kind: rows for kind, rows in kinds.items() if rows}
    dashes = {"fitted law": [1, 0], "slope 1": [5, 4]}
    rows = [
        {"kind": kind, "line": f"{kind} {r.line}", "scale": r.scale, "B": r.batch_size}
        for kind, ends in kinds.items()
        for r in ends
    ]
    dash = alt.StrokeDash(
        "kind:N",
        scale=alt.Scale(domain=list(kinds), range=[dashes[kind] for kind in kinds]),
        legend=alt.Legend(title="line", symbolType="stroke", symbolSize=220),
    )
    chart = alt.Chart(inline(rows))
    drawn: alt.Chart = chart.mark_line(style="reference").encode(
        x=x, y=y, detail="line:N", strokeDash=dash
    )
    return drawn
