"""The law: best batch size and edge of trainability against eps*N/(1-m), fits, and slope 1."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt

from analysis.charts.common import (
    AXES,
    AXIS_FIELDS,
    AXIS_NAMES,
    AnyChart,
    Row,
    beside,
    inline,
    labels,
    layered,
    powers_of_two,
    shapes,
    thinned,
    widened,
)
from analysis.charts.law_data import NAMES, LawInfo, LineRow, PointRow

#: The axis of each field of the rows.
_AXIS_OF = {AXIS_FIELDS[axis]: axis for axis in AXES}

#: Entries of a legend; of more levels some are left out evenly.
_MAX_ENTRIES = 8
#: Octaves beyond all estimates that an interval may stretch a batch-size axis.
_REACH = 1.5

#: Width of a legend that tells the lines, and of an entry's symbol and padding, pixels.
_LINES_WIDTH = 215
_ENTRY_WIDTH = 30
#: Conditions at one place of the horizontal axis are set apart by this share of its length,
#: and by no more than that share of the distance between two places in all.
_APART, _APART_IN_ALL = 0.012, 0.45

_LINES: Mapping[str, tuple[str, list[int]]] = {
    "optimum": ("best batch size (points)", [1, 0]),
    "edge": ("edge of trainability (bars)", [2, 3]),
    "slope 1": ("slope 1", [7, 4]),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Levels:
    """How the points' conditions are told apart.

    Attributes:
        texts: label of each value, by field.
        hue, form: the fields that colour and shape tell.
        legend: whether there is anything to tell.
    """

    texts: Mapping[str, Mapping[float, str]]
    hue: str
    form: str
    legend: bool

    @classmethod
    def of(cls, points: Sequence[PointRow], along: str = "") -> Levels:
        """Levels of the points; `along` names the field on the horizontal axis, if one is.

        Colour tells the training-set size where it was varied, else the momentum, else the
        learning rate; shape tells the next of them that was varied, else the same as colour.
        """
        texts = {
            field: labels(float(getattr(p, name)) for p in points)
            for field, name in _AXIS_OF.items()
        }
        order = ("size", "momentum") if not along else ("size", "momentum", "rate")
        varied = [f for f in order if f != along and len(texts[f]) > 1]
        hue = varied[0] if varied else along or "rate"
        form = varied[1] if len(varied) > 1 else hue
        return cls(texts=texts, hue=hue, form=form, legend=bool(varied) or not along)

    def condition(self, p: PointRow) -> Row:
        """The point's condition as labels."""
        return {f: self.texts[f][float(getattr(p, name))] for f, name in _AXIS_OF.items()}

    def encodings(self, *, beside_lines: bool = True) -> tuple[alt.Color, alt.Shape]:
        """Colour and shape; one legend where both tell the same.

        Args:
            beside_lines: a legend of the lines stands beside theirs.
        """
        taken = _LINES_WIDTH if beside_lines else 0
        n = len({self.hue, self.form})
        hues, forms = list(self.texts[self.hue].values()), list(self.texts[self.form].values())
        color = alt.Color(
            f"{self.hue}:N",
            scale=alt.Scale(domain=hues),
            legend=self._legend(self.hue, hues, n, taken),
        )
        shape = alt.Shape(
            f"{self.form}:N",
            scale=alt.Scale(domain=forms, range=shapes(len(forms))),
            legend=self._legend(self.form, forms, n, taken),
        )
        return color, shape

    def _legend(self, field: str, texts: Sequence[str], n: int, taken: int) -> alt.Legend | None:
        """One of `n` legends side by side, in the width that the legend of the lines leaves.

        A narrow chart has them one below the other.

        Args:
            field: that it tells.
            texts: its labels.
            n: legends of conditions.
            taken: width of the legend of the lines, pixels.
        """
        if not self.legend:
            return None
        entries = thinned(texts, _MAX_ENTRIES)
        width = _ENTRY_WIDTH + 7 * max(map(len, entries))
        columns = alt.ExprRef(
            f"max(1, floor(width < 480 ? width / {width} : (width - {taken}) / {n * width}))"
        )
        return alt.Legend(title=AXIS_NAMES[_AXIS_OF[field]], columns=columns, values=entries)


def law(info: LawInfo) -> AnyChart:
    """Draw the chart for a notebook or a picture; see `law_panels`."""
    return beside(law_panels(info))


def law_panels(info: LawInfo) -> tuple[alt.LayerChart, ...]:
    """Draw the chart on two logarithmic axes.

    Args:
        info: what to draw.

    Returns:
        One chart of container width; none where there is no point.
    """
    if not info.drawn:
        return ()
    lines = [*info.fit, *info.proportional]
    values = [p.scale for p in info.drawn]
    domain = widened(values)
    x = alt.X(
        "x:Q",
        scale=alt.Scale(type="log", base=2, nice=False, padding=24, domain=domain),
        axis=scale_axis(*domain),
    )
    chart = landmark_chart(
        info.drawn,
        apart(values, at_one_place(info.drawn)),
        lines,
        Levels.of(info.drawn),
        x=x,
        y=batch_size_axis(info.drawn, lines),
        height=380,
        description=info.description,
    )
    return (chart,)


def at_one_place(points: Sequence[PointRow]) -> list[tuple[int, int]]:
    """Of each point, the number of its condition among those of the same eps*N/(1-m)."""
    places: dict[str, dict[tuple[float, ...], int]] = {}
    for p in points:
        there = places.setdefault(f"{p.scale:.9g}", {})
        there.setdefault(p.log_values, len(there))
    return [(places[f"{p.scale:.9g}"][p.log_values], len(places[f"{p.scale:.9g}"])) for p in points]


def apart(values: Sequence[float], places: Sequence[tuple[int, int]]) -> list[float]:
    """Values moved a little along a logarithmic axis, so that equal ones do not hide each other.

    Args:
        values: positions.
        places: of each value, its number among those that share its position, and their count.
    """
    low, high = widened(values)
    length = math.log(high / low)
    between = length / max(1, len({f"{v:.9g}" for v in values}) - 1)
    return [
        v * math.exp((i - (n - 1) / 2) * min(_APART * length, _APART_IN_ALL * between / n))
        for v, (i, n) in zip(values, places, strict=True)
    ]


def few_powers_of_two(low: float, high: float) -> list[float]:
    """Ticks 2^k inside [low, high], every second or third of them where the range is long."""
    ticks = powers_of_two(low, high)
    return ticks[:: 1 + (len(ticks) - 1) // 9]


def scale_axis(low: float, high: float) -> alt.Axis:
    """The horizontal axis of eps*N/(1-m)."""
    return alt.Axis(
        title="εN / (1 − m)",
        values=few_powers_of_two(low, high),
        format=",~r",
        labelOverlap="parity",
    )


def batch_size_axis(points: Sequence[PointRow], lines: Sequence[LineRow], **axis: Any) -> alt.Y:
    """The vertical axis over all estimates, and over intervals and lines as far as they matter."""
    known = [p.batch_size for p in points]
    ends = [v for p in points for v in (p.low, p.high) if v is not None]
    ends += [r.batch_size for r in lines]
    least, most = min(known) / 2**_REACH, max(known) * 2**_REACH
    low, high = widened([*known, *(min(max(v, least), most) for v in ends)])
    return alt.Y(
        "B:Q",
        scale=alt.Scale(type="log", base=2, nice=False, padding=16, domain=[low, high]),
        axis=alt.Axis(
            title="batch size", values=few_powers_of_two(low, high), format=",~r", **axis
        ),
    )


def landmark_chart(
    points: Sequence[PointRow],
    at: Sequence[float],
    lines: Sequence[LineRow],
    levels: Levels,
    *,
    x: alt.X,
    y: alt.Y,
    height: int,
    description: str,
    line_legend: bool = True,
) -> alt.LayerChart:
    """Both landmarks with intervals and lines: the optimum as points, the edge as short bars.

    Args:
        points: to draw.
        at: horizontal position of each point.
        lines: to draw behind them.
        levels: how conditions are told apart.
        x: encoding of the field `x`.
        y: encoding of the field `B`.
        height: pixels.
        description: for those who cannot see it.
        line_legend: say what the lines are.
    """
    color, shape = levels.encodings(beside_lines=line_legend)
    rows = [_row(p, value, levels) for p, value in zip(points, at, strict=True)]
    optima = [r for r in rows if r["landmark"] == NAMES["optimum"]]
    edges = [r for r in rows if r["landmark"] == NAMES["edge"]]
    layers = [_line_layer(lines, {p.landmark for p in points}, legend=line_legend, x=x, y=y)]
    if edges:
        layers += _edge_layers(inline(edges), x=x, y=y, color=color)
    if optima:
        layers += _optimum_layers(inline(optima), x=x, y=y, color=color, shape=shape)
    return layered(layers, height=height, description=description)


def _row(p: PointRow, x: float, levels: Levels) -> Row:
    return {
        "landmark": NAMES[p.landmark],
        **levels.condition(p),
        "x": x,
        "scale": p.scale,
        "B": p.batch_size,
        "low": p.low,
        "high": p.high,
        "used": p.used,
        "opens_low": p.open_low,
        "opens_high": p.open_high,
        "text": p.text,
    }


def _tooltip() -> list[alt.Tooltip]:
    return [
        alt.Tooltip("landmark:N"),
        alt.Tooltip("text:N", title="batch size"),
        *(alt.Tooltip(f"{AXIS_FIELDS[a]}:N", title=AXIS_NAMES[a]) for a in AXES),
        alt.Tooltip("scale:Q", title="εN/(1 − m)", format=".4~g"),
    ]


def _bars(data: alt.InlineData, x: alt.X, color: alt.Color, width: float) -> alt.Chart:
    chart: alt.Chart = (
        alt.Chart(data)
        .transform_filter("isValid(datum.low) && isValid(datum.high)")
        .mark_rule(strokeWidth=width, opacity=0.7, clip=True)
        .encode(x=x, y=alt.Y("low:Q"), y2="high:Q", color=color)
    )
    return chart


def _arrows(data: alt.InlineData, x: alt.X, color: alt.Color, size: int) -> list[alt.Chart]:
    """Small triangles that point to where an open landmark may lie."""
    return [
        alt.Chart(data)
        .transform_filter(f"datum.opens_{end}")
        .transform_calculate(end=f"isValid(datum.{end}) ? datum.{end} : datum.B")
        .mark_point(shape=mark, filled=True, size=size, yOffset=offset)
        .encode(x=x, y=alt.Y("end:Q"), color=color)
        for end, mark, offset in (("low", "triangle-down", 9), ("high", "triangle-up", -9))
    ]


def _optimum_layers(
    data: alt.InlineData, *, x: alt.X, y: alt.Y, color: alt.Color, shape: alt.Shape
) -> list[alt.Chart]:
    """Intervals, arrows where a side is open, and points, hollow where not in the fit."""
    dots = [
        alt.Chart(data)
        .transform_filter(f"datum.used == {str(used).lower()}")
        .mark_point(filled=used, size=100, strokeWidth=1.8, opacity=1)
        .encode(x=x, y=y, color=color, shape=shape, tooltip=_tooltip())
        for used in (True, False)
    ]
    return [_bars(data, x, color, 2), *_arrows(data, x, color, 55), *dots]


def _edge_layers(data: alt.InlineData, *, x: alt.X, y: alt.Y, color: alt.Color) -> list[alt.Chart]:
    """Thin intervals and short bars, in the colours of the optima."""
    bars = (
        alt.Chart(data)
        .mark_point(shape="stroke", size=150, strokeWidth=2.5, opacity=1)
        .encode(x=x, y=y, color=color, tooltip=_tooltip())
    )
    return [_bars(data, x, color, 1), *_arrows(data, x, color, 30), bars]


def _line_layer(
    lines: Iterable[LineRow], landmarks: set[str], *, legend: bool, x: alt.X, y: alt.Y
) -> alt.Chart:
    """The fitted laws and the line of slope 1, told apart by their dashes.

    The legend names a landmark that is drawn even where it has no line.
    """
    rows = [
        {
            "kind": _LINES[r.landmark][0],
            "line": f"{r.landmark} {r.line}",
            "x": r.x,
            "B": r.batch_size,
        }
        for r in lines
    ]
    named = {r["kind"] for r in rows} | {_LINES[name][0] for name in landmarks}
    kinds = {text: dash for text, dash in _LINES.values() if text in named}
    entries = alt.Legend(
        title="fitted laws",
        symbolType="stroke",
        symbolSize=320,
        columns=1,
        labelLimit=240,
    )
    dash = alt.StrokeDash(
        "kind:N",
        scale=alt.Scale(domain=list(kinds), range=list(kinds.values())),
        legend=entries if legend else None,
    )
    chart: alt.Chart = (
        alt.Chart(inline(rows))
        .mark_line(style="reference", clip=True)
        .encode(x=x, y=y, detail="line:N", strokeDash=dash)
    )
    return chart
