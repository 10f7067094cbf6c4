from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from explorer.datasets import mnist1d


@pytest.fixture
def cache_path(tmp_path, monkeypatch):
    """An empty cache folder that the program uses during one test."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("EXPLORER_CACHE", str(folder))
    return folder


@pytest.fixture
def small_mnist1d(cache_path, monkeypatch):
    """MNIST-1D with 400 + 100 samples: the same code in a sixtieth of the time."""
    monkeypatch.setattr(mnist1d, "INFO", replace(mnist1d.INFO, pool_size=400, test_size=100))
    return cache_path


@pytest.fixture
def small_large_mnist1d(cache_path, monkeypatch):
    """The large pool of MNIST-1D with 600 + 100 samples."""
    large = replace(mnist1d.LARGE_INFO, pool_size=600, test_size=100)
    monkeypatch.setattr(mnist1d, "LARGE_INFO", large)
    return cache_path


@pytest.fixture
def four_arrays():
    """Fitting arrays of three classes, fresh at each call so that a test may spoil one."""

    def make(n_train=30, n_test=12, shape=(2, 4)):
        generator = np.random.default_rng(5)
        return {
            "train_inputs": generator.normal(size=(n_train, *shape)),
            "train_labels": np.arange(n_train) % 3,
            "test_inputs": generator.normal(size=(n_test, *shape)),
            "test_labels": np.arange(n_test) % 3,
        }

    return make
