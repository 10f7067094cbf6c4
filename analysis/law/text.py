"""The law's results as short tables and sentences for the terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence

from analysis.law.budgets import BudgetComparison
from analysis.law.collapse import FORMULAS, Collapse
from analysis.law.condition import AXES, SYMBOLS, fixed
from analysis.law.landmark_laws import NAMES, LandmarkLaw, OptimumOverEdge
from analysis.law.report import LawReport
from analysis.law.rivals import Rivals
from analysis.law.suggest import PredictedBatchSize, Suggestion
from analysis.text_table import text_table


def report_tables(report: LawReport) -> list[str]:
    """Landmark laws, rivals and collapse as tables."""
    parts = [landmarks_table(list(report.landmarks.values()), report.optimum_over_edge)]
    if any(math.isfinite(r.leave_condition_out) for r in report.rivals.rivals):
        parts.append(rivals_table(report.rivals))
    if report.collapse.n_resamples:
        parts.append(collapse_table(report.collapse))
    return parts


def report_text(report: LawReport) -> str:
    """The tables, and the findings as sentences."""
    return "\n\n".join([*report_tables(report), "\n".join(report.sentences)])


def landmarks_table(laws: Sequence[LandmarkLaw], follows: OptimumOverEdge | None = None) -> str:
    """Exponents of every landmark, and of the optimum over the edge."""
    rows = [["exponents of", *(SYMBOLS[a] for a in AXES), "p (all 1)", "conditions"]]
    for law in laws:
        exponents = [law.exponents[a].text for a in AXES]
        rows.append([NAMES[law.landmark], *exponents, _p(law.tests.joint.p), str(law.n_conditions)])
    if follows is not None:
        exponents = [follows.exponents[a].text for a in AXES]
        rows.append(["optimum / edge", *exponents, "", str(follows.n_conditions)])
    return text_table(rows)


def rivals_table(found: Rivals) -> str:
    """Rival laws, best first."""
    title = {"leave_level_out": "by level", "leave_condition_out": "by condition"}
    rows = [["B_opt =", "parameters", "error left out by condition", "by level", "AICc", "to best"]]
    for i, r in enumerate(found.rivals):
        if not i:
            against = "best"
        elif not math.isfinite(r.difference):
            against = "unknown"
        else:
            against = "tied" if r.tied else "worse"
        rows.append(
            [
                r.formula,
                str(r.n_parameters),
                _octaves(r.leave_condition_out),
                _octaves(r.leave_level_out),
                f"{r.aicc:.1f}" if math.isfinite(r.aicc) else "unknown",
                against,
            ]
        )
    ranked = title.get(found.criterion)
    note = "Errors are root mean squares in octaves of B"
    return text_table(rows) + f"\n{note}{f', ranked {ranked}' if ranked else ''}."


def collapse_table(found: Collapse) -> str:
    """What each variable explains in conditions left out."""
    rows = [["variable", "R2 left out", "95 % interval", "noise scale less this"]]
    for v in found.variables:
        if v.name == "noise_scale":
            against = ""
        elif v.identifiable:
            against = f"{fixed(v.difference)}{_ends(v.difference_low, v.difference_high)}"
        else:
            against = "not identifiable"
        interval = _ends(v.low, v.high).strip()
        rows.append([FORMULAS[v.name], fixed(v.r2), interval, against])
    return text_table(rows)


def suggestion_text(found: Suggestion) -> str:
    """The predicted landmarks as a table, and the sentences."""
    title = (
        f"Batch size for learning_rate {found.learning_rate:g}, momentum {found.momentum:g},"
        f" N {found.train_size}"
    )
    rows = [["", "estimate", f"{100 * found.level:g} % prediction interval", "conditions"]]
    for name, p in (
        ("near-optimal from", found.near_optimal_low),
        ("optimum", found.batch_size_opt),
        ("near-optimal to", found.near_optimal_high),
    ):
        rows.append([name, _number(p.estimate, ".3g"), _range(p), str(p.n_conditions)])
    return "\n".join([title, "", text_table(rows), "", *found.sentences])


def budgets_text(found: BudgetComparison) -> str:
    """Exponents under each budget side by side, and the finding."""
    rows = [["exponent of", *found.budgets]]
    for axis in AXES:
        cells = []
        for exponents in found.exponents:
            estimate, low, high = exponents[axis]
            known = math.isfinite(estimate)
            cells.append(f"{fixed(estimate)}{_ends(low, high)}" if known else "not identifiable")
        rows.append([SYMBOLS[axis], *cells])
    return text_table(rows) + "\n" + found.sentence


def _p(p: float) -> str:
    if not math.isfinite(p):
        return "unknown"
    return "< 0.0001" if p < 1e-4 else f"{p:.2g}"


def _octaves(squared: float) -> str:
    return f"{math.sqrt(squared) / math.log(2.0):.2f}" if math.isfinite(squared) else "unknown"


def _number(value: float, form: str) -> str:
    return format(value, form) if math.isfinite(value) else "unknown"


def _ends(low: float, high: float) -> str:
    return f" [{fixed(low)}, {fixed(high)}]" if math.isfinite(low) and math.isfinite(high) else ""


def _range(p: PredictedBatchSize) -> str:
    both = math.isfinite(p.low) and math.isfinite(p.high)
    return f"{p.low:.3g} - {p.high:.3g}" if both else "unknown"
