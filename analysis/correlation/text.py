"""The correlation claims as JSON and as plain text for the command line."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from analysis.correlation.groups import BATCH_SIZE, CLAIMED_SIGN, RATIO, CorrelationGroup, Count
from analysis.correlation.groups import count_groups as _count
from analysis.correlation.noise_scale import NoiseScale
from analysis.correlation.table import PUBLISHED, CorrelationTable, MetricGroups
from analysis.correlation.undertraining import BudgetComparison
from analysis.plain_values import plain
from analysis.text_table import text_table

_WEAKEST = 5
_LETTERS = {"batch_size": "B", "learning_rate": "eps", "ratio": "B/eps"}


def to_dict(table: CorrelationTable) -> dict[str, Any]:
    """The table as plain values, unrounded; what is not finite becomes None.

    `groups` are those of the first metric; `metrics` holds every metric's by its name.
    """
    values: dict[str, Any] = {
        "metric": table.metric,
        "groups": [_group(g) for g in table.groups],
        "metrics": {
            m.metric: {
                "n_groups": len(m.groups),
                "n_tested": m.n_tested,
                "counts": plain(m.counts),
                "groups": [_group(g) for g in m.groups],
            }
            for m in table.metrics
        },
        "published": plain(PUBLISHED),
    }
    written = {"metric", "metrics"}
    values |= {
        f.name: plain(getattr(table, f.name)) for f in fields(table) if f.name not in written
    }
    return values


def to_json(table: CorrelationTable) -> str:
    """`to_dict` as JSON text, valid for strict readers."""
    return json.dumps(to_dict(table), indent=2, allow_nan=False, ensure_ascii=False)


def to_text(table: CorrelationTable, all_groups: bool = False) -> str:
    """Counts a stratum, the pooled rows, the weakest groups, and the findings as sentences.

    Args:
        table: of `correlations`.
        all_groups: also every group, one a line.
    """
    first = table.metrics[0]
    parts = [f"Accuracy against batch size, learning rate and their ratio: {table.metric}"]
    for i, summary in enumerate(table.strata):
        own = [g for g in first.groups if g.stratum == summary.label]
        missing = f"{summary.n_missing} missing, {summary.n_diverged} with a diverged trial"
        head = f"{summary.label or 'all trials'}: {summary.n} cells, {missing}"
        sentences = [
            table.regimes[i].sentence,
            *table.ratio_tests[i].sentences,
            table.training[i].sentence,
        ]
        parts += [f"{head}\n\n{text_table(_count_rows(own))}", "\n".join(sentences)]
    parts.append(text_table(_pooled_rows(first.groups, table.level)))
    if len(table.metrics) > 1:
        parts.append(text_table(_metric_rows(table.metrics)))
    weakest = _weakest(first.groups)
    if weakest:
        parts.append(
            "The groups furthest from the claim:\n\n"
            + text_table(_group_rows(weakest, table.level))
        )
    if all_groups:
        parts.append("All groups:\n\n" + text_table(_group_rows(first.groups, table.level)))
    compared = [row for b in table.budgets if len(b.rows) > 1 for row in b.rows]
    if compared:
        rows = [["budget", "cells", "rho with B/eps", "interval"]]
        rows += [
            [row.stratum, str(row.n), _signed(row.rho), _interval(row.low, row.high)]
            for row in compared
        ]
        parts.append(text_table(rows))
    parts.append("\n".join(table.sentences))
    parts.append("\n".join(_named(table.noise_scales) + _named(table.budgets)))
    parts.append("\n".join(f"Note: {note}" for note in table.notes))
    return "\n\n".join(part for part in parts if part)


def _group(group: CorrelationGroup) -> dict[str, Any]:
    return {**plain(group), "fixed": plain(dict(group.fixed))}


def _count_rows(groups: Sequence[CorrelationGroup]) -> list[list[str]]:
    rows = [["against", "fixed", "claimed", "groups", "tested", *_COUNTED]]
    fixed = {"batch_size": "eps", "learning_rate": "B", "ratio": "-"}
    for kind, sign in CLAIMED_SIGN.items():
        count = _count(groups, kind)
        claimed = "falls" if sign < 0 else "rises"
        rows.append(
            [
                _LETTERS[kind],
                fixed[kind],
                claimed,
                str(count.n_groups),
                str(count.n_tested),
                *_counted(count),
            ]
        )
    return rows


_COUNTED = ("as claimed", "p < 0.005", "permutation", "Holm", "B-H", "opposite")


def _counted(count: Count) -> list[str]:
    return [
        str(count.as_claimed),
        str(count.as_claimed_raw),
        str(count.as_claimed_permutation),
        str(count.as_claimed_holm),
        str(count.as_claimed_bh),
        str(count.against),
    ]


def _pooled_rows(groups: Sequence[CorrelationGroup], level: float) -> list[list[str]]:
    rows = [["B/eps over all cells", *_group_head(level)]]
    rows += [[g.stratum or "all trials", *_numbers(g)] for g in groups if g.kind == RATIO]
    return rows


def _group_rows(groups: Sequence[CorrelationGroup], level: float) -> list[list[str]]:
    rows = [["group", "against", *_group_head(level)]]
    for g in groups:
        name = g.stratum or "all trials"
        if g.kind != RATIO:
            _, value = g.fixed[-1]
            name += f", {'eps' if g.kind == BATCH_SIZE else 'B'} {value:g}"
        rows.append([name, _LETTERS[g.kind], *_numbers(g)])
    return rows


def _group_head(level: float) -> list[str]:
    return ["cells", "rho", f"{100 * level:g} % interval", "p", "permutation", "tau", "Pearson"]


def _numbers(g: CorrelationGroup) -> list[str]:
    if not g.tested:
        return [str(g.n), g.reason, "", "", "", "", ""]
    return [
        str(g.n),
        _signed(g.rho),
        _interval(g.low, g.high),
        _p(g.p),
        _p(g.p_permutation),
        _signed(g.tau),
        _signed(g.pearson),
    ]


def _metric_rows(metrics: Sequence[MetricGroups]) -> list[list[str]]:
    rows = [["metric", "against", "tested", *_COUNTED, "median rho"]]
    for m in metrics:
        for count in m.counts:
            rho = sorted(g.rho for g in m.groups if g.kind == count.kind and g.tested)
            middle = rho[len(rho) // 2] if len(rho) % 2 else math.nan
            if rho and not len(rho) % 2:
                middle = 0.5 * (rho[len(rho) // 2 - 1] + rho[len(rho) // 2])
            rows.append(
                [
                    m.metric,
                    _LETTERS[count.kind],
                    str(count.n_tested),
                    *_counted(count),
                    _signed(middle),
                ]
            )
    return rows


def _weakest(groups: Sequence[CorrelationGroup]) -> list[CorrelationGroup]:
    tested = [g for g in groups if g.tested and g.kind != RATIO]
    return sorted(tested, key=lambda g: g.rho * CLAIMED_SIGN[g.kind])[:_WEAKEST]


def _named(found: Sequence[NoiseScale] | Sequence[BudgetComparison]) -> list[str]:
    """The sentences; one that not all share says what it is about, or of how many it holds."""
    times = Counter(f.sentence for f in found)
    if len(times) <= 1:
        return list(times)
    about = {f.sentence: f.label or "all trials" for f in found}
    return [f"{about[s] if n == 1 else f'{n} of the grids'}: {s}" for s, n in times.items()]


def _signed(value: float) -> str:
    return f"{value:+.3f}" if math.isfinite(value) else "unknown"


def _interval(low: float, high: float) -> str:
    return f"{low:+.2f} to {high:+.2f}" if math.isfinite(low) else "unknown"


def _p(value: float) -> str:
    return f"{value:.2g}" if math.isfinite(value) else "unknown"
