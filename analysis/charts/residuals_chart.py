"""The law's residuals: best batch size over the fitted law's, against eps*N/(1-m)."""

from __future__ import annotations

import math

import altair as alt

from analysis.charts.common import (
    AXES,
    AXIS_FIELDS,
    AXIS_NAMES,
    AnyChart,
    beside,
    inline,
    layered,
    thinned,
    widened,
)
from analysis.charts.law_chart import Levels, apart, at_one_place, few_powers_of_two, scale_axis
from analysis.charts.law_data import MAX_CONDITIONS
from analysis.charts.residuals_data import ResidualsInfo

#: Factor beyond the largest residual that an interval may stretch the vertical axis.
_REACH = 2.0


def residuals(info: ResidualsInfo) -> AnyChart | None:
    """Draw the chart for a notebook or a picture; None where no law was fitted."""
    panels = residuals_panels(info)
    return beside(panels) if panels else None


def residuals_panels(info: ResidualsInfo) -> tuple[alt.LayerChart, ...]:
    """Draw the chart on two logarithmic axes.

    Args:
        info: what to draw.

    Returns:
        One chart of container width; none where there is no residual.
    """
    if not info.rows:
        return ()
    shown = thinned(info.rows, MAX_CONDITIONS)
    levels = Levels.of([r.point for r in shown])
    color, shape = levels.encodings(beside_lines=False)
    points = [r.point for r in shown]
    at = apart([p.scale for p in points], at_one_place(points))
    data = inline(
        [
            {
                **levels.condition(r.point),
                "x": x,
                "factor": r.factor,
                "low": r.low,
                "high": r.high,
                "text": r.point.text,
                "fitted": r.fitted,
            }
            for r, x in zip(shown, at, strict=True)
        ]
    )
    domain = widened(r.point.scale for r in shown)
    x = alt.X(
        "x:Q",
        scale=alt.Scale(type="log", base=2, nice=False, padding=24, domain=domain),
        axis=scale_axis(*domain),
    )
    most = max(abs(math.log(r.factor)) for r in shown) + math.log(_REACH)
    ends = [math.log(v) for r in shown for v in (r.low, r.high) if v is not None and v > 0]
    band = math.exp(info.scatter) if info.scatter else 1.0
    reach = math.exp(max(min(max(map(abs, ends), default=0.0), most), math.log(band), 0.1) * 1.05)
    y = alt.Y(
        "factor:Q",
        scale=alt.Scale(type="log", base=2, nice=False, domain=[1 / reach, reach]),
        axis=alt.Axis(title="best batch size / fitted law", values=_ticks(reach), format="~r"),
    )
    bars = (
        alt.Chart(data)
        .transform_filter("isValid(datum.low) && isValid(datum.high)")
        .mark_rule(strokeWidth=2, opacity=0.7, clip=True)
        .encode(x=x, y=alt.Y("low:Q"), y2="high:Q", color=color)
    )
    dots = (
        alt.Chart(data)
        .mark_point(filled=True, size=100, opacity=1)
        .encode(
            x=x,
            y=y,
            color=color,
            shape=shape,
            tooltip=[
                *(alt.Tooltip(f"{AXIS_FIELDS[a]}:N", title=AXIS_NAMES[a]) for a in AXES),
                alt.Tooltip("text:N", title="best batch size"),
                alt.Tooltip("fitted:Q", title="by the law", format=".3~g"),
                alt.Tooltip("factor:Q", title="factor", format=".3~g"),
            ],
        )
    )
    level = alt.Chart(alt.InlineData(values=[{"one": 1.0, "low": 1 / band, "high": band}]))
    rule = level.mark_rule(style="reference").encode(y=alt.Y("one:Q"))
    layers = [rule, bars, dots]
    if band > 1.0:
        layers.insert(0, level.mark_rect(style="band").encode(y=alt.Y("low:Q"), y2="high:Q"))
    return (layered(layers, height=260, description=info.description),)


def _ticks(reach: float) -> list[float]:
    """Factors: powers of two, and closer ones where the range is short."""
    if reach >= 4.0:
        return few_powers_of_two(1 / reach, reach)
    close = (0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.25, 1.5)
    steps = (0.35, 0.5, 0.7, 1.0, 1.4, 2.0, 2.8) if reach > 1.8 else close
    return [t for t in steps if 1 / reach <= t <= reach]
