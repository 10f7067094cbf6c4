"""The re-check as JSON and as plain text for the command line."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from textwrap import fill
from typing import Any

from analysis.plain_values import plain
from analysis.published.missing_models import MissingModels
from analysis.published.printed_values import FIXED
from analysis.published.recheck import PublishedCheck
from analysis.published.row_check import RowCheck
from analysis.text_table import text_table

_WIDTH = 100


def to_dict(check: PublishedCheck) -> dict[str, Any]:
    """The check as plain values, unrounded; what is not finite (log10 of a p of 0) becomes None."""
    values: dict[str, Any] = plain(check)
    values["rows"] = [_row(row) for row in check.rows]
    return values


def to_json(check: PublishedCheck) -> str:
    """`to_dict` as JSON text, valid for strict readers."""
    return json.dumps(to_dict(check), indent=2, allow_nan=False, ensure_ascii=False)


def to_text(check: PublishedCheck) -> str:
    """Counts, the rows that do not fit, what must be missing, and the verdicts."""
    misfits = [row for row in check.rows if not row.fits]
    parts = [
        f"Printed p values recomputed from coefficient and n: {check.source}",
        text_table(_counts(check)),
    ]
    if misfits:
        parts += ["p values that do not fit:", text_table(_misfits(misfits))]
    parts += ["Networks that must be missing:", text_table(_missing(check.missing))]
    if any(m.cells for m in check.missing):
        parts.append(_cells(check.missing))
    parts.append(_total(check))
    parts += [
        "\n".join(
            [
                fill(f"{c.verdict}: {c.claim} [{c.source}]", _WIDTH),
                fill(c.finding, _WIDTH, initial_indent="    ", subsequent_indent="    "),
            ]
        )
        for c in check.claims
    ]
    return "\n\n".join(parts)


def _row(check: RowCheck) -> dict[str, Any]:
    values: dict[str, Any] = plain(check)
    row = values.pop("row")
    name = FIXED[check.row.kind]
    row["fixed"] = {} if name is None else {name: check.row.fixed}
    return {**row, **values}


def _counts(check: PublishedCheck) -> list[list[str]]:
    rows = [["table", "accuracy against", "rows", "fit", "fit at another n", "fit at no n"]]
    rows[0] += ["attainable", "with ties", "p < 0.005"]
    for t in check.tables:
        exact = ["" if n is None else str(n) for n in (t.n_exact, t.n_exact_tied)]
        counts = [t.n_rows, t.n_fit, t.n_fit_elsewhere, t.n_impossible]
        rows.append([str(t.table), t.kind, *map(str, counts), *exact, str(t.n_significant)])
    return rows


def _misfits(checks: Sequence[RowCheck]) -> list[list[str]]:
    rows = [["group", "rho", "p printed", "p at n", "n", "n that fit"]]
    for c in checks:
        implied = f"{_power(c.log10_p_low)} - {_power(c.log10_p_high)}"
        fitting = _sizes(c.fitting_n) or f"none (p = {' or '.join(c.corrections)} would)"
        rows.append([c.row.label, c.row.rho, c.row.p, implied, str(c.row.n_nominal), fitting])
    return rows


def _missing(missing: Sequence[MissingModels]) -> list[list[str]]:
    rows = [["network", "judged by", "by learning_rate", "by batch_size", "pooled", "least"]]
    for m in missing:
        pooled = "" if m.pooled is None else str(m.pooled)
        counts = [str(m.by_learning_rate), str(m.by_batch_size), pooled, str(m.least)]
        rows.append([f"{m.architecture} {m.dataset}", m.basis, *counts])
    return rows


def _cells(missing: Sequence[MissingModels]) -> str:
    lines = ["If no more than the least number are missing, these are among them:"]
    for m in missing:
        if m.cells:
            cells = ", ".join(f"B {b:g} eps {rate:g}" for b, rate in m.cells)
            text = f"{m.architecture} {m.dataset} by {m.basis}: {cells}"
            lines.append(fill(text, _WIDTH, initial_indent="  ", subsequent_indent="    "))
    return "\n".join(lines)


def _total(check: PublishedCheck) -> str:
    unattainable = sum(row.possible and row.exact_n_tied == () for row in check.rows)
    text = (
        f"Of {check.n_models:,} networks at least {check.n_missing_least} are missing by the ranges"
        f" of rounded numbers ({check.n_missing_by_batch_size} by the groups of fixed batch size"
        " alone, whichever column belongs to which network), at least"
        f" {check.n_missing_attainable} by attainable values, if no group has more than two pairs"
        f" of equal accuracies ({unattainable} p within range is no attainable value so; its group"
        " is judged by the range)."
    )
    return fill(text, _WIDTH)


def _sizes(sizes: Sequence[int]) -> str:
    """Runs of whole numbers, `16, 18-20`."""
    runs: list[list[int]] = []
    for n in sizes:
        if runs and n == runs[-1][1] + 1:
            runs[-1][1] = n
        else:
            runs.append([n, n])
    return ", ".join(f"{a}" if a == b else f"{a}-{b}" for a, b in runs)


def _power(log10: float) -> str:
    """10**log10 with three digits, also where a float would be 0."""
    if not math.isfinite(log10):
        return "0"
    exponent = math.floor(log10)
    digits = f"{10 ** (log10 - exponent):.2f}"
    if digits == "10.00":
        digits, exponent = "1.00", exponent + 1
    return f"{digits}e{exponent}"
