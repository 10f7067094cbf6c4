"""He, Liu & Tao's (2019) claims on correlations, judged on the groups of a landscape."""

from __future__ import annotations

import math

from scipy import stats

from analysis.claim import REFUTED, SUPPORTED, UNDECIDED, Claim
from analysis.correlation import (
    BudgetComparison,
    CorrelationTable,
    Count,
    RatioTests,
    Regime,
    UnderTraining,
)
from analysis.correlation.groups import (
    BATCH_SIZE,
    FEWEST_CELLS,
    LEARNING_RATE,
    RATIO,
    SIGNIFICANCE,
)
from analysis.correlation.regime import FALLS, RISES, TURNS
from analysis.correlation.undertraining import BudgetRow

_TABLES = {
    BATCH_SIZE: ("At a fixed learning rate accuracy falls as the batch size grows", "table 1"),
    LEARNING_RATE: ("At a fixed batch size accuracy rises with the learning rate", "table 2"),
    RATIO: ("Over all cells accuracy falls as B/eps grows", "table 3"),
}
_PAPER = "He, Liu & Tao 2019"
#: Share of the groups that "almost all" asks for.
_ALMOST_ALL = 0.9
_ALPHA = 0.05
#: Change of accuracy for a doubling of B and eps that counts as none: half a percentage point.
_NEGLIGIBLE = 0.005


def correlation_claims(table: CorrelationTable) -> tuple[Claim, ...]:
    """Every claim on the correlations, the counted ones first.

    Args:
        table: the correlations of one landscape, under the metric that the paper uses.
    """
    counts = {count.kind: count for count in table.metrics[0].counts}
    found = [_counted(counts[kind], table) for kind in _TABLES if kind in counts]
    found += [_regime(regime) for regime in table.regimes]
    for tests in table.ratio_tests:
        found += [_ratio_alone(tests), _exponent(tests)]
    found += [_training(training) for training in table.training]
    found += [_budgets(budgets) for budgets in table.budgets]
    return tuple(found)


def _counted(count: Count, table: CorrelationTable) -> Claim:
    """Refuted by a group that is surely the other way, or by too many groups of the other sign.

    Without an effect half of the groups have the claimed sign: that alone decides nothing.
    """
    claim, place = _TABLES[count.kind]
    n = count.n_tested
    of_kind = [g for g in table.groups if g.kind == count.kind]
    against = sum(g.significant_holm and not g.as_claimed for g in of_kind)
    finding = (
        f"{count.as_claimed} of {n} group{' has' if n == 1 else 's have'} the claimed sign,"
        f" {count.as_claimed_holm} of them significantly after Holm's correction,"
        f" {count.as_claimed_raw} at p < {SIGNIFICANCE:g} as the paper counts; {count.against} are"
        f" significant the other way, {against} of these after Holm's correction"
    )
    figures = {
        "as_claimed": float(count.as_claimed),
        "as_claimed_raw": float(count.as_claimed_raw),
        "as_claimed_holm": float(count.as_claimed_holm),
        "against": float(count.against),
        "against_holm": float(against),
    }
    if not n:
        verdict, finding = UNDECIDED, f"no group has {FEWEST_CELLS} cells"
    elif count.as_claimed_raw >= _ALMOST_ALL * n:
        verdict = SUPPORTED
    elif against or float(stats.binom.cdf(count.as_claimed, n, 0.5)) < _ALPHA:
        verdict = REFUTED
    else:
        verdict = UNDECIDED
    return Claim(claim, f"{_PAPER}, {place}", verdict, finding, n, figures, table.metric)


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
    figures = {
        "p": within.p,
        "explained": within.explained,
        "per_doubling": within.per_doubling,
        "low": within.low,
        "high": within.high,
    }
    if not math.isfinite(within.p):
        reason = within.reason or "accuracy does not vary among cells of equal ratio"
        return Claim(claim, source, UNDECIDED, reason, within.n, figures, tests.stratum)
    finding = (
        f"within {within.n_ratios} ratios log B accounts for {100 * within.explained:.1f} % of the"
        f" variance of accuracy (p = {within.p:.2g} by permutation, {within.n} cells)"
    )
    verdict = REFUTED if within.p < _ALPHA else SUPPORTED
    if math.isfinite(within.low) and math.isfinite(within.high):
        finding += (
            f"; doubling B and eps moves it by {100 * within.per_doubling:+.2f} points"
            f" [{100 * within.low:+.2f}, {100 * within.high:+.2f}]"
        )
    if verdict == SUPPORTED and not max(-within.low, within.high) <= _NEGLIGIBLE:
        verdict = UNDECIDED
        finding += f", which does not exclude an effect of {100 * _NEGLIGIBLE:g} points"
    elif verdict == SUPPORTED and not tests.predictors.ratio > 0.0:
        verdict = UNDECIDED
        few = "the cells are too few to show that the ratio predicts anything"
        finding += f", but {few if tests.predictors.reason else 'the ratio predicts nothing here'}"
    return Claim(claim, source, verdict, finding, within.n, figures, tests.stratum)


def _exponent(tests: RatioTests) -> Claim:
    best = tests.exponent
    claim = "B/eps to the power 1 is the best single predictor among B/eps^k"
    source = f"{_PAPER}, theorem 2; Gao & Zhong, equations 6 and 8, have 2 and 1"
    figures = {"k": best.k, "low": best.low, "high": best.high}
    if not best.identifiable:
        reason = best.reason or "the interval of k spans the whole grid"
        return Claim(claim, source, UNDECIDED, reason, tests.n, figures, tests.stratum)
    finding = f"k is {best.k:.2f} [{best.low:.2f}, {best.high:.2f}], from {tests.n} cells"
    verdict = SUPPORTED if best.low <= 1.0 <= best.high else REFUTED
    also = [f"{k:g}" for k in (0.0, 2.0) if best.low <= k <= best.high]
    if verdict == SUPPORTED and also:
        verdict = UNDECIDED
        finding += f", which does not tell 1 from {' or '.join(also)}"
    return Claim(claim, source, verdict, finding, tests.n, figures, tests.stratum)


def _training(training: UnderTraining) -> Claim:
    claim = "The training error is almost 0 in all networks, so that test accuracy compares them"
    source = f"{_PAPER}, premise of their metric"
    if training.reason:
        return Claim(claim, source, UNDECIDED, training.reason, 0, {}, training.stratum)
    among = f"is {training.rho_trained:+.2f}"
    if not math.isfinite(training.rho_trained):
        among = "cannot be found"
    finding = (
        f"{training.n_trained} of {training.n} cells reach a training accuracy of"
        f" {training.threshold:g} (lowest {training.lowest:.3f}); among those, rho with the ratio"
        f" {among}"
    )
    if math.isfinite(training.rho):
        finding += f", over all cells {training.rho:+.2f}"
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
    rows = [row for row in budgets.rows if row.budget in ("epochs", "steps")]
    falls, rises = [row.high < 0 for row in rows], [row.low > 0 for row in rows]
    verdict = UNDECIDED
    if len({row.budget for row in rows}) > 1:
        if any(falls) and any(rises):
            verdict = REFUTED
        elif all(falls) or all(rises):
            verdict = SUPPORTED
    return Claim(
        claim,
        f"{_PAPER} train for equal epochs, Smith & Le 2018 for equal updates",
        verdict,
        budgets.sentence.rstrip("."),
        sum(row.n for row in budgets.rows),
        {_budget(row): row.rho for row in budgets.rows},
        budgets.label,
    )


def _budget(row: BudgetRow) -> str:
    value = f" {row.budget_value:g}" if math.isfinite(row.budget_value) else ""
    return f"{row.budget}{value}"
