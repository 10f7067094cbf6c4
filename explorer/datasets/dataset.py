"""A data set: one training pool in a fixed order, one fixed test set, and the hash of both."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from explorer.errors import InputError

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class DatasetInfo:
    """What is known of a data set before any of it is read.

    Attributes:
        name: the name that a search space gives.
        pool_size: samples in the training pool.
        test_size: samples in the test set.
        input_shape: shape of one sample, without the sample axis.
        n_classes: number of classes C; chance accuracy is 1/C.
    """

    name: str
    pool_size: int
    test_size: int
    input_shape: tuple[int, ...]
    n_classes: int


@dataclass(frozen=True, eq=False)
class Dataset:
    """The arrays that every trial of a study shares.

    The training pool is in the order of one fixed permutation, which no trial's seed touches: a
    trial with train_size N reads the first N rows, so N changes the amount of data and nothing
    else.

    Attributes:
        name: the name that a search space gives.
        train_inputs: float32 [pool_size, *input_shape].
        train_labels: int64 [pool_size], in 0..n_classes-1.
        test_inputs: float32 [test_size, *input_shape].
        test_labels: int64 [test_size].
        n_classes: number of classes.
        sha256: of the four arrays' dtypes, shapes and bytes; stands in every trial's row.
    """

    name: str
    train_inputs: Array
    train_labels: Array
    test_inputs: Array
    test_labels: Array
    n_classes: int
    sha256: str

    @classmethod
    def from_arrays(
        cls,
        name: str,
        train_inputs: Any,
        train_labels: Any,
        test_inputs: Any,
        test_labels: Any,
    ) -> Dataset:
        """Check four arrays, bring them to their types and hash them.

        Args:
            name: the data set's name, used in messages.
            train_inputs: numbers [pool_size, *input_shape].
            train_labels: whole numbers [pool_size]; each of 0..C-1 occurs.
            test_inputs: numbers [test_size, *input_shape].
            test_labels: whole numbers [test_size], within 0..C-1.

        Raises:
            InputError: shapes disagree, an input is not finite, or labels are not 0..C-1.
        """
        inputs_train = _checked_inputs(name, "train_inputs", train_inputs)
        inputs_test = _checked_inputs(name, "test_inputs", test_inputs)
        if inputs_train.shape[1:] != inputs_test.shape[1:]:
            raise InputError(
                f"Data set {name}: one train input has shape {inputs_train.shape[1:]}, "
                f"one test input {inputs_test.shape[1:]}."
            )
        labels_train = _checked_labels(name, "train_labels", train_labels, len(inputs_train))
        labels_test = _checked_labels(name, "test_labels", test_labels, len(inputs_test))
        n_classes = int(labels_train.max()) + 1
        missing = sorted(set(range(n_classes)) - set(np.unique(labels_train).tolist()))
        if n_classes < 2 or missing:
            found = f"no sample has label {missing[0]}" if missing else "there is one class only"
            raise InputError(f"Data set {name}: train_labels must be 0..C-1, but {found}.")
        if labels_test.max() >= n_classes:
            raise InputError(
                f"Data set {name}: test_labels hold {labels_test.max()}, "
                f"but train_labels end at {n_classes - 1}."
            )
        arrays = (inputs_train, labels_train, inputs_test, labels_test)
        return cls(name, *arrays, n_classes=n_classes, sha256=hash_arrays(*arrays))

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one sample, without the sample axis."""
        return tuple(self.train_inputs.shape[1:])

    @property
    def info(self) -> DatasetInfo:
        """The sizes alone."""
        return DatasetInfo(
            self.name,
            len(self.train_labels),
            len(self.test_labels),
            self.input_shape,
            self.n_classes,
        )


def hash_arrays(*arrays: Array) -> str:
    """SHA-256 of the arrays' dtypes, shapes and bytes in C order, in hexadecimal digits."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _checked_inputs(name: str, field: str, given: Any) -> Array:
    array = np.asarray(given)
    if array.dtype.kind not in "fiub":
        raise InputError(f"Data set {name}: {field} must hold numbers, not {array.dtype}.")
    if array.ndim < 2 or array.size == 0:
        raise InputError(
            f"Data set {name}: {field} must have the shape [samples, ...], not {array.shape}."
        )
    with np.errstate(over="ignore"):  # a float64 beyond float32 becomes inf, and is refused below
        array = np.ascontiguousarray(array, dtype=np.float32)
    if not np.isfinite(array).all():
        row = int(np.argwhere(~np.isfinite(array))[0][0])
        raise InputError(f"Data set {name}: {field} is not finite in sample {row}.")
    return array


def _checked_labels(name: str, field: str, given: Any, n_samples: int) -> Array:
    array = np.asarray(given)
    if array.shape != (n_samples,):
        raise InputError(
            f"Data set {name}: {field} must have the shape ({n_samples},), not {array.shape}."
        )
    if array.dtype.kind not in "iu":
        raise InputError(f"Data set {name}: {field} must be whole numbers, not {array.dtype}.")
    if array.min() < 0:
        raise InputError(f"Data set {name}: {field} must be 0..C-1, not {array.min()}.")
    return np.ascontiguousarray(array, dtype=np.int64)
