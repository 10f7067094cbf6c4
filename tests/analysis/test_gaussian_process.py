"""Against scikit-learn's Gaussian process and dense Gaussian algebra written out here."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from scipy import linalg, special, stats
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern

from analysis import gaussian_process as gp
from analysis.gaussian_process import Foot, Hyperparameters

#: Prior variance of the level that stands for a flat prior: the oracles are told a level this
#: uncertain, and agree with a flat one up to its inverse.
FLAT = 1e3
PLAIN = Foot(np.inf, 0.0)


@pytest.fixture
def curve():
    x = np.arange(3.0, 8.5, 0.5)
    y = 0.4 + 0.05 * np.sin(x) + 0.003 * np.random.default_rng(1).standard_normal(len(x))
    variance = np.linspace(1.0, 3.0, len(x)) * 1e-5
    return gp.Curve(x, y, variance, edge=2.75)


@pytest.fixture
def cliff(curve):
    """The same curve above a cliff of height 0.36, its first cell on the cliff."""
    lost = 0.36 * special.expit((2.75 - curve.x) / 0.25)
    return replace(curve, y=curve.y - lost, cliff=0.36)


def _dense_prior(curve: gp.Curve, foot: Foot, length: float, amplitude: float, x: np.ndarray):
    """Prior mean (but for the level) and covariance of the curve at x, written out densely.

    The cliff is -height * expit((edge - x) / width): the height known to 30 %, the position to
    0.1 octave, both linearised; the slope in the position is a difference quotient.
    """
    z = x if np.isinf(foot.warp) else gp.warped(x, curve.edge, foot.warp)
    covariance = amplitude**2 * Matern(length, nu=2.5)(z[:, None]) + FLAT
    mean = np.zeros(len(x))
    if foot.width and curve.cliff:

        def cliff_at(edge: float) -> np.ndarray:
            return -curve.cliff * special.expit((edge - x) / foot.width)

        mean = cliff_at(curve.edge)
        by_edge = (cliff_at(curve.edge + 1e-5) - cliff_at(curve.edge - 1e-5)) / 2e-5
        covariance = covariance + np.outer(0.3 * mean, 0.3 * mean)
        covariance += np.outer(0.1 * by_edge, 0.1 * by_edge)
    return mean, covariance


def _dense_posterior(curve: gp.Curve, h: Hyperparameters, x: np.ndarray):
    """Twiced mean and standard deviation at x by conditioning one joint normal."""
    both = np.concatenate([x, curve.x])
    mean, K = _dense_prior(curve, h.foot, h.length_scale, h.amplitude, both)
    g = len(x)
    noisy = K[g:, g:] + h.noise_factor * np.diag(curve.variance)
    gain = linalg.solve(noisy, K[g:], assume_a="pos").T
    smooth = mean + gain @ (curve.y - mean[g:])
    twiced = smooth + gain @ (curve.y - smooth[g:])
    covariance = K - gain @ K[g:]
    return twiced[:g], np.sqrt(np.diag(covariance)[:g])


@pytest.mark.parametrize(("warp", "noise_factor"), [(np.inf, 1.0), (0.25, 1.0), (1.0, 4.0)])
def test_posterior_agrees_with_scikit_learn_twice(curve, warp, noise_factor):
    # Twicing smooths the residuals by the same regression and adds them back.
    x = np.linspace(3.0, 8.0, 21)
    h = Hyperparameters(Foot(warp, 0.0), 1.5, 0.1, noise_factor, weight=1.0)
    mine = gp.posterior(curve, [h], x, n_draws=4, rng=np.random.default_rng(2))
    kernel = ConstantKernel(FLAT) + ConstantKernel(0.1**2) * Matern(1.5, nu=2.5)
    theirs = GaussianProcessRegressor(kernel, alpha=noise_factor * curve.variance, optimizer=None)
    at_data, at_x = (gp.warped(v, curve.edge, warp)[:, None] for v in (curve.x, x))
    theirs.fit(at_data, curve.y)
    mean, sd = theirs.predict(at_x, return_std=True)
    residual = curve.y - theirs.predict(at_data)
    mean += theirs.fit(at_data, residual).predict(at_x)
    assert mine.mean == pytest.approx(mean, abs=1e-6)
    assert mine.standard_deviation == pytest.approx(sd, rel=1e-3)


@pytest.mark.parametrize("width", [0.15, 0.25, 0.6])
@pytest.mark.parametrize("noise_factor", [1.0, 4.0])
def test_posterior_above_a_cliff_agrees_with_dense_conditioning(cliff, width, noise_factor):
    x = np.linspace(2.75, 8.0, 22)
    h = Hyperparameters(Foot(np.inf, width), 2.4, 0.05, noise_factor, weight=1.0)
    mine = gp.posterior(cliff, [h], x, n_draws=4, rng=np.random.default_rng(2))
    mean, sd = _dense_posterior(cliff, h, x)
    assert mine.mean == pytest.approx(mean, abs=2e-6)
    assert mine.standard_deviation == pytest.approx(sd, rel=1e-3)
    without = gp.posterior(
        cliff, [replace(h, foot=PLAIN)], x, n_draws=4, rng=np.random.default_rng(2)
    )
    assert np.max(np.abs(mine.mean - without.mean)) > 1e-3  # the cliff does matter here


def test_a_foot_without_a_sampled_cliff_is_no_foot(curve):
    x = np.linspace(3.0, 8.0, 11)
    plain, foot = (
        gp.posterior(
            curve, [Hyperparameters(f, 1.5, 0.1, 1.0, 1.0)], x, 4, np.random.default_rng(2)
        )
        for f in (PLAIN, Foot(np.inf, 0.25))
    )
    assert np.array_equal(plain.mean, foot.mean)
    assert np.array_equal(plain.draws, foot.draws)


@pytest.mark.parametrize("name", ["curve", "cliff"])
def test_likelihood_ratios_agree_with_a_dense_density(name, request):
    # With a level of prior variance v, log density + log(v) / 2 tends to ours up to a constant.
    data = request.getfixturevalue(name)
    feet = (Foot(0.5, 0.0), PLAIN, Foot(np.inf, 0.15), Foot(np.inf, 0.4))
    grid = list(itertools.product(feet, (1.2, 2.4), (1.0, 4.0), (1.0, 4.0)))
    mine = gp._log_likelihoods(data, grid, 0.02)
    theirs = []
    for foot, length, amplitude, factor in grid:
        mean, K = _dense_prior(data, foot, length, 0.02 * amplitude, data.x)
        K = K + factor * np.diag(data.variance)
        theirs.append(stats.multivariate_normal(mean, K).logpdf(data.y))
    assert mine - mine[0] == pytest.approx(np.array(theirs) - theirs[0], abs=2e-3)


def test_draws_have_the_posterior_mean_and_deviation(cliff):
    x = np.linspace(3.0, 8.0, 11)
    shared = [
        Hyperparameters(Foot(np.inf, 0.25), 1.0, 0.1, 1.0, 0.75),
        Hyperparameters(PLAIN, 3.0, 0.05, 1.0, 0.25),
    ]
    found = gp.posterior(cliff, shared, x, n_draws=40_000, rng=np.random.default_rng(3))
    assert found.draws.shape == (40_000, 11)
    error = found.standard_deviation / np.sqrt(40_000)
    assert np.all(np.abs(found.draws.mean(0) - found.mean) < 5 * error)
    assert found.draws.std(0) == pytest.approx(found.standard_deviation, rel=0.03)


def test_twicing_leaves_less_of_a_smooth_truth_behind():
    # What is left of a noise-free truth f is (I - S) f after one smoothing, (I - S)^2 f after two.
    x = np.arange(3.0, 9.0, 0.5)
    truth = 0.46 - 0.02 * np.where(x < 5.0, 3.0, 0.5) * (x - 5.0) ** 2 / 4
    curve = gp.Curve(x, truth, np.full(len(x), 0.01**2), 2.75)
    h = Hyperparameters(PLAIN, 2.4, 0.03, 1.0, 1.0)
    twiced = gp.posterior(curve, [h], x, 4, np.random.default_rng(4)).mean
    mean, K = _dense_prior(curve, PLAIN, 2.4, 0.03, x)
    once = mean + K @ linalg.solve(K + np.diag(curve.variance), truth - mean)
    assert np.linalg.norm(twiced - truth) < 0.6 * np.linalg.norm(once - truth)


def test_a_warp_of_infinity_keeps_octaves_and_all_have_slope_one_at_depth_one():
    x = np.array([3.0, 4.0, 9.0])
    assert gp.warped(x, 2.0, np.inf).tolist() == [1.0, 2.0, 7.0]
    warps = {foot.warp for foot in gp.FEET}
    assert np.inf in warps
    assert len(warps) > 1
    for warp in warps:
        two = gp.warped(np.array([3.0 - 1e-6, 3.0 + 1e-6]), 2.0, warp)
        assert np.diff(two)[0] / 2e-6 == pytest.approx(1.0, rel=1e-5)


def _drawn(rng, n, length, amplitude, cliff=0.0, width=0.25):
    """Curves drawn from the prior, a cliff with its height and position drawn as well."""
    x = np.arange(0.0, 6.0, 0.5)
    K = amplitude**2 * Matern(length, nu=2.5)(x[:, None]) + 1e-6 * np.eye(len(x))
    L = np.linalg.cholesky(K)
    curves = []
    for _ in range(n):
        height, edge = cliff * (1 + 0.3 * rng.standard_normal()), 0.1 * rng.standard_normal()
        y = 0.5 + L @ rng.standard_normal(len(x)) - height * special.expit((edge - x) / width)
        curves.append(gp.Curve(x, y, np.full(len(x), 1e-6), 0.0, cliff))
    return curves


def test_shared_weights_prefer_the_hyperparameters_that_drew_the_curves():
    true_length, true_amplitude = gp.LENGTH_SCALES[2], 0.02
    curves = _drawn(np.random.default_rng(4), 60, true_length, true_amplitude)
    shared = gp.fit_shared(curves, true_amplitude)
    best = shared[0]
    assert np.isinf(best.foot.warp)
    assert best.length_scale == pytest.approx(true_length, rel=0.5)
    assert best.amplitude == pytest.approx(true_amplitude, rel=0.5)
    assert sum(h.weight for h in shared) == pytest.approx(1.0)


@pytest.mark.parametrize("width", [0.15, 0.4])
def test_shared_weights_prefer_the_foot_that_drew_the_curves(width):
    curves = _drawn(np.random.default_rng(5), 20, gp.LENGTH_SCALES[3], 0.02, 0.36, width)
    shared = gp.fit_shared(curves, 0.02)
    assert shared[0].foot == Foot(np.inf, width)
    assert shared[0].length_scale == pytest.approx(gp.LENGTH_SCALES[3], rel=0.5)


def test_unknown_noise_is_found_from_the_curves_alone():
    rng = np.random.default_rng(5)
    x = np.arange(0.0, 6.0, 0.5)
    true_sd, assumed_sd = 0.02, 0.01
    y = [0.5 + 0.05 * np.sin(x + i) + true_sd * rng.standard_normal(len(x)) for i in range(40)]
    curves = [gp.Curve(x, values, np.full(len(x), assumed_sd**2), -0.25) for values in y]
    best = gp.fit_shared(curves, 0.05, gp.UNKNOWN_NOISE)[0]
    assert best.noise_factor == 4.0
