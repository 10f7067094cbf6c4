"""Scikit-learn's 1,797 scanned digits of 8 x 8 pixels (Alpaydin and Kaynak, UCI, 1998)."""

from __future__ import annotations

import numpy as np

from explorer.datasets.dataset import Dataset, DatasetInfo

INFO = DatasetInfo("digits", pool_size=1_000, test_size=797, input_shape=(1, 8, 8), n_classes=10)

_SPLIT_SEED = 20180701
_LARGEST_PIXEL = 16.0


def load() -> Dataset:
    """Pixels scaled to [0, 1]; one fixed permutation, the first 1,000 images for training."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    order = np.random.default_rng(_SPLIT_SEED).permutation(len(bunch.target))
    inputs = (bunch.images[order, None] / _LARGEST_PIXEL).astype(np.float32)
    labels = bunch.target[order].astype(np.int64)
    pool = INFO.pool_size
    return Dataset.from_arrays(
        INFO.name, inputs[:pool], labels[:pool], inputs[pool:], labels[pool:]
    )
