"""The laws as JSON and as plain text for the command line."""

from __future__ import annotations

import json
import math
from dataclasses import fields
from typing import Any

from analysis.law.report import to_dict as law_dict
from analysis.law.text import budgets_text, report_tables
from analysis.peaks import LEVEL, Peak
from analysis.plain_values import plain
from analysis.scaling import AXES, ScalingFit, ScalingReport
from analysis.text_table import text_table

__all__ = ["plain", "to_dict", "to_json", "to_text"]

#: Fields of a peak that the JSON leaves out: its group is the law's, its curve is for drawing.
_NOT_IN_JSON = frozenset({"group", "curve"})
_LAW_NUMBERS = (
    "converged",
    "n_conditions",
    "n_dropped",
    "n_censored",
    "degrees_of_freedom",
    "tau2",
    "heterogeneity",
    "level",
)


def to_dict(report: ScalingReport) -> dict[str, Any]:
    """The report as plain values, unrounded; what is not finite becomes None.

    The keys of the first law stand at top level; where there are several, `laws` lists all.
    """
    laws = [_law(law) for law in report.laws]
    head = dict(laws[0]) if laws else {}
    head["notes"] = list(report.notes)
    head["budgets"] = plain(report.budgets)
    if len(laws) > 1:
        head["laws"] = laws
    return head


def to_json(report: ScalingReport) -> str:
    """`to_dict` as JSON text, valid for strict readers.

    Floats have the shortest form that reads back as the same number.
    """
    return json.dumps(to_dict(report), indent=2, allow_nan=False, ensure_ascii=False)


def to_text(report: ScalingReport) -> str:
    """Peaks and exponents as a table, and the findings as sentences."""
    parts = [_law_text(law) for law in report.laws]
    parts += [f"Laws of several budgets\n\n{budgets_text(b)}" for b in report.budgets]
    if report.notes:
        parts.append("\n".join(f"Note: {note}" for note in report.notes))
    return "\n\n".join(parts)


def _law(law: ScalingFit) -> dict[str, Any]:
    values: dict[str, Any] = {
        "dataset": law.dataset,
        "model": law.model,
        "budget": law.budget,
        "budget_value": law.budget_value,
        "settings": dict(law.group.settings),
        "metric": law.metric,
        "exponents": {
            axis: {
                "estimate": e.estimate,
                "low": e.low,
                "high": e.high,
                "identifiable": e.identifiable,
                "reason": e.reason,
            }
            for axis, e in law.exponents.items()
        },
        "constant": law.constant,
        "at_center": {**plain(law.at_center), "center": _center(law)},
        **{name: getattr(law, name) for name in _LAW_NUMBERS},
        "residuals": list(law.residuals),
        **law_dict(law.law),
        "sentences": list(law.sentences),
        "peaks": [_peak(peak) for peak in law.peaks],
        "edge_metric": law.found.edge_metric,
        "edge_fit": {
            "width_octaves": law.found.edges.width,
            "dispersion": law.found.edges.dispersion,
            "n_cells": law.found.edges.n_cells,
            "n_conditions": law.found.edges.n_conditions,
            "converged": law.found.edges.converged,
        },
        "bimodality": law.found.bimodality,
        "seed_correlation": law.found.seeds,
    }
    return {name: plain(value) for name, value in values.items()}


def _center(law: ScalingFit) -> dict[str, float]:
    """The law's centre with momentum as such, where the law has 1/(1-m)."""
    return {**law.center, "momentum": 1.0 - 1.0 / law.center["momentum"]}


def _peak(peak: Peak) -> dict[str, Any]:
    values = {f.name: getattr(peak, f.name) for f in fields(peak) if f.name not in _NOT_IN_JSON}
    return {**values, "edge": peak.batch_size_edge}  # its name in version 0.1.0


def _law_text(law: ScalingFit) -> str:
    interval_name = f"{100 * LEVEL:g} % interval"
    near_name = f"within {100 * law.near_optimal:g} points"
    head = ["learning_rate", "momentum", "N", "B_opt", interval_name, near_name]
    rows = [[*head, "edge", "p", "seeds", "flags"]]
    for p in law.peaks:
        interval = f"{_short(p.low)} - {_short(p.high)}"
        flags = ", ".join(p.flags)
        rows.append(
            [
                f"{p.learning_rate:g}",
                f"{p.momentum:g}",
                f"{p.train_size}",
                _short(p.batch_size_opt),
                interval,
                f"{_short(p.near_optimal_low)} - {_short(p.near_optimal_high)}",
                _short(p.batch_size_edge),
                f"{p.peak_p:.2g}" if math.isfinite(p.peak_p) else "",
                f"{p.n_seeds:g}",
                flags,
            ]
        )
    exponents = [["exponent of", "estimate", f"{100 * law.level:g} % interval"]]
    names = dict(zip(AXES, ("learning_rate", "N", "1/(1-momentum)"), strict=True))
    for axis, e in law.exponents.items():
        n = max(3, e.decimals)
        interval = f"{e.low:.{n}f} - {e.high:.{n}f}" if math.isfinite(e.low) else "unknown"
        shown = [f"{e.estimate:.3f}", interval] if e.identifiable else ["not identifiable", ""]
        exponents.append([names[axis], *shown])
    c = law.constant
    exponents.append(["constant c", _short(c.estimate), f"{_short(c.low)} - {_short(c.high)}"])
    title = f"Optimum batch size: {law.group.label}"
    parts = [title, text_table(rows), text_table(exponents), *report_tables(law.law)]
    return "\n\n".join([*parts, "\n".join(law.sentences)])


def _short(value: float) -> str:
    return f"{value:.3g}" if math.isfinite(value) else "unknown"
