"""The numbers of the correlation claims as tables, beside those that He, Liu & Tao (2019) print."""

from __future__ import annotations

from collections.abc import Sequence

from analysis.charts.common import finite
from analysis.charts.correlation_data import spoken
from analysis.charts.table import Table, bounds
from analysis.claim import Claim
from analysis.correlation import PUBLISHED, CorrelationGroup, CorrelationTable
from analysis.correlation.groups import (
    BATCH_SIZE,
    CLAIMED_SIGN,
    LEARNING_RATE,
    RATIO,
    SIGNIFICANCE,
)

#: What is claimed of each kind of group.
CLAIMED = {
    BATCH_SIZE: "falls with the batch size at a fixed learning rate",
    LEARNING_RATE: "rises with the learning rate at a fixed batch size",
    RATIO: "falls with B/ε over all cells",
}
_FIXED = {BATCH_SIZE: ("learning rate",), LEARNING_RATE: ("batch size",), RATIO: ()}


def groups_table(table: CorrelationTable, kind: str) -> Table:
    """Every group of one kind under the table's metric: one of He et al.'s three tables.

    Args:
        table: the tests.
        kind: batch_size, learning_rate or ratio.
    """
    return Table(
        columns=(
            "stratum",
            *_FIXED[kind],
            "cells",
            "missing",
            "diverged",
            "Spearman ρ",
            "ρ low",
            "ρ high",
            "Kendall τ",
            "Pearson r",
            "Pearson r, log",
            "p",
            "permutation p",
            "Holm p",
            "Benjamini-Hochberg p",
            f"verdict (permutation p < {SIGNIFICANCE:g})",
        ),
        rows=tuple(
            (
                spoken(g.stratum),
                *([g.fixed[-1][1]] if _FIXED[kind] else []),
                g.n,
                g.n_missing,
                g.n_diverged,
                finite(g.rho),
                *bounds(g.low, g.high),
                finite(g.tau),
                finite(g.pearson),
                finite(g.pearson_log),
                finite(g.p),
                finite(g.p_permutation),
                finite(g.p_holm),
                finite(g.p_bh),
                verdict(g),
            )
            for g in table.groups
            if g.kind == kind
        ),
    )


def verdict(group: CorrelationGroup) -> str:
    """What a group says of the claim, by its permutation p."""
    if not group.tested:
        return f"not tested: {group.reason}"
    if not group.significant_permutation:
        return "not significant"
    return "as claimed" if group.as_claimed else "the other way"


def counts_table(table: CorrelationTable) -> Table:
    """How many groups are as claimed under each metric, and how many the paper prints."""
    return Table(
        columns=(
            "metric",
            "accuracy",
            "groups",
            "tested",
            "as claimed",
            f"and p < {SIGNIFICANCE:g}",
            "by permutation",
            "after Holm",
            "after Benjamini-Hochberg",
            f"the other way, p < {SIGNIFICANCE:g}",
            "He et al.: groups",
            "He et al.: as claimed",
            f"He et al.: and p < {SIGNIFICANCE:g}",
        ),
        rows=tuple(
            (
                found.metric.replace("_", " "),
                CLAIMED[c.kind],
                c.n_groups,
                c.n_tested,
                c.as_claimed,
                c.as_claimed_raw,
                c.as_claimed_permutation,
                c.as_claimed_holm,
                c.as_claimed_bh,
                c.against,
                PUBLISHED[c.kind].n_groups,
                PUBLISHED[c.kind].as_claimed,
                PUBLISHED[c.kind].as_claimed_raw,
            )
            for found in table.metrics
            for c in found.counts
        ),
    )


def regimes_table(table: CorrelationTable) -> Table:
    """Where the fall with B/eps stops, one row a stratum."""
    return Table(
        columns=(
            "stratum",
            "cells",
            "ratios",
            "ρ",
            "verdict",
            "turn",
            "turn low",
            "turn high",
            "interval open below",
            "interval open above",
            "p of a rise",
            "p of a fall",
            "cells below",
            "ρ below",
            "cells above",
            "ρ above",
            "why not tested",
        ),
        rows=tuple(
            (
                spoken(r.stratum),
                r.n,
                r.n_ratios,
                finite(r.rho),
                r.verdict or "not tested",
                finite(r.turn),
                *bounds(r.low, r.high),
                r.censored_low if finite(r.turn) is not None else None,
                r.censored_high if finite(r.turn) is not None else None,
                finite(r.p_rise),
                finite(r.p_fall),
                r.n_below if finite(r.turn) is not None else None,
                finite(r.rho_below),
                r.n_above if finite(r.turn) is not None else None,
                finite(r.rho_above),
                r.reason,
            )
            for r in table.regimes
        ),
    )


def ratio_tests_table(table: CorrelationTable) -> Table:
    """Whether it is the ratio: B at equal ratio, B beside the ratio, and the ratio's exponent."""
    return Table(
        columns=(
            "stratum",
            "cells",
            "shared ratios",
            "cells in them",
            "explained by log B",
            "p",
            "a doubling of B and ε",
            "doubling low",
            "doubling high",
            "R² of the ratio",
            "R² with log B",
            "gain",
            "gain low",
            "gain high",
            "k in B/ε^k",
            "k low",
            "k high",
            "why not tested",
        ),
        rows=tuple(
            (
                spoken(t.stratum),
                t.n,
                t.within.n_ratios,
                t.within.n,
                finite(t.within.explained),
                finite(t.within.p),
                finite(t.within.per_doubling),
                *bounds(t.within.low, t.within.high),
                finite(t.predictors.ratio),
                finite(t.predictors.ratio_and_batch_size),
                finite(t.predictors.gain),
                *bounds(t.predictors.gain_low, t.predictors.gain_high),
                finite(t.exponent.k),
                *bounds(t.exponent.low, t.exponent.high),
                "; ".join(
                    dict.fromkeys(
                        part.reason for part in (t.within, t.predictors, t.exponent) if part.reason
                    )
                ),
            )
            for t in table.ratio_tests
        ),
        percent=frozenset(
            ("explained by log B", "a doubling of B and ε", "doubling low", "doubling high")
        ),
    )


def noise_scales_table(table: CorrelationTable) -> Table:
    """The ratio against the noise scale, over strata that differ in momentum and train size."""
    return Table(
        columns=(
            "cells of",
            "varying",
            "cells",
            "strata",
            "R² of g",
            "R² of B/ε",
            "R² of B",
            "gain of g",
            "gain low",
            "gain high",
            "why not compared",
        ),
        rows=tuple(
            (
                spoken(s.label),
                " and ".join(name.replace("_", " ") for name in s.varying),
                s.n,
                s.n_strata,
                finite(s.noise_scale),
                finite(s.ratio),
                finite(s.batch_size),
                finite(s.gain),
                *bounds(s.low, s.high),
                s.reason,
            )
            for s in table.noise_scales
        ),
    )


def budgets_table(table: CorrelationTable) -> Table:
    """The same grid under each of its budgets, where it has several."""
    rows = []
    for comparison in table.budgets:
        if len(comparison.rows) < 2:
            continue
        for row in comparison.rows:
            by_kind = {c.kind: c for c in row.counts}
            counted = [
                value
                for kind in CLAIMED_SIGN
                for value in (by_kind[kind].as_claimed, by_kind[kind].n_tested)
            ]
            rows.append(
                (
                    spoken(comparison.label),
                    row.budget,
                    finite(row.budget_value),
                    row.n,
                    finite(row.rho),
                    *bounds(row.low, row.high),
                    *counted,
                )
            )
    return Table(
        columns=(
            "grid",
            "budget",
            "its value",
            "cells",
            "ρ with B/ε",
            "ρ low",
            "ρ high",
            "falls with B",
            "of learning rates",
            "rises with ε",
            "of batch sizes",
            "falls with B/ε",
            "of all cells",
        ),
        rows=tuple(rows),
    )


def strata_table(table: CorrelationTable) -> Table:
    """How complete every stratum is."""
    return Table(
        columns=("stratum", "cells", "missing", "with a diverged trial", "planned"),
        rows=tuple(
            (spoken(s.label), s.n, s.n_missing, s.n_diverged, s.is_planned) for s in table.strata
        ),
    )


def claims_table(claims: Sequence[Claim]) -> Table:
    """Every claim with its verdict."""
    return Table(
        columns=("claim", "source", "judged on", "verdict", "finding", "n"),
        rows=tuple((c.claim, c.source, c.scope, c.verdict, c.finding, c.n) for c in claims),
    )
