"""Fits under an order against scipy's, prefix by prefix, and the regime's size, power, coverage."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import isotonic_regression

from analysis.correlation.regime import FALLS, RISES, TURNS, UNDECIDED, find_regime
from analysis.correlation.unimodal import order_fits, unimodal_fit

SMALL = {"sizes": (4, 8, 16, 32, 64, 128, 256), "rates": (0.05, 0.1, 0.2, 0.4, 0.8)}


@pytest.mark.parametrize("seed", range(4))
def test_every_split_explains_what_two_isotonic_fits_explain(seed):
    rng = np.random.default_rng(seed)
    means = rng.normal(size=(3, 9)).round(1)  # with ties
    means -= means.mean(axis=1, keepdims=True)
    weights = rng.integers(1, 4, 9).astype(float)
    fits = order_fits(means, weights)
    for draw in range(3):
        for split in range(10):
            fitted, blocks = [], 0
            for part, w, up in (
                (means[draw, :split], weights[:split], True),
                (means[draw, split:], weights[split:], False),
            ):
                if len(part):
                    oracle = isotonic_regression(part, weights=w, increasing=up)
                    fitted.append(oracle.x)
                    blocks += len(np.unique(oracle.x))
            fit = np.concatenate(fitted)
            assert fits.explained[draw, split] == pytest.approx(weights @ fit**2, abs=1e-9)
            assert fits.blocks[draw, split] == blocks
            assert unimodal_fit(means[draw], weights, split) == pytest.approx(fit)


def test_the_best_split_is_the_best_unimodal_fit():
    """No rising-then-falling sequence on a fine lattice does better."""
    means = np.array([0.0, 2.0, -1.0, 1.0, -2.0])
    weights = np.array([1.0, 2.0, 1.0, 1.0, 1.0])
    fits = order_fits(means[None, :], weights)
    best = unimodal_fit(means, weights, int(fits.best[0]))
    lattice = np.stack(np.meshgrid(*[np.linspace(-2, 2, 9)] * 5, indexing="ij"), -1).reshape(-1, 5)
    steps = np.sign(np.diff(lattice, axis=1))
    falling_before = np.maximum.accumulate(steps < 0, axis=1)
    unimodal = ~np.any(falling_before[:, :-1] & (steps[:, 1:] > 0), axis=1)
    others = ((lattice[unimodal] - means) ** 2) @ weights
    assert ((best - means) ** 2) @ weights <= others.min() + 1e-12
    peak = int(np.argmax(best))
    assert np.all(np.diff(best[: peak + 1]) >= 0)
    assert np.all(np.diff(best[peak:]) <= 0)


def test_verdicts_on_clear_truths(cells, truths):
    falling = find_regime("s", cells(truths["ratio"], 1), 0.95)
    assert falling.verdict == FALLS
    assert "falls with the ratio over the whole range" in falling.sentence
    rising = find_regime("s", cells(lambda b, e: 1.4 - truths["ratio"](b, e), 1), 0.95)
    assert rising.verdict == RISES
    assert "refuted" in rising.sentence
    turning = find_regime("s", cells(truths["peaked"], 1), 0.95)
    assert turning.verdict == TURNS
    assert turning.low <= 900 <= turning.high
    assert turning.rho_below > 0.5
    assert turning.rho_above < -0.5
    assert turning.n_below + turning.n_above == turning.n == 400
    assert "accuracy falls again" in turning.sentence
    assert turning.converged


@pytest.mark.parametrize("truth", ["no_effect", "plateau", "ratio"])
def test_a_turn_is_not_found_where_there_is_none(truth, cells, truths, binomial_band):
    """The maximum of a flat curve lies anywhere: the p must not take it for a turn."""
    p = np.array(
        [find_regime("s", cells(truths[truth], s, **SMALL), 0.95).p_rise for s in range(100)]
    )
    assert np.mean(p < 0.05) <= binomial_band(0.05, 100)[1]
    assert np.mean(p < 0.3) <= binomial_band(0.3, 100)[1]
    if truth == "no_effect":
        assert np.mean(p < 0.3) >= binomial_band(0.3, 100)[0]


def test_noise_that_grows_at_small_ratios_is_seldom_taken_for_a_turn(cells, truths):
    """Ninefold noise below a ratio of 400; the nominal 5 % is held within Monte Carlo error."""

    def noise(b, eps):
        return 0.005 + 0.04 * (b / eps < 400)

    found = [find_regime("s", cells(truths["plateau"], s, noise, **SMALL), 0.95) for s in range(40)]
    assert sum(r.verdict == TURNS for r in found) <= 7


def test_the_turn_is_found_and_its_interval_covers(cells, truths, binomial_band):
    found = [find_regime("s", cells(truths["peaked"], s, **SMALL), 0.95) for s in range(80)]
    turned = [r for r in found if r.verdict == TURNS]
    assert len(turned) > 72
    assert all(r.low <= r.turn <= r.high for r in turned)
    covered = np.mean([r.low <= 900 <= r.high for r in turned])
    assert covered >= binomial_band(0.95, len(turned))[0]
    assert abs(np.mean([np.log2(r.turn / 900) for r in turned])) < 0.25


def test_the_interval_of_the_turn_covers_on_the_full_grid(cells, truths):
    found = [find_regime("s", cells(truths["peaked"], s), 0.95) for s in range(6)]
    assert all(r.verdict == TURNS for r in found)
    assert sum(r.low <= 900 <= r.high for r in found) >= 4
    assert np.median([np.log2(r.high / r.low) for r in found]) < 2.0


def test_too_few_cells_and_constant_accuracy_are_said(cells, truths):
    few = find_regime("s", cells(truths["ratio"], 0, sizes=(8, 16), rates=(0.1, 0.2)), 0.95)
    assert few.verdict == ""
    assert "fewer than 10 cells" in few.sentence
    flat = find_regime("s", cells(truths["no_effect"], 0, noise=0.0), 0.95)
    assert flat.reason == "accuracy is constant"


def test_without_noise_a_turn_is_certain_and_a_fall_is_clean(cells, truths):
    turning = find_regime("s", cells(truths["peaked"], 0, noise=0.0, **SMALL), 0.95)
    assert turning.verdict == TURNS
    assert turning.low <= 900 <= turning.high
    assert find_regime("s", cells(truths["ratio"], 0, noise=0.0, **SMALL), 0.95).verdict == FALLS


def test_an_undecided_verdict_says_so(cells, truths):
    verdicts = [find_regime("s", cells(truths["no_effect"], s, **SMALL), 0.95) for s in range(10)]
    quiet = [r for r in verdicts if r.verdict == UNDECIDED]
    assert len(quiet) >= 6
    assert "neither rises nor falls" in quiet[0].sentence
