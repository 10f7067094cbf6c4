"""What the charts of the correlation claims share: strata to pick, colours, axes and heads."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from typing import Any

import altair as alt

from analysis.charts.common import (
    choice,
    labels,
    log_ticks,
    marks,
    near_best,
    powers_of_two,
    round_ticks,
    widened,
    with_margin,
)
from analysis.charts.correlation_data import CorrelationCells, StratumCell

WHOLE, NEAR = "whole range", "near the best"
#: More values than this, and colour is a ramp without single entries.
_MOST_ENTRIES = 12
_CROSS = "M-.8,-.8L.8,.8M.8,-.8L-.8,.8"

AXIS_TITLES = {"ratio": "B / ε", "batch_size": "batch size", "learning_rate": "learning rate"}

#: The rows of the stratum that is shown; rows carry its number as `s`.
HERE = "datum.s == stratum_number"


def stratum_params(cells: CorrelationCells) -> list[alt.Parameter]:
    """The drop-down of strata, and its number for the rows."""
    names = [s.short for s in cells.drawn]
    number = alt.ExprRef(f"indexof({json.dumps(names)}, shown_stratum)")
    return [
        choice("shown_stratum", "stratum", names, names[cells.first]),
        alt.param(name="stratum_number", expr=number.expr),
    ]


def range_param() -> alt.Parameter:
    """The drop-down of the vertical axis."""
    return choice("shown_accuracies", "vertical axis", [WHOLE, NEAR], WHOLE)


def of_stratum(values: Sequence[Any]) -> str:
    """A Vega expression: the entry of the stratum that is shown."""
    return f"({json.dumps(list(values))})[stratum_number]"


def head(findings: Sequence[Sequence[str]]) -> alt.TitleParams:
    """A panel's head, which says what was found in the stratum that is shown.

    Args:
        findings: short lines for each stratum, of equal number.
    """
    return alt.TitleParams(
        alt.ExprRef(of_stratum([list(lines) for lines in findings])),
        fontSize=12,
        fontWeight="normal",
        lineHeight=17,
    )


def looks(values: Iterable[float], name: str, field: str, title: str) -> tuple[Any, Any]:
    """Colour and shape for a hyperparameter; a ramp and one shape where it has many values.

    Args:
        values: all that occur.
        name: field with the label.
        field: field with the number.
        title: of the legend.
    """
    texts = labels(values)
    if len(texts) <= _MOST_ENTRIES:
        return marks(name, list(texts.values()), title, in_row=8)
    low, high = min(texts), max(texts)
    shown = log_ticks(low, high)
    if all(v.is_integer() for v in texts):
        powers = powers_of_two(low, high)
        shown = powers[:: math.ceil(len(powers) / 7)]
    color = alt.Color(
        f"{field}:Q",
        scale=alt.Scale(type="log", domain=[low, high], nice=False),
        legend=alt.Legend(
            title=title, values=shown, format=",~r", columns=alt.ExprRef("width < 420 ? 4 : 8")
        ),
    )
    return color, alt.value("circle")


def log_axis(cells: CorrelationCells, source: str, field: str) -> alt.X:
    """A logarithmic axis over each stratum's own values.

    Its ticks are powers of two for batch sizes, the values themselves for a few learning rates, and
    round numbers else.

    Args:
        cells: what is drawn.
        source: attribute of a cell: ratio, batch_size or learning_rate.
        field: of the rows.
    """
    domains, ticks = [], []
    for stratum in cells.drawn:
        known = sorted({float(getattr(c, source)) for c in stratum.cells})
        low, high = widened(known)
        domains.append([low, high])
        if source == "batch_size":
            ticks.append(powers_of_two(low, high))
        elif source == "learning_rate" and len(known) <= _MOST_ENTRIES:
            ticks.append(known)
        else:
            ticks.append(log_ticks(low, high))
    domain = of_stratum(domains)
    return alt.X(
        f"{field}:Q",
        scale=alt.Scale(
            type="log",
            base=2 if source == "batch_size" else 10,
            nice=False,
            padding=12,
            domain=[alt.ExprRef(f"{domain}[0]"), alt.ExprRef(f"{domain}[1]")],
        ),
        axis=alt.Axis(
            title=AXIS_TITLES[source],
            values=alt.ExprRef(of_stratum(ticks)),
            format=".3~r" if source == "learning_rate" else ",~r",
        ),
    )


def accuracy_axis(
    cells: CorrelationCells, field: str = "accuracy", title: str = "", *, zoomed: bool = True
) -> alt.Y:
    """The vertical axis: each stratum's whole range, or the range near its best cells.

    Args:
        cells: what is drawn.
        field: attribute of a cell.
        title: of the axis; the metric's where empty.
        zoomed: the reader may choose the range near the best (`range_param`).
    """
    views = [[_whole(s.cells, field), *([_near(s.cells)] if zoomed else [])] for s in cells.drawn]
    which = f"[shown_accuracies == '{NEAR}' ? 1 : 0]" if zoomed else "[0]"
    chosen = of_stratum(views) + which
    ticks = of_stratum([[round_ticks(*view) for view in each] for each in views])
    return alt.Y(
        f"{field}:Q",
        scale=alt.Scale(
            zero=False,
            nice=False,
            domain=[alt.ExprRef(f"{chosen}[0]"), alt.ExprRef(f"{chosen}[1]")],
        ),
        axis=alt.Axis(
            title=title or f"mean {cells.metric_title}",
            format="~%",
            values=alt.ExprRef(ticks + which),
        ),
    )


def diverged_marks(rows: alt.Chart, x: Any, y: Any) -> alt.Chart:
    """A cross on every cell with a diverged seed."""
    drawn: alt.Chart = (
        rows.transform_filter("datum.diverged > 0")
        .mark_point(
            shape=_CROSS, size=150, stroke="#d1495b", strokeWidth=1.6, clip=True, tooltip=None
        )
        .encode(x=x, y=y)
    )
    return drawn


def _whole(cells: Sequence[StratumCell], field: str) -> tuple[float, float]:
    values = [getattr(c, field) for c in cells]
    if field == "accuracy":
        values += [v for c in cells for v in (c.low, c.high)]
    known = [v for v in values if v is not None]
    return with_margin(min(known), max(known)) if known else (0.0, 1.0)


def _near(cells: Sequence[StratumCell]) -> tuple[float, float]:
    return with_margin(*near_best((c.learning_rate, c.accuracy) for c in cells))
