"""He, Liu & Tao's (2019) claims on correlations, judged on the groups of a landscape."""

from __future__ import annotations

import math

from analysis.claim import REFUTED, SUPPORTED, UNDECIDED, Claim
from analysis.correlation import (
    BudgetComparison,
    CorrelationTable,
    Count,
    RatioTests,
    Regime,
    UnderTraining,
)
from analysis.correlation.groups import BATCH_SIZE, LEARNING_RATE, RATIO
from analysis.correlation.regime import FALLS, RISES, TURNS

_TABLES = {
    BATCH_SIZE: ("At a fixed learning rate accuracy falls as the batch size grows", "table 1"),
    LEARNING_RATE: ("At a fixed batch size accuracy rises with the learning rate", "table 2"),
    RATIO: ("Over all cells accuracy falls as B/eps grows", "table 3"),
}
_PAPER = "He, Liu & Tao 2019"
#: Share of the groups that "almost all" asks for.
_ALMOST_ALL = 0.9
_ALPHA = 0.05


def correlation_claims(table: CorrelationTable) -> tuple[Claim, ...]:
    """Every claim on the correlations, the counted ones first.

    Args:
        table: the correlations of one landscape, under the metric that the paper uses.
    """
    counts = {count.kind: count for count in table.metrics[0].counts}
    found = [_counted(counts[kind], table.metric) for kind in _TABLES if kind in counts]
    found += [_regime(regime) for regime in table.regimes]
    for tests in table.ratio_tests:
        found += [_ratio_alone(tests), _exponent(tests)]
    found += [_training(training) for training in table.training]
    found += [_budgets(budgets) for budgets in table.budgets]
    return tuple(found)


def _counted(count: Count, metric: str) -> Claim:
    claim, place = _TABLES[count.kind]
    n = count.n_tested
    finding = (
        f"{count.as_claimed} of {n} groups have the claimed sign, {count.as_claimed_holm} of them"
        f" significantly after Holm's correction, {count.as_claimed_raw} at p < 0.005 as the paper"
        f" counts; {count.against} are significant the other way"
    )
    figures = {
        "as_claimed": float(count.as_claimed),
        "as_claimed_raw": float(count.as_claimed_raw),
        "as_claimed_holm": float(count.as_claimed_holm),
        "against": float(count.against),
    }
    if not n:
        verdict, finding = UNDECIDED, "no group has four cells"
    elif count.as_claimed_raw >= _ALMOST_ALL * n:
        verdict = SUPPORTED
    elif count.against or 2 * count.as_claimed < n:
        verdict = REFUTED
    else:
        verdict = UNDECIDED
    return Claim(claim, f"{_PAPER}, {place}", verdict, finding, n, figures, metric)


def _regime(regime: Regime) -> Claim:
    verdict = {FALLS: SUPPORTED, RISES: REFUTED, TURNS: REFUTED}.get(regime.verdict, UNDECIDED)
    return Claim(
        "Accuracy falls with B/eps throughout: the smaller the ratio, the better",
        f"{_PAPER}, corollary 1 and table 3; Smith & Le 2018 expect an optimum inside",
        verdict,
        regime.sentence.rstrip("."),
        regime.n,
        {"p_rise": regime.p_rise, "p_fall": regime.p_fall, "turn": regime.turn},
        regime.stratum,
    )


def _ratio_alone(tests: RatioTests) -> Claim:
    within = tests.within
    claim = "Only the ratio B/eps matters: at equal ratio batch size has no effect"
    source = f"{_PAPER}, theorem 2"
    figures = {"p": within.p, "explained": within.explained, "per_doubling": within.per_doubling}
    if not math.isfinite(within.p):
        return Claim(claim, source, UNDECIDED, within.reason, within.n, figures, tests.stratum)
    finding = (
        f"within {within.n_ratios} ratios log B accounts for {100 * within.explained:.1f} % of the"
        f" variance of accuracy (p = {within.p:.2g} by permutation, {within.n} cells)"
    )
    verdict = REFUTED if within.p < _ALPHA else SUPPORTED
    return Claim(claim, source, verdict, finding, within.n, figures, tests.stratum)


def _exponent(tests: RatioTests) -> Claim:
    best = tests.exponent
    claim = "B/eps to the power 1 is the best single predictor among B/eps^k"
    source = f"{_PAPER}, theorem 2; Gao & Zhong, equations 6 and 8, have 2 and 1"
    figures = {"k": best.k, "low": best.low, "high": best.high}
    if not best.identifiable:
        reason = best.reason or "the interval of k spans the whole grid"
        return Claim(claim, source, UNDECIDED, reason, tests.n, figures, tests.stratum)
    holds = best.low <= 1.0 <= best.high
    finding = f"k is {best.k:.2f} [{best.low:.2f}, {best.high:.2f}], from {tests.n} cells"
    verdict = SUPPORTED if holds else REFUTED
    return Claim(claim, source, verdict, finding, tests.n, figures, tests.stratum)


def _training(training: UnderTraining) -> Claim:
    claim = "The training error is almost 0 in all networks, so that test accuracy compares them"
    source = f"{_PAPER}, premise of their metric"
    if training.reason:
        return Claim(claim, source, UNDECIDED, training.reason, 0, {}, training.stratum)
    finding = (
        f"{training.n_trained} of {training.n} cells reach a training accuracy of"
        f" {training.threshold:g} (lowest {training.lowest:.3f}); among those, rho with the ratio"
        f" is {training.rho_trained:+.2f}, over all cells {training.rho:+.2f}"
    )
    share = training.n_trained / training.n
    verdict = SUPPORTED if share >= _ALMOST_ALL else REFUTED
    figures = {
        "n_trained": float(training.n_trained),
        "rho_trained": training.rho_trained,
        "rho": training.rho,
    }
    return Claim(claim, source, verdict, finding, training.n, figures, training.stratum)


def _budgets(budgets: BudgetComparison) -> Claim:
    claim = "The correlation with B/eps is not one with the number of updates"
    several = len({row.budget for row in budgets.rows}) > 1
    opposite = several and len({row.rho > 0 for row in budgets.rows}) > 1
    bounded = several and all(row.high < 0 for row in budgets.rows)
    verdict = REFUTED if opposite else SUPPORTED if bounded else UNDECIDED
    return Claim(
        claim,
        f"{_PAPER} train for equal epochs, Smith & Le 2018 for equal updates",
        verdict,
        budgets.sentence.rstrip("."),
        sum(row.n for row in budgets.rows),
        {f"{row.budget} {row.budget_value:g}": row.rho for row in budgets.rows},
        budgets.label,
    )
