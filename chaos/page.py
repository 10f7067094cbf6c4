"""The measured part of docs/reliability.md."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from chaos.outcome import Outcome, Scenario

BEGIN = "<!-- measured: written by `python -m chaos --docs`, not by hand -->"
END = "<!-- end of what was measured -->"


def rewrite(
    path: Path, scenarios: Sequence[Scenario], outcomes: Sequence[Outcome], machine: str
) -> None:
    """Put outcomes between the page's two marks; the rest of the page stays.

    Raises:
        ValueError: the page has no such marks.
    """
    text = path.read_text(encoding="utf-8")
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        raise ValueError(f"{path} has no line {BEGIN!r} and {END!r} to write between.")
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    path.write_text(
        f"{before}{BEGIN}\n\n{measured(scenarios, outcomes, machine)}\n{END}{after}",
        encoding="utf-8",
    )


def measured(scenarios: Sequence[Scenario], outcomes: Sequence[Outcome], machine: str) -> str:
    """The table, what was noticed, and the machine, as Markdown."""
    says = {scenario.name: scenario.says for scenario in scenarios}
    lines = [
        "| scenario | what was done | faults | trials planned | lost | doubled | differing "
        "| trained again | time |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for each in outcomes:
        if each.skipped is not None:
            numbers = f"skipped: {each.skipped} | | | | | | "
        else:
            counted = (
                each.faults,
                each.planned,
                each.lost,
                each.doubled,
                each.differing,
                each.retrained,
            )
            numbers = " | ".join(f"{number:,}" for number in counted) + f" | {each.seconds:.0f} s"
        lines.append(f"| {each.scenario} | {says[each.scenario]} | {numbers} |")
    run = [each for each in outcomes if each.skipped is None]
    lines.append(
        f"| **all** | | {sum(each.faults for each in run):,} "
        f"| {sum(each.planned for each in run):,} | {sum(each.lost for each in run):,} "
        f"| {sum(each.doubled for each in run):,} | {sum(each.differing for each in run):,} "
        f"| {sum(each.retrained for each in run):,} | {sum(each.seconds for each in run):.0f} s |"
    )
    lines.append("")
    for each in outcomes:
        lines += [f"- {each.scenario}: not as expected: {problem}" for problem in each.problems]
        lines += [f"- {each.scenario}: {note}" for note in each.notes]
    lines += ["", f"{datetime.now(UTC):%Y-%m-%d}; {machine}."]
    return "\n".join(lines) + "\n"
