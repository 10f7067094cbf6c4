"""Laws of different budgets side by side: budgets are compared, never mixed in one fit."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from analysis.law.condition import AXES, SYMBOLS
from analysis.law.exponent import Exponent


@dataclass(frozen=True)
class BudgetDifference:
    """An exponent under one budget less the same under another.

    Attributes:
        axis: learning_rate, train_size or momentum.
        budget, other: the two; the difference is the first's less the second's.
        difference, low, high: half widths of the two intervals add as squares, since the two
            budgets' trials are independent.
    """

    axis: str
    budget: str
    other: str
    difference: float
    low: float
    high: float

    @property
    def differs(self) -> bool:
        """Whether the interval leaves out 0."""
        return self.low > 0.0 or self.high < 0.0


@dataclass(frozen=True)
class BudgetComparison:
    """Exponents by budget.

    Attributes:
        budgets: labels, in the order given.
        exponents: for each budget, by axis: (estimate, low, high); NaN where not identifiable.
        differences: of every pair of budgets, for axes that both identify.
        sentence: the finding.
    """

    budgets: tuple[str, ...]
    exponents: tuple[Mapping[str, tuple[float, float, float]], ...]
    differences: tuple[BudgetDifference, ...]
    sentence: str


def compare_budgets(
    laws: Sequence[tuple[str, Mapping[str, Exponent]]],
) -> BudgetComparison:
    """Put exponents under several budgets side by side and test their differences.

    Whether training time or the number of updates is held fixed changes what B_opt is an optimum
    of: Smith & Le (2018) fix updates, He, Liu & Tao (2019) epochs.

    Args:
        laws: (budget's label, exponents by axis) of groups that differ in budget alone.
    """
    nan = math.nan
    rows = []
    for _, exponents in laws:
        known = {a: e for a, e in exponents.items() if e.identifiable}
        rows.append(
            {
                a: (known[a].estimate, known[a].low, known[a].high) if a in known else (nan,) * 3
                for a in AXES
            }
        )
    differences = [
        _difference(axis, laws[i][0], rows[i][axis], laws[j][0], rows[j][axis])
        for axis in AXES
        for i in range(len(laws))
        for j in range(i + 1, len(laws))
        if all(math.isfinite(v) for v in (*rows[i][axis], *rows[j][axis]))
    ]
    budgets = tuple(label for label, _ in laws)
    return BudgetComparison(budgets, tuple(rows), tuple(differences), _sentence(differences))


def _difference(
    axis: str,
    budget: str,
    mine: tuple[float, float, float],
    other: str,
    theirs: tuple[float, float, float],
) -> BudgetDifference:
    middle = mine[0] - theirs[0]
    half = math.hypot(0.5 * (mine[2] - mine[1]), 0.5 * (theirs[2] - theirs[1]))
    return BudgetDifference(axis, budget, other, middle, middle - half, middle + half)


def _sentence(differences: Sequence[BudgetDifference]) -> str:
    if not differences:
        return "No exponent is known under two budgets: they cannot be compared."
    parts = [
        f"the exponent of {SYMBOLS[d.axis]} under {d.budget} is"
        f" {'higher' if d.difference > 0 else 'lower'} than under {d.other} by"
        f" {abs(d.difference):.2f} [{_ends(d)}]"
        for d in differences
        if d.differs
    ]
    if parts:
        return "The budget matters: " + "; ".join(parts) + "."
    widest = max(0.5 * (d.high - d.low) for d in differences)
    return (
        f"No exponent differs between budgets beyond its interval (differences are known to"
        f" +-{widest:.2f} or better)."
    )


def _ends(d: BudgetDifference) -> str:
    low, high = (d.low, d.high) if d.difference > 0 else (-d.high, -d.low)
    return f"{low:.2f}, {high:.2f}"
