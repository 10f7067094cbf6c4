"""Verdicts on Smith & Le's (2018) claims, on planted landscapes whose truth is known."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from analysis.claim import REFUTED, SUPPORTED, UNDECIDED
from analysis.landscape import Landscape
from analysis.planted import FAMILIES, plant

PEAK = "has a maximum"
EPS = "proportional to the learning rate"
N = "proportional to N"
MOMENTUM = "proportional to 1/(1-m)"
JOINT = "a function of eps*N/(1-m) alone"
EDGE = "moves on its own"
FITTED = "one of generalization"
COLLAPSE = "a function of the noise scale"
ROOT = "square root of B"
ALL = (PEAK, EPS, N, MOMENTUM, JOINT, EDGE, FITTED, COLLAPSE, ROOT)


def verdicts(claims, about) -> dict[str, str]:
    return {words: about(claims, words).verdict for words in ALL}


def test_where_all_of_it_is_true_all_is_supported_but_that_the_peak_leaves_the_edge(
    laws, noise_scale, about
):
    """One shape moves as eps*N/(1-m), its cliff with it, at N of 16,000 to 128,000."""
    found = verdicts(noise_scale(laws["large_n"]), about)
    assert found == dict.fromkeys(ALL, SUPPORTED) | {EDGE: REFUTED, ROOT: REFUTED}


def test_n_below_20000_leaves_its_law_and_the_joint_law_open(laws, noise_scale, about):
    claims = noise_scale(laws["three_axes"])
    found = verdicts(claims, about)
    assert found[N] == found[JOINT] == UNDECIDED
    assert found[EPS] == found[MOMENTUM] == found[COLLAPSE] == SUPPORTED
    assert "20,000" in about(claims, N).finding
    assert "over the N studied the exponent is" in about(claims, N).finding
    assert "law of N is not decidable" in about(claims, JOINT).finding


def test_an_exponent_of_one_is_refuted_by_chance_alone_and_one_of_a_half_always(
    laws, noise_scale, about, at_most
):
    draws = 6
    for planted, right, wrong in ((1.0, SUPPORTED, REFUTED), (0.5, REFUTED, SUPPORTED)):
        law = replace(laws["one_axis"], learning_rate=planted)
        found = [about(noise_scale(law, 100 + i), EPS).verdict for i in range(draws)]
        assert found.count(wrong) <= at_most(0.05 if planted == 1.0 else 0.001, draws)
        assert found.count(right) >= draws - at_most(0.05, draws)


@pytest.mark.parametrize("axis", ["learning_rate", "train_size", "momentum"])
def test_a_half_on_one_axis_refutes_that_axis_and_the_joint_law(axis, laws, noise_scale, about):
    law = replace(laws["large_n"], **{axis: 0.5}, peak_at_reference=4.0)
    found = verdicts(noise_scale(law), about)
    by_axis = {"learning_rate": EPS, "train_size": N, "momentum": MOMENTUM}
    assert {name for name, words in by_axis.items() if found[words] == REFUTED} == {axis}
    assert found[JOINT] == REFUTED


def test_an_exponent_of_n_below_20000_refutes_nothing(laws, noise_scale, about):
    claims = noise_scale(replace(laws["three_axes"], train_size=0.4))
    found = verdicts(claims, about)
    assert found[N] == found[JOINT] == UNDECIDED
    assert about(claims, JOINT).figures["p"] < 1e-4
    assert "through N alone" in about(claims, JOINT).finding
    # Another axis does refute it.
    claims = noise_scale(replace(laws["three_axes"], train_size=0.4, learning_rate=0.5))
    assert about(claims, JOINT).verdict == REFUTED


def test_an_axis_that_was_not_varied_leaves_the_joint_law_open(laws, noise_scale, about):
    claims = noise_scale(replace(laws["large_n"], momenta=(0.9,)))
    assert about(claims, N).verdict == SUPPORTED
    assert about(claims, MOMENTUM).verdict == about(claims, JOINT).verdict == UNDECIDED
    assert about(claims, MOMENTUM).finding == "momentum was not varied"
    assert "1/(1-m) has no exponent here" in about(claims, JOINT).finding


@pytest.mark.parametrize("rates", [(), (0.1,), (0.1, 0.2)])
def test_too_few_conditions_decide_nothing_and_say_so_without_nan(rates, laws, noise_scale, about):
    source = replace(laws["one_axis"], learning_rates=rates or (0.1,))
    if not rates:  # all diverged
        trials = plant(source, 1).landscape.trials
        source = Landscape.from_frame(trials.assign(status="diverged"), "planted")
    claims = noise_scale(source)
    found = verdicts(claims, about)
    # That training data are fitted can be seen in one condition.
    assert found.pop(FITTED) == (SUPPORTED if rates else UNDECIDED)
    assert set(found.values()) == {UNDECIDED}
    assert not any("nan" in c.finding or "1 conditions" in c.finding for c in claims)


def test_a_plateau_up_to_the_largest_batch_refutes_the_peak(laws, noise_scale, about):
    """And a curve that still rises there does not: its peak may lie beyond."""
    for shape, expected in (("cliff_then_flat", REFUTED), ("rising", UNDECIDED)):
        law = replace(
            laws["one_axis"], shape=FAMILIES[shape], train_sizes=(4000,), peak_at_reference=40.0
        )
        found = [about(noise_scale(law, i), PEAK) for i in range(3)]
        assert [c.verdict for c in found] == [expected] * 3
        assert all(c.figures["open_high"] > c.n / 2 for c in found)
        plateaus = [c.figures["plateaus"] > c.n / 2 for c in found]
        assert all(plateaus) if expected == REFUTED else not any(plateaus)


@pytest.mark.parametrize("shape", ["flat", "rising", "falling", "cliff_then_flat"])
def test_a_peak_is_not_supported_where_none_is_planted(shape, laws, noise_scale, about, at_most):
    law = replace(
        laws["one_axis"], shape=FAMILIES[shape], train_sizes=(4000,), learning_rates=(0.1, 0.2, 0.4)
    )
    found = [about(noise_scale(law, i), PEAK).verdict for i in range(4)]
    assert found.count(SUPPORTED) <= at_most(0.01, 4)


def test_an_optimum_with_a_law_of_its_own_leaves_the_edge(laws, noise_scale, about):
    """The cliff moves as eps/(1-m), the peak as eps*N/(1-m): B_opt/B_edge goes as N."""
    law = replace(
        laws["three_axes"],
        shape=FAMILIES["steep_between"],
        cliff_exponents=(1.0, 0.0, 1.0),
        below=16.0,
    )
    for seed in range(2):
        claim = about(noise_scale(law, seed), EDGE)
        assert claim.verdict == SUPPORTED
        assert "with N by N^1." in claim.finding or "with N by N^0.9" in claim.finding
        together = about(noise_scale(laws["three_axes"], seed), EDGE)
        assert together.verdict == REFUTED
        assert "follows the edge" in together.finding


def test_whether_training_is_saturated(laws, noise_scale, about):
    def judge(change) -> object:
        trials = plant(laws["one_axis"], 2).landscape.trials.copy()
        trials["train_accuracy"] = change(trials)
        return about(noise_scale(Landscape.from_frame(trials, "planted")), FITTED)

    full, short = judge(lambda t: 0.999), judge(lambda t: 0.95)
    some = judge(lambda t: np.where(t["learning_rate"] < 0.15, 0.999, 0.95))
    absent = judge(lambda t: math.nan)
    assert [c.verdict for c in (full, short, some, absent)] == [
        SUPPORTED,
        REFUTED,
        UNDECIDED,
        UNDECIDED,
    ]
    assert short.figures["lowest"] == pytest.approx(0.95)
    assert "0 of 7" in short.finding
    assert 0 < some.figures["saturated"] < some.n == 7
    assert "recorded" in absent.finding


def test_in_a_sweep_of_eps_alone_the_collapse_cannot_name_the_noise_scale(laws, noise_scale, about):
    """There g is eps/B up to a constant, so that beating B alone says nothing of N or m."""
    claim = about(noise_scale(laws["one_axis"]), COLLAPSE)
    assert claim.verdict == UNDECIDED
    assert claim.figures["noise_scale"] > 0.8 > claim.figures["batch_size"]
    assert "Not identifiable here" in claim.finding


def test_the_collapse_is_refuted_where_another_variable_decides(laws, noise_scale, about):
    """The whole curve moves as B/eps, whatever N and m."""
    law = replace(laws["three_axes"], train_size=0.0, momentum=0.0)
    for seed in range(2):
        claim = about(noise_scale(law, seed), COLLAPSE)
        assert claim.verdict == REFUTED
        assert claim.figures["ratio"] > 0.8 > claim.figures["noise_scale"]


@pytest.mark.parametrize(
    ("exponent", "verdict"), [(2.0, SUPPORTED), (1.0, REFUTED), (0.5, REFUTED)]
)
def test_the_square_root_rule(exponent, verdict, laws, noise_scale, about):
    """Where neither rule fits (0.5), the square root's is refuted as well."""
    law = replace(laws["one_axis"], learning_rate=exponent, train_sizes=(30_000,))
    for seed in range(2):
        assert about(noise_scale(law, seed), ROOT).verdict == verdict


def test_the_square_root_rule_is_not_blamed_for_n(laws, noise_scale, about):
    """B_opt ~ eps without N: the linear rule with N fails, the one without it holds."""
    claim = about(noise_scale(replace(laws["three_axes"], train_size=0.0)), ROOT)
    assert claim.verdict == REFUTED
    assert claim.figures["linear"] < 0.3 < 1.0 < claim.figures["square_root"]


def test_momentum_alone_says_nothing_of_the_learning_rate(laws, noise_scale, about):
    law = replace(
        laws["one_axis"], learning_rates=(0.1,), momenta=(0.0, 0.5, 0.75, 0.9, 0.95), momentum=1.0
    )
    claim = about(noise_scale(law), ROOT)
    assert claim.verdict == UNDECIDED
    assert claim.finding == "learning_rate was not varied"


def test_the_order_of_trials_changes_no_verdict_and_no_figure(laws, noise_scale):
    trials = plant(laws["three_axes"], 3).landscape.trials
    shuffled = trials.sample(frac=1.0, random_state=np.random.default_rng(1))
    first, second = (
        noise_scale(Landscape.from_frame(t.reset_index(drop=True), "planted"))
        for t in (trials, shuffled)
    )
    for one, other in zip(first, second, strict=True):
        assert (one.claim, one.verdict, one.finding, one.n, one.scope) == (
            other.claim,
            other.verdict,
            other.finding,
            other.n,
            other.scope,
        )
        assert dict(one.figures) == pytest.approx(dict(other.figures), nan_ok=True)
