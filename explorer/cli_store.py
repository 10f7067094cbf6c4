"""The command that looks after a store: what is damaged, and putting it aside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from explorer.cli_app import (
    DEFAULT_STORE,
    Debug,
    JsonOption,
    Quiet,
    StoreOption,
    Verbose,
    app,
    log_to_stderr,
    one_line,
    open_store,
    print_result,
)

if TYPE_CHECKING:
    from explorer.store.doctor import DoctorReport

#: Findings and trials that are named one by one; --json names all.
_SHOWN = 20


@app.command(epilog="Example: explorer doctor --store ./explorer-store --repair")
def doctor(
    store: StoreOption = DEFAULT_STORE,
    repair: Annotated[
        bool,
        typer.Option(
            "--repair", help="Move what is damaged to quarantine/, delete what was left over."
        ),
    ] = False,
    as_json: JsonOption = False,
    verbose: Verbose = 0,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Read every file of the store to its last byte and name what is damaged: exit code 1."""
    log_to_stderr(verbose, quiet)
    from explorer.store.doctor import examine

    report = examine(open_store(store), repair=repair)
    print_result(report, as_json, lambda: _text(report))
    if report.remaining:
        raise typer.Exit(1)


def _text(report: DoctorReport) -> str:
    lines = [f"{report.store}: {report.files:,} files, {_count(report.trials, 'trial')} whole."]
    for finding in report.findings[:_SHOWN]:
        line = f"{finding.folder}/{finding.name}: {finding.kind}: {finding.reason}"
        if report.repaired:
            line += f" -> {finding.moved_to or finding.outcome}"
        lines.append(f"  {one_line(line)}")
    if len(report.findings) > _SHOWN:
        lines.append(f"  ... and {len(report.findings) - _SHOWN:,} more, which --json names")
    if report.beside:
        lines.append(f"Not the store's own, left alone: {one_line(_named(report.beside))}.")
    if report.duplicates == 1:
        lines.append(
            "1 row is another attempt or a copy: harmless, and `explorer compact` removes it."
        )
    elif report.duplicates:
        lines.append(
            f"{report.duplicates:,} rows are other attempts or copies: harmless, and "
            "`explorer compact` removes them."
        )
    if report.train_again:
        lines.append(_to_train(report))
    if report.unknown:
        lines.append(
            f"Of {report.unknown:,} damaged files not every trial is known: "
            "`explorer status` counts what a study lacks after a repair."
        )
    if report.findings and not report.repaired:
        lines.append("Nothing was changed: --repair puts these files aside, in quarantine/.")
    return "\n".join(lines)


def _to_train(report: DoctorReport) -> str:
    ids, named = report.train_again, _named(report.train_again)
    trials = f"{len(ids):,} trial{'s' if len(ids) > 1 else ''}"
    if report.repaired:
        verb = "are" if len(ids) > 1 else "is"
        return f"{trials} {verb} missing now, for the next `explorer run` to train: {named}."
    return f"{trials} must be trained again: {named}."


def _named(texts: Sequence[str]) -> str:
    named = ", ".join(texts[:_SHOWN])
    if len(texts) > _SHOWN:
        named += f" and {len(texts) - _SHOWN:,} more, which --json names"
    return named


def _count(number: int, noun: str) -> str:
    return f"1 {noun} is" if number == 1 else f"{number:,} {noun}s are"
