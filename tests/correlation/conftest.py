"""Grids like He et al.'s (2019) with a chosen truth, and cells without a landscape around them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd
import pytest

from analysis.cells import GroupCells
from analysis.correlation.strata import Cells
from analysis.landscape import Landscape

BATCH_SIZES = tuple(range(16, 321, 16))
LEARNING_RATES = tuple(round(0.01 * i, 2) for i in range(1, 21))
Truth = Callable[[np.ndarray, np.ndarray], np.ndarray]


def ratio_alone(batch_size: np.ndarray, learning_rate: np.ndarray) -> np.ndarray:
    """Falls by 0.03 an e-fold of B/eps."""
    return 0.9 - 0.03 * np.log(batch_size / learning_rate / 80)


def ratio_and_batch_size(batch_size: np.ndarray, learning_rate: np.ndarray) -> np.ndarray:
    return ratio_alone(batch_size, learning_rate) - 0.01 * np.log(batch_size / 16)


def no_effect(batch_size: np.ndarray, learning_rate: np.ndarray) -> np.ndarray:
    return np.full(np.shape(batch_size), 0.8)


def peaked(batch_size: np.ndarray, learning_rate: np.ndarray, at: float = 900.0) -> np.ndarray:
    """Highest at the ratio `at`."""
    return 0.9 - 0.02 * np.log(batch_size / learning_rate / at) ** 2


def plateau(batch_size: np.ndarray, learning_rate: np.ndarray) -> np.ndarray:
    """Flat up to a ratio of 1,000, falling beyond it."""
    return 0.9 - 0.03 * np.maximum(np.log(batch_size / learning_rate / 1000), 0)


@pytest.fixture(autouse=True)
def _global_random_state_untouched() -> Iterator[None]:
    before = np.random.get_state()
    yield
    after = np.random.get_state()
    assert before[0] == after[0]
    assert np.array_equal(before[1], after[1])


@pytest.fixture(scope="session")
def truths() -> dict[str, Truth]:
    return {
        "ratio": ratio_alone,
        "ratio_and_batch_size": ratio_and_batch_size,
        "no_effect": no_effect,
        "peaked": peaked,
        "plateau": plateau,
    }


@pytest.fixture(scope="session")
def cells() -> Callable[..., Cells]:
    """The cells of one planted grid; `noise` is a number, or a function of B and eps."""

    def make(truth, seed, noise=0.01, sizes=BATCH_SIZES, rates=LEARNING_RATES) -> Cells:
        b, eps = (a.ravel() for a in np.meshgrid(np.array(sizes, float), rates))
        sd = noise(b, eps) if callable(noise) else noise
        accuracy = truth(b, eps) + sd * np.random.default_rng(seed).standard_normal(len(b))
        counts = GroupCells((), 0.1, True, 0, 0, 0, ())
        return Cells(b, eps, accuracy, np.zeros(len(b), dtype=np.int64), counts)

    return make


@pytest.fixture(scope="session")
def grid() -> Callable[..., pd.DataFrame]:
    """Trials of a He-like grid: two data sets, two models, 20 batch sizes, 20 learning rates."""

    def make(
        truth: Truth,
        seed: int,
        noise: float = 0.01,
        datasets=("CIFAR-10", "CIFAR-100"),
        models=("ResNet-110", "VGG-19"),
        sizes=BATCH_SIZES,
        rates=LEARNING_RATES,
        n_seeds: int = 1,
        **columns: object,
    ) -> pd.DataFrame:
        rng = np.random.default_rng(seed)
        frames = []
        for dataset in datasets:
            for model in models:
                b, eps, s = (
                    a.ravel() for a in np.meshgrid(sizes, rates, np.arange(n_seeds), indexing="ij")
                )
                accuracy = truth(b.astype(float), eps) + noise * rng.standard_normal(len(b))
                frame = pd.DataFrame(
                    {"batch_size": b, "learning_rate": eps, "seed": s, "test_accuracy": accuracy}
                )
                frame["best_test_accuracy"] = accuracy + 0.002 * rng.random(len(b))
                frame["train_accuracy"] = np.clip(1 - 0.01 * rng.random(len(b)), 0, 1)
                frames.append(frame.assign(dataset=dataset, model=model))
        table = pd.concat(frames, ignore_index=True)
        fixed = {
            "momentum": 0.0,
            "train_size": 50000,
            "budget": "epochs",
            "budget_value": 200.0,
            "weight_decay": 0.0,
            "status": "completed",
            "n_classes": 10,
        }
        table = table.assign(**fixed, **columns)
        table["trial_id"] = [f"t{i}" for i in range(len(table))]
        return table

    return make


@pytest.fixture(scope="session")
def landscape_of() -> Callable[..., Landscape]:
    def make(*frames: pd.DataFrame) -> Landscape:
        return Landscape.from_frame(pd.concat(frames, ignore_index=True), "planted")

    return make


@pytest.fixture(scope="session")
def binomial_band() -> Callable[[float, int], tuple[float, float]]:
    """Central 99.9 % band of a share of n independent trials."""
    from scipy import stats

    def band(p: float, n: int) -> tuple[float, float]:
        low, high = stats.binom.ppf([0.0005, 0.9995], n, p) / n
        return float(low), float(high)

    return band
