"""Rival laws against refits one by one, and against rivals that are true."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import optimize, stats

from analysis.law.condition import AXES, LawPoint
from analysis.law.free_law import free_law
from analysis.law.rivals import rivals
from analysis.meta_regression import meta_regression, steadied

POWERS = {
    "linear": (1, 1, 1),
    "without_train_size": (1, 0, 1),
    "square_root": (2, 0, 2),
    "square_root_with_train_size": (2, 2, 2),
    "constant": (0, 0, 0),
}


def arrays(points):
    logs = np.array([p.logs for p in points])
    y = np.array([p.log_batch_size for p in points])
    return logs, y, steadied(np.array([p.variance for p in points]))


def left_out(points, name, leave):
    """Squared errors of each condition, the law refitted without those that share `leave`."""
    logs, y, v = arrays(points)
    offset = logs @ POWERS[name] if name in POWERS else np.zeros(len(y))
    X = np.column_stack([np.ones(len(y)), logs]) if name == "free" else np.ones((len(y), 1))
    squares = []
    for i in range(len(y)):
        keep = leave != leave[i]
        fit = meta_regression(X[keep], (y - offset)[keep], v[keep], steady=False)
        squares.append((y[i] - offset[i] - X[i] @ fit.coefficients) ** 2)
    return np.array(squares)


@pytest.mark.parametrize("tau", [0.0, 0.3])
def test_errors_left_out_agree_with_refits_one_by_one(tau, draw, grids):
    points = draw(np.random.default_rng(1), grids["full"], (0.9, 0.5, 1.1), tau=tau)
    logs, _, v = arrays(points)
    weight = 1.0 / (v + free_law(points).fit.tau2)
    found = {r.name: r for r in rivals(points).rivals}
    assert set(found) == {*POWERS, "exact", "free"}
    for name in (*POWERS, "free"):
        single = np.average(left_out(points, name, np.arange(len(v))), weights=weight)
        assert found[name].leave_condition_out == pytest.approx(single, rel=1e-6)
        means = []
        for i, axis in enumerate(AXES):
            mean = np.average(left_out(points, name, logs[:, i]), weights=weight)
            assert found[name].by_axis[axis] == pytest.approx(mean, rel=1e-6)
            means.append(mean)
        assert found[name].leave_level_out == pytest.approx(np.mean(means), rel=1e-6)
        assert found[name].converged


def negative_log_likelihood(mean, y, v):
    return lambda t: -stats.norm.logpdf(y, mean(t[:-1]), np.sqrt(v + math.exp(t[-1]))).sum()


@pytest.mark.parametrize("name", ["linear", "free", "exact"])
def test_likelihood_and_aicc_agree_with_direct_maximisation(name, draw, grids):
    points = draw(np.random.default_rng(2), grids["twenty"], tau=0.3)
    logs, y, v = arrays(points)
    mean = {
        "linear": lambda t: t[0] + logs.sum(axis=1),
        "free": lambda t: t[0] + logs @ t[1:],
        "exact": lambda t: np.log(
            np.exp(logs[:, 1]) / (1 + np.exp(t[0] - logs[:, 0] - logs[:, 2]))
        ),
    }[name]
    start = {"linear": [-4.0], "free": [-4.0, 1, 1, 1], "exact": [4.0]}[name]
    best = optimize.minimize(
        negative_log_likelihood(mean, y, v),
        [*start, -2.0],
        method="Nelder-Mead",
        options={"maxiter": 20_000, "maxfev": 20_000, "xatol": 1e-8, "fatol": 1e-10},
    )
    rival = next(r for r in rivals(points).rivals if r.name == name)
    assert rival.log_likelihood == pytest.approx(-best.fun, abs=1e-4)
    count = len(start) + 1
    aicc = 2 * count + 2 * best.fun + 2 * count * (count + 1) / (20 - count - 1)
    assert rival.aicc == pytest.approx(aicc, abs=1e-3)
    assert rival.n_parameters == len(start)


def test_exact_form_is_found_where_it_is_true(grids):
    # Noise scale 40 held fixed, without replacement; B is near N at the largest eps/(1-m).
    rng = np.random.default_rng(3)
    conditions = [(e, m, n) for e in (0.1, 1.0, 5.0, 20.0) for m in (0.0, 0.9) for n in (300, 3000)]
    hits, first = 0, 0
    for _ in range(20):
        points = []
        for e, m, n in conditions:
            true = math.log(n / (1 + 40 * (1 - m) / e))
            points.append(LawPoint(e, m, n, true + 0.1 * rng.standard_normal(), 0.1**2))
        found = rivals(points).rivals
        exact = next(r for r in found if r.name == "exact")
        (g,) = exact.parameters
        hits += g.low <= 40 <= g.high
        first += found[0].name == "exact"
        assert exact.converged
    assert hits >= 16  # of 20; 15 or fewer has probability 0.003 at 95 %
    assert first >= 18


@pytest.mark.parametrize(
    ("power", "name"),
    [
        ((1, 1, 1), "linear"),
        ((1, 0, 1), "without_train_size"),
        ((2, 0, 2), "square_root"),
        ((0, 0, 0), "constant"),
    ],
)
def test_the_true_rival_is_best_or_tied(power, name, draw, grids):
    rng, n = np.random.default_rng(4), 16
    tied, others = 0, []
    for _ in range(n):
        constant = {"constant": 20.0, "square_root": 0.5, "linear": 0.02}.get(name, 20.0)
        found = rivals(draw(rng, grids["twenty"], power, constant=constant)).rivals
        true = next(r for r in found if r.name == name)
        tied += true.tied
        others += [r.tied for r in found if r.name not in (name, "free", "exact")]
        assert all(r.difference >= 0.0 for r in found)
    assert tied >= 13
    assert np.mean(others) < 0.05


def test_criteria_fall_back_where_no_axis_has_three_levels(draw):
    corners = [(e, m, n) for e in (0.1, 0.2) for m in (0.5, 0.9) for n in (500, 4000)]
    found = rivals(draw(np.random.default_rng(5), corners))
    assert found.criterion == "leave_condition_out"
    assert all(math.isnan(r.leave_level_out) for r in found.rivals)
    assert found.rivals[0].difference == 0.0


def test_laws_with_and_without_a_constant_n_are_listed_once(draw, grids):
    found = rivals(draw(np.random.default_rng(6), grids["rates"]))
    assert {r.name for r in found.rivals} == {"linear", "square_root", "constant", "exact", "free"}


def test_a_batch_size_above_n_leaves_the_exact_form_without_convergence(draw, grids):
    points = draw(np.random.default_rng(7), grids["rates"], constant=50.0)
    exact = next(r for r in rivals(points).rivals if r.name == "exact")
    assert not exact.converged


@pytest.mark.parametrize("k", [0, 1, 2, 3])
def test_few_conditions_give_a_sentence(k, draw, grids):
    found = rivals(draw(np.random.default_rng(8), grids["rates"][:k]))
    assert found.sentence.endswith(".")
    assert k >= 3 or not found.criterion


def test_the_order_of_conditions_does_not_matter(draw, grids):
    rng = np.random.default_rng(9)
    points = draw(rng, grids["full"])
    one = rivals(points).rivals
    two = {r.name: r for r in rivals([points[i] for i in rng.permutation(48)]).rivals}
    for r in one:
        assert two[r.name].leave_level_out == pytest.approx(r.leave_level_out, rel=1e-8)
        assert two[r.name].standard_error == pytest.approx(r.standard_error, rel=1e-6, abs=1e-12)
