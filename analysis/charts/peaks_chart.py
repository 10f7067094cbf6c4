"""Accuracy against batch size, a curve a learning rate, with each condition's best batch size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import altair as alt

from analysis.charts.common import (
    Row,
    choice,
    inline,
    labels,
    layered,
    marks,
    powers_of_two,
    round_ticks,
    widened,
)
from analysis.charts.peaks_data import CellRow, CurveRow, OptimumRow, PeaksInfo

#: Share of the plot's height above the curves in which each condition's optimum has a lane.
_STRIP = 0.30
#: The zoomed view begins this far below the lowest of the conditions' best means, as a share of
#: their height above the lowest cell.
_NEAR = 0.15

_HERE = "datum.momentum == shown_momentum && datum.size == shown_size"
_PICKED = "shown_rate == 'all' || datum.rate == shown_rate"
_ZOOMED = "shown_range == 'near the peaks'"


@dataclass(frozen=True, kw_only=True, slots=True)
class _View:
    """A range of the vertical axis: accuracies from `low` to `high`, lanes from there to `top`."""

    low: float
    high: float
    top: float

    @classmethod
    def of(cls, low: float, high: float) -> _View:
        """The view of accuracies from `low` to `high`, at least two points of accuracy high."""
        margin = max(0.04 * (high - low), 0.01 - (high - low) / 2)
        low, high = low - margin, high + margin
        return cls(low=low, high=high, top=high + (high - low) * _STRIP / (1 - _STRIP))

    def lane(self, i: int, n: int) -> float:
        """Height of lane `i` of `n`; above them one is left for the strip's heading."""
        return self.high + (self.top - self.high) * (i + 0.5) / (n + 1)


def peaks(info: PeaksInfo) -> alt.LayerChart:
    """Draw the chart: drop-downs pick a learning rate and, where varied, momentum and train size.

    The strip above the curves has a lane for each learning rate with its best batch size.

    Args:
        info: what to draw, with at least one cell.
    """
    rates = labels(c.learning_rate for c in info.cells)
    momenta = labels(c.momentum for c in info.cells)
    sizes = labels(c.train_size for c in info.cells)
    whole, near = _views(info)

    def condition(row: CellRow | CurveRow | OptimumRow) -> Row:
        return {
            "rate": rates[row.learning_rate],
            "momentum": momenta[row.momentum],
            "size": sizes[row.train_size],
        }

    cells = inline(
        [
            {
                **condition(c),
                "B": c.batch_size,
                "mean": c.mean,
                "low": c.low,
                "high": c.high,
                "trials": c.n,
                "diverged": c.n_diverged,
                "fitted": c.fitted,
            }
            for c in info.cells
        ]
    )
    curves = inline(
        [
            {**condition(c), "B": c.batch_size, "mean": c.mean, "low": c.low, "high": c.high}
            for c in info.curves
        ]
    )
    order = list(rates.values())
    optima = inline(
        [
            {
                **condition(o),
                "B": o.batch_size_opt,
                "low": o.low or o.batch_size_opt,
                "high": o.high or o.batch_size_opt,
                "mean": o.accuracy_opt,
                "whole": whole.lane(order.index(rates[o.learning_rate]), len(order)),
                "near": near.lane(order.index(rates[o.learning_rate]), len(order)),
                "censored": o.censored,
                "opens_low": o.censored and o.censored_side != "high",
                "opens_high": o.censored and o.censored_side != "low",
                "text": o.text,
            }
            for o in info.optima
        ]
    )
    color, shape = marks("rate", order, "learning rate", in_row=8)
    sampled = [c.batch_size for c in info.cells]
    ends = [v for o in info.optima for v in (o.low, o.high) if v is not None]
    domain = widened([*sampled, *ends])
    x = alt.X(
        "B:Q",
        scale=alt.Scale(
            type="log",
            base=2,
            nice=False,
            padding=12,
            domain=domain,
        ),
        axis=alt.Axis(title="batch size", values=powers_of_two(*domain), format=",~r"),
    )
    ticks = [round_ticks(v.low, v.high) for v in (near, whole)]
    y = alt.Y(
        "mean:Q",
        scale=alt.Scale(
            zero=False,
            nice=False,
            domain=[
                alt.ExprRef(f"{_ZOOMED} ? {near.low} : {whole.low}"),
                alt.ExprRef(f"{_ZOOMED} ? {near.top} : {whole.top}"),
            ],
        ),
        axis=alt.Axis(
            title=f"mean {info.metric.replace('_', ' ')}",
            format="~%",
            values=alt.ExprRef(f"{_ZOOMED} ? {ticks[0]} : {ticks[1]}"),
        ),
    )
    layers = _curve_layers(cells, curves, x=x, y=y, color=color, shape=shape)
    if info.optima:
        layers += _optimum_layers(optima, x=x, color=color, shape=shape)
    return layered(
        layers,
        height=430,
        description=info.description,
        params=_params(info, order, momenta, sizes),
    )


def _views(info: PeaksInfo) -> tuple[_View, _View]:
    """The whole range of the cells, and the range near the conditions' best means."""
    values = [v for c in info.cells for v in (c.mean, c.low, c.high) if v is not None]
    tops: dict[tuple[float, float, int], float] = {}
    for c in info.cells:
        key = (c.learning_rate, c.momentum, c.train_size)
        tops[key] = max(tops.get(key, c.mean), c.mean)
    low, high, lowest_top = min(values), max(values), min(tops.values())
    return _View.of(low, high), _View.of(lowest_top - _NEAR * (lowest_top - low), high)


def _params(
    info: PeaksInfo, order: list[str], momenta: dict[float, str], sizes: dict[float, str]
) -> list[alt.Parameter]:
    """What the reader chooses; an axis with one value is a constant without a drop-down."""
    momentum, size = info.first_shown or (min(momenta), min(sizes))
    rates = ["all", *order] if len(order) > 1 else ["all"]
    return [
        choice("shown_rate", "learning rate", rates, "all"),
        choice("shown_momentum", "momentum", list(momenta.values()), momenta[momentum]),
        choice("shown_size", "train size", list(sizes.values()), sizes[size]),
        choice("shown_range", "vertical axis", ["whole range", "near the peaks"], "whole range"),
    ]


def _faded(full: float) -> Any:
    """Opacity: curves that were not picked stay as a faint context."""
    return alt.when(_PICKED).then(alt.value(full)).otherwise(alt.value(0.16))


def _curve_layers(
    cells: alt.InlineData, curves: alt.InlineData, *, x: alt.X, y: alt.Y, color: Any, shape: Any
) -> list[alt.Chart]:
    """The picked curve's band, the smooth curves, the bars, and the cells."""
    band = (
        alt.Chart(curves)
        .transform_filter(_HERE)
        .transform_filter("datum.rate == shown_rate && isValid(datum.low)")
        .mark_area(style="band", clip=True)
        .encode(x=x, y=alt.Y("low:Q"), y2="high:Q")
    )
    line = (
        alt.Chart(curves)
        .transform_filter(_HERE)
        .mark_line(strokeWidth=1.6, clip=True)
        .encode(x=x, y=y, color=color, opacity=_faded(0.85))
    )
    bars = (
        alt.Chart(cells)
        .transform_filter(_HERE)
        .transform_filter("isValid(datum.low)")
        .mark_rule(strokeWidth=1.2, clip=True)
        .encode(x=x, y=alt.Y("low:Q"), y2="high:Q", color=color, opacity=_faded(0.6))
    )
    tooltip = [
        alt.Tooltip("rate:N", title="learning rate"),
        alt.Tooltip("B:Q", title="batch size"),
        alt.Tooltip("mean:Q", title="mean", format=".2%"),
        alt.Tooltip("trials:Q"),
        alt.Tooltip("diverged:Q"),
    ]
    points = [
        alt.Chart(cells)
        .transform_filter(_HERE)
        .transform_filter(f"datum.fitted == {str(fitted).lower()}")
        .mark_point(filled=fitted, size=42, strokeWidth=1.4, clip=True)
        .encode(x=x, y=y, color=color, shape=shape, opacity=_faded(0.95), tooltip=tooltip)
        for fitted in (True, False)
    ]
    return [band, line, bars, *points]


def _optimum_layers(optima: alt.InlineData, *, x: alt.X, color: Any, shape: Any) -> list[alt.Chart]:
    """The strip: intervals, arrows where a side is open, and marks, hollow where censored."""
    lanes = (
        alt.Chart(optima)
        .transform_filter(_HERE)
        .transform_calculate(lane=f"{_ZOOMED} ? datum.near : datum.whole")
    )
    lane = alt.Y("lane:Q")
    tooltip = [
        alt.Tooltip("rate:N", title="learning rate"),
        alt.Tooltip("text:N", title="best batch size"),
        alt.Tooltip("mean:Q", title="accuracy there", format=".2%"),
    ]
    heading = alt.Chart(alt.InlineData(values=[{}])).mark_text(
        style="note", text="best batch size, 95 % interval", align="left", baseline="top"
    )
    layers = [
        heading.encode(x=alt.value(0), y=alt.value(0)),
        lanes.mark_rule(strokeWidth=2).encode(
            x=alt.X("low:Q"), x2="high:Q", y=lane, color=color, opacity=_faded(0.9)
        ),
    ]
    for end, mark in (("low", "triangle-left"), ("high", "triangle-right")):
        layers.append(
            lanes.transform_filter(f"datum.opens_{end}")
            .mark_point(shape=mark, filled=True, size=60)
            .encode(x=alt.X(f"{end}:Q"), y=lane, color=color, opacity=_faded(1.0))
        )
    for censored in (False, True):
        layers.append(
            lanes.transform_filter(f"datum.censored == {str(censored).lower()}")
            .mark_point(filled=not censored, size=80, strokeWidth=1.6)
            .encode(x=x, y=lane, color=color, shape=shape, opacity=_faded(1.0), tooltip=tooltip)
        )
    return layers
