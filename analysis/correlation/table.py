"""The correlation claims of He, Liu & Tao (2019) on anybody's landscape, in one table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pandas as pd
import pyarrow as pa

from analysis.correlation.groups import (
    BATCH_SIZE,
    CLAIMED_SIGN,
    LEARNING_RATE,
    RATIO,
    SIGNIFICANCE,
    CorrelationGroup,
    Count,
    correlate_families,
    count_groups,
)
from analysis.correlation.noise_scale import NoiseScale, compare_noise_scale
from analysis.correlation.ratio import RatioTests, examine_ratio
from analysis.correlation.regime import Regime, find_regime
from analysis.correlation.strata import (
    CORRELATION_METRICS,
    Cells,
    Stratum,
    cells_of_strata,
    find_strata,
)
from analysis.correlation.undertraining import (
    TRAINED,
    BudgetComparison,
    UnderTraining,
    compare_budgets,
    examine_training,
)
from analysis.correlation.validation import VALIDATION_CHOSEN, with_validation_chosen
from analysis.landscape import Landscape
from explorer.errors import InputError

BEST = "best_test_accuracy"
FINAL = "test_accuracy"
PERMUTATIONS = 100_000
_FEWEST_PERMUTATIONS = 1_000


@dataclass(frozen=True)
class Published:
    """Groups of one kind that He et al. (2019) print: all, of the claimed sign, with p < 0.005."""

    n_groups: int
    as_claimed: int
    as_claimed_raw: int


#: Tables 1 to 3 of He et al. (2019), counted from their printed coefficients and p.
PUBLISHED: Mapping[str, Published] = {
    BATCH_SIZE: Published(80, 80, 79),
    LEARNING_RATE: Published(80, 80, 76),
    RATIO: Published(4, 4, 4),
}


@dataclass(frozen=True)
class MetricGroups:
    """All groups under one metric, one family of tests.

    Attributes:
        metric: what was correlated.
        groups: in the order of strata; in each the learning rates, the batch sizes, the ratio.
        counts: of each kind, in the order batch_size, learning_rate, ratio.
    """

    metric: str
    groups: tuple[CorrelationGroup, ...]
    counts: tuple[Count, ...]

    @property
    def n_tested(self) -> int:
        """The size of the family."""
        return sum(group.tested for group in self.groups)


@dataclass(frozen=True)
class StratumSummary:
    """How complete one stratum is, in cells of its grid; a diverged cell has a diverged trial."""

    label: str
    n: int
    n_missing: int
    n_diverged: int
    is_planned: bool


@dataclass(frozen=True)
class CorrelationTable:
    """Every answer to the correlation claims.

    Attributes:
        metric: the first of `metrics`, and what all below `strata` are about.
        metrics: the groups under it and, beside it, under the other test accuracies there are.
        strata: what was compared within.
        regimes: where the fall stops (claim X1), one a stratum.
        ratio_tests: whether it is the ratio (X2), one a stratum.
        noise_scales: the ratio against g, one for strata that differ in m and N alone.
        training: whether it is under-training, one a stratum.
        budgets: the same grid under each of its budgets (X3).
        permutations: random permutations behind p_permutation.
        level: coverage of the intervals.
        source: where the results come from.
        sentences: the counts, beside the paper's.
        notes: how the source was read and what was left out.
    """

    metric: str
    metrics: tuple[MetricGroups, ...]
    strata: tuple[StratumSummary, ...]
    regimes: tuple[Regime, ...]
    ratio_tests: tuple[RatioTests, ...]
    noise_scales: tuple[NoiseScale, ...]
    training: tuple[UnderTraining, ...]
    budgets: tuple[BudgetComparison, ...]
    permutations: int
    level: float
    source: str
    sentences: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def groups(self) -> tuple[CorrelationGroup, ...]:
        """The groups under the first metric."""
        return self.metrics[0].groups


def correlations(
    landscape: Landscape,
    metric: str = BEST,
    by: Sequence[str] = ("dataset", "model"),
    permutations: int = PERMUTATIONS,
    level: float = 0.95,
    *,
    curves: pa.Table | pd.DataFrame | None = None,
    trained: float = TRAINED,
) -> CorrelationTable:
    """Test the claims of He et al. (2019): accuracy falls with B, rises with eps, falls with B/eps.

    The unit is the cell, seeds averaged, diverged trials at chance. Strata are never pooled: every
    column but batch size, learning rate and seed is fixed within a group. Their metric is the best
    test accuracy over evaluations, chosen on the test set; the final one, and the one that a
    validation set chooses, stand beside it where the source has them.

    Args:
        landscape: trials of a store or a file.
        metric: one of CORRELATION_METRICS.
        by: columns that name the strata even where they do not vary.
        permutations: random permutations a group, at least 1,000.
        level: coverage of the intervals.
        curves: one row an evaluation, for the validation-chosen accuracy: trial_id, step,
            test_accuracy, validation_accuracy.
        trained: training accuracy from which a cell counts as trained.

    Raises:
        InputError: no trials, none with the metric, or an argument out of range.
    """
    _check(metric, permutations, level, trained)
    chosen = with_validation_chosen(landscape.trials, curves)
    landscape = replace(landscape, trials=chosen)
    strata = find_strata(landscape, by)
    notes = list(landscape.notes)
    if metric == BEST and chosen[BEST].isna().all():
        metric = FINAL
        notes.append(f"There is no {BEST}: the final {FINAL} is used instead.")
    if chosen[metric].isna().all():
        raise InputError(f"{landscape.source} has no trial with a {metric}.")
    others = [m for m in (BEST, FINAL, VALIDATION_CHOSEN) if m != metric]
    shown = [metric, *(m for m in others if chosen[m].notna().any())]
    if VALIDATION_CHOSEN not in shown:
        notes.append(
            "No validation accuracy over evaluations is known: the validation-chosen test accuracy"
            " is not shown."
        )
    by_metric = {m: list(zip(strata, cells_of_strata(strata, m), strict=True)) for m in shown}
    primary = by_metric[metric]
    families = correlate_families(list(by_metric.values()), permutations, level)
    metrics = tuple(_metric_groups(m, g) for m, g in zip(shown, families, strict=True))
    by_label: dict[str, list[CorrelationGroup]] = {s.label: [] for s in strata}
    for group in metrics[0].groups:
        by_label[group.stratum].append(group)
    training = [
        examine_training(s, c, of_training, trained, level)
        for (s, c), of_training in zip(
            primary, cells_of_strata(strata, "train_accuracy"), strict=True
        )
    ]
    return CorrelationTable(
        metric=metric,
        metrics=metrics,
        strata=tuple(_summary(s, c) for s, c in primary),
        regimes=tuple(find_regime(s.label, c, level) for s, c in primary),
        ratio_tests=tuple(examine_ratio(s.label, c, level) for s, c in primary),
        noise_scales=compare_noise_scale(primary, level),
        training=tuple(training),
        budgets=compare_budgets(primary, by_label),
        permutations=permutations,
        level=level,
        source=landscape.source,
        sentences=_sentences(metrics[0]),
        notes=(*notes, *_notes(metric, primary)),
    )


def _check(metric: str, permutations: int, level: float, trained: float) -> None:
    if metric not in CORRELATION_METRICS:
        raise InputError(f"metric must be one of {', '.join(CORRELATION_METRICS)}, not {metric!r}.")
    if permutations < _FEWEST_PERMUTATIONS:
        raise InputError(
            f"permutations must be at least {_FEWEST_PERMUTATIONS}, not {permutations!r}."
        )
    if not 0.0 < level < 1.0:
        raise InputError(f"level must lie between 0 and 1, not {level!r}.")
    if not 0.0 <= trained <= 1.0:
        raise InputError(f"trained must be an accuracy between 0 and 1, not {trained!r}.")


def _metric_groups(metric: str, groups: tuple[CorrelationGroup, ...]) -> MetricGroups:
    return MetricGroups(metric, groups, tuple(count_groups(groups, kind) for kind in CLAIMED_SIGN))


def _summary(stratum: Stratum, cells: Cells) -> StratumSummary:
    return StratumSummary(
        label=stratum.label,
        n=len(cells),
        n_missing=len(stratum.grid) - len(cells),
        n_diverged=int((cells.n_diverged > 0).sum()),
        is_planned=stratum.is_planned,
    )


def _sentences(found: MetricGroups) -> tuple[str, ...]:
    """What He et al. claim for each kind, what is found, and what they print."""
    names = {
        BATCH_SIZE: ("at a fixed learning rate accuracy falls with batch size", "negative"),
        LEARNING_RATE: ("at a fixed batch size accuracy rises with the learning rate", "positive"),
        RATIO: ("over all cells accuracy falls with B/eps", "negative"),
    }
    lines = []
    for count in found.counts:
        claim, sign = names[count.kind]
        theirs = PUBLISHED[count.kind]
        found_here = (
            f"{count.as_claimed} of {count.n_tested} tested groups are {sign},"
            f" {count.as_claimed_raw} of them at p < {SIGNIFICANCE:g}"
            f" ({count.as_claimed_permutation} by permutation, {count.as_claimed_holm} after Holm,"
            f" {count.as_claimed_bh} after Benjamini-Hochberg); significant the other way:"
            f" {count.against}."
        )
        if not count.n_tested:
            found_here = "No group can be tested."
        line = (
            f"Claim: {claim}. {found_here} He et al. print {theirs.as_claimed} of"
            f" {theirs.n_groups}, and {theirs.as_claimed_raw} at p < {SIGNIFICANCE:g}."
        )
        untested = count.n_groups - count.n_tested
        if untested:
            line += f" {untested} further {_groups(untested)} not be tested."
        lines.append(line)
    unsure = [g for g in found.groups if g.significant and not g.significant_permutation]
    if unsure:
        verb = "has" if len(unsure) == 1 else "have"
        lines.append(
            f"Of the groups with p < {SIGNIFICANCE:g}, {len(unsure)} {verb}"
            " a permutation p above it: the t approximation claims too much there."
        )
    return tuple(lines)


def _groups(n: int) -> str:
    return "group could" if n == 1 else "groups could"


def _notes(metric: str, strata: Sequence[tuple[Stratum, Cells]]) -> list[str]:
    """How trials were counted, over all strata."""
    counts = [cells.counts for _, cells in strata]
    lines = [f"The metric is {metric}; the unit is the cell, its seeds averaged."]
    if metric == BEST:
        lines.append("It is chosen on the test set, so it is optimistic.")
        varied = [s for s, _ in strata if s.rows["evaluations"].nunique() > 1]
        if varied:
            lines.append(
                "The number of evaluations varies between trials that are compared, and the best of"
                " more evaluations is higher."
            )
    diverged = sum(c.n_diverged for c in counts)
    if diverged:
        known = all(c.chance_known for c in counts if c.n_diverged)
        how = "1/classes" if known else "guessed from the results where classes are not known"
        lines.append(f"{_trials(diverged)} diverged: counted at chance accuracy, {how}.")
    failed, without = sum(c.n_failed for c in counts), sum(c.n_without_metric for c in counts)
    if failed:
        lines.append(f"{_trials(failed)} failed: left out.")
    if without:
        lines.append(f"{_trials(without)} without a {metric}: left out.")
    single = sum(len({eps for _, eps in s.grid}) == 1 for s, _ in strata)
    if single:
        lines.append(
            f"{single} of {len(strata)} strata {'has' if single == 1 else 'have'} one learning rate"
            " alone: there the pooled group repeats the one of that learning rate."
        )
    gaps = [s for s, c in strata if len(s.grid) > len(c)]
    if gaps and not gaps[0].is_planned:
        lines.append(
            "Nobody said what was planned: a cell is missing where its batch size and its learning"
            " rate both occur, but not together."
        )
    return lines


def _trials(n: int) -> str:
    return "1 trial" if n == 1 else f"{n} trials"
