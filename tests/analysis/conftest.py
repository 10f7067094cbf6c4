"""Landscapes whose truth is known, small enough to draw by the dozen."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd
import pytest

from analysis.landscape import Landscape
from analysis.peaks import Peak
from analysis.planted import PlantedLandscape


@pytest.fixture(autouse=True)
def _global_random_state_untouched() -> Iterator[None]:
    before = np.random.get_state()
    yield
    after = np.random.get_state()
    assert before[0] == after[0]
    assert np.array_equal(before[1], after[1])


@pytest.fixture(scope="session")
def rows() -> Callable[..., pd.DataFrame]:
    """Trials of one curve: `means` by batch size, seeds symmetric about the mean."""

    def make(means: dict[int, float], n_seeds: int = 4, sd: float = 0.01, **columns: object):
        offsets = np.linspace(-1.0, 1.0, n_seeds) if n_seeds > 1 else np.zeros(1)
        if n_seeds > 1:
            offsets = offsets / offsets.std(ddof=1)
        table = [
            {
                "dataset": "d",
                "model": "m",
                "budget": "steps",
                "budget_value": 100.0,
                "learning_rate": 0.1,
                "momentum": 0.9,
                "train_size": 1000,
                "batch_size": b,
                "seed": s,
                "status": "completed",
                "n_classes": 10,
                "test_accuracy": mean + sd * o,
                **columns,
            }
            for b, mean in means.items()
            for s, o in enumerate(offsets)
        ]
        return pd.DataFrame(table)

    return make


@pytest.fixture(scope="session")
def landscape_of() -> Callable[..., Landscape]:
    def make(*frames: pd.DataFrame) -> Landscape:
        return Landscape.from_frame(pd.concat(frames, ignore_index=True), "test")

    return make


@pytest.fixture(scope="session")
def errors_in_octaves() -> Callable[..., list[tuple[float, bool]]]:
    """(error of B_opt in octaves, whether its interval covers) of every uncensored peak."""

    def measure(planted: PlantedLandscape, peaks: tuple[Peak, ...]) -> list[tuple[float, bool]]:
        truth = {
            (c.learning_rate, c.momentum, c.train_size): c.batch_size_opt
            for c in planted.conditions
        }
        found = []
        for p in peaks:
            if p.usable:
                true = truth[p.learning_rate, p.momentum, p.train_size]
                error = math.log2(p.batch_size_opt / true)
                found.append((error, p.low <= true <= p.high))
        return found

    return measure


@pytest.fixture(scope="session")
def binomial_band() -> Callable[[float, int], tuple[float, float]]:
    """Central 99.9 % band of a share of n independent trials."""
    from scipy import stats

    def band(p: float, n: int) -> tuple[float, float]:
        low, high = stats.binom.ppf([0.0005, 0.9995], n, p) / n
        return float(low), float(high)

    return band
