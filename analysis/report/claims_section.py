"""The part of the page on the claims of He, Liu & Tao (2019), for a whole study."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pandas as pd
import pyarrow as pa

from analysis.charts.correlation_data import CorrelationCells, correlation_cells, spoken
from analysis.charts.correlation_lines_chart import correlation_lines_panels
from analysis.charts.correlation_lines_data import correlation_lines_info
from analysis.charts.correlation_tables import (
    budgets_table,
    claims_table,
    counts_table,
    groups_table,
    noise_scales_table,
    ratio_tests_table,
    regimes_table,
    strata_table,
)
from analysis.charts.ratio_chart import ratio_panels
from analysis.charts.ratio_data import ratio_info
from analysis.charts.training_check_chart import training_check_panels
from analysis.charts.training_check_data import training_check_info
from analysis.claim import REFUTED, SUPPORTED, UNDECIDED, Claim
from analysis.correlation import BudgetComparison, CorrelationTable, NoiseScale
from analysis.correlation.groups import BATCH_SIZE, LEARNING_RATE, RATIO
from analysis.landscape import Landscape
from analysis.report.figure import Figure, NamedTable, Section

_RATIO_CAPTION = (
    "Every mark is a cell: one learning rate and batch size, its seeds averaged, with its standard "
    "error. ρ is Spearman's rank correlation with a 95 % interval. He, Liu & Tao (2019, figure 1 "
    "and table 3) claim a fall throughout. Where accuracy rises first, a dashed rule marks the "
    "turn, in the band of its 95 % interval. A cross marks a cell with a diverged trial."
)
_LINES_CAPTION = (
    "Left, a line for each learning rate, which should fall; right, a line for each batch size, "
    "which should rise (He, Liu & Tao, 2019, tables 1 and 2). ρ of each line is in its tooltip and "
    "in the table; bars are standard errors; a cross marks a cell with a diverged trial."
)
_TRAINING_CAPTION = (
    "He, Liu & Tao (2019) compare networks whose training error is almost 0. Cells below the "
    "threshold (dashed) are hollow: where most are, a correlation may be one of under-training. "
    "ρ is with B/ε."
)


def claims_section(
    table: CorrelationTable | None,
    landscape: Landscape,
    claims: Sequence[Claim],
    *,
    reason: str = "",
    curves: pa.Table | pd.DataFrame | None = None,
) -> Section:
    """The correlation claims on a whole study, and the verdicts on every claim.

    Args:
        table: of `analysis.correlation.correlations` on the landscape; None where nothing could
            be tested.
        landscape: the trials.
        claims: of `analysis.claims.judge`.
        reason: a sentence that says why there is no table.
        curves: needed where the table's metric is the validation-chosen accuracy.
    """
    verdicts = NamedTable(
        anchor="verdicts",
        heading="Every claim with its verdict on these results",
        table=claims_table(claims),
        absent="No claim was judged.",
    )
    judged = _judged(claims)
    if table is None:
        why = reason or "There are no results to test them on."
        return Section(
            anchor="claims",
            remarks=(f"The correlation claims could not be tested. {why}", *judged),
            tables=(verdicts,) if claims else (),
        )
    cells = correlation_cells(table, landscape, curves)
    named = (*_named(table.noise_scales), *_named(table.budgets))
    return Section(
        anchor="claims",
        remarks=(*judged, *table.sentences, *named, *table.notes),
        figures=_figures(table, cells),
        tables=(verdicts, *_tables(table)),
    )


def _judged(claims: Sequence[Claim]) -> tuple[str, ...]:
    if not claims:
        return ()
    count = Counter(c.verdict for c in claims)
    parts = ", ".join(f"{count[v]} {v}" for v in (SUPPORTED, REFUTED, UNDECIDED))
    return (f"Of {len(claims)} judgements on the papers' claims: {parts}.",)


def _figures(table: CorrelationTable, cells: CorrelationCells) -> tuple[Figure, ...]:
    ratio = ratio_info(table, cells)
    lines = correlation_lines_info(table, cells)
    training = training_check_info(table, cells)
    return (
        Figure(
            anchor="ratio",
            question=ratio.question,
            answer=ratio.answer,
            caption=_RATIO_CAPTION,
            notes=ratio.notes,
            panels=ratio_panels(ratio),
            table=ratio.table(),
        ),
        Figure(
            anchor="curves",
            question=lines.question,
            answer=lines.answer,
            caption=_LINES_CAPTION,
            notes=lines.notes,
            panels=correlation_lines_panels(lines),
            table=lines.table(),
        ),
        Figure(
            anchor="training",
            question=training.question,
            answer=training.answer,
            caption=_TRAINING_CAPTION,
            notes=training.notes,
            panels=training_check_panels(training),
            table=training.table(),
        ),
    )


def _tables(table: CorrelationTable) -> tuple[NamedTable, ...]:
    return (
        NamedTable(
            anchor="counts",
            heading="Groups as claimed, beside those that He, Liu & Tao (2019) print",
            table=counts_table(table),
            absent="No group was formed.",
        ),
        NamedTable(
            anchor="batch-size",
            heading="Accuracy against batch size at a fixed learning rate (their table 1)",
            table=groups_table(table, BATCH_SIZE),
            absent="There is no learning rate.",
        ),
        NamedTable(
            anchor="learning-rate",
            heading="Accuracy against learning rate at a fixed batch size (their table 2)",
            table=groups_table(table, LEARNING_RATE),
            absent="There is no batch size.",
        ),
        NamedTable(
            anchor="over-all-cells",
            heading="Accuracy against B/ε over all cells (their table 3)",
            table=groups_table(table, RATIO),
            absent="There are no cells.",
        ),
        NamedTable(
            anchor="regimes",
            heading="Where the fall with B/ε stops",
            table=regimes_table(table),
            absent="There are no cells.",
        ),
        NamedTable(
            anchor="ratio-tests",
            heading="Whether it is the ratio: batch size at equal ratio, and the exponent of ε",
            table=ratio_tests_table(table),
            absent="There are no cells.",
        ),
        NamedTable(
            anchor="noise-scales",
            heading="Which variable: B/ε, or the noise scale g",
            table=noise_scales_table(table),
            absent="Nothing to compare.",
        ),
        NamedTable(
            anchor="budgets",
            heading="The same grid under each of its budgets",
            table=budgets_table(table),
            absent="No grid was trained under more than one budget.",
        ),
        NamedTable(
            anchor="strata",
            heading="How complete the strata are, in cells",
            table=strata_table(table),
            absent="There is no stratum.",
        ),
    )


def _named(found: Sequence[NoiseScale] | Sequence[BudgetComparison]) -> tuple[str, ...]:
    """The sentences; one that not all share says what it is about, or of how many it holds."""
    times = Counter(f.sentence for f in found)
    if len(times) <= 1:
        return tuple(times)
    about = {f.sentence: spoken(f.label) for f in found}
    return tuple(f"{about[s] if n == 1 else f'{n} of the grids'}: {s}" for s, n in times.items())
