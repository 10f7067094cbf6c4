"""The groups of He et al. (2019): accuracy against batch size, learning rate and their ratio."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.correlation.coefficients import (
    kendall,
    pearson,
    rho_interval,
    spearman,
    t_approximation,
)
from analysis.correlation.multiplicity import benjamini_hochberg, holm
from analysis.correlation.permutations import EXACT_UP_TO, permutation_p
from analysis.correlation.strata import Cells, Stratum

Array = NDArray[np.float64]

BATCH_SIZE, LEARNING_RATE, RATIO = "batch_size", "learning_rate", "ratio"
#: The kinds of group with the sign that He et al. (2019) claim.
CLAIMED_SIGN: Mapping[str, int] = {BATCH_SIZE: -1, LEARNING_RATE: 1, RATIO: -1}
#: Their threshold of significance.
SIGNIFICANCE = 0.005
#: Fewer cells than this cannot be tested.
FEWEST_CELLS = 4


@dataclass(frozen=True)
class CorrelationGroup:
    """One correlation of accuracy with a hyperparameter over the cells of a group.

    Attributes:
        kind: batch_size (at a fixed learning rate), learning_rate (at a fixed batch size) or
            ratio (B/eps over all cells).
        stratum: the stratum's name.
        fixed: the columns that are held fixed, those of the stratum first.
        n: cells with a result; n_missing: cells of the grid without one; n_diverged: cells with a
            diverged trial.
        rho, low, high: Spearman's rho and its interval (Bonett & Wright 2000).
        p: two-sided, t approximation with n - 2 degrees of freedom, as in the paper.
        p_permutation: two-sided, exact up to n = EXACT_UP_TO.
        p_exact: whether p_permutation enumerates every order.
        p_holm, p_bh: corrected over all tested groups of the table; from p_permutation where that
            is exact (the t approximation says 0 at n = 4 where 0.083 is true), else from p.
        tau, pearson, pearson_log: Kendall's tau-b, Pearson's r with the variable, and with its
            logarithm.
        significant, significant_permutation, significant_holm, significant_bh: p < 0.005.
        reason: why there is no rho; empty where there is.
    """

    kind: str
    stratum: str
    fixed: tuple[tuple[str, Any], ...]
    n: int
    n_missing: int
    n_diverged: int
    rho: float = math.nan
    low: float = math.nan
    high: float = math.nan
    p: float = math.nan
    p_permutation: float = math.nan
    p_exact: bool = False
    p_holm: float = math.nan
    p_bh: float = math.nan
    tau: float = math.nan
    pearson: float = math.nan
    pearson_log: float = math.nan
    significant: bool = False
    significant_permutation: bool = False
    significant_holm: bool = False
    significant_bh: bool = False
    reason: str = ""

    @property
    def tested(self) -> bool:
        """Whether the group belongs to the family of tests."""
        return not self.reason

    @property
    def as_claimed(self) -> bool:
        """Whether rho has the sign that He et al. claim."""
        return self.rho * CLAIMED_SIGN[self.kind] > 0


@dataclass(frozen=True)
class Count:
    """How many groups of one kind are as claimed.

    Attributes:
        kind: as in CorrelationGroup.
        n_groups: groups of the kind, n_tested of them with a rho.
        negative, positive: by sign of rho; a rho of 0 is neither.
        as_claimed: of the claimed sign.
        as_claimed_raw, as_claimed_permutation, as_claimed_holm, as_claimed_bh: of the claimed sign
            and significant by each p.
        against, against_permutation: of the other sign and significant by the raw p, by the
            permutation p.
    """

    kind: str
    n_groups: int
    n_tested: int
    negative: int
    positive: int
    as_claimed: int
    as_claimed_raw: int
    as_claimed_permutation: int
    as_claimed_holm: int
    as_claimed_bh: int
    against: int
    against_permutation: int


def correlate(
    strata: Sequence[tuple[Stratum, Cells]], permutations: int, level: float
) -> tuple[CorrelationGroup, ...]:
    """All groups of all strata under one metric, corrected as one family.

    The order is that of the strata, and in each: learning rates, batch sizes, the ratio.
    """
    return correlate_families([strata], permutations, level)[0]


def correlate_families(
    families: Sequence[Sequence[tuple[Stratum, Cells]]], permutations: int, level: float
) -> list[tuple[CorrelationGroup, ...]]:
    """`correlate` for several families at once, as one for each metric.

    Each is corrected by itself, but all share the random orders, which take most of the time.
    """
    groups: list[list[CorrelationGroup]] = []
    pairs: list[tuple[Array, Array]] = []
    for strata in families:
        groups.append([])
        for stratum, cells in strata:
            expected = _expected(stratum)
            for kind, value in expected:
                keep = _keep(cells, kind, value)
                x, y = variable(cells, kind)[keep], cells.accuracy[keep]
                n_diverged = int(np.count_nonzero(cells.n_diverged[keep]))
                found = _untested(stratum, kind, value, expected[kind, value], len(x), n_diverged)
                found = _describe(found, x, y, level)
                groups[-1].append(found)
                if found.tested:
                    pairs.append((x, y))
    shuffled = iter(permutation_p(pairs, permutations))
    return [
        _corrected(family, [next(shuffled) if g.tested else math.nan for g in family])
        for family in groups
    ]


def count_groups(groups: Sequence[CorrelationGroup], kind: str) -> Count:
    """Count the groups of one kind."""
    of_kind = [g for g in groups if g.kind == kind]
    good = [g for g in of_kind if g.as_claimed]
    return Count(
        kind=kind,
        n_groups=len(of_kind),
        n_tested=sum(g.tested for g in of_kind),
        negative=sum(g.rho < 0 for g in of_kind),
        positive=sum(g.rho > 0 for g in of_kind),
        as_claimed=len(good),
        as_claimed_raw=sum(g.significant for g in good),
        as_claimed_permutation=sum(g.significant_permutation for g in good),
        as_claimed_holm=sum(g.significant_holm for g in good),
        as_claimed_bh=sum(g.significant_bh for g in good),
        against=sum(g.significant and not g.as_claimed for g in of_kind),
        against_permutation=sum(g.significant_permutation and not g.as_claimed for g in of_kind),
    )


def variable(cells: Cells, kind: str) -> Array:
    """What a kind of group correlates accuracy with, [cells]."""
    return cells.ratio if kind == RATIO else np.asarray(getattr(cells, kind))


def _expected(stratum: Stratum) -> dict[tuple[str, float], int]:
    """The cells of the grid in each group, (kind, fixed value); the pooled one has no value."""
    sizes = Counter(b for b, _ in stratum.grid)
    rates = Counter(eps for _, eps in stratum.grid)
    return {
        **{(BATCH_SIZE, eps): rates[eps] for eps in sorted(rates)},
        **{(LEARNING_RATE, float(b)): sizes[b] for b in sorted(sizes)},
        (RATIO, math.nan): len(stratum.grid),
    }


def _keep(cells: Cells, kind: str, value: float) -> NDArray[np.bool_]:
    if kind == BATCH_SIZE:
        return np.asarray(cells.learning_rate == value)
    if kind == LEARNING_RATE:
        return np.asarray(cells.batch_size == value)
    return np.ones(len(cells), dtype=bool)


def _untested(
    stratum: Stratum, kind: str, value: float, expected: int, n: int, n_diverged: int
) -> CorrelationGroup:
    """A group before anything is known of it but its cells."""
    fixed: tuple[tuple[str, Any], ...] = ()
    if kind == BATCH_SIZE:
        fixed = ((LEARNING_RATE, value),)
    elif kind == LEARNING_RATE:
        fixed = ((BATCH_SIZE, int(value)),)
    return CorrelationGroup(
        kind=kind,
        stratum=stratum.label,
        fixed=stratum.shown + fixed,
        n=n,
        n_missing=expected - n,
        n_diverged=n_diverged,
    )


def _describe(group: CorrelationGroup, x: Array, y: Array, level: float) -> CorrelationGroup:
    """The group without its permutation and corrected p values."""
    n = group.n
    if n < FEWEST_CELLS:
        return replace(group, reason=f"fewer than {FEWEST_CELLS} cells")
    if np.ptp(y) == 0.0:
        return replace(group, reason="accuracy is constant")
    if np.ptp(x) == 0.0:
        return replace(group, reason=f"{group.kind} is constant")
    rho = spearman(x, y)
    p = t_approximation(rho, n)
    low, high = rho_interval(rho, n, level)
    return replace(
        group,
        rho=rho,
        low=low,
        high=high,
        p=p,
        tau=kendall(x, y),
        pearson=pearson(x, y),
        pearson_log=pearson(np.log(x), y),
        significant=p < SIGNIFICANCE,
    )


def _corrected(
    groups: Sequence[CorrelationGroup], permuted: Sequence[float]
) -> tuple[CorrelationGroup, ...]:
    """The groups with their permutation p, and corrected as one family."""
    exact = [group.tested and group.n <= EXACT_UP_TO for group in groups]
    p = np.array(
        [own if e else g.p for g, own, e in zip(groups, permuted, exact, strict=True)], dtype=float
    )
    by_holm, by_bh = holm(p), benjamini_hochberg(p)
    return tuple(
        replace(
            group,
            p_permutation=own,
            p_exact=e,
            p_holm=float(h),
            p_bh=float(bh),
            significant_permutation=own < SIGNIFICANCE,
            significant_holm=bool(h < SIGNIFICANCE),
            significant_bh=bool(bh < SIGNIFICANCE),
        )
        for group, own, e, h, bh in zip(groups, permuted, exact, by_holm, by_bh, strict=True)
    )
