"""Peaks: accuracy against batch size, a figure for each axis, and each condition's numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from analysis.charts.common import AXIS_NAMES, Axis, finite, varied_axes
from analysis.charts.peaks_chart import peaks_panels
from analysis.charts.peaks_data import PeaksInfo, peaks_info
from analysis.charts.table import Table, bounds
from analysis.peaks import Peak
from analysis.report.figure import Figure, NamedTable, Section
from analysis.scaling import ScalingFit

_ANCHORS: Mapping[Axis, str] = {
    "learning_rate": "by-learning-rate",
    "train_size": "by-train-size",
    "momentum": "by-momentum",
}

#: What each flag of a peak means.
FLAGS: Mapping[str, str] = {
    "untrained": "nothing stands out from chance",
    "few_cells": "too few trained batch sizes for a curve",
    "few_seeds": "few seeds",
    "single_seed": "a single seed",
    "noise_assumed": "noise assumed, not measured",
    "no_cliff": "no cliff sampled",
    "diverged_above_edge": "trials diverged above the edge",
    "bimodal": "on the cliff seeds either train or do not",
    "seeds_correlated": "seeds go up and down together",
    "missing_trials": "trials missing",
    "flat": "flat over all sampled batch sizes",
    "rough": "rough curve, interval probably too narrow",
    "censored_low": "may lie below the sampled batch sizes",
    "censored_high": "may lie above the sampled batch sizes",
    "full_batch": "may lie at the full batch",
    "no_peak": "no fall beyond the best is seen",
}


def peaks_section(law: ScalingFit) -> Section:
    """What the page says of the peaks of one group of trials.

    Args:
        law: the group's law with its peaks.
    """
    axes = varied_axes(law.peaks) or ["learning_rate"]
    return Section(
        anchor="peaks",
        remarks=law.found.sentences,
        figures=tuple(_figure(peaks_info(law.peaks, metric=law.metric, axis=a)) for a in axes),
        tables=(peak_table(law.peaks, law.near_optimal),),
    )


def _figure(info: PeaksInfo) -> Figure:
    return Figure(
        anchor=_ANCHORS[info.axis],
        question=info.question,
        answer=info.answer,
        caption=(
            "Points are means over seeds with bars of one standard error, hollow where they are "
            "too far below the best for the smooth curve to be fitted to them. Above them, each "
            f"{AXIS_NAMES[info.axis]}'s best batch size with its 95 % interval, hollow where it is "
            "not known well enough for the law, with an arrow where it is only bounded. Pick one "
            f"{AXIS_NAMES[info.axis]} to see its curve's 95 % band."
        ),
        notes=info.notes,
        panels=peaks_panels(info),
        table=info.table(),
    )


def peak_table(peaks: Sequence[Peak], near_optimal: float) -> NamedTable:
    """Each condition's best batch size with all that is known of it, unrounded.

    Args:
        peaks: the conditions.
        near_optimal: accuracy below the best that counts as near-optimal.
    """
    return NamedTable(
        anchor="best-batch-sizes",
        heading="The best batch size of each condition",
        table=Table(
            columns=(
                "learning rate",
                "momentum",
                "train size",
                "B_opt",
                "low",
                "high",
                "near-optimal low",
                "near-optimal high",
                "edge of trainability",
                "edge low",
                "edge high",
                "p of a peak",
                "accuracy there",
                "training accuracy there",
                "seeds",
                "remarks",
            ),
            rows=tuple(_row(p) for p in peaks),
            percent=frozenset({"accuracy there", "training accuracy there"}),
            note=(
                f"Intervals are 95 %. Near-optimal: within {100 * near_optimal:g} points of the "
                "best. p of a peak: that accuracy never falls (or never rises) as B grows; small "
                "where there is a peak."
            ),
        ),
        absent="No condition has cells to look for a best batch size in.",
    )


def _row(p: Peak) -> tuple[str | int | float | None, ...]:
    edge = p.landmark("edge")
    return (
        p.learning_rate,
        p.momentum,
        p.train_size,
        finite(p.batch_size_opt),
        *bounds(p.low, p.high),
        *bounds(p.near_optimal_low, p.near_optimal_high),
        finite(p.batch_size_edge),
        *bounds(edge.low, edge.high),
        finite(p.peak_p),
        finite(p.accuracy_opt),
        None if p.training is None else finite(p.training.train_accuracy),
        p.n_seeds,
        "; ".join(FLAGS.get(flag, flag.replace("_", " ")) for flag in p.flags),
    )
