"""Data from a function in the user's search-space file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from explorer.datasets.dataset import Dataset
from explorer.errors import InputError

#: A function without arguments that returns (train_inputs, train_labels, test_inputs, test_labels).
DatasetFactory = Callable[[], Any]

_ORDER_SEED = 20210405

# A search space needs the sizes to check itself and the run needs the data: one call serves both.
_loaded: WeakKeyDictionary[DatasetFactory, Dataset] = WeakKeyDictionary()


def load(name: str, factory: DatasetFactory) -> Dataset:
    """Call the user's function once, check what it returns, and fix the pool's order.

    The training samples are permuted once, by a fixed seed, so that data sorted by class serve too.

    Raises:
        InputError: the function failed, or returned something else than four fitting arrays.
    """
    if factory not in _loaded:
        _loaded[factory] = _load(name, factory)
    return _loaded[factory]


def _load(name: str, factory: DatasetFactory) -> Dataset:
    try:
        made = factory()
    except Exception as error:
        raise InputError(
            f"Data set {name}: its function raised {type(error).__name__}: {error}."
        ) from error
    if isinstance(made, Dataset):
        made = (made.train_inputs, made.train_labels, made.test_inputs, made.test_labels)
    if not isinstance(made, tuple | list) or len(made) != 4:
        raise InputError(
            f"Data set {name}: its function must return (train_inputs, train_labels, test_inputs, "
            f"test_labels), not {type(made).__name__}."
        )
    try:
        arrays = [np.asarray(array) for array in made]
    except Exception as error:
        raise InputError(
            f"Data set {name}: its function returned something that is no array: {error}."
        ) from error
    checked = Dataset.from_arrays(name, *arrays)
    order = np.random.default_rng(_ORDER_SEED).permutation(len(checked.train_labels))
    return Dataset.from_arrays(
        name,
        checked.train_inputs[order],
        checked.train_labels[order],
        checked.test_inputs,
        checked.test_labels,
    )
