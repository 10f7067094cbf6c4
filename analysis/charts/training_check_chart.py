"""Test and training accuracy against B/eps: whether the correlation is one of under-training."""

from __future__ import annotations

from typing import Any

import altair as alt

from analysis.charts.common import AnyChart, Row, beside, inline, labels, layered, without_legend
from analysis.charts.correlation_chart import (
    HERE,
    accuracy_axis,
    head,
    log_axis,
    looks,
    stratum_params,
)
from analysis.charts.training_check_data import TrainingCheckInfo


def training_check_panels(info: TrainingCheckInfo) -> tuple[alt.LayerChart, ...]:
    """Draw both panels; a drop-down picks the stratum of both.

    Args:
        info: what to draw; nothing where no cell has a training accuracy.
    """
    if not any(c.train_accuracy is not None for s in info.cells.drawn for c in s.cells):
        return ()
    return (_panel(info, "accuracy"), _panel(info, "train_accuracy"))


def training_check(info: TrainingCheckInfo) -> AnyChart:
    """Both panels side by side; see `training_check_panels`.

    Args:
        info: what to draw, with a training accuracy in at least one cell.
    """
    return beside(training_check_panels(info))


def _panel(info: TrainingCheckInfo, field: str) -> alt.LayerChart:
    is_training = field == "train_accuracy"
    every = [c for s in info.cells.drawn for c in s.cells if c.train_accuracy is not None]
    rates = labels(c.learning_rate for c in every)
    rows: list[Row] = [
        {
            "s": i,
            "rate": rates[c.learning_rate],
            "eps": c.learning_rate,
            "B": c.batch_size,
            "ratio": c.ratio,
            "accuracy": c.accuracy,
            "train_accuracy": c.train_accuracy,
            "trained": c.train_accuracy >= info.threshold,
        }
        for i, s in enumerate(info.cells.drawn)
        for c in s.cells
        if c.train_accuracy is not None
    ]
    here = alt.Chart(inline(rows)).transform_filter(HERE)
    color, shape = looks(rates, "rate", "eps", "learning rate")
    if is_training:
        color, shape = without_legend(color), without_legend(shape)
    x = log_axis(info.cells, "ratio", "ratio")
    y = accuracy_axis(
        info.cells, field, "mean training accuracy" if is_training else "", zoomed=False
    )
    tooltip = [
        alt.Tooltip("accuracy:Q", title=info.cells.metric_title, format=".2%"),
        alt.Tooltip("train_accuracy:Q", title="training accuracy", format=".2%"),
        alt.Tooltip("ratio:Q", title="B / ε", format=".4~g"),
        alt.Tooltip("B:Q", title="batch size"),
        alt.Tooltip("rate:N", title="learning rate"),
    ]
    layers: list[Any] = []
    if is_training:
        limit = alt.Chart(alt.InlineData(values=[{"limit": info.threshold}]))
        layers.append(
            limit.mark_rule(style="reference", strokeDash=[5, 4], clip=True, tooltip=None).encode(
                y=alt.Y("limit:Q")
            )
        )
    for trained in (False, True):
        if any(row["trained"] == trained for row in rows):
            layers.append(
                here.transform_filter(f"datum.trained == {str(trained).lower()}")
                .mark_point(filled=trained, size=48, strokeWidth=1.5, opacity=0.95, clip=True)
                .encode(x=x, y=y, color=color, shape=shape, tooltip=tooltip)
            )
    chart = layered(
        layers,
        height=310,
        description=(f"{info.description} Here: {'training' if is_training else 'test'} accuracy."),
        params=stratum_params(info.cells),
    )
    heads = info.train_head if is_training else info.test_head
    chart.title = head([heads(s.label) for s in info.cells.drawn])
    return chart
