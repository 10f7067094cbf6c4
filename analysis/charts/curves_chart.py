"""Learning curves: each cell's mean over seeds at each evaluation, a condition at a time."""

from __future__ import annotations

import json

import altair as alt

from analysis.charts.common import AnyChart, beside, choice, inline, labels, layered, marks
from analysis.charts.curve_means import MEASURES
from analysis.charts.curves_data import LearningCurvesInfo

#: What the legend shows in place of batch sizes where a condition has no trials.
NO_BATCH = "\u2013"


def _shown_batches(
    info: LearningCurvesInfo,
    rates: dict[float, str],
    momenta: dict[float, str],
    sizes: dict[float, str],
) -> tuple[alt.Parameter, list[alt.ExprRef]]:
    """The shown condition's batch sizes as a parameter, and as the domain of colour and shape.

    A domain has a fixed length here, so a shorter list repeats its last element.
    """
    found: dict[str, set[int]] = {}
    for r in info.rows:
        key = f"{rates[r.learning_rate]}|{momenta[r.momentum]}|{sizes[r.train_size]}"
        found.setdefault(key, set()).add(r.batch_size)
    longest = max(len(batches) for batches in found.values())
    table = {}
    for key, batches in found.items():
        texts = [str(b) for b in sorted(batches)]
        table[key] = texts + [texts[-1]] * (longest - len(texts))
    key = "shown_rate + '|' + shown_momentum + '|' + shown_size"
    none = json.dumps([NO_BATCH] * longest)
    shown = alt.param(name="shown_batches", expr=f"({json.dumps(table)})[{key}] || {none}")
    return shown, [alt.ExprRef(f"shown_batches[{i}]") for i in range(longest)]


def learning_curves_panels(info: LearningCurvesInfo) -> tuple[alt.LayerChart, ...]:
    """The chart for a page: drop-downs pick the condition and the measure.

    Args:
        info: what to draw; without rows there is no panel.
    """
    if not info.rows:
        return ()
    rates = labels(r.learning_rate for r in info.rows)
    momenta = labels(r.momentum for r in info.rows)
    sizes = labels(r.train_size for r in info.rows)
    data = inline(
        [
            {
                "rate": rates[r.learning_rate],
                "momentum": momenta[r.momentum],
                "size": sizes[r.train_size],
                "batch": str(r.batch_size),
                "step": r.step,
                "share": r.share,
                **{m.replace("_", " "): getattr(r, m) for m in MEASURES},
                "trials": r.n,
                "diverged": r.n_diverged,
            }
            for r in info.rows
        ]
    )
    first = info.first_shown or (min(rates), min(momenta), min(sizes))
    measures = [m.replace("_", " ") for m in MEASURES]
    batches, order = _shown_batches(info, rates, momenta, sizes)
    params = [
        choice("measure", "show", measures, measures[0]),
        choice("shown_rate", "learning rate", list(rates.values()), rates[first[0]]),
        choice("shown_momentum", "momentum", list(momenta.values()), momenta[first[1]]),
        choice("shown_size", "train size", list(sizes.values()), sizes[first[2]]),
        batches,
    ]
    here = (
        "datum.rate == shown_rate && datum.momentum == shown_momentum && datum.size == shown_size"
    )
    color, shape = marks("batch", order, "batch size", in_row=12)
    base = (
        alt.Chart(data)
        .transform_filter(here)
        .transform_calculate(value="datum[measure]")
        .transform_filter("isValid(datum.value)")
    )
    y = alt.Y(
        "value:Q",
        scale=alt.Scale(zero=False),
        axis=alt.Axis(
            title="mean over seeds",
            tickCount=8,
            labelExpr="indexof(measure, 'loss') >= 0 ? format(datum.value, '.2~f') "
            ": format(datum.value, '~%')",
        ),
    )
    color["legend"]["symbolLimit"] = 0
    x = _along(info)
    lines = base.mark_line(strokeWidth=1.6, opacity=0.85).encode(x=x, y=y, color=color)
    points = base.mark_point(filled=True, size=34).encode(
        x=x,
        y=y,
        color=color,
        shape=shape,
        tooltip=[
            alt.Tooltip("batch:N", title="batch size"),
            alt.Tooltip("step:Q", format=","),
            alt.Tooltip("value:Q", title="mean", format=".4f"),
            alt.Tooltip("trials:Q"),
            alt.Tooltip("diverged:Q"),
        ],
    )
    absent = (
        alt.Chart(alt.InlineData(values=[{}]))
        .transform_filter(f"shown_batches[0] == '{NO_BATCH}'")
        .mark_text(style="note", text="no trials at this condition")
        .encode(x=alt.value(alt.ExprRef("width / 2")), y=alt.value(alt.ExprRef("height / 2")))
    )
    layers = [lines, points, absent, _shown_here()]
    return (layered(layers, height=340, description=info.description, params=params),)


def learning_curves(info: LearningCurvesInfo) -> AnyChart:
    """The chart for a notebook or a picture; see `learning_curves_panels`.

    Args:
        info: what to draw, with at least one row.
    """
    return beside(learning_curves_panels(info))


def _shown_here() -> alt.Chart:
    """What is shown, above the plot: a picture has no drop-downs that say it."""
    text = (
        "measure + (width < 420 ? ': ε ' : ' at learning rate ') + shown_rate + "
        "(width < 420 ? ', m ' : ', momentum ') + shown_momentum + "
        "(width < 420 ? ', N ' : ', train size ') + shown_size"
    )
    nothing = alt.Chart(alt.InlineData(values=[{}])).encode(x=alt.value(0), y=alt.value(-8))
    line: alt.Chart = nothing.mark_text(
        style="note", align="left", baseline="bottom", text=alt.ExprRef(text)
    )
    return line


def _along(info: LearningCurvesInfo) -> alt.X:
    if info.by_share:
        title = "share of the training steps"
        axis = alt.Axis(title=title, format="~%", tickCount=5)
        return alt.X("share:Q", scale=alt.Scale(domain=[0, 1]), axis=axis)
    steps = alt.Axis(title="SGD steps", format=",d", tickMinStep=1, tickCount=6)
    return alt.X("step:Q", scale=alt.Scale(zero=True), axis=steps)
