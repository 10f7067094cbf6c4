"""What every chart shares: rows of plain values, distinct labels, numbers for reading."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import altair as alt

from analysis.peak import Peak

_STAR = "M0,-1.1L.32,-.4L1.05,-.34L.5,.15L.68,.9L0,.5L-.68,.9L-.5,.15L-1.05,-.34L-.32,-.4Z"

#: Marks for ordered values, so that no value is told by its colour alone.
SHAPES = ("circle", "square", "triangle-up", "diamond", "triangle-down", "cross", _STAR)

Row = dict[str, Any]
AnyChart = alt.LayerChart | alt.HConcatChart

Axis = Literal["learning_rate", "train_size", "momentum"]
AXES: tuple[Axis, ...] = ("learning_rate", "train_size", "momentum")

#: What each axis is called, in sentences and along a chart.
AXIS_NAMES: Mapping[str, str] = {
    "learning_rate": "learning rate",
    "train_size": "training-set size",
    "momentum": "momentum",
}
#: What it is called where there is less room: in drop-downs and the columns of tables.
SHORT_AXIS_NAMES: Mapping[str, str] = {**AXIS_NAMES, "train_size": "train size"}
#: What the law has of each axis, of which it estimates the exponent.
LAW_AXIS_NAMES: Mapping[str, str] = {**AXIS_NAMES, "momentum": "1/(1 − momentum)"}
#: What it is called in the rows of a chart, and in its `shown_...` parameter.
AXIS_FIELDS: Mapping[str, str] = {
    "learning_rate": "rate",
    "train_size": "size",
    "momentum": "momentum",
}

#: The view near the best begins this far below the lowest of the curves' best means, as a share of
#: their height above the lowest cell.
_NEAR_SHARE = 0.15


def finite(value: float | None) -> float | None:
    """The value, or None where it is missing, NaN or infinite: JSON knows neither."""
    return None if value is None or not math.isfinite(value) else float(value)


def number(value: float | None, digits: int = 3) -> str:
    """A number for reading: significant digits, whole numbers unrounded, an en dash for none.

    >>> number(0.0707107), number(8000.0), number(123.456), number(None)
    ('0.0707', '8000', '123', '–')
    """
    if value is None or not math.isfinite(value):
        return "–"
    if value == 0:
        return "0"
    if float(value).is_integer() and abs(value) < 1e7:
        return str(int(value))
    magnitude = math.floor(math.log10(abs(value)))
    if not -5 <= magnitude < 7:
        return f"{value:.{digits - 1}e}"
    text = f"{value:.{max(0, digits - 1 - magnitude)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def percent(value: float | None, digits: int = 1) -> str:
    """A fraction as a percentage for reading, with a space that does not break.

    >>> percent(0.464).split()
    ['46.4', '%']
    """
    return "–" if value is None or not math.isfinite(value) else f"{100 * value:.{digits}f}\u00a0%"


def interval(low: float | None, high: float | None) -> str:
    """An interval for reading, which does not break; empty where neither end is known."""
    if finite(low) is None and finite(high) is None:
        return ""
    return f"[{number(low)},\u00a0{number(high)}]"


def labels(values: Iterable[float]) -> dict[float, str]:
    """A short label for each value, in ascending order, with as many digits as keep them apart.

    They also keep a momentum below 1 apart from 1.

    >>> labels([0.9995, 0.9]), labels([0.9996, 0.9995])
    ({0.9: '0.9', 0.9995: '0.9995'}, {0.9995: '0.9995', 0.9996: '0.9996'})
    """
    distinct = sorted(set(values))
    texts: list[str] = []
    for digits in range(3, 18):
        texts = [number(value, digits) for value in distinct]
        rounded = any(
            text == "1" and not math.isclose(value, 1.0)
            for value, text in zip(distinct, texts, strict=True)
        )
        if len(set(texts)) == len(distinct) and not rounded:
            break
    return dict(zip(distinct, texts, strict=True))


def tick_labels(texts: Mapping[float, str]) -> str:
    """A Vega expression for an axis whose ticks are these values: each one's own text."""
    return f"({json.dumps(list(texts.values()))})[indexof({json.dumps(list(texts))}, datum.value)]"


def varied_axes(conditions: Iterable[Any]) -> list[Axis]:
    """The axes of which the conditions (peaks, points, cells) have two values or more."""
    known = list(conditions)
    return [axis for axis in AXES if len({getattr(c, axis) for c in known}) > 1]


def has_measured_errors(peaks: Iterable[Peak]) -> bool:
    """Whether the cells' standard errors are measured.

    Where no trained cell has two seeds, the analysis assumes a noise: that is no error bar.
    """
    return any(c.fitted and c.n > 1 for p in peaks for c in p.cells)


def near_best(means: Iterable[tuple[float, float]]) -> tuple[float, float]:
    """From a little below the lowest of the curves' best means to the highest mean.

    Args:
        means: the curve of each cell, by a number of its own, and the cell's mean; one at least.
    """
    tops: dict[float, float] = {}
    lowest = math.inf
    for curve, mean in means:
        tops[curve] = max(tops.get(curve, mean), mean)
        lowest = min(lowest, mean)
    lowest_top = min(tops.values())
    return lowest_top - _NEAR_SHARE * (lowest_top - lowest), max(tops.values())


def with_margin(low: float, high: float) -> tuple[float, float]:
    """A range of accuracies with a margin, at least two points of accuracy high."""
    margin = max(0.05 * (high - low), 0.01 - (high - low) / 2)
    return round(low - margin, 6), round(high + margin, 6)


def plural(n: int, noun: str) -> str:
    """The count with its noun: `1 trial`, `2 trials`."""
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def listed(items: Sequence[str], most: int = 0) -> str:
    """`a, b and c`; of more than `most` items the first ones, and how many more there are."""
    if most and len(items) > most:
        return f"{', '.join(items[:most])} and {len(items) - most} more"
    return items[0] if len(items) == 1 else ", ".join(items[:-1]) + " and " + items[-1]


def inline(rows: Sequence[Row]) -> alt.InlineData:
    """Rows as the chart's own data, in CSV with six significant digits.

    As text they are a fifth of the size, and Altair does not copy and check them row by row. The
    caller has aggregated them: the 5,000-row limit does not hold here.

    Args:
        rows: of equal keys; text, numbers, booleans and None.
    """
    if not rows:
        return alt.InlineData(values=[])
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(rows[0])
    writer.writerows([_csv_value(v) for v in row.values()] for row in rows)
    kinds = {name: _vega_type(row[name] for row in rows) for name in rows[0]}
    return alt.InlineData(values=text.getvalue(), format=alt.CsvDataFormat(parse=kinds, type="csv"))


def _csv_value(value: object) -> object:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.6g}" if isinstance(value, float) else value


def _vega_type(values: Iterable[object]) -> str:
    """What Vega is to read a column as; an empty field of a number column is null to it."""
    kinds = {type(v) for v in values if v is not None}
    return "string" if str in kinds else "boolean" if bool in kinds else "number"


def choice(name: str, text: str, options: Sequence[str], value: str) -> alt.Parameter:
    """What the reader picks from a drop-down; a constant where there is nothing to pick.

    Args:
        name: of the parameter.
        text: beside the drop-down.
        options: in the order shown.
        value: picked first.
    """
    if len(options) < 2:
        return alt.param(name=name, value=value)
    bind = alt.binding_select(options=list(options), name=f"{text} ")
    return alt.param(name=name, value=value, bind=bind)


def marks(
    field: str, order: Sequence[str | alt.ExprRef], title: str, *, in_row: int
) -> tuple[alt.Color, alt.Shape]:
    """Colour and shape for one ordered field, with one legend for both.

    The field is nominal to Vega, which warns of shapes for ordinal ones; its order is `order`,
    and the theme gives it viridis.

    Args:
        field: name of a text field.
        order: its values, ascending.
        title: of the legend.
        in_row: legend entries in a row of a wide chart; a narrow one has four.
    """
    legend = alt.Legend(
        title=title, columns=alt.ExprRef(f"width < 260 ? 3 : width < 420 ? 4 : {in_row}")
    )
    hues = alt.Scale(domain=list(order))
    kinds = alt.Scale(domain=list(order), range=shapes(len(order)))
    color = alt.Color(f"{field}:N", scale=hues, legend=legend)
    return color, alt.Shape(f"{field}:N", scale=kinds, legend=legend)


def without_legend(channel: Any) -> Any:
    """The colour or shape without its legend, which another panel has; anything else as it is."""
    if not isinstance(channel, alt.Color | alt.Shape):
        return channel
    bare = channel.copy(deep=False)
    bare["legend"] = None
    return bare


def layered(
    layers: Sequence[alt.Chart], *, height: int, description: str, params: Sequence[Any] = ()
) -> alt.LayerChart:
    """The layers as one chart that is as wide as its container; `height` in pixels."""
    chart = alt.LayerChart(
        layer=list(layers), width="container", height=height, description=description
    )
    return chart.add_params(*params) if params else chart


def beside(panels: Sequence[alt.LayerChart], *, width: int = 340) -> AnyChart:
    """Panels as one chart, side by side, each `width` pixels wide; a single one as it is.

    A parameter that several panels share, a drop-down say, becomes one of the whole.
    """
    if len(panels) == 1:
        return panels[0]
    shared: dict[str, Any] = {}
    bare = []
    for panel in panels:
        alone = panel.copy(deep=False)
        alone["width"] = width
        if alone["params"] is not alt.Undefined:
            shared |= {param.name: param for param in alone["params"]}
            alone["params"] = alt.Undefined
        bare.append(alone)
    row = alt.HConcatChart(hconcat=bare, description=panels[0]["description"])
    row.resolve = alt.Resolve(
        scale=alt.ScaleResolveMap(
            color="independent", shape="independent", strokeDash="independent"
        )
    )
    if shared:
        row["params"] = list(shared.values())
    return row


def shapes(n: int) -> list[str]:
    """`n` mark shapes; they repeat after seven."""
    return [SHAPES[i % len(SHAPES)] for i in range(n)]


def thinned(items: Sequence[Any], at_most: int) -> list[Any]:
    """At most `at_most` evenly spaced items, first and last kept."""
    if len(items) <= at_most or at_most < 2:
        return list(items)
    picked = sorted({round(i * (len(items) - 1) / (at_most - 1)) for i in range(at_most)})
    return [items[i] for i in picked]


def widened(values: Iterable[float]) -> list[float]:
    """Both ends of a logarithmic axis; a single value gets an octave on either side."""
    known = list(values)
    low, high = min(known), max(known)
    return [low / 2, high * 2] if low == high else [low, high]


def powers_of_two(low: float, high: float) -> list[float]:
    """Tick values 2^k inside [low, high], for logarithmic axes; `low` where there is none."""
    first, last = math.ceil(math.log2(low) - 1e-9), math.floor(math.log2(high) + 1e-9)
    return [2.0**k for k in range(first, last + 1)] or [low]


def log_ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round tick values inside [low, high] for a logarithmic axis, at most `most`.

    >>> log_ticks(12, 900), log_ticks(0.03, 40)
    ([20.0, 50.0, 100.0, 200.0, 500.0], [0.1, 1.0, 10.0])
    """
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    for steps in ((1, 2, 5), (1, 3), (1,)):
        ticks = [float(f"{f}e{k}") for k in range(first, last + 1) for f in steps]
        inside = [t for t in ticks if low * (1 - 1e-9) <= t <= high * (1 + 1e-9)]
        if len(inside) <= most:
            return inside or [low]
    return thinned(inside, most)


def round_ticks(low: float, high: float, about: int = 6) -> list[float]:
    """Round tick values inside [low, high], about as many as asked for.

    >>> round_ticks(0.12, 0.47)
    [0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45]
    """
    if not high > low:
        return [low]
    raw = (high - low) / about
    unit = 10.0 ** math.floor(math.log10(raw))
    step = next(unit * f for f in (1.0, 2.0, 5.0, 10.0) if unit * f >= 0.75 * raw)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(k * step, 12) for k in range(first, last + 1)]
