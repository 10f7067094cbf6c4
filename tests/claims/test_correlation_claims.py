"""Verdicts on He, Liu & Tao's (2019) claims, on grids whose truth is known."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from analysis.claim import REFUTED, SUPPORTED, UNDECIDED
from analysis.claims.correlations import correlation_claims
from analysis.correlation import BudgetComparison
from analysis.correlation.undertraining import BudgetRow

BATCH = "falls as the batch size grows"
RATE = "rises with the learning rate"
POOLED = "falls as B/eps grows"
THROUGHOUT = "falls with B/eps throughout"
ALONE = "Only the ratio"
POWER = "to the power 1"
TRAINED = "training error is almost 0"
UPDATES = "number of updates"
TABLES = (BATCH, RATE, POOLED)


@pytest.fixture(scope="module")
def small_table(grid, table_of, truths):
    """Four groups of B and of eps, to be given other numbers."""
    return table_of(grid(truths["no_effect"], 7, n=4))


def verdicts(claims, about, words) -> list[str]:
    return [about(claims, w).verdict for w in words]


def test_accuracy_by_the_ratio_alone_supports_all(grid, he_claims, about, truths):
    claims = he_claims(grid(truths["ratio_alone"], 1))
    words = (*TABLES, THROUGHOUT, ALONE, POWER, TRAINED)
    assert verdicts(claims, about, words) == [SUPPORTED] * 7
    assert about(claims, UPDATES).verdict == UNDECIDED


def test_a_part_of_batch_size_is_found_by_equal_ratios_and_by_the_exponent(
    grid, he_claims, about, truths, at_most
):
    n = 4
    alone, both = (
        [he_claims(grid(truths[name], 10 + i)) for i in range(n)]
        for name in ("ratio_alone", "batch_size_too")
    )
    for words in (ALONE, POWER):
        of_alone = [about(c, words).verdict for c in alone]
        assert of_alone.count(REFUTED) <= at_most(0.05, n)
        assert of_alone.count(SUPPORTED) >= n - at_most(0.05, n)
        assert [about(c, words).verdict for c in both] == [REFUTED] * n
    # What the tables count holds for both.
    assert verdicts(both[0], about, TABLES) == [SUPPORTED] * 3


def test_without_an_effect_nothing_is_supported_and_little_refuted(
    grid, he_claims, about, truths, at_most
):
    n = 8
    claims = [he_claims(grid(truths["no_effect"], 20 + i)) for i in range(n)]
    for words in (*TABLES, THROUGHOUT, ALONE):
        found = [about(c, words).verdict for c in claims]
        # "Falls throughout" is refuted by a rise, and either is found 5 % of the time.
        assert found.count(REFUTED) <= at_most(0.06, n), words
        assert found.count(SUPPORTED) <= at_most(0.05, n), words
    assert sum(about(c, POWER).verdict == UNDECIDED for c in claims) >= n - at_most(0.3, n)


def test_a_peak_inside_refutes_the_monotone_fall(grid, he_claims, about, truths):
    claims = he_claims(grid(truths["peaked"], 3))
    claim = about(claims, THROUGHOUT)
    assert claim.verdict == REFUTED
    assert claim.figures["turn"] == pytest.approx(900, rel=0.4)
    assert verdicts(claims, about, (BATCH, RATE)) == [REFUTED] * 2
    # Yet it is the ratio, and nothing else, that decides.
    assert verdicts(claims, about, (ALONE, POWER)) == [SUPPORTED] * 2


def test_a_rise_refutes_every_table(grid, he_claims, about, truths):
    claims = he_claims(grid(truths["rising"], 4))
    assert verdicts(claims, about, (*TABLES, THROUGHOUT)) == [REFUTED] * 4


def test_the_counts_are_those_of_scipy_on_the_cells(grid, he_claims, about, truths):
    frame = grid(truths["ratio_alone"], 5, noise=0.02)
    claim = about(he_claims(frame), BATCH)
    found = [
        stats.spearmanr(g["batch_size"], g["best_test_accuracy"])
        for _, g in frame.groupby("learning_rate")
    ]
    assert claim.n == 10
    assert claim.figures["as_claimed"] == sum(r.statistic < 0 for r in found)
    assert claim.figures["as_claimed_raw"] == sum(
        r.statistic < 0 and r.pvalue < 0.005 for r in found
    )
    assert claim.figures["against"] == 0


# Eight of ten groups fall, two rise: by what the two are, not by luck.
@pytest.mark.parametrize(("slope", "verdict"), [(0.0, UNDECIDED), (0.3, REFUTED)])
def test_a_group_the_other_way_refutes_only_where_it_is_surely_so(
    slope, verdict, grid, he_claims, about, truths
):
    def mixed(b, eps):
        return np.where(eps > 0.17, 0.8 + slope * np.log(b / 16), truths["ratio_alone"](b, eps))

    claim = about(he_claims(grid(mixed, 6, noise=0.002)), BATCH)
    assert claim.figures["as_claimed_raw"] == 8
    assert claim.verdict == verdict
    assert claim.figures["against_holm"] == (2 if slope else 0)


@pytest.mark.parametrize(("as_claimed", "n"), [(0, 1), (0, 4), (0, 5), (4, 10), (1, 10), (30, 80)])
def test_insignificant_groups_refute_by_their_signs_only_beyond_chance(as_claimed, n, small_table):
    table = small_table
    metric = table.metrics[0]
    group = replace(
        next(g for g in metric.groups if g.kind == "batch_size"),
        p=0.5, significant=False, significant_holm=False,
    )  # fmt: skip
    groups = [replace(group, rho=-0.1 if i < as_claimed else 0.1) for i in range(n)]
    count = replace(
        next(c for c in metric.counts if c.kind == "batch_size"),
        n_groups=n, n_tested=n, as_claimed=as_claimed, as_claimed_raw=0, against=0,
    )  # fmt: skip
    made = replace(table, metrics=(replace(metric, groups=tuple(groups), counts=(count,)),))
    claim = correlation_claims(made)[0]
    p = stats.binomtest(as_claimed, n, 0.5, alternative="less").pvalue
    assert claim.verdict == (REFUTED if p < 0.05 else UNDECIDED)


def test_few_cells_decide_nothing(grid, he_claims, about, truths):
    claims = he_claims(grid(truths["ratio_alone"], 8, n=3))
    assert verdicts(claims, about, (BATCH, RATE)) == [UNDECIDED] * 2
    assert about(claims, BATCH).finding == "no group has 4 cells"
    assert verdicts(claims, about, (THROUGHOUT, ALONE, POWER)) == [UNDECIDED] * 3


def test_noise_does_not_support_that_batch_size_has_no_effect(grid, he_claims, about, truths):
    """No effect found among noisy cells is no finding of none."""
    for seed in range(3):
        claim = about(he_claims(grid(truths["ratio_alone"], seed, noise=0.05)), ALONE)
        assert claim.verdict != SUPPORTED
        if claim.verdict == UNDECIDED:
            assert "does not exclude" in claim.finding
            assert max(-claim.figures["low"], claim.figures["high"]) > 0.005


def test_whether_training_is_saturated(grid, he_claims, about, truths):
    frame = grid(truths["ratio_alone"], 9)
    high = frame.assign(train_accuracy=0.995)
    low = frame.assign(train_accuracy=1.0 - 0.02 * np.log(frame["batch_size"]))
    none = frame.assign(train_accuracy=math.nan)
    found = [about(he_claims(f), TRAINED) for f in (high, low, none)]
    assert [c.verdict for c in found] == [SUPPORTED, REFUTED, UNDECIDED]
    assert "0 of 100 cells" in found[1].finding
    assert "cannot be found" in found[1].finding, "no trained cell has a rho"
    assert not any("nan" in c.finding for c in found)


def test_two_budgets_with_opposite_signs_refute(grid, he_claims, about, truths):
    def judge(epochs: str, steps: str, noise: float = 0.005, budget: str = "steps"):
        frames = (
            grid(truths[epochs], 1, noise),
            grid(truths[steps], 2, noise, budget=budget, budget_value=9000.0),
        )
        return about(he_claims(*frames), UPDATES)

    assert judge("ratio_alone", "rising").verdict == REFUTED
    assert judge("rising", "ratio_alone").verdict == REFUTED
    same = judge("ratio_alone", "ratio_alone")
    assert same.verdict == SUPPORTED
    assert "sign does not depend" in same.finding
    assert set(same.figures) == {"epochs 200", "steps 9000"}
    # Without an effect under one budget its sign is open, whichever it is.
    assert judge("ratio_alone", "no_effect", 0.03).verdict == UNDECIDED
    # Budgets that are not equal epochs and equal updates say nothing of it.
    assert judge("ratio_alone", "rising", budget="time").verdict == UNDECIDED


@pytest.mark.parametrize("seed", range(20))
def test_the_verdict_on_budgets_never_contradicts_its_sentence(seed, small_table):
    """Any intervals: the rule against a plain reading of them."""
    rng = np.random.default_rng(seed)
    table = small_table
    template = table.budgets[0].rows[0]
    rows = []
    for budget in ("epochs", "steps"):
        low, high = np.sort(rng.uniform(-1, 1, 2))
        row: BudgetRow = replace(
            template, budget=budget, rho=float((low + high) / 2), low=float(low), high=float(high)
        )
        rows.append(row)
    made = replace(table, budgets=(BudgetComparison("x", tuple(rows), "A sentence."),))
    verdict = next(c for c in correlation_claims(made) if UPDATES in c.claim).verdict
    signs = [1 if r.low > 0 else -1 if r.high < 0 else 0 for r in rows]
    expected = UNDECIDED if 0 in signs else SUPPORTED if signs[0] == signs[1] else REFUTED
    assert verdict == expected


def test_each_stratum_has_its_own_verdict(grid, he_claims, truths):
    claims = he_claims(
        grid(truths["ratio_alone"], 1), grid(truths["peaked"], 2, dataset="CIFAR-100")
    )
    found = {c.scope: c.verdict for c in claims if THROUGHOUT in c.claim}
    assert len(found) == 2
    assert {v for scope, v in found.items() if "CIFAR-100" in scope} == {REFUTED}
    assert {v for scope, v in found.items() if "CIFAR-100" not in scope} == {SUPPORTED}


def test_the_order_of_trials_and_repeated_facts_change_nothing(grid, he_claims, truths):
    frame = grid(truths["batch_size_too"], 11)
    frame["trial_id"] = [f"t{i}" for i in range(len(frame))]
    shuffled = frame.sample(frac=1.0, random_state=np.random.default_rng(1))
    first = he_claims(frame)
    assert he_claims(shuffled.reset_index(drop=True)) == first
    assert he_claims(shuffled, frame.head(20)) == first


@pytest.mark.parametrize(("by_holm", "verdict"), [(False, UNDECIDED), (True, REFUTED)])
def test_one_group_of_many_refutes_only_after_correction(by_holm, verdict, small_table):
    """Among 80 groups without an effect one below 0.005 the other way is no surprise."""
    metric = small_table.metrics[0]
    group = next(g for g in metric.groups if g.kind == "batch_size")
    plain = [replace(group, rho=-0.1, p=0.5, significant=False, significant_holm=False)] * 79
    other = replace(group, rho=0.7, p=0.001, significant=True, significant_holm=by_holm)
    count = replace(
        next(c for c in metric.counts if c.kind == "batch_size"),
        n_groups=80, n_tested=80, as_claimed=79, as_claimed_raw=0, against=1,
    )  # fmt: skip
    changed = replace(metric, groups=(*plain, other), counts=(count,))
    claim = correlation_claims(replace(small_table, metrics=(changed,)))[0]
    assert claim.verdict == verdict
    assert (claim.figures["against"], claim.figures["against_holm"]) == (1.0, float(by_holm))


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.8, 1.2, SUPPORTED),
        (1.1, 1.4, REFUTED),
        (1.5, 2.5, REFUTED),
        (0.2, 2.2, UNDECIDED),
        (0.0, 1.5, UNDECIDED),
    ],
)
def test_the_exponents_verdict_asks_what_else_its_interval_holds(low, high, verdict, small_table):
    (tests,) = small_table.ratio_tests
    best = replace(
        tests.exponent, k=(low + high) / 2, low=low, high=high, identifiable=True, reason=""
    )
    made = replace(small_table, ratio_tests=(replace(tests, exponent=best),))
    claim = next(c for c in correlation_claims(made) if POWER in c.claim)
    assert claim.verdict == verdict
    assert ("does not tell 1 from" in claim.finding) == (verdict == UNDECIDED)
