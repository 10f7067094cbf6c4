"""The page's first part: the study, its completeness, the findings and the recommendation."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pandas as pd

from analysis.cell_values import NOT_GIVEN
from analysis.charts.common import labels, listed, number, plural
from analysis.charts.completeness_chart import completeness_panels
from analysis.charts.completeness_data import CompletenessInfo, completeness_info
from analysis.correlation import CorrelationTable
from analysis.landscape import Counts, Landscape
from analysis.report.figure import Figure, NamedTable
from analysis.report.findings import main_findings
from analysis.report.groups import momentum_labels
from analysis.report.recommendation import recommend
from analysis.scaling_fit import ScalingReport

#: Names listed in a sentence before "and n more".
_LISTED = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Summary:
    """What the page says first.

    Attributes:
        study: two sentences: what was trained, and how complete it is.
        counts: name and number of trials planned, completed, diverged, failed and missing; those
            not known are left out.
        findings: (sentence, anchor of the part that shows it) in the order of the questions.
        recommendation: which batch size to use, a sentence a group.
        suggestions: batch sizes for changed settings.
        next_runs: what to run to know more.
        completeness: the map of planned trials.
        notes: which groups some findings leave out.
    """

    study: tuple[str, ...]
    counts: tuple[tuple[str, int], ...]
    findings: tuple[tuple[str, str], ...]
    recommendation: tuple[str, ...]
    suggestions: NamedTable
    next_runs: tuple[str, ...]
    completeness: Figure
    notes: tuple[str, ...]


def summarize(
    landscape: Landscape, scaling: ScalingReport, correlations: CorrelationTable | None
) -> Summary:
    """Collect the main findings of a landscape.

    Args:
        landscape: the trials, and what was planned where that is known.
        scaling: the law of each group; without laws where nothing finished.
        correlations: the correlation claims; None where they could not be tested.
    """
    info = completeness_info(landscape)
    findings, notes = main_findings(scaling, correlations)
    advice = recommend(landscape, scaling)
    return Summary(
        study=(_what(landscape), info.answer),
        counts=_count_pairs(info.counts),
        findings=tuple(findings),
        recommendation=advice.sentences,
        suggestions=advice.table,
        next_runs=advice.next_runs,
        completeness=completeness_figure(info),
        notes=tuple(notes),
    )


def completeness_figure(info: CompletenessInfo) -> Figure:
    """The map of planned trials with its sentence and its table."""
    return Figure(
        anchor="completeness",
        question=info.question,
        answer=info.answer,
        caption=(
            f"Each cell sums the trials of one batch size and {info.axis}; colour and mark say the "
            "worst that became of them."
        ),
        notes=info.notes,
        panels=completeness_panels(info),
        table=info.table(),
    )


def _count_pairs(counts: Counts) -> tuple[tuple[str, int], ...]:
    pairs = (
        ("planned", counts.planned),
        ("completed", counts.completed),
        ("diverged", counts.diverged),
        ("failed", counts.failed),
        ("missing", counts.missing),
    )
    return tuple((name, n) for name, n in pairs if n is not None)


def _what(landscape: Landscape) -> str:
    """What was trained: data, model, axes with their ranges, seeds and budget."""
    rows = landscape.trials if landscape.planned is None else landscape.planned
    if landscape.planned is not None and not len(rows):
        rows = landscape.trials
    if not len(rows):
        return f"{landscape.source} holds no trial and no plan."
    axes = [
        _axis(rows, "batch_size", "batch size"),
        _axis(rows, "learning_rate", "learning rate"),
        _axis(rows, "momentum", "momentum", plural_name="momenta"),
        _axis(rows, "train_size", "training-set size"),
    ]
    seeds = rows.groupby(
        ["dataset", "model", "budget", "learning_rate", "momentum", "train_size", "batch_size"],
        dropna=False,
    )["seed"].nunique()
    n = int(seeds.median()) if len(seeds) else 0
    if rows["seed"].isna().all():
        seeded = "without seeds told apart"
    else:
        about = "" if seeds.nunique() == 1 else "a median of "
        seeded = f"{about}{plural(n, 'seed')} a cell"
    verb = "was" if rows["model"].nunique(dropna=False) == 1 else "were"
    model = _names(rows["model"], "A model that the source does not name")
    data = _names(rows["dataset"], "data that it does not name")
    return (
        f"{model} {verb} trained on {data} with "
        f"{', '.join(a for a in axes if a)}, {seeded}, for {_budgets(rows)}."
    )


def _names(column: pd.Series, unknown: str) -> str:
    names = sorted({str(v) for v in column.dropna()} - {NOT_GIVEN})
    return listed(names, _LISTED) if names else unknown


def _axis(rows: pd.DataFrame, column: str, name: str, plural_name: str = "") -> str:
    values = rows[column].dropna().unique()
    if not len(values):
        return ""
    low, high = float(values.min()), float(values.max())
    text = momentum_labels([low, high]) if column == "momentum" else labels([low, high])
    if len(values) == 1:
        return f"{name} {text[low]}"
    return f"{len(values)} {plural_name or name + 's'} from {text[low]} to {text[high]}"


def _budgets(rows: pd.DataFrame) -> str:
    found = (
        rows[["budget", "budget_value"]]
        .drop_duplicates()
        .sort_values(["budget", "budget_value"], kind="stable")
    )
    texts = [_budget(str(b), float(v)) for b, v in found.itertuples(index=False)]
    return listed(texts, _LISTED)


def _budget(budget: str, value: float) -> str:
    if not math.isfinite(value):
        unknown = budget in ("nan", "None", "", NOT_GIVEN)
        return "a budget that the source does not say" if unknown else budget
    shown = f"{value:,.0f}" if value == int(value) else number(value)
    return {
        "steps": f"{shown} SGD steps",
        "epochs": f"{shown} epochs",
        "time": f"{shown}·(1 − m)/ε SGD steps",
        "time_over_learning_rate": f"{shown}/ε SGD steps",
    }.get(budget, f"{budget} {shown}")
