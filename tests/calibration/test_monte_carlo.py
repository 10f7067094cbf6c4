"""Monte-Carlo intervals against scipy's exact one and a bootstrap of whole landscapes."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from calibration.monte_carlo import clustered_share, independent_share


@given(st.lists(st.booleans(), min_size=1, max_size=400))
def test_the_interval_of_independent_trials_is_clopper_and_pearsons(hits):
    found = independent_share(hits)
    exact = stats.binomtest(sum(hits), len(hits)).proportion_ci(method="exact")
    assert found.share == pytest.approx(sum(hits) / len(hits))
    assert (found.low, found.high) == pytest.approx((exact.low, exact.high))
    assert found.n == len(hits)


def landscapes(seed: int, n: int, p: float, alike: float) -> list[list[bool]]:
    """Conditions of n landscapes, 5 to 15 each, whose chance p varies between landscapes."""
    rng = np.random.default_rng(seed)
    chances = rng.beta(p / alike, (1 - p) / alike, n)
    return [(rng.random(rng.integers(5, 16)) < c).tolist() for c in chances]


@pytest.mark.parametrize("alike", [0.02, 0.3])
def test_the_interval_of_clusters_is_that_of_a_bootstrap_of_landscapes(alike):
    hits = landscapes(1, 120, 0.9, alike)
    found = clustered_share(hits)
    k, n = np.array([sum(h) for h in hits]), np.array([len(h) for h in hits])
    drawn = np.random.default_rng(2).integers(0, len(hits), (8000, len(hits)))
    shares = k[drawn].sum(axis=1) / n[drawn].sum(axis=1)
    assert found.share == pytest.approx(k.sum() / n.sum())
    assert found.n == n.sum()
    width = 2 * stats.t.ppf(0.975, len(hits) - 1) * shares.std()
    assert found.high - found.low == pytest.approx(width, rel=0.05)
    if alike == 0.3:  # conditions of a landscape share its luck: far fewer independent ones
        flat = independent_share([v for h in hits for v in h])
        assert found.high - found.low > 1.5 * (flat.high - flat.low)


def test_the_interval_of_clusters_covers():
    draws = 600
    hits = [clustered_share(landscapes(100 + i, 60, 0.8, 0.2)) for i in range(draws)]
    covered = np.mean([h.low <= 0.8 <= h.high for h in hits])
    low, high = stats.binom.ppf([0.0005, 0.9995], draws, 0.95) / draws
    # The linearised interval is a little short where shares are near 1.
    assert low - 0.015 <= covered <= high


def test_clusters_of_one_condition_are_independent_trials():
    hits = np.random.default_rng(3).random(400) < 0.9
    found = clustered_share([[bool(v)] for v in hits])
    half = stats.t.ppf(0.975, 399) * hits.std(ddof=1) / math.sqrt(400)
    assert (found.low, found.high) == pytest.approx((hits.mean() - half, hits.mean() + half))


@given(st.lists(st.lists(st.booleans(), max_size=6), max_size=12), st.randoms())
def test_shares_lie_in_their_intervals_and_do_not_depend_on_order(hits, random):
    found = clustered_share(hits)
    total = sum(len(h) for h in hits)
    assert found.n == total
    if not total:
        assert math.isnan(found.share)
        assert found.text == "-"
        return
    if len(hits) > 1:
        assert 0.0 <= found.low <= found.share + 1e-12
        assert found.share - 1e-12 <= found.high <= 1.0
    shuffled = [random.sample(h, len(h)) for h in random.sample(hits, len(hits))]
    again = clustered_share(shuffled)
    assert (again.share, again.n) == pytest.approx((found.share, found.n))
    assert (again.low, again.high) == pytest.approx((found.low, found.high), nan_ok=True, abs=1e-12)


def test_text_and_nothing_at_all():
    assert independent_share([]).text == "-"
    assert math.isnan(independent_share([]).share)
    assert independent_share([True] * 9 + [False]).text == "0.900 [0.555, 0.997]"
