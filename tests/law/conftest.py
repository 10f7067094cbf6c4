"""Conditions whose law is known: points for the regressions, whole peaks for the report."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest
from scipy import stats

from analysis.estimates import LANDMARKS, UNKNOWN, BatchSizeEstimate
from analysis.law.condition import LawPoint, log_axes

Condition = tuple[float, float, int]

#: Grids of (learning rate, momentum, train size).
GRIDS: Mapping[str, Sequence[Condition]] = {
    "rates": [(0.05 * 2 ** (i / 2), 0.9, 1000) for i in range(7)],
    "twelve": [(0.02 * 2 ** (i / 2), 0.9, 1000) for i in range(12)],
    "twenty": [
        (e, m, n) for e in (0.05, 0.1, 0.2, 0.4, 0.8) for m in (0, 0.9) for n in (500, 4000)
    ],
    "full": [
        (e, m, n)
        for e in (0.05, 0.1, 0.2, 0.4)
        for m in (0.0, 0.5, 0.9)
        for n in (500, 1000, 2000, 4000)
    ],
}


@dataclass(frozen=True)
class FakeCell:
    batch_size: int
    mean: float
    standard_error: float
    fitted: bool = True


@dataclass(frozen=True)
class FakePeak:
    learning_rate: float
    momentum: float
    train_size: int
    landmarks: Mapping[str, BatchSizeEstimate]
    accuracy_opt: float = 0.47
    cells: tuple[FakeCell, ...] = ()
    flags: tuple[str, ...] = field(default=())


@pytest.fixture(autouse=True)
def _global_random_state_untouched() -> Iterator[None]:
    before = np.random.get_state()
    yield
    after = np.random.get_state()
    assert before[0] == after[0]
    assert np.array_equal(before[1], after[1])


@pytest.fixture(scope="session")
def grids() -> Mapping[str, Sequence[Condition]]:
    return GRIDS


@pytest.fixture(scope="session")
def draw() -> Callable[..., list[LawPoint]]:
    """Points of a law with a random shift; outside `window` they are bounds at its ends."""

    def make(
        rng: np.random.Generator,
        conditions: Sequence[Condition],
        exponents: tuple[float, float, float] = (1.0, 1.0, 1.0),
        constant: float = 0.02,
        tau: float = 0.1,
        errors: tuple[float, float] = (0.08, 0.4),
        window: float = 1.0,
    ) -> list[LawPoint]:
        truth = [math.log(constant) + np.dot(exponents, log_axes(*c)) for c in conditions]
        low, high = -math.inf, math.inf
        if window < 1.0:
            low, high = np.quantile(truth, [0.5 - window / 2, 0.5 + window / 2])
        points = []
        for c, t in zip(conditions, truth, strict=True):
            s = rng.uniform(*errors)
            y = t + tau * rng.standard_normal() + s * rng.standard_normal()
            bound = float(min(max(y, low), high))
            points.append(LawPoint(*c, bound, s**2, bool(y < low), bool(y > high)))
        return points

    return make


@pytest.fixture(scope="session")
def peaks_of() -> Callable[..., list[FakePeak]]:
    """Peaks whose landmarks and cells follow laws (constant at eps .1, N 1000, m .9; a, b, g)."""

    def make(
        rng: np.random.Generator,
        conditions: Sequence[Condition],
        laws: Mapping[str, tuple[float, float, float, float]],
        tau: float = 0.05,
        error: float = 0.1,
        noise: float = 0.004,
        curve: bool = True,
    ) -> list[FakePeak]:
        peaks = []
        for e, m, n in conditions:
            shift = tau * rng.standard_normal()
            landmarks = dict.fromkeys(LANDMARKS, UNKNOWN)
            top = math.nan
            for name, (c, a, b, g) in laws.items():
                logs = np.array(log_axes(e, m, n)) - log_axes(0.1, 0.9, 1000)
                true = math.log(c) + float(np.dot((a, b, g), logs)) + shift
                s = error * rng.uniform(0.5, 1.5)
                y = true + s * rng.standard_normal()
                landmarks[name] = BatchSizeEstimate(
                    math.exp(y), math.exp(y - 2 * s), math.exp(y + 2 * s), s
                )
                top = true if name == "optimum" else top
            cells = []
            phase = rng.random()
            for octave in np.arange(-2.0, 6.0, 0.5) + 0.5 * phase if curve else ():
                size = round(math.exp(top) * 2**octave)
                if 1 <= size <= n and all(c.batch_size != size for c in cells):
                    x = (math.log(size) - top) / math.log(2.0)
                    mean = 0.47 * (1 - 0.02 * max(x, 0.0) ** 1.5 - 0.05 * max(-x, 0.0) ** 2)
                    cells.append(FakeCell(size, mean + noise * rng.standard_normal(), noise))
            peaks.append(FakePeak(e, m, n, landmarks, cells=tuple(cells)))
        return peaks

    return make


@pytest.fixture(scope="session")
def binomial_band() -> Callable[[float, int], tuple[float, float]]:
    """Central 99.9 % band of a share of n independent trials."""

    def band(p: float, n: int) -> tuple[float, float]:
        low, high = stats.binom.ppf([0.0005, 0.9995], n, p) / n
        return float(low), float(high)

    return band
