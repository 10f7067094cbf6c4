"""What a scenario found, as plain data, and how a table shows it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chaos.arena import Arena
    from chaos.judge import Verdict


@dataclass(frozen=True)
class Outcome:
    """One row of the table.

    Attributes:
        scenario: its name.
        faults: faults that were injected.
        planned: trials planned, over all stores of the scenario.
        lost: planned trials that ended without a result.
        doubled: trials or evaluations that a reader gets more than once.
        differing: trials with any bit that an undisturbed run would not have.
        retrained: attempts beyond the first that ended with a result; allowed, and counted.
        seconds: wall time of the scenario.
        problems: one sentence for each thing that was not as expected.
        notes: what else was measured.
        skipped: why it could not be run here; None where it was.
    """

    scenario: str
    faults: int = 0
    planned: int = 0
    lost: int = 0
    doubled: int = 0
    differing: int = 0
    retrained: int = 0
    seconds: float = 0.0
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    skipped: str | None = None

    @property
    def good(self) -> bool:
        """Whether everything was as expected; a skipped scenario found nothing wrong."""
        return not (self.problems or self.lost or self.doubled or self.differing)


@dataclass(frozen=True)
class Scenario:
    """A kind of fault.

    Attributes:
        name: for `--only`.
        says: what is done, in a few words.
        run: does it.
    """

    name: str
    says: str
    run: Callable[[Arena], Finding]


class Finding:
    """What a scenario gathers while it goes on."""

    def __init__(self) -> None:
        self.faults = 0
        self.verdicts: list[Verdict] = []
        self.problems: list[str] = []
        self.notes: list[str] = []

    def outcome(self, scenario: str, seconds: float) -> Outcome:
        """The row of the table."""
        found = self.verdicts
        examples = [example for verdict in found for example in verdict.examples]
        return Outcome(
            scenario=scenario,
            faults=self.faults,
            planned=sum(verdict.planned for verdict in found),
            lost=sum(verdict.lost for verdict in found),
            doubled=sum(verdict.doubled for verdict in found),
            differing=sum(verdict.differing for verdict in found),
            retrained=sum(verdict.retrained for verdict in found),
            seconds=seconds,
            problems=(*self.problems, *examples),
            notes=tuple(self.notes),
        )


_COLUMNS = ("scenario", "faults", "planned", "lost", "doubled", "differing", "retrained", "seconds")


def table(outcomes: Sequence[Outcome]) -> str:
    """The outcomes as text: one line each, then what was wrong and what was noticed."""
    rows = [_COLUMNS, *map(_cells, outcomes)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(_COLUMNS))]
    lines = []
    for number, row in enumerate(rows):
        first, *rest = (
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        end = "" if number == 0 or outcomes[number - 1].good else "  not as expected"
        lines.append("  ".join([first, *rest]) + end)
    for outcome in outcomes:
        lines += [f"{outcome.scenario}: PROBLEM: {problem}" for problem in outcome.problems]
    for outcome in outcomes:
        lines += [f"{outcome.scenario}: {note}" for note in outcome.notes]
        if outcome.skipped is not None:
            lines.append(f"{outcome.scenario}: skipped, {outcome.skipped}")
    return "\n".join(lines)


def _cells(outcome: Outcome) -> tuple[str, ...]:
    if outcome.skipped is not None:
        return (outcome.scenario, *["-"] * (len(_COLUMNS) - 1))
    numbers = (getattr(outcome, name) for name in _COLUMNS[1:-1])
    return (outcome.scenario, *map(str, numbers), f"{outcome.seconds:.0f}")
