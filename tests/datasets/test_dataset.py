from __future__ import annotations

import hashlib

import numpy as np
import pytest

from explorer.datasets import Dataset
from explorer.errors import InputError


def test_arrays_get_their_types_and_the_info_tells_their_sizes(four_arrays):
    given = four_arrays()
    data = Dataset.from_arrays("mine", **given)
    assert data.train_inputs.dtype == data.test_inputs.dtype == np.float32
    assert data.train_labels.dtype == data.test_labels.dtype == np.int64
    np.testing.assert_array_equal(data.train_inputs, given["train_inputs"].astype(np.float32))
    assert data.input_shape == (2, 4)
    assert (data.info.pool_size, data.info.test_size, data.info.n_classes) == (30, 12, 3)


def test_hash_is_of_types_shapes_and_bytes(four_arrays):
    data = Dataset.from_arrays("mine", **four_arrays())
    expected = hashlib.sha256()
    for array in (data.train_inputs, data.train_labels, data.test_inputs, data.test_labels):
        expected.update(array.dtype.str.encode() + str(array.shape).encode() + array.tobytes())
    assert data.sha256 == expected.hexdigest()


@pytest.mark.parametrize("field", ["train_inputs", "train_labels", "test_inputs", "test_labels"])
def test_hash_sees_one_changed_entry_of_any_array(four_arrays, field):
    changed = four_arrays()
    changed[field] = changed[field].copy()
    changed[field].flat[-1] = 1 if changed[field].flat[-1] != 1 else 2
    before = Dataset.from_arrays("mine", **four_arrays()).sha256
    assert Dataset.from_arrays("mine", **changed).sha256 != before


def test_hash_sees_a_changed_shape_of_equal_bytes(four_arrays):
    flat = four_arrays()
    for field in ("train_inputs", "test_inputs"):
        flat[field] = flat[field].reshape(len(flat[field]), -1)
    before = Dataset.from_arrays("mine", **four_arrays()).sha256
    assert Dataset.from_arrays("mine", **flat).sha256 != before


@pytest.mark.parametrize(
    ("field", "spoil", "words"),
    [
        ("train_inputs", lambda a: np.where(a == a[7, 0, 0], np.nan, a), "not finite in sample 7"),
        ("test_inputs", lambda a: a * 1e300, "test_inputs is not finite in sample 0"),
        ("train_inputs", lambda a: a.astype(str), "must hold numbers"),
        ("train_inputs", lambda a: a[:, 0, 0], "must have the shape [samples, ...]"),
        ("test_inputs", lambda a: a[:, :1], "one test input (1, 4)"),
        ("train_labels", lambda a: a[:-1], "must have the shape (30,), not (29,)"),
        ("train_labels", lambda a: a + 0.5, "whole numbers"),
        ("train_labels", lambda a: a - 1, "must be 0..C-1, not -1"),
        ("train_labels", lambda a: a + 1, "no sample has label 0"),
        ("train_labels", lambda a: a * 2, "no sample has label 1"),
        ("train_labels", lambda a: a * 0, "one class only"),
        ("test_labels", lambda a: a + 1, "test_labels hold 3"),
    ],
)
def test_unfit_arrays_are_refused(four_arrays, field, spoil, words):
    arrays = four_arrays()
    arrays[field] = spoil(arrays[field])
    with pytest.raises(InputError) as caught:
        Dataset.from_arrays("mine", **arrays)
    assert words in str(caught.value)
    assert "mine" in str(caught.value)
