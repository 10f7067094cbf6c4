"""The part on the runs themselves: learning curves, and how fast trials were trained."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa

from analysis.charts.curves_chart import learning_curves_panels
from analysis.charts.curves_data import learning_curves_info
from analysis.charts.throughput_chart import throughput_panels
from analysis.charts.throughput_data import throughput_info
from analysis.report.figure import Figure, Section


def runs_section(trials: pd.DataFrame, curves: pa.Table | None) -> Section:
    """The learning curves of one group.

    Args:
        trials: rows of one group of a landscape.
        curves: columns of CURVES_SCHEMA; None where the source has no curves.
    """
    info = learning_curves_info(trials, curves)
    figure = Figure(
        anchor="learning-curves",
        question=info.question,
        answer=info.answer or " ".join(info.notes),
        caption=(
            "Each line is one cell's mean over its seeds, a point at each evaluation. The "
            "drop-downs pick the condition and what is shown."
        ),
        notes=info.notes if info.answer else (),
        panels=learning_curves_panels(info),
        table=info.table(),
    )
    return Section(anchor="runs", figures=(figure,))


def throughput_figure(trials: pa.Table | None) -> Figure:
    """How fast the trials of all groups were trained.

    Args:
        trials: columns of TRIALS_SCHEMA; None where the source is no store.
    """
    info = throughput_info(pa.table({}) if trials is None else trials)
    return Figure(
        anchor="throughput",
        question=info.question,
        answer=info.answer or " ".join(info.notes),
        caption=(
            "Left: trials finished so far; those of one pack finish together. Right: trials a "
            "minute, each counted evenly over the time of its pack."
        ),
        notes=info.notes if info.answer else (),
        panels=throughput_panels(info),
        table=info.table(),
    )
