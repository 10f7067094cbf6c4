"""What the scatter of accuracy against B/eps shows, as plain data (He, Liu & Tao 2019)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from analysis.charts.common import finite, number, plural
from analysis.charts.correlation_data import CorrelationCells, pooled_groups, spoken
from analysis.charts.table import Table
from analysis.correlation import CorrelationGroup, CorrelationTable, Regime
from analysis.correlation.coefficients import rho_interval
from analysis.correlation.groups import SIGNIFICANCE
from analysis.correlation.regime import FALLS, RISES, TURNS, UNDECIDED

QUESTION = "Does accuracy fall as B/ε grows?"


@dataclass(frozen=True, kw_only=True, slots=True)
class Rho:
    """Spearman's rho of accuracy with B/eps over some cells, with its interval; None if unknown."""

    n: int
    rho: float | None
    low: float | None
    high: float | None

    @property
    def text(self) -> str:
        """The coefficient with its interval, for reading."""
        return rho_text(self.rho, self.low, self.high)


@dataclass(frozen=True, kw_only=True, slots=True)
class RatioStratum:
    """What one stratum says.

    Attributes:
        label, short: as in StratumCells.
        whole: over all cells; `below` and `above` on each side of the turn, None without one.
        verdict: of the regime: falls, rises, turns, undecided; empty where not tested.
        turn, turn_low, turn_high: the ratio at which accuracy is highest, with its interval.
        open_low, open_high: that interval reaches the end of the sampled ratios.
        sentence: the regime in words.
        significant: the fall over all cells is significant by the paper's measure.
    """

    label: str
    short: str
    whole: Rho
    below: Rho | None
    above: Rho | None
    verdict: str
    turn: float | None
    turn_low: float | None
    turn_high: float | None
    open_low: bool
    open_high: bool
    sentence: str
    significant: bool

    @property
    def lines(self) -> tuple[str, ...]:
        """What stands above the plot: three short lines."""
        first = f"ρ = {self.whole.text} over all {plural(self.whole.n, 'cell')}"
        if self.below is None or self.above is None:
            shape = {
                FALLS: "it falls throughout: no turn is found",
                RISES: "it rises throughout: no fall is found",
                UNDECIDED: "neither a rise nor a fall shows",
            }
            return (first, shape.get(self.verdict, "too few cells to look for a turn"), " ")
        at = number(self.turn)
        return (
            first,
            f"below {at}: {self.below.text}, {plural(self.below.n, 'cell')}",
            f"above {at}: {self.above.text}, {plural(self.above.n, 'cell')}",
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class RatioInfo:
    """What the chart draws, as plain data.

    Attributes:
        question, answer, description: title, one sentence, and text for those who cannot see it.
        cells: of all strata and of those drawn.
        strata: one for each of `cells.strata`, in their order.
        notes: whole sentences.
    """

    question: str
    answer: str
    description: str
    cells: CorrelationCells
    strata: tuple[RatioStratum, ...]
    notes: tuple[str, ...]

    def table(self) -> Table:
        """Every cell of every stratum."""
        accuracy = f"mean {self.cells.metric_title}"
        return Table(
            columns=(
                "stratum",
                "learning rate",
                "batch size",
                "B/ε",
                accuracy,
                "standard error",
                "training accuracy",
                "trials",
                "diverged",
            ),
            rows=tuple(
                (
                    spoken(s.label),
                    c.learning_rate,
                    c.batch_size,
                    c.ratio,
                    c.accuracy,
                    c.standard_error,
                    c.train_accuracy,
                    c.n,
                    c.n_diverged,
                )
                for s in self.cells.strata
                for c in s.cells
            ),
            percent=frozenset((accuracy, "standard error", "training accuracy")),
        )

    def by_label(self, label: str) -> RatioStratum:
        """The findings of one stratum."""
        return next(s for s in self.strata if s.label == label)


def ratio_info(table: CorrelationTable, cells: CorrelationCells) -> RatioInfo:
    """Collect what the chart shows.

    Args:
        table: the tests.
        cells: of `correlation_cells` on the same table.
    """
    strata = tuple(
        _stratum(s.label, s.short, group, regime, cells, i, table.level)
        for i, (s, group, regime) in enumerate(
            zip(cells.strata, pooled_groups(table), table.regimes, strict=True)
        )
    )
    return RatioInfo(
        question=QUESTION,
        answer=_answer(strata),
        description=(
            f"Mean {cells.metric_title} of every cell against batch size over learning rate, which "
            f"is logarithmic, in {_strata(len(cells.drawn))}, with standard errors, and a rule at "
            "the ratio where accuracy turns."
        ),
        cells=cells,
        strata=strata,
        notes=_notes(strata, cells),
    )


def rho_text(rho: float | None, low: float | None, high: float | None) -> str:
    """A coefficient with its interval for reading, with signs and without breaks.

    >>> rho_text(-0.5, -0.75, 0.0).split()
    ['−0.50', '[−0.75,', '+0.00]']
    """
    if finite(rho) is None:
        return "unknown"
    text = signed(rho)
    return text if finite(low) is None else f"{text} [{signed(low)},\u00a0{signed(high)}]"


def signed(value: float | None) -> str:
    """A coefficient for reading, with its sign; an en dash for none."""
    known = finite(value)
    return "–" if known is None else f"{round(known, 2) + 0.0:+.2f}".replace("-", "−")


def _stratum(
    label: str,
    short: str,
    group: CorrelationGroup,
    regime: Regime,
    cells: CorrelationCells,
    place: int,
    level: float,
) -> RatioStratum:
    turns = regime.verdict == TURNS
    return RatioStratum(
        label=label,
        short=short,
        whole=Rho(
            n=len(cells.strata[place].cells),
            rho=finite(group.rho),
            low=finite(group.low),
            high=finite(group.high),
        ),
        below=_side(regime.n_below, regime.rho_below, level) if turns else None,
        above=_side(regime.n_above, regime.rho_above, level) if turns else None,
        verdict=regime.verdict,
        turn=finite(regime.turn),
        turn_low=finite(regime.low),
        turn_high=finite(regime.high),
        open_low=turns and regime.censored_low,
        open_high=turns and regime.censored_high,
        sentence=regime.sentence,
        significant=group.significant and group.as_claimed,
    )


def _side(n: int, rho: float, level: float) -> Rho:
    low, high = rho_interval(rho, n, level)
    return Rho(n=n, rho=finite(rho), low=finite(low), high=finite(high))


def _answer(strata: Sequence[RatioStratum]) -> str:
    known = [s for s in strata if s.whole.rho is not None]
    if not known:
        return "It cannot be told: no stratum has enough cells with different results."
    if len(strata) == 1:
        return _one_answer(strata[0])
    tested = [s for s in strata if s.verdict]
    count = {v: sum(s.verdict == v for s in tested) for v in (FALLS, TURNS, RISES, UNDECIDED)}
    said = {
        FALLS: "falls throughout",
        TURNS: "rises and then falls",
        RISES: "rises throughout",
        UNDECIDED: "neither rises nor falls detectably",
    }
    shapes = ", ".join(f"{said[v]} in {n}" for v, n in count.items() if n)
    head = "Throughout" if count[FALLS] == len(tested) else "Not throughout"
    fall = sum(s.significant for s in known)
    over = (
        f"over all cells ρ is negative in {sum(_below_zero(s) for s in known)} of {len(known)} "
        f"strata, in {fall} of them with p < {SIGNIFICANCE:g}"
    )
    if not tested:
        return f"Where it falls cannot be told, for no stratum has enough cells; {over}."
    return f"{head}: of {_strata(len(tested))} tested, accuracy {shapes}; {over}."


def _one_answer(s: RatioStratum) -> str:
    over = f"over all {plural(s.whole.n, 'cell')} ρ is {s.whole.text}"
    if s.verdict == FALLS:
        return f"Yes: {over}, and no turn is found."
    if s.verdict == RISES:
        return f"No: {over}, and no fall is found."
    if s.verdict == TURNS and s.below is not None and s.above is not None:
        return (
            f"Not throughout: accuracy turns at B/ε = {number(s.turn)} {_turn_interval(s)}, with ρ "
            f"{s.below.text} on {plural(s.below.n, 'cell')} below it and {s.above.text} on "
            f"{plural(s.above.n, 'cell')} above; {over}."
        )
    if s.verdict == UNDECIDED:
        return f"It cannot be told: {over}, and neither a rise nor a fall shows."
    return f"Whether it falls throughout is not tested, for the cells are too few; {over}."


def _turn_interval(s: RatioStratum) -> str:
    low = "below the range" if s.open_low else number(s.turn_low)
    high = "above the range" if s.open_high else number(s.turn_high)
    return f"[{low}, {high}]"


def _below_zero(s: RatioStratum) -> bool:
    return s.whole.rho is not None and s.whole.rho < 0.0


def _strata(n: int) -> str:
    return "1 stratum" if n == 1 else f"{n:,} strata"


def _notes(strata: Sequence[RatioStratum], cells: CorrelationCells) -> tuple[str, ...]:
    notes = [cells.note] if cells.note else []
    if any(s.below is not None for s in strata):
        notes.append(
            "The turn was chosen from these cells: the intervals of ρ on its two sides do not allow"
            " for that, the test of the turn does."
        )
    every = [c for s in cells.strata for c in s.cells]
    diverged = sum(c.n_diverged > 0 for c in every)
    if diverged:
        notes.append(
            f"{plural(diverged, 'cell')} with a diverged trial (crossed out): diverged trials count"
            " at chance."
        )
    if every and not any(c.standard_error for c in every):
        notes.append("No cell has a standard error: all hold a single seed, or equal results.")
    empty = sum(not s.cells for s in cells.strata)
    if empty:
        notes.append(f"{_strata(empty)} without any result.")
    untested = sum(not s.verdict for s in strata)
    if 0 < untested < len(strata):
        notes.append(f"In {_strata(untested)} the cells are too few to look for a turn.")
    return tuple(notes)
