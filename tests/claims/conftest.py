"""Landscapes whose truth is known, and the verdicts on them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis.claim import Claim
from analysis.claims.correlations import correlation_claims
from analysis.claims.noise_scale import noise_scale_claims
from analysis.correlation import CorrelationTable, correlations
from analysis.landscape import Landscape
from analysis.planted import FAMILIES, PlantedLaw, plant
from analysis.scaling import fit_scaling

Truth = Callable[[np.ndarray, np.ndarray], np.ndarray]

#: A sharp peak follows eps; N and m are fixed.
ONE_AXIS = PlantedLaw(shape=FAMILIES["sharp"], n_seeds=5, noise=0.006)
#: A sharp peak and the cliff below it follow eps*N/(1-m).
THREE_AXES = PlantedLaw(
    shape=FAMILIES["sharp"],
    learning_rates=(0.05, 0.1, 0.2),
    momenta=(0.5, 0.9),
    train_sizes=(2000, 4000, 8000),
    train_size=1.0,
    momentum=1.0,
    peak_at_reference=30.0,
    below=8.0,
    n_seeds=5,
    noise=0.006,
)
#: The same where three of four sizes N lie in the range that the law of N is claimed for.
LARGE_N = replace(
    THREE_AXES,
    learning_rates=(0.1, 0.2),
    train_sizes=(16_000, 32_000, 64_000, 128_000),
    peak_at_reference=1.0,
)


@pytest.fixture(autouse=True)
def _global_random_state_untouched() -> Iterator[None]:
    before = np.random.get_state()
    yield
    after = np.random.get_state()
    assert before[0] == after[0]
    assert np.array_equal(before[1], after[1])


@pytest.fixture(scope="session")
def laws() -> dict[str, PlantedLaw]:
    return {"one_axis": ONE_AXIS, "three_axes": THREE_AXES, "large_n": LARGE_N}


@pytest.fixture(scope="session")
def noise_scale() -> Callable[..., tuple[Claim, ...]]:
    """Smith & Le's claims on a landscape, or on what a law plants."""

    def judge(source: PlantedLaw | Landscape, seed: int = 1) -> tuple[Claim, ...]:
        landscape = plant(source, seed).landscape if isinstance(source, PlantedLaw) else source
        (law,) = fit_scaling(landscape).laws
        return noise_scale_claims(law)

    return judge


@pytest.fixture(scope="session")
def about() -> Callable[[tuple[Claim, ...], str], Claim]:
    """The one claim whose text holds some words."""

    def find(claims: tuple[Claim, ...], words: str) -> Claim:
        (found,) = [c for c in claims if words in c.claim]
        return found

    return find


def ratio_alone(batch_size: np.ndarray, learning_rate: np.ndarray) -> np.ndarray:
    """Falls by 0.03 an e-fold of B/eps."""
    return 0.9 - 0.03 * np.log(batch_size / learning_rate / 80)


def batch_size_too(batch_size: np.ndarray, learning_rate: np.ndarray) -> np.ndarray:
    return ratio_alone(batch_size, learning_rate) - 0.02 * np.log(batch_size / 16)


def no_effect(batch_size: np.ndarray, learning_rate: np.ndarray) -> np.ndarray:
    return np.full(np.shape(batch_size), 0.8)


def peaked(batch_size: np.ndarray, learning_rate: np.ndarray) -> np.ndarray:
    """Highest at the ratio 900."""
    return 0.9 - 0.02 * np.log(batch_size / learning_rate / 900) ** 2


def rising(batch_size: np.ndarray, learning_rate: np.ndarray) -> np.ndarray:
    return 0.75 + 0.03 * np.log(batch_size / learning_rate / 80)


@pytest.fixture(scope="session")
def truths() -> dict[str, Truth]:
    every = (ratio_alone, batch_size_too, no_effect, peaked, rising)
    return {truth.__name__: truth for truth in every}


@pytest.fixture(scope="session")
def grid() -> Callable[..., pd.DataFrame]:
    """Trials of a grid of batch sizes and learning rates, both in equal steps as He et al.'s."""

    def make(
        truth: Truth, seed: int, noise: float = 0.005, n: int = 10, **columns: object
    ) -> pd.DataFrame:
        rng = np.random.default_rng(seed)
        sizes, rates = 16 * np.arange(1, n + 1), np.round(0.02 * np.arange(1, n + 1), 3)
        b, eps = (a.ravel() for a in np.meshgrid(sizes, rates, indexing="ij"))
        accuracy = truth(b.astype(float), eps) + noise * rng.standard_normal(len(b))
        frame = pd.DataFrame(
            {
                "batch_size": b,
                "learning_rate": eps,
                "seed": 0,
                "test_accuracy": accuracy,
                "best_test_accuracy": accuracy + 0.002,
                "train_accuracy": 1.0 - 0.005 * rng.random(len(b)),
            }
        )
        fixed: dict[str, object] = {
            "dataset": "CIFAR-10",
            "model": "VGG-19",
            "momentum": 0.0,
            "train_size": 50_000,
            "budget": "epochs",
            "budget_value": 200.0,
            "status": "completed",
            "n_classes": 10,
        }
        return frame.assign(**(fixed | columns))

    return make


@pytest.fixture(scope="session")
def table_of() -> Callable[..., CorrelationTable]:
    def make(*frames: pd.DataFrame) -> CorrelationTable:
        trials = pd.concat(frames, ignore_index=True)
        return correlations(Landscape.from_frame(trials, "planted"), permutations=1000)

    return make


@pytest.fixture(scope="session")
def he_claims(table_of) -> Callable[..., tuple[Claim, ...]]:
    """He, Liu & Tao's claims on the trials of one or more grids."""
    return lambda *frames: correlation_claims(table_of(*frames))


@pytest.fixture(scope="session")
def at_most() -> Callable[[float, int], int]:
    """The most of n that chance p gives, but for one time in a thousand."""
    return lambda p, n: int(stats.binom.ppf(0.999, n, p))
