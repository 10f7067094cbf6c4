"""p against scipy and mpmath; attainable coefficients against all permutations."""

from __future__ import annotations

from itertools import combinations, permutations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from analysis.published.spearman_p import attainable_log10_p, attainable_magnitudes, log10_p


@pytest.mark.parametrize("n", [4, 5, 17, 20, 60])
def test_p_is_that_of_student_t(n):
    rho = np.concatenate([np.linspace(-0.99, 0.99, 199), [0.7071, 0.70711, 1e-9]])
    t = rho * np.sqrt((n - 2) / (1 - rho**2))
    expected = np.log10(2 * stats.t.sf(np.abs(t), n - 2))
    assert log10_p(rho, n) == pytest.approx(expected, rel=1e-9, abs=1e-13)


def test_p_is_what_scipy_prints_for_data_with_and_without_ties():
    rng = np.random.default_rng(0)
    for n in range(5, 40):
        x = rng.permutation(n)
        y = x + rng.normal(0, n / 4, n)
        y = np.round(y) if n % 2 else y
        found = stats.spearmanr(x, y)
        assert 10 ** log10_p(found.statistic, n) == pytest.approx(found.pvalue, rel=1e-8)


@pytest.mark.parametrize(
    ("rho", "n"), [(0.985, 400), (0.9749, 400), (0.72, 400), (0.999, 2000), (0.5, 5000), (0.995, 9)]
)
def test_p_keeps_its_digits_where_floats_end(rho, n):
    mpmath = pytest.importorskip("mpmath")
    with mpmath.workdps(60):
        x = 1 - mpmath.mpf(rho) ** 2
        p = mpmath.betainc(mpmath.mpf(n - 2) / 2, mpmath.mpf(1) / 2, 0, x, regularized=True)
        expected = float(mpmath.log10(p))
    assert float(log10_p(rho, n)) == pytest.approx(expected, rel=1e-12)


@given(
    st.lists(st.floats(0, 1), min_size=2, max_size=20),
    st.integers(3, 500),
)
@settings(max_examples=150, deadline=None)
def test_p_is_even_in_rho_and_falls_with_it(magnitudes, n):
    rho = np.sort(magnitudes)
    p = log10_p(rho, n)
    assert np.array_equal(p, log10_p(-rho, n))
    assert np.all(np.diff(p[np.isfinite(p)]) <= 1e-12)
    assert np.all(p <= 1e-12)


def test_the_ends():
    assert float(log10_p(0.0, 10)) == pytest.approx(0.0, abs=1e-12)
    assert float(log10_p(-1.0, 10)) == -np.inf
    for rho, n in ((0.5, 2), (1.01, 10), (np.nan, 10)):
        with pytest.raises(ValueError, match="needs n"):
            log10_p(rho, n)
    for n, ties in ((3, 0), (6, 4), (6, -1)):
        with pytest.raises(ValueError, match="tied pairs"):
            attainable_magnitudes(n, ties)


@pytest.mark.parametrize("n", [4, 5, 6, 7])
def test_without_ties_every_value_of_the_lattice_occurs_and_no_other(n):
    ranks = np.arange(n)
    orders = np.array(list(permutations(range(n))))
    d = ((orders - ranks) ** 2).sum(axis=1)
    brute = np.unique(np.abs(np.round(1 - 6 * d / (n * (n**2 - 1)), 12)))
    found = np.unique(np.round(attainable_magnitudes(n), 12))
    assert np.array_equal(found, brute)
    assert attainable_log10_p(n) == pytest.approx(log10_p(attainable_magnitudes(n), n))


@pytest.mark.parametrize(("n", "ties"), [(4, 1), (5, 1), (6, 1), (4, 2), (5, 2), (6, 2), (6, 3)])
def test_with_ties_no_value_that_occurs_is_left_out(n, ties):
    """All orders with pairs of neighbouring ranks tied, rho as Pearson of midranks."""
    x = np.arange(n)
    found = attainable_magnitudes(n, ties)
    seen = set()
    tied = [c for c in combinations(range(n - 1), ties) if np.all(np.diff(c) > 1)]
    for first, starts in product(permutations(range(n)), tied):
        values = np.array(first, dtype=float)
        for k in starts:
            values[values == k + 1] = k
        seen.add(round(abs(float(np.corrcoef(x, stats.rankdata(values))[0, 1])), 10))
    assert len(seen) >= 3
    assert all(np.abs(found - value).min() < 1e-9 for value in seen)
