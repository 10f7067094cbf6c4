"""Whether it is under-training: the premise "training error almost 0", and equal budgets."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from analysis.correlation.coefficients import (
    partial_spearman,
    rho_interval,
    spearman,
    t_approximation,
)
from analysis.correlation.groups import (
    CLAIMED_SIGN,
    FEWEST_CELLS,
    RATIO,
    CorrelationGroup,
    Count,
    correlate,
    count_groups,
)
from analysis.correlation.strata import Cells, Stratum

#: Training accuracy from which a cell counts as trained.
TRAINED = 0.99
_PERMUTATIONS_AMONG_TRAINED = 9_999


@dataclass(frozen=True)
class UnderTraining:
    """Training accuracy in one stratum, and what is left of the correlations with it.

    Attributes:
        stratum: its name.
        threshold: training accuracy from which a cell counts as trained.
        n: cells with accuracy and training accuracy; n_trained: those above the threshold.
        lowest, median: of the cells' training accuracy.
        rho_train, low, high: Spearman's rho of training accuracy with the ratio, and its interval.
        rho: of accuracy with the ratio over the same cells.
        rho_partial, p_partial: the same with the ranks of training accuracy held constant; t with
            n - 3 degrees of freedom.
        rho_trained, low_trained, high_trained, p_trained: of accuracy with the ratio among the
            trained cells.
        counts: of the groups of each kind among the trained cells.
        median_rho: by kind, over those groups.
        reason: why it is unknown; empty where it is not.
        sentence: the finding in words.
    """

    stratum: str
    threshold: float
    n: int
    n_trained: int = 0
    lowest: float = math.nan
    median: float = math.nan
    rho_train: float = math.nan
    low: float = math.nan
    high: float = math.nan
    rho: float = math.nan
    rho_partial: float = math.nan
    p_partial: float = math.nan
    rho_trained: float = math.nan
    low_trained: float = math.nan
    high_trained: float = math.nan
    p_trained: float = math.nan
    counts: tuple[Count, ...] = ()
    median_rho: tuple[tuple[str, float], ...] = ()
    reason: str = ""
    sentence: str = ""


@dataclass(frozen=True)
class BudgetRow:
    """The correlations of one budget; budgets are never pooled.

    Attributes:
        stratum: its name; budget, budget_value: epochs, steps, ...; the value is NaN if not given.
        n: cells.
        rho, low, high: of accuracy with the ratio.
        counts: of the groups of each kind.
    """

    stratum: str
    budget: str
    budget_value: float
    n: int
    rho: float
    low: float
    high: float
    counts: tuple[Count, ...]


@dataclass(frozen=True)
class BudgetComparison:
    """One grid under each of its budgets, and what that says about the number of updates."""

    label: str
    rows: tuple[BudgetRow, ...]
    sentence: str


def examine_training(
    stratum: Stratum, cells: Cells, training: Cells, threshold: float, level: float
) -> UnderTraining:
    """Hold accuracy's correlations against training accuracy.

    Args:
        stratum: the cells' stratum.
        cells: under the metric.
        training: the same stratum's cells of train_accuracy.
        threshold: training accuracy from which a cell counts as trained.
        level: coverage of the intervals.
    """
    trained_at = {
        (b, eps): value
        for b, eps, value in zip(
            training.batch_size, training.learning_rate, training.accuracy, strict=True
        )
    }
    keys = list(zip(cells.batch_size, cells.learning_rate, strict=True))
    cells = cells.where(np.array([key in trained_at for key in keys], dtype=bool))
    train = np.array([trained_at[key] for key in keys if key in trained_at], dtype=np.float64)
    n = len(cells)
    if n < FEWEST_CELLS:
        known = "no cell has" if n == 0 else f"only {n} cell{' has' if n == 1 else 's have'}"
        reason = f"{known} a train_accuracy"
        sentence = f"Whether it is under-training cannot be told: {reason}."
        return UnderTraining(stratum.label, threshold, n, reason=reason, sentence=sentence)
    ratio, y = cells.ratio, cells.accuracy
    passing = train >= threshold
    trained = cells.where(passing)
    groups = correlate([(stratum, trained)], _PERMUTATIONS_AMONG_TRAINED, level)
    pooled = next(g for g in groups if g.kind == RATIO)
    rho_train = spearman(ratio, train)
    low, high = rho_interval(rho_train, n, level)
    partial = partial_spearman(y, ratio, train)
    found = UnderTraining(
        stratum=stratum.label,
        threshold=threshold,
        n=n,
        n_trained=int(passing.sum()),
        lowest=float(train.min()),
        median=float(np.median(train)),
        rho_train=rho_train,
        low=low,
        high=high,
        rho=spearman(ratio, y),
        rho_partial=partial,
        p_partial=t_approximation(partial, n, controlled=1),
        rho_trained=pooled.rho,
        low_trained=pooled.low,
        high_trained=pooled.high,
        p_trained=pooled.p,
        counts=tuple(count_groups(groups, kind) for kind in CLAIMED_SIGN),
        median_rho=tuple((kind, _median_rho(groups, kind)) for kind in CLAIMED_SIGN),
    )
    return _with_sentence(found)


def compare_budgets(
    strata: Sequence[tuple[Stratum, Cells]],
    groups: Mapping[str, Sequence[CorrelationGroup]],
) -> tuple[BudgetComparison, ...]:
    """Put the same grid under its budgets side by side (epochs against steps, above all).

    Args:
        strata: with their cells.
        groups: of each stratum, by its label.
    """
    pools: dict[object, list[tuple[Stratum, Cells]]] = {}
    for stratum, cells in strata:
        pools.setdefault(stratum.same_but("budget", "budget_value"), []).append((stratum, cells))
    return tuple(
        BudgetComparison(
            label=pool[0][0].label_without("budget", "budget_value"),
            rows=(rows := tuple(_budget_row(s, cells, groups[s.label]) for s, cells in pool)),
            sentence=_budget_sentence(rows),
        )
        for pool in pools.values()
    )


def _budget_row(stratum: Stratum, cells: Cells, groups: Sequence[CorrelationGroup]) -> BudgetRow:
    pooled = next(g for g in groups if g.kind == RATIO)
    budget, value = stratum.value("budget"), stratum.value("budget_value")
    return BudgetRow(
        stratum=stratum.label,
        budget="not given" if budget is None else str(budget),
        budget_value=math.nan if value is None else float(value),
        n=len(cells),
        rho=pooled.rho,
        low=pooled.low,
        high=pooled.high,
        counts=tuple(count_groups(groups, kind) for kind in CLAIMED_SIGN),
    )


def _budget_sentence(rows: Sequence[BudgetRow]) -> str:
    """What two budgets tell, or what one cannot (claim X3)."""
    kinds = {row.budget for row in rows}
    if {"epochs", "steps"} <= kinds:
        rows = [row for row in rows if row.budget in ("epochs", "steps")]
        parts = [
            f"{row.budget} {row.budget_value:g}: rho {row.rho:+.2f} [{row.low:+.2f},"
            f" {row.high:+.2f}] on {row.n} cells"
            for row in rows
            if math.isfinite(row.rho)
        ]
        signs = {np.sign(row.rho) for row in rows if row.low * row.high > 0}
        undecided = any(not row.low * row.high > 0 for row in rows)
        if undecided:
            verdict = "under at least one budget the sign is open"
        elif len(signs) == 1:
            verdict = "the sign does not depend on the budget"
        else:
            verdict = "the sign depends on the budget, so that the number of updates matters"
        return f"Equal epochs and equal updates side by side, {'; '.join(parts)}: {verdict}."
    budget = next(iter(kinds)) if len(kinds) == 1 else ""
    if budget == "epochs":
        return (
            "Only budgets of equal epochs are here: a larger batch then also means fewer updates,"
            " so that an effect of the ratio and one of the number of updates cannot be told apart."
        )
    if budget == "steps":
        return (
            "Only budgets of equal updates are here: a larger batch then also means more epochs,"
            " so that it cannot be told whether the correlation holds at equal epochs, as in He"
            " et al. (2019)."
        )
    if budget in ("not given", ""):
        named = "budget is not given" if budget else f"budgets are {' and '.join(sorted(kinds))}"
        return (
            f"The {named}: whether the correlation comes from the number of updates cannot"
            " be told without equal epochs and equal updates side by side."
        )
    return (
        f"Only the budget {budget} is here, under which the number of updates depends on the"
        " learning rate: an effect of the ratio and one of the number of updates cannot be told"
        " apart."
    )


def _median_rho(groups: Sequence[CorrelationGroup], kind: str) -> float:
    rho = [g.rho for g in groups if g.kind == kind and g.tested]
    return float(np.median(rho)) if rho else math.nan


def _with_sentence(found: UnderTraining) -> UnderTraining:
    share = f"{found.n_trained} of {found.n} cells reach a training accuracy of {found.threshold:g}"
    if found.n_trained == found.n:
        sentence = f"All {found.n} cells reach a training accuracy of {found.threshold:g}: the"
        sentence += ' premise "training error almost 0" holds.'
    elif math.isnan(found.rho_trained):
        sentence = f'Only {share}: the premise "training error almost 0" fails, and among the'
        sentence += " trained cells the correlation with the ratio cannot be found."
    else:
        claimed = found.high_trained < 0
        opposite = found.low_trained > 0
        verdict = "the claimed fall is there" if claimed else "no fall shows"
        verdict = "accuracy rises, against the claim" if opposite else verdict
        sentence = (
            f"{share[0].upper()}{share[1:]}; among them rho with the ratio is"
            f" {found.rho_trained:+.2f} [{found.low_trained:+.2f}, {found.high_trained:+.2f}]:"
            f" {verdict}."
        )
    if math.isfinite(found.rho_train):
        sentence += (
            f" Training accuracy itself has rho {found.rho_train:+.2f} [{found.low:+.2f},"
            f" {found.high:+.2f}] with the ratio"
        )
        if math.isfinite(found.rho_partial):
            sentence += (
                f"; with it held constant, accuracy has {found.rho_partial:+.2f}"
                f" (p = {found.p_partial:.2g})"
            )
        sentence += "."
    else:
        sentence += " Training accuracy is the same in all cells."
    return replace(found, sentence=sentence)
