"""Accuracy against batch size, a curve for each level of one axis, with its best batch size."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt

from analysis.charts.common import (
    AXES,
    AXIS_FIELDS,
    AXIS_NAMES,
    SHORT_AXIS_NAMES,
    AnyChart,
    Axis,
    Row,
    beside,
    choice,
    inline,
    labels,
    layered,
    marks,
    near_best,
    powers_of_two,
    round_ticks,
    widened,
    with_margin,
)
from analysis.charts.peaks_data import PeaksInfo
from analysis.charts.peaks_rows import CellRow, CurveRow, OptimumRow

#: Share of the plot's height above the curves in which each condition's optimum has a lane.
_STRIP = 0.30

_RANGES = ("whole range", "near the peaks")


@dataclass(frozen=True, kw_only=True, slots=True)
class _View:
    """A range of the vertical axis: accuracies from `low` to `high`, lanes from there to `top`."""

    low: float
    high: float
    top: float

    @classmethod
    def of(cls, low: float, high: float) -> _View:
        """The view of accuracies from `low` to `high`, at least two points of accuracy high."""
        low, high = with_margin(low, high)
        return cls(low=low, high=high, top=high + (high - low) * _STRIP / (1 - _STRIP))


@dataclass(frozen=True, kw_only=True, slots=True)
class _Names:
    """Expressions and labels of one chart.

    Attributes:
        axis: the curves' axis.
        texts: label of each value, by axis.
        here: tests whether a row belongs to the picked condition.
        picked: tests whether a row's curve is picked.
        one: tests whether it is the only one picked.
    """

    axis: Axis
    texts: Mapping[Axis, Mapping[float, str]]
    here: str
    picked: str
    one: str

    @classmethod
    def of(cls, info: PeaksInfo) -> _Names:
        """The names of this info's chart."""
        field = AXIS_FIELDS[info.axis]
        shown = [f"datum.{AXIS_FIELDS[a]} == shown_{AXIS_FIELDS[a]}" for a in info.others]
        return cls(
            axis=info.axis,
            texts={a: labels(info.levels[a]) for a in AXES},
            here=" && ".join(shown),
            picked=f"picked_{field} == 'all' || datum.{field} == picked_{field}",
            one=f"datum.{field} == picked_{field}",
        )

    def condition(self, row: CellRow | CurveRow | OptimumRow) -> Row:
        """The row's condition as labels."""
        return {AXIS_FIELDS[a]: self.texts[a][float(getattr(row, a))] for a in AXES}

    def level(self, row: CellRow | OptimumRow) -> str:
        """The label of the row's curve."""
        return self.texts[self.axis][float(getattr(row, self.axis))]

    def faded(self, full: float) -> Any:
        """Opacity: curves that were not picked stay as a faint context."""
        return alt.when(self.picked).then(alt.value(full)).otherwise(alt.value(0.16))


def peaks(info: PeaksInfo) -> AnyChart:
    """Draw the chart for a notebook or a picture; see `peaks_panels`."""
    return beside(peaks_panels(info))


def peaks_panels(info: PeaksInfo) -> tuple[alt.LayerChart, ...]:
    """Draw the chart: drop-downs pick one curve, the other two axes and the vertical range.

    The strip above the curves has a lane for each curve with its best batch size.

    Args:
        info: what to draw.

    Returns:
        One chart of container width; none where there is no cell.
    """
    if not info.cells:
        return ()
    names = _Names.of(info)
    drawn = {names.level(c) for c in info.cells}
    order = [text for text in names.texts[info.axis].values() if text in drawn]
    cells = inline(
        [
            {
                **names.condition(c),
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
            {**names.condition(c), "B": c.batch_size, "mean": c.mean, "low": c.low, "high": c.high}
            for c in info.curves
        ]
    )
    optima = inline(
        [
            {
                **names.condition(o),
                "B": o.batch_size_opt,
                "low": o.low or o.batch_size_opt,
                "high": o.high or o.batch_size_opt,
                "mean": o.accuracy_opt,
                "lane": (order.index(names.level(o)) + 0.5) / (len(order) + 1),
                "usable": o.usable,
                "opens_low": o.censored and o.censored_side != "high",
                "opens_high": o.censored and o.censored_side != "low",
                "text": o.text,
            }
            for o in info.optima
        ]
    )
    color, shape = marks(AXIS_FIELDS[info.axis], order, AXIS_NAMES[info.axis], in_row=8)
    ends = [v for o in info.optima for v in (o.low, o.high) if v is not None]
    sampled = [float(c.batch_size) for c in info.cells]
    # An interval that says nothing must not push the cells into a corner.
    least, most = min(sampled) / 2, max(sampled) * 2
    domain = widened([*sampled, *(min(max(v, least), most) for v in ends)])
    x = alt.X(
        "B:Q",
        scale=alt.Scale(type="log", base=2, nice=False, padding=12, domain=domain),
        axis=alt.Axis(
            title="batch size",
            values=powers_of_two(*domain),
            format=",~r",
            labelOverlap="parity",
        ),
    )
    y = alt.Y(
        "mean:Q",
        scale=alt.Scale(
            zero=False,
            nice=False,
            domain=[alt.ExprRef("shown_view[0]"), alt.ExprRef("shown_view[2]")],
        ),
        axis=alt.Axis(
            title=f"mean {info.metric.replace('_', ' ')}",
            format="~%",
            values=alt.ExprRef("shown_view[3]"),
        ),
    )
    layers = _curve_layers(cells, curves, names, x=x, y=y, color=color, shape=shape)
    if info.optima:
        layers += _optimum_layers(optima, names, x=x, color=color, shape=shape)
    chart = layered(
        [*layers, _absent()],
        height=430,
        description=info.description,
        params=[*_params(info, names, order), *_views(info, names)],
    )
    return (chart,)


def _params(info: PeaksInfo, names: _Names, order: Sequence[str]) -> list[alt.Parameter]:
    """What the reader chooses; an axis with one value is a constant without a drop-down."""
    picks = ["all", *order] if len(order) > 1 else ["all"]
    params = [choice(f"picked_{AXIS_FIELDS[info.axis]}", SHORT_AXIS_NAMES[info.axis], picks, "all")]
    for a in info.others:
        drawn = {names.texts[a][float(getattr(c, a))] for c in info.cells}
        options = [text for text in names.texts[a].values() if text in drawn]
        first = options[0] if info.first_shown is None else names.texts[a][info.first_shown[a]]
        params.append(choice(f"shown_{AXIS_FIELDS[a]}", SHORT_AXIS_NAMES[a], options, first))
    params.append(choice("shown_range", "vertical axis", _RANGES, _RANGES[0]))
    return params


def _views(info: PeaksInfo, names: _Names) -> list[alt.Parameter]:
    """The picked condition's vertical range: low, high, top of the strip, and the ticks.

    Looked up by the labels of the picked condition; one that has no trials takes the first's.
    """
    groups: dict[str, list[CellRow]] = {}
    for c in info.cells:
        key = "|".join(names.texts[a][float(getattr(c, a))] for a in info.others)
        groups.setdefault(key, []).append(c)
    table = {
        key: [[v.low, v.high, v.top, round_ticks(v.low, v.high)] for v in _both(rows, info.axis)]
        for key, rows in groups.items()
    }
    key = " + '|' + ".join(f"shown_{AXIS_FIELDS[a]}" for a in info.others)
    text = json.dumps(table, separators=(",", ":"))
    found = alt.param(name="shown_views", expr=f"({text})[{key}] || null")
    fallback = json.dumps(next(iter(table.values()))[0])
    view = alt.param(
        name="shown_view",
        expr=f"shown_views ? shown_views[shown_range == '{_RANGES[1]}' ? 1 : 0] : {fallback}",
    )
    return [found, view]


def _both(cells: Sequence[CellRow], axis: Axis) -> tuple[_View, _View]:
    """The whole range of one condition's cells, and the range near its curves' best means."""
    values = [v for c in cells for v in (c.mean, c.low, c.high) if v is not None]
    near, _ = near_best((float(getattr(c, axis)), c.mean) for c in cells)
    return _View.of(min(values), max(values)), _View.of(near, max(values))


def _absent() -> alt.Chart:
    """Says that the picked condition has no trials."""
    text: alt.Chart = (
        alt.Chart(alt.InlineData(values=[{}]))
        .transform_filter("!shown_views")
        .mark_text(style="note", text="no trials at this condition")
        .encode(x=alt.value(alt.ExprRef("width / 2")), y=alt.value(alt.ExprRef("height / 2")))
    )
    return text


def _curve_layers(
    cells: alt.InlineData,
    curves: alt.InlineData,
    names: _Names,
    *,
    x: alt.X,
    y: alt.Y,
    color: Any,
    shape: Any,
) -> list[alt.Chart]:
    """The picked curve's band, the smooth curves, the bars, and the cells."""
    band = (
        alt.Chart(curves)
        .transform_filter(names.here)
        .transform_filter(f"{names.one} && isValid(datum.low)")
        .mark_area(style="band", interpolate="monotone", clip=True)
        .encode(x=x, y=alt.Y("low:Q"), y2="high:Q")
    )
    line = (
        alt.Chart(curves)
        .transform_filter(names.here)
        .mark_line(strokeWidth=1.6, interpolate="monotone", clip=True)
        .encode(x=x, y=y, color=color, opacity=names.faded(0.85))
    )
    bars = (
        alt.Chart(cells)
        .transform_filter(names.here)
        .transform_filter("isValid(datum.low)")
        .mark_rule(strokeWidth=1.2, clip=True)
        .encode(x=x, y=alt.Y("low:Q"), y2="high:Q", color=color, opacity=names.faded(0.6))
    )
    tooltip = [
        *_told(),
        alt.Tooltip("B:Q", title="batch size"),
        alt.Tooltip("mean:Q", title="mean", format=".2%"),
        alt.Tooltip("trials:Q"),
        alt.Tooltip("diverged:Q"),
    ]
    points = [
        alt.Chart(cells)
        .transform_filter(names.here)
        .transform_filter(f"datum.fitted == {str(fitted).lower()}")
        .mark_point(filled=fitted, size=42, strokeWidth=1.4, clip=True)
        .encode(x=x, y=y, color=color, shape=shape, opacity=names.faded(0.95), tooltip=tooltip)
        for fitted in (True, False)
    ]
    return [band, line, bars, *points]


def _told() -> list[alt.Tooltip]:
    """The condition, for tooltips."""
    return [alt.Tooltip(f"{AXIS_FIELDS[a]}:N", title=AXIS_NAMES[a]) for a in AXES]


def _optimum_layers(
    optima: alt.InlineData, names: _Names, *, x: alt.X, color: Any, shape: Any
) -> list[alt.Chart]:
    """The strip: intervals, arrows where a side is open, and marks, hollow where not usable."""
    lanes = (
        alt.Chart(optima)
        .transform_filter(names.here)
        .transform_calculate(at="shown_view[1] + datum.lane * (shown_view[2] - shown_view[1])")
    )
    lane = alt.Y("at:Q")
    tooltip = [
        *_told(),
        alt.Tooltip("text:N", title="best batch size"),
        alt.Tooltip("mean:Q", title="accuracy there", format=".2%"),
    ]
    heading = alt.Chart(alt.InlineData(values=[{}])).mark_text(
        style="note", text="best batch size, 95 % interval", align="left", baseline="top"
    )
    layers = [
        heading.encode(x=alt.value(0), y=alt.value(0)),
        lanes.mark_rule(strokeWidth=2, clip=True).encode(
            x=alt.X("low:Q"), x2="high:Q", y=lane, color=color, opacity=names.faded(0.9)
        ),
    ]
    for end, mark, offset in (("low", "triangle-left", -9), ("high", "triangle-right", 9)):
        layers.append(
            lanes.transform_filter(f"datum.opens_{end}")
            .mark_point(shape=mark, filled=True, size=60, xOffset=offset)
            .encode(x=alt.X(f"{end}:Q"), y=lane, color=color, opacity=names.faded(1.0))
        )
    for usable in (True, False):
        layers.append(
            lanes.transform_filter(f"datum.usable == {str(usable).lower()}")
            .mark_point(filled=usable, size=80, strokeWidth=1.6)
            .encode(
                x=x, y=lane, color=color, shape=shape, opacity=names.faded(1.0), tooltip=tooltip
            )
        )
    return layers
