"""Under-training, budgets side by side, and the noise scale: planted stories and their verdicts."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from analysis.correlation import correlations
from analysis.correlation.strata import cells_of, find_strata
from analysis.correlation.undertraining import examine_training

ONE = {"datasets": ("CIFAR-10",), "models": ("VGG-19",)}
FEW = {"sizes": (4, 8, 16, 32, 64, 128, 256), "rates": (0.05, 0.1, 0.2, 0.4, 0.8), **ONE}


def training_of(landscape, threshold=0.99):
    (stratum,) = find_strata(landscape, ("dataset", "model"))
    cells = cells_of(stratum, "test_accuracy")
    training = cells_of(stratum, "train_accuracy")
    return examine_training(stratum, cells, training, threshold, 0.95)


def test_a_fall_that_is_all_under_training_vanishes_among_the_trained(grid, landscape_of, truths):
    """Accuracy falls only where training accuracy does, beyond a ratio of 1,000."""
    frame = grid(truths["no_effect"], 3, **ONE)
    lack = np.maximum(np.log(frame.batch_size / frame.learning_rate / 1000), 0)
    frame["train_accuracy"] = (1.0 - 0.05 * lack).round(12)
    frame["test_accuracy"] -= 0.05 * lack
    found = training_of(landscape_of(frame))
    expected = int((frame.train_accuracy >= 0.99).sum())
    assert (found.n, found.n_trained) == (400, expected)
    assert found.rho < -0.8
    assert found.low_trained < 0 < found.high_trained
    assert f"{expected} of 400 cells reach a training accuracy of 0.99" in found.sentence
    assert "no fall shows" in found.sentence
    assert abs(found.rho_partial) < 0.2
    passing = frame[frame.train_accuracy >= 0.99]
    ratio = (frame.batch_size / frame.learning_rate).round(6)  # equal ratios are equal numbers
    oracle = stats.spearmanr(ratio[passing.index], passing.test_accuracy)
    assert found.rho_trained == pytest.approx(oracle.statistic)
    assert found.p_trained == pytest.approx(oracle.pvalue)
    rho = stats.spearmanr(ratio, frame.train_accuracy.round(12)).statistic
    assert found.rho_train == pytest.approx(rho)


def test_a_fall_of_trained_cells_stays(grid, landscape_of, truths):
    found = training_of(landscape_of(grid(truths["ratio"], 4, **ONE)))
    assert found.n_trained == found.n == 400
    assert "the premise" in found.sentence
    assert "holds" in found.sentence
    assert found.rho_trained == found.rho < -0.9
    assert dict(found.median_rho)["batch_size"] < -0.8
    assert [c.kind for c in found.counts] == ["batch_size", "learning_rate", "ratio"]
    assert found.counts[0].n_tested == 20


def test_the_threshold_can_be_chosen(grid, landscape_of, truths):
    landscape = landscape_of(grid(truths["ratio"], 4, **ONE))
    high = training_of(landscape, 0.995)
    assert high.threshold == 0.995
    assert 0 < high.n_trained < 400
    assert correlations(landscape, permutations=1000, trained=0.995).training[0] != high
    assert training_of(landscape, 1.0).n_trained == 0
    assert "cannot be found" in training_of(landscape, 1.0).sentence


def test_without_training_accuracy_it_cannot_be_told(grid, landscape_of, truths):
    found = training_of(landscape_of(grid(truths["ratio"], 4, **ONE).assign(train_accuracy=np.nan)))
    assert "no cell has a train_accuracy" in found.reason
    assert math.isnan(found.rho_trained)
    assert "cannot be told" in found.sentence


def test_budgets_are_compared_and_never_pooled(grid, landscape_of, truths):
    """A fall at equal epochs that turns round at equal updates: the updates matter."""
    epochs = grid(truths["ratio"], 5, **FEW)
    steps = grid(lambda b, e: 1.4 - truths["ratio"](b, e), 6, **FEW)
    steps = steps.assign(budget="steps", budget_value=3000.0, trial_id=steps.trial_id + "s")
    table = correlations(landscape_of(epochs, steps), permutations=1000)
    assert len(table.strata) == 2
    assert len(table.groups) == 2 * (5 + 7 + 1)
    (comparison,) = table.budgets
    assert [row.budget for row in comparison.rows] == ["epochs", "steps"]
    assert comparison.rows[0].rho < -0.9
    assert comparison.rows[1].rho > 0.9
    assert "the sign depends on the budget" in comparison.sentence
    alone = correlations(landscape_of(epochs), permutations=1000)
    assert alone.budgets[0].rows[0].rho == comparison.rows[0].rho


def test_equal_signs_under_both_budgets_are_said(grid, landscape_of, truths):
    epochs = grid(truths["ratio"], 5, **FEW)
    steps = grid(truths["ratio"], 6, **FEW).assign(budget="steps", budget_value=3000.0)
    table = correlations(landscape_of(epochs, steps), permutations=1000)
    assert "the sign does not depend on the budget" in table.budgets[0].sentence


@pytest.mark.parametrize(
    ("budget", "phrase"),
    [
        ("epochs", "Only budgets of equal epochs"),
        ("steps", "Only budgets of equal updates"),
        ("time_over_learning_rate", "Only the budget time_over_learning_rate"),
        ("not given", "The budget is not given"),
    ],
)
def test_one_budget_says_what_cannot_be_told(budget, phrase, grid, landscape_of, truths):
    frame = grid(truths["ratio"], 5, **FEW).assign(budget=budget)
    (comparison,) = correlations(landscape_of(frame), permutations=1000).budgets
    assert phrase in comparison.sentence
    assert "told" in comparison.sentence


def noise_scale_frames(grid, truth_of):
    """Three momenta, the same B and eps; `truth_of` maps a momentum to a truth."""
    frames = []
    for i, m in enumerate((0.0, 0.5, 0.9)):
        frame = grid(truth_of(m), 20 + i, **FEW).assign(momentum=m)
        frames.append(frame)
    return frames


def test_the_noise_scale_wins_where_it_decides(grid, landscape_of, truths):
    def of_g(m):
        return lambda b, e: truths["peaked"](b * (1 - m), e, 300.0) + 0.02 * m

    (found,) = correlations(
        landscape_of(*noise_scale_frames(grid, of_g)), permutations=1000
    ).noise_scales
    assert found.varying == ("momentum",)
    assert (found.n, found.n_strata) == (105, 3)
    assert found.low > 0
    assert found.noise_scale > found.ratio
    assert "g predicts better" in found.sentence


def test_the_ratio_wins_where_momentum_does_not_matter(grid, landscape_of, truths):
    (found,) = correlations(
        landscape_of(*noise_scale_frames(grid, lambda m: truths["peaked"])), permutations=1000
    ).noise_scales
    assert found.high < 0
    assert "the ratio predicts better" in found.sentence


def test_training_set_sizes_are_pooled_by_g_alone_and_strata_never_are(grid, landscape_of, truths):
    frames = [
        grid(lambda b, e, n=n: truths["peaked"](1000 * b / n, e, 300.0), n, **FEW).assign(
            train_size=n
        )
        for n in (1000, 4000)
    ]
    table = correlations(landscape_of(*frames), permutations=1000)
    assert len(table.strata) == 2
    (found,) = table.noise_scales
    assert found.varying == ("train_size",)
    assert found.low > 0


def test_where_only_b_and_eps_vary_g_is_not_identifiable(grid, landscape_of, truths):
    (found,) = correlations(
        landscape_of(grid(truths["ratio"], 1, **FEW)), permutations=1000
    ).noise_scales
    assert math.isnan(found.gain)
    assert "not identifiable" in found.sentence
    assert "one variable" in found.sentence
