"""MNIST-1D (Greydanus and Kobak, 2020, arXiv:2011.14439): ten 1-d digit templates, distorted."""

from __future__ import annotations

import logging
import random
from importlib.metadata import version

import numpy as np

from explorer.datasets.cache import cached_arrays
from explorer.datasets.dataset import Array, Dataset, DatasetInfo

logger = logging.getLogger(__name__)

INFO = DatasetInfo("mnist1d", pool_size=20_000, test_size=10_000, input_shape=(40,), n_classes=10)

#: The same distribution in another, larger pool, for training sets beyond 20,000 samples.
LARGE_INFO = DatasetInfo(
    "mnist1d-large", pool_size=128_000, test_size=10_000, input_shape=(40,), n_classes=10
)

_SEED = 42  # the library's own


def load() -> Dataset:
    """The one pool of 20,000 training and 10,000 test samples, from the cache or generated.

    The library permutes and normalizes over the whole sample it makes, so samples of two sizes
    share no row. Hence one pool for every train_size.
    """
    return Dataset.from_arrays(INFO.name, *cached_arrays(_cache_key(INFO), _generate))


def load_large() -> Dataset:
    """The pool of 128,000 training and 10,000 test samples; it shares no row with the other."""
    arrays = cached_arrays(_cache_key(LARGE_INFO), _generate_large)
    return Dataset.from_arrays(LARGE_INFO.name, *arrays)


def _cache_key(info: DatasetInfo) -> str:
    return f"mnist1d-{version('mnist1d')}-{info.pool_size}-{info.test_size}-{_SEED}"


def _generate() -> tuple[Array, ...]:
    logger.info("Generating the MNIST-1D samples, once; this takes about 15 s.")
    return _samples(INFO)


def _generate_large() -> tuple[Array, ...]:
    logger.info("Generating the large pool of MNIST-1D samples, once; this takes about 70 s.")
    return _samples(LARGE_INFO)


def _samples(info: DatasetInfo) -> tuple[Array, ...]:
    # The import seeds nothing, but brings a plotting library along: only when it is needed.
    from mnist1d.data import get_dataset_args, make_dataset

    arguments = get_dataset_args()
    arguments.num_samples = info.pool_size + info.test_size
    arguments.seed = _SEED
    numpy_state, python_state = np.random.get_state(), random.getstate()
    try:
        made = make_dataset(arguments)  # seeds both global generators
    finally:
        np.random.set_state(numpy_state)
        random.setstate(python_state)
    inputs = np.concatenate([made["x"], made["x_test"]]).astype(np.float32)
    labels = np.concatenate([made["y"], made["y_test"]]).astype(np.int64)
    pool = info.pool_size
    return inputs[:pool], labels[:pool], inputs[pool:], labels[pool:]
