"""The printed tables of He, Liu & Tao (2019) recomputed: every p, the group sizes, the claims."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations

from analysis.claim import REFUTED, SUPPORTED, UNDECIDED, Claim
from analysis.published.closed_forms import check_closed_forms
from analysis.published.missing_models import MissingModels, find_missing
from analysis.published.printed_values import PrintedRow, read_printed
from analysis.published.row_check import RowCheck, check_row, fits_at
from explorer.errors import InputError

SOURCE = "He, Liu & Tao 2019"
#: Their threshold of significance, and their statement on the pooled groups.
THRESHOLD = 0.005
POOLED_BELOW = 1e-180
#: What we take "almost all" to mean.
ALMOST_ALL = 0.95


@dataclass(frozen=True)
class TableCheck:
    """One printed table, counted.

    Attributes:
        table, kind: its number, and what accuracy is correlated with.
        n_rows: coefficients.
        n_fit: p agrees with the coefficient at the nominal n.
        n_not_fit: the others, of which
        n_fit_elsewhere: agree at another n, and
        n_impossible: agree at no n that was scanned.
        n_exact, n_exact_tied: p is the p of an attainable coefficient at the nominal n, without
            ties and with up to two tied pairs; None for the pooled table (see `RowCheck`).
        n_significant: printed p below 0.005, rounding included.
        n_undecided: p printed so close to 0.005 that rounding decides.
    """

    table: int
    kind: str
    n_rows: int
    n_fit: int
    n_not_fit: int
    n_fit_elsewhere: int
    n_impossible: int
    n_exact: int | None
    n_exact_tied: int | None
    n_significant: int
    n_undecided: int


@dataclass(frozen=True)
class PublishedCheck:
    """The papers' printed numbers re-checked.

    Attributes:
        source: whose tables.
        rows: every printed coefficient with its check, in the file's order.
        tables: counts by table.
        missing: what each grid lacks, by ranges and by attainable values.
        n_models: networks that the pooled groups are said to hold together.
        n_missing_least: the fewest that must be missing, by ranges.
        n_missing_attainable: the same by attainable values, with up to two tied pairs a group.
        n_missing_by_batch_size: the fewest by the groups of fixed batch size alone, which does not
            depend on which column belongs to which network.
        claims: the verdicts.
    """

    source: str
    rows: tuple[RowCheck, ...]
    tables: tuple[TableCheck, ...]
    missing: tuple[MissingModels, ...]
    n_models: int
    n_missing_least: int
    n_missing_attainable: int
    n_missing_by_batch_size: int
    claims: tuple[Claim, ...]


def recheck_published(rows: Sequence[PrintedRow] | None = None) -> PublishedCheck:
    """Recompute what the papers print.

    p is that of Student's t with n-2 degrees of freedom; that nearly all printed p are exactly
    those of an attainable coefficient shows that the paper took the same.

    Args:
        rows: coefficients of tables 1 to 3; by default the project's file of them.

    Raises:
        InputError: a row with numbers that are none, or no rows of all three kinds.
    """
    rows = read_printed() if rows is None else tuple(rows)
    for kind in ("batch_size", "learning_rate", "ratio"):
        if not any(row.kind == kind for row in rows):
            raise InputError(f"The printed rows hold no coefficient of kind {kind}.")
    checks = tuple(check_row(row) for row in rows)
    grids = sorted({(row.architecture, row.dataset) for row in rows})
    missing = tuple(m for grid in grids for m in find_missing(checks, *grid))
    by_ranges = [m for m in missing if m.basis == "ranges"]
    by_values = [m for m in missing if m.basis != "ranges"]
    tables = tuple(_table(checks, t) for t in sorted({row.table for row in rows}))
    n_models = sum(row.n_nominal for row in rows if row.kind == "ratio")
    least = sum(m.least for m in by_ranges)
    return PublishedCheck(
        source=SOURCE,
        rows=checks,
        tables=tables,
        missing=missing,
        n_models=n_models,
        n_missing_least=least,
        n_missing_attainable=sum(m.least for m in by_values),
        n_missing_by_batch_size=sum(m.by_batch_size for m in by_ranges),
        claims=(
            _almost_all(checks),
            _all_pooled(checks),
            _sizes(checks, tables),
            _grid_complete(n_models, least, by_ranges),
            *check_closed_forms(),
        ),
    )


def _table(checks: Sequence[RowCheck], table: int) -> TableCheck:
    mine = [c for c in checks if c.row.table == table]
    exact = [c.row.n_nominal in c.exact_n for c in mine if c.exact_n is not None]
    tied = [c.row.n_nominal in c.exact_n_tied for c in mine if c.exact_n_tied is not None]
    n_fit = sum(c.fits for c in mine)
    significant = [_below(c, THRESHOLD) for c in mine]
    return TableCheck(
        table=table,
        kind=mine[0].row.kind,
        n_rows=len(mine),
        n_fit=n_fit,
        n_not_fit=len(mine) - n_fit,
        n_fit_elsewhere=sum(c.possible and not c.fits for c in mine),
        n_impossible=sum(not c.possible for c in mine),
        n_exact=sum(exact) if exact else None,
        n_exact_tied=sum(tied) if tied else None,
        n_significant=significant.count(True),
        n_undecided=significant.count(None),
    )


def _below(check: RowCheck, threshold: float) -> bool | None:
    """Whether the printed p lies below the threshold; None where its rounding decides."""
    limit = math.log10(threshold)
    if check.printed_log10_p_high < limit:
        return True
    return None if check.printed_log10_p_low < limit else False


def _verdict(surely: bool, possibly: bool) -> str:
    if surely:
        return SUPPORTED
    return UNDECIDED if possibly else REFUTED


def _almost_all(checks: Sequence[RowCheck]) -> Claim:
    single = [c for c in checks if c.row.kind != "ratio"]
    below = [_below(c, THRESHOLD) for c in single]
    n, yes, open_ = len(single), below.count(True), below.count(None)
    others = [f"{c.row.label} ({c.row.p})" for c, b in zip(single, below, strict=True) if not b]
    finding = f"{yes} of {n} ({100 * yes / n:.1f} %)"
    if open_:
        finding += f"; {open_} more if {THRESHOLD:g} itself was rounded up"
    if others:
        finding += f". Not below: {'; '.join(others)}"
    return Claim(
        claim=f"Almost all (here: at least {100 * ALMOST_ALL:g} %) single correlations have"
        f" p below {THRESHOLD:g}.",
        source=f"{SOURCE}, tables 1 and 2",
        verdict=_verdict(yes >= ALMOST_ALL * n, yes + open_ >= ALMOST_ALL * n),
        finding=f"{finding}.",
        n=n,
        figures={"n_below": yes, "n_undecided": open_, "share": yes / n},
    )


def _all_pooled(checks: Sequence[RowCheck]) -> Claim:
    pooled = [c for c in checks if c.row.kind == "ratio"]
    below = [_below(c, POOLED_BELOW) for c in pooled]
    others = [f"{c.row.p} is printed" for c, b in zip(pooled, below, strict=True) if not b]
    finding = f"{below.count(True)} of {len(pooled)}"
    return Claim(
        claim=f"The p values of accuracy against the ratio are all below {POOLED_BELOW:g}.",
        source=f"{SOURCE}, table 3",
        verdict=_verdict(all(below), False not in below),
        finding="; ".join([finding, *others]) + ".",
        n=len(pooled),
        figures={
            "n_below": below.count(True),
            "largest_log10_p": max(c.printed_log10_p_high for c in pooled),
        },
    )


def _sizes(checks: Sequence[RowCheck], tables: Sequence[TableCheck]) -> Claim:
    n_fit = sum(t.n_fit for t in tables)
    listed = ", ".join(f"{t.n_fit} of {t.n_rows} in table {t.table}" for t in tables)
    finding = f"The p values agree with coefficient and n for {listed}"
    best = _best_pairing([c.row for c in checks if c.row.kind == "ratio"])
    finding += f" (of the pooled ones at most {best} whichever coefficient goes with which p)"
    impossible = [c for c in checks if not c.possible]
    for c in impossible:
        finding += f". {c.row.label}: p = {c.row.p} fits rho = {c.row.rho} at no n"
        if c.corrections:
            finding += f", {' or '.join(c.corrections)} would: a misprinted exponent"
    return Claim(
        claim="Every single group holds 20 networks and every pooled one 400.",
        source=f"{SOURCE}, tables 1 to 3",
        verdict=SUPPORTED if n_fit == len(checks) else REFUTED,
        finding=f"{finding}.",
        n=len(checks),
        figures={
            **{f"n_fit_table_{t.table}": t.n_fit for t in tables},
            "n_impossible": len(impossible),
            "best_pooled_pairing": best,
        },
    )


def _best_pairing(pooled: Sequence[PrintedRow]) -> int:
    """Pooled p values that fit under the best assignment to the coefficients.

    Which of them stand together in table 3 was itself inferred from their agreement.
    """
    fits = [[fits_at(r.rho, q.p, r.n_nominal) for q in pooled] for r in pooled]
    orders = permutations(range(len(pooled)))
    return max(sum(fits[i][j] for i, j in enumerate(order)) for order in orders)


def _grid_complete(n_models: int, least: int, missing: Sequence[MissingModels]) -> Claim:
    parts = []
    for m in missing:
        if m.least == 0:
            continue
        parts.append(f"{m.architecture} {m.dataset} {m.least}")
    finding = (
        f"At least {least} of {n_models:,} are missing, if the p values that fit another n are"
    )
    finding += " printed right"
    finding += f": {'; '.join(parts)}" if parts else ""
    return Claim(
        claim=f"{n_models:,} networks were trained and compared.",
        source=f"{SOURCE}, section on experiments",
        verdict=SUPPORTED if least == 0 else REFUTED,
        finding=f"{finding}.",
        n=n_models,
        figures={"n_missing_least": least, "n_at_most": n_models - least},
    )
