"""What the curves of He, Liu & Tao (2019) show: accuracy along B at each eps, and along eps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from analysis.charts.common import finite, plural
from analysis.charts.correlation_data import CorrelationCells, spoken
from analysis.charts.ratio_data import rho_text, signed
from analysis.charts.table import Table, bounds
from analysis.correlation import PUBLISHED, CorrelationGroup, CorrelationTable
from analysis.correlation.groups import BATCH_SIZE, LEARNING_RATE, SIGNIFICANCE

QUESTION = (
    "Does accuracy fall with B at every fixed learning rate, and rise with ε at every fixed batch "
    "size?"
)

KINDS = (BATCH_SIZE, LEARNING_RATE)
_DIRECTION = {BATCH_SIZE: "falls", LEARNING_RATE: "rises"}
_ALONG = {BATCH_SIZE: "batch size", LEARNING_RATE: "learning rate"}
_FIXED = {BATCH_SIZE: "learning rate", LEARNING_RATE: "batch size"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """One line: a group of the correlation table.

    Attributes:
        stratum: its label.
        kind: batch_size (along B at a fixed learning rate) or learning_rate (along eps).
        fixed: the learning rate or batch size that is held fixed.
        n: cells on it.
        rho, low, high: Spearman's rho with its interval; None where not tested.
        as_claimed, significant: the sign is the claimed one; p < 0.005 as in the paper.
        reason: why it is not tested; empty where it is.
    """

    stratum: str
    kind: str
    fixed: float
    n: int
    rho: float | None
    low: float | None
    high: float | None
    as_claimed: bool
    significant: bool
    reason: str

    @property
    def text(self) -> str:
        """The coefficient with its interval, or why there is none."""
        if self.reason:
            return f"not tested: {self.reason}"
        return rho_text(self.rho, self.low, self.high)


@dataclass(frozen=True, kw_only=True, slots=True)
class CorrelationLinesInfo:
    """What the two panels draw, as plain data.

    Attributes:
        question, answer, description: title, one sentence, and text for those who cannot see it.
        cells: of all strata and of those drawn.
        lines: of every stratum, learning rates before batch sizes.
        notes: whole sentences.
    """

    question: str
    answer: str
    description: str
    cells: CorrelationCells
    lines: tuple[Line, ...]
    notes: tuple[str, ...]

    def table(self) -> Table:
        """Every line with its coefficient."""
        return Table(
            columns=(
                "stratum",
                "accuracy against",
                "held fixed",
                "at",
                "cells",
                "ρ",
                "ρ low",
                "ρ high",
                "why not tested",
            ),
            rows=tuple(
                (
                    spoken(line.stratum),
                    _ALONG[line.kind],
                    _FIXED[line.kind],
                    line.fixed,
                    line.n,
                    line.rho,
                    *bounds(line.low, line.high),
                    line.reason,
                )
                for line in self.lines
            ),
        )

    def of(self, stratum: str, kind: str) -> Mapping[float, Line]:
        """The lines of one panel, by what is fixed."""
        return {
            line.fixed: line for line in self.lines if line.stratum == stratum and line.kind == kind
        }

    @property
    def kinds(self) -> tuple[str, ...]:
        """The panels: those whose axis was varied, the first if none was; none without a cell."""
        every = [c for s in self.cells.drawn for c in s.cells]
        varied = tuple(k for k in KINDS if len({getattr(c, k) for c in every}) > 1)
        return varied or KINDS[:1] if every else ()

    def heads(self, kind: str) -> list[tuple[str, str]]:
        """What stands above one panel, for each drawn stratum."""
        return [_head(kind, list(self.of(s.label, kind).values())) for s in self.cells.drawn]


def correlation_lines_info(
    table: CorrelationTable, cells: CorrelationCells
) -> CorrelationLinesInfo:
    """Collect what the two panels show.

    Args:
        table: the tests.
        cells: of `correlation_cells` on the same table.
    """
    lines = tuple(_line(g) for g in table.groups if g.kind in KINDS)
    return CorrelationLinesInfo(
        question=QUESTION,
        answer=_answer(lines),
        description=(
            f"Two panels. Mean {cells.metric_title} against batch size with a line for each "
            "learning rate, and against learning rate with a line for each batch size; the "
            "horizontal axes are logarithmic."
        ),
        cells=cells,
        lines=lines,
        notes=_notes(lines, cells),
    )


def _line(group: CorrelationGroup) -> Line:
    return Line(
        stratum=group.stratum,
        kind=group.kind,
        fixed=float(group.fixed[-1][1]),
        n=group.n,
        rho=finite(group.rho),
        low=finite(group.low),
        high=finite(group.high),
        as_claimed=group.tested and group.as_claimed,
        significant=group.significant,
        reason=group.reason,
    )


def _head(kind: str, lines: Sequence[Line]) -> tuple[str, str]:
    tested = [line for line in lines if not line.reason]
    what = f"{_DIRECTION[kind]} with {_ALONG[kind]}"
    if not tested:
        return (f"whether it {what} cannot be tested:", "too few cells on a line")
    good = [line for line in tested if line.as_claimed]
    sure = sum(line.significant for line in good)
    against = sum(line.significant and not line.as_claimed for line in tested)
    return (
        f"{what} at {len(good)} of {plural(len(tested), _FIXED[kind])}",
        f"p < {SIGNIFICANCE:g}: {sure} as claimed, {against} the other way",
    )


def _answer(lines: Sequence[Line]) -> str:
    parts = []
    for kind in KINDS:
        tested = [line for line in lines if line.kind == kind and not line.reason]
        what = f"{_DIRECTION[kind]} with the {_ALONG[kind]}"
        theirs = PUBLISHED[kind]
        if not tested:
            parts.append(f"whether accuracy {what} cannot be tested")
            continue
        good = [line for line in tested if line.as_claimed]
        sure = sum(line.significant for line in good)
        against = sum(line.significant and not line.as_claimed for line in tested)
        known = [line.rho for line in tested if line.rho is not None]
        middle = signed(median(known) if known else None)
        parts.append(
            f"accuracy {what} at {len(good)} of {plural(len(tested), f'fixed {_FIXED[kind]}')}, "
            f"{sure} of them with p < {SIGNIFICANCE:g} and {against} significant the other way "
            f"(median ρ {middle}; He et al. print {theirs.as_claimed} of "
            f"{theirs.n_groups}, {theirs.as_claimed_raw} with p < {SIGNIFICANCE:g})"
        )
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}."


def _notes(lines: Sequence[Line], cells: CorrelationCells) -> tuple[str, ...]:
    notes = [cells.note] if cells.note else []
    every = [c for s in cells.drawn for c in s.cells]
    for kind in KINDS:
        if every and len({getattr(c, kind) for c in every}) == 1:
            notes.append(f"There is one {_ALONG[kind]}: no line runs along it.")
    untested = [line for line in lines if line.reason]
    if untested:
        count: dict[str, int] = {}
        for line in untested:
            count[line.reason] = count.get(line.reason, 0) + 1
        why = "; ".join(f"{n:,}: {reason}" for reason, n in count.items())
        notes.append(f"{len(untested):,} of {len(lines):,} lines are not tested ({why}).")
    return tuple(notes)
