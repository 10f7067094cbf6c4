"""A seed's common fate along a curve, against statsmodels' analysis of variance."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats
from statsmodels.formula.api import ols

from analysis.seed_correlation import seed_correlation


def _table(values: np.ndarray, eps: float = 0.1, first_seed: int = 0) -> pd.DataFrame:
    """Trials of one condition from values of shape (seeds, cells)."""
    seeds, cells = values.shape
    return pd.DataFrame(
        {
            "learning_rate": eps,
            "momentum": 0.9,
            "train_size": 1000,
            "seed": np.repeat(np.arange(seeds) + first_seed, cells),
            "batch_size": np.tile(2 ** np.arange(cells), seeds),
            "test_accuracy": values.ravel(),
        }
    )


def _drawn(rng, seeds, cells, common, eps=0.1):
    """Cells of different means, noise of standard deviation 1, a seed's own shift of `common`."""
    shift = common * rng.standard_normal((seeds, 1))
    values = np.linspace(0.0, 3.0, cells) + shift + rng.standard_normal((seeds, cells))
    return _table(values, eps)


def _found(trials, start=0.0):
    return seed_correlation(trials, "test_accuracy", pd.Series(start, trials.index, dtype=float))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("common", [0.0, 1.0])
def test_one_condition_agrees_with_two_way_anova(seed, common):
    trials = _drawn(np.random.default_rng(seed), 5, 4, common)
    found = _found(trials)
    table = sm.stats.anova_lm(ols("test_accuracy ~ C(batch_size) + C(seed)", trials).fit(), typ=2)
    assert found.f == pytest.approx(table.loc["C(seed)", "F"], rel=1e-9)
    assert found.p == pytest.approx(table.loc["C(seed)", "PR(>F)"], rel=1e-9)
    # Shrout & Fleiss 1979, ICC(3,1): (BMS - EMS) / (BMS + (k - 1) EMS) for k cells.
    between = table.loc["C(seed)", "sum_sq"] / 4
    error = table.loc["Residual", "sum_sq"] / table.loc["Residual", "df"]
    assert found.correlation == pytest.approx((between - error) / (between + 3 * error), rel=1e-9)
    assert (found.n_seeds, found.n_cells) == (5, 4)


def test_conditions_are_pooled_as_one_model_with_seeds_of_their_own():
    rng = np.random.default_rng(10)
    parts = [_drawn(rng, s, c, 0.5, eps) for s, c, eps in ((5, 4, 0.1), (3, 6, 0.2), (4, 2, 0.4))]
    trials = pd.concat(parts, ignore_index=True)
    found = _found(trials)
    rate = trials["learning_rate"].astype(str)
    cells = pd.get_dummies(rate + "/" + trials["batch_size"].astype(str), dtype=float)
    seeds = pd.get_dummies(rate + "/seed " + trials["seed"].astype(str), dtype=float)
    seeds = seeds.drop(columns=[name for name in seeds if name.endswith("/seed 0")])
    y = trials["test_accuracy"]
    f, p, df = sm.OLS(y, cells.join(seeds)).fit().compare_f_test(sm.OLS(y, cells).fit())
    assert found.f == pytest.approx(f, rel=1e-8)
    assert found.p == pytest.approx(p, rel=1e-8)
    assert df == 4 + 2 + 3
    assert (found.n_seeds, found.n_cells) == (12, 12)


def test_p_is_uniform_without_a_common_effect(binomial_band):
    rng = np.random.default_rng(11)
    n = 300
    found = [_found(_drawn(rng, 4, 5, 0.0)) for _ in range(n)]
    p = np.array([f.p for f in found])
    assert stats.kstest(p, "uniform").pvalue > 1e-3
    low, high = binomial_band(0.01, n)
    assert low <= np.mean([f.found for f in found]) <= high
    assert abs(np.mean([f.correlation for f in found])) < 0.05


@pytest.mark.parametrize(("common", "least"), [(0.7, 0.5), (1.5, 0.97)])
def test_a_planted_common_effect_is_found_with_its_size(common, least):
    rng = np.random.default_rng(12)
    found = [
        _found(
            pd.concat([_drawn(rng, 5, 6, common, e) for e in (0.1, 0.2, 0.4)], ignore_index=True)
        )
        for _ in range(60)
    ]
    assert np.mean([f.found for f in found]) >= least
    correlation = np.mean([f.correlation for f in found])
    assert correlation == pytest.approx(common**2 / (common**2 + 1), abs=0.08)


def test_cells_below_the_given_batch_size_take_no_part():
    rng = np.random.default_rng(13)
    trials = _drawn(rng, 5, 4, 1.0)
    cliff = trials.assign(
        test_accuracy=trials["test_accuracy"].where(
            trials["batch_size"] > 1, 50.0 * rng.standard_normal(len(trials))
        )
    )
    alone = _found(trials[trials["batch_size"] > 1])
    assert _found(cliff, start=2.0) == alone
    assert _found(cliff, start=1.1) == alone
    assert _found(cliff) != alone
    nothing = _found(cliff, start=math.inf)
    assert math.isnan(nothing.p)
    assert not nothing.found
    assert (nothing.n_seeds, nothing.n_cells) == (0, 0)


def test_seeds_that_lack_a_cell_are_left_out():
    rng = np.random.default_rng(14)
    trials = _drawn(rng, 6, 4, 1.0)
    lacking = trials.drop(index=[0, 7])  # seeds 0 and 1
    unknown = trials.copy()
    unknown.loc[[0, 7], "test_accuracy"] = np.nan
    whole = _found(trials[trials["seed"] >= 2])
    for some in (lacking, unknown):
        found = _found(some)
        assert found.n_seeds == 4
        assert found.f == pytest.approx(whole.f, rel=1e-9)


def test_order_of_rows_level_and_unit_do_not_matter():
    rng = np.random.default_rng(15)
    trials = pd.concat([_drawn(rng, 5, 4, 0.8, e) for e in (0.1, 0.2)], ignore_index=True)
    one = _found(trials)
    shuffled = trials.sample(frac=1.0, random_state=rng)
    other = trials.assign(test_accuracy=0.3 + 0.01 * trials["test_accuracy"])
    renamed = trials.assign(seed=trials["seed"] + np.where(trials["learning_rate"] > 0.1, 100, 0))
    for changed in (shuffled, other, renamed):
        found = _found(changed)
        assert found.f == pytest.approx(one.f, rel=1e-9)
        assert found.correlation == pytest.approx(one.correlation, rel=1e-9)
        assert found.p == pytest.approx(one.p, rel=1e-8)


@pytest.mark.parametrize("shape", [(1, 5), (5, 1), (1, 1)])
def test_one_seed_or_one_cell_tells_nothing(shape):
    found = _found(_table(np.random.default_rng(16).standard_normal(shape)))
    assert math.isnan(found.correlation)
    assert math.isnan(found.p)
    assert not found.found


def test_no_trials_tell_nothing():
    found = _found(_table(np.zeros((2, 2))).iloc[:0])
    assert math.isnan(found.p)
    assert not found.found
