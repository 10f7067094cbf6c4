"""Against scikit-learn's Gaussian process and a dense Gaussian log density."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern

from analysis import gaussian_process as gp


@pytest.fixture
def curve():
    x = np.arange(3.0, 8.5, 0.5)
    y = 0.4 + 0.05 * np.sin(x) + 0.003 * np.random.default_rng(1).standard_normal(len(x))
    variance = np.linspace(1.0, 3.0, len(x)) * 1e-5
    return gp.Curve(x, y, variance, edge=2.75)


@pytest.mark.parametrize(("warp", "noise_factor"), [(np.inf, 1.0), (0.25, 1.0), (1.0, 4.0)])
def test_posterior_agrees_with_scikit_learn(curve, warp, noise_factor):
    # A flat prior on the level is the limit of a very wide constant kernel.
    x = np.linspace(3.0, 8.0, 21)
    h = gp.Hyperparameters(warp, 1.5, 0.1, noise_factor, weight=1.0)
    mine = gp.posterior(curve, [h], x, n_draws=4, rng=np.random.default_rng(2))
    kernel = ConstantKernel(1e3) + ConstantKernel(0.1**2) * Matern(1.5, nu=2.5)
    theirs = GaussianProcessRegressor(kernel, alpha=noise_factor * curve.variance, optimizer=None)
    theirs.fit(gp.warped(curve.x, curve.edge, warp)[:, None], curve.y)
    mean, sd = theirs.predict(gp.warped(x, curve.edge, warp)[:, None], return_std=True)
    assert mine.mean == pytest.approx(mean, abs=1e-6)
    assert mine.standard_deviation == pytest.approx(sd, rel=1e-3)


def test_likelihood_ratios_agree_with_a_dense_density(curve):
    # With a level of prior variance v, log density + log(v) / 2 tends to ours up to a constant.
    grid = list(itertools.product((0.5, np.inf), (1.2, 2.4), (1.0, 4.0), (1.0, 4.0)))
    mine = gp._log_likelihoods(curve, grid, 0.02)
    theirs = []
    for warp, length, amplitude, factor in grid:
        z = gp.warped(curve.x, curve.edge, warp)
        K = (0.02 * amplitude) ** 2 * Matern(length, nu=2.5)(z[:, None])
        K += factor * np.diag(curve.variance) + 1e3
        theirs.append(stats.multivariate_normal(np.zeros(len(z)), K).logpdf(curve.y))
    assert mine - mine[0] == pytest.approx(np.array(theirs) - theirs[0], abs=1e-3)


def test_draws_have_the_posterior_mean_and_deviation(curve):
    x = np.linspace(3.0, 8.0, 11)
    shared = [
        gp.Hyperparameters(np.inf, 1.0, 0.1, 1.0, 0.75),
        gp.Hyperparameters(np.inf, 3.0, 0.05, 1.0, 0.25),
    ]
    found = gp.posterior(curve, shared, x, n_draws=40_000, rng=np.random.default_rng(3))
    assert found.draws.shape == (40_000, 11)
    error = found.standard_deviation / np.sqrt(40_000)
    assert np.all(np.abs(found.draws.mean(0) - found.mean) < 5 * error)
    assert found.draws.std(0) == pytest.approx(found.standard_deviation, rel=0.03)


def test_a_warp_of_infinity_keeps_octaves_and_all_have_slope_one_at_depth_one():
    x = np.array([3.0, 4.0, 9.0])
    assert gp.warped(x, 2.0, np.inf).tolist() == [1.0, 2.0, 7.0]
    for warp in gp.WARPS[:-1]:
        two = gp.warped(np.array([3.0 - 1e-6, 3.0 + 1e-6]), 2.0, warp)
        assert np.diff(two)[0] / 2e-6 == pytest.approx(1.0, rel=1e-5)


def test_shared_weights_prefer_the_hyperparameters_that_drew_the_curves():
    rng = np.random.default_rng(4)
    x = np.arange(0.0, 6.0, 0.5)
    true_length, true_amplitude = gp.LENGTH_SCALES[2], 0.02
    K = true_amplitude**2 * gp.matern52((x[:, None] - x) / true_length) + 1e-6 * np.eye(len(x))
    L = np.linalg.cholesky(K)
    curves = [
        gp.Curve(x, 0.5 + L @ rng.standard_normal(len(x)), np.full(len(x), 1e-6), -0.25)
        for _ in range(60)
    ]
    shared = gp.fit_shared(curves, true_amplitude)
    best = shared[0]
    assert np.isinf(best.warp)
    assert best.length_scale == pytest.approx(true_length, rel=0.5)
    assert best.amplitude == pytest.approx(true_amplitude, rel=0.5)
    assert sum(h.weight for h in shared) == pytest.approx(1.0)


def test_unknown_noise_is_found_from_the_curves_alone():
    rng = np.random.default_rng(5)
    x = np.arange(0.0, 6.0, 0.5)
    true_sd, assumed_sd = 0.02, 0.01
    y = [0.5 + 0.05 * np.sin(x + i) + true_sd * rng.standard_normal(len(x)) for i in range(40)]
    curves = [gp.Curve(x, values, np.full(len(x), assumed_sd**2), -0.25) for values in y]
    best = gp.fit_shared(curves, 0.05, gp.UNKNOWN_NOISE)[0]
    assert best.noise_factor == 4.0
