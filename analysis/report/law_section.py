"""Law: B_opt against eps*N/(1-m) and against each axis, the residuals, and all tests as tables."""

from __future__ import annotations

from collections.abc import Callable

from analysis.charts.axis_law_chart import axis_law_panels
from analysis.charts.axis_law_data import axis_law_info
from analysis.charts.law_chart import law_panels
from analysis.charts.law_data import law_info
from analysis.charts.peaks_sentences import peak_count
from analysis.charts.residuals_chart import residuals_panels
from analysis.charts.residuals_data import residuals_info
from analysis.report import law_tables
from analysis.report.figure import Figure, NamedTable, Section
from analysis.scaling import ScalingFit

_TABLES: tuple[Callable[[ScalingFit], NamedTable], ...] = (
    law_tables.exponents,
    law_tables.one_parameter,
    law_tables.rivals,
    law_tables.rival_parameters,
    law_tables.landmarks,
    law_tables.optimum_over_edge,
    law_tables.censored,
    law_tables.train_size_verdict,
)


def law_section(law: ScalingFit) -> Section:
    """What the page says of the law of one group of trials.

    Args:
        law: the fit with its peaks.
    """
    return Section(
        anchor="law",
        remarks=_remarks(law),
        figures=(_law(law), _by_axis(law), _residuals(law)),
        tables=tuple(table(law) for table in _TABLES),
    )


def _law(law: ScalingFit) -> Figure:
    info = law_info(law)
    return Figure(
        anchor="law",
        question=info.question,
        answer=info.answer,
        caption=(
            "Each point is one condition's best batch size with its 95 % interval, hollow where it "
            "is not in the fit, with an arrow where it is only bounded; each bar is its edge of "
            "trainability, below which training fails (ε: learning rate, N: training-set size, m: "
            "momentum). Both axes are logarithmic, so that a power law is a straight line. Solid: "
            "the fitted law of the best batch size. Dotted: that of the edge. Dashed: slope 1, "
            "through the geometric mean of the fitted points. Conditions of the same εN/(1 − m) "
            "are set a little apart."
        ),
        notes=info.notes,
        panels=law_panels(info),
        table=info.table(),
    )


def _by_axis(law: ScalingFit) -> Figure:
    info = axis_law_info(law)
    return Figure(
        anchor="law-by-axis",
        question=info.question,
        answer=info.answer,
        caption=(
            "The same points and bars against one axis at a time. Lines join conditions that share "
            "the other two axes, by the fitted laws; dashed: slope 1. Where the best batch size "
            "and the edge have the same exponent, the best batch size may follow the edge. Points "
            "of one level are set a little apart."
        ),
        notes=info.notes,
        panels=axis_law_panels(info),
        table=info.table(),
    )


def _residuals(law: ScalingFit) -> Figure:
    info = residuals_info(law)
    return Figure(
        anchor="residuals",
        question=info.question,
        answer=info.answer,
        caption=(
            "Each point is a fitted condition's best batch size over the law's, with its own 95 % "
            "interval. Band: one standard deviation of the scatter between conditions beyond their "
            "own errors, none where that is zero. A straight trend cannot be left, for the law was "
            "fitted to these points; a bend can."
        ),
        notes=info.notes,
        panels=residuals_panels(info),
        table=info.table(),
    )


def _remarks(law: ScalingFit) -> tuple[str, ...]:
    """The law's sentences, without those that answer a figure here, above or below."""
    k, n = peak_count(law.peaks)
    answered = {
        *(e.sentence.casefold() for e in law.exponents.values()),
        *(s.casefold().rstrip(".") for s in law.found.sentences),
        law.law.optimum_over_edge.sentence.casefold().rstrip("."),
        law.law.collapse.sentence.casefold().rstrip("."),
    }
    counted = f"In {k} of {n} conditions accuracy rises"
    return tuple(
        s
        for s in law.sentences
        if s.casefold().rstrip(".") not in answered and not s.startswith(counted)
    )
