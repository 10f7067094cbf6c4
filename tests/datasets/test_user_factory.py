from __future__ import annotations

import numpy as np
import pytest

from explorer.datasets import Dataset, dataset_info, load_dataset
from explorer.errors import InputError


def test_the_pool_is_permuted_once_and_the_test_set_is_left_alone(four_arrays):
    arrays = four_arrays(n_train=300)
    arrays["train_labels"] = np.sort(arrays["train_labels"])  # sorted by class, as files often are
    data = load_dataset("mine", factories={"mine": lambda: tuple(arrays.values())})
    assert set(data.train_labels[:30]) == {0, 1, 2}
    order = [
        int(np.flatnonzero((arrays["train_inputs"].astype(np.float32) == row).all((1, 2)))[0])
        for row in data.train_inputs
    ]
    assert sorted(order) == list(range(300))
    np.testing.assert_array_equal(arrays["train_labels"][order], data.train_labels)
    np.testing.assert_array_equal(data.test_labels, arrays["test_labels"])
    again = load_dataset("mine", factories={"mine": lambda: tuple(arrays.values())})
    assert again.sha256 == data.sha256


def test_the_function_is_called_once_for_sizes_and_data(four_arrays):
    calls = []

    def mine():
        calls.append(1)
        return tuple(four_arrays().values())

    assert dataset_info("mine", factories={"mine": mine}).pool_size == 30
    assert load_dataset("mine", factories={"mine": mine}).name == "mine"
    assert len(calls) == 1


def test_a_dataset_and_torch_tensors_will_do(four_arrays):
    import torch

    arrays = four_arrays()
    plain = load_dataset("mine", factories={"mine": lambda: tuple(arrays.values())})
    whole = load_dataset("mine", factories={"mine": lambda: Dataset.from_arrays("x", **arrays)})
    tensors = [torch.tensor(array) for array in arrays.values()]
    torched = load_dataset("mine", factories={"mine": lambda: tensors})
    assert plain.sha256 == whole.sha256 == torched.sha256


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (lambda: 1 / 0, "raised ZeroDivisionError: division by zero"),
        (lambda: None, "must return (train_inputs, train_labels, test_inputs, test_labels)"),
        (lambda: (1, 2, 3), "must return"),
        (lambda: ([[1.0], [2.0, 3.0]], [0, 1], [[1.0]], [0]), "no array"),
        (lambda: ([[1.0], [2.0]], [1, 2], [[1.0]], [1]), "no sample has label 0"),
    ],
)
def test_a_function_that_returns_something_else_is_refused(made, words):
    with pytest.raises(InputError) as caught:
        load_dataset("mine", factories={"mine": made})
    assert words in str(caught.value)
    assert "mine" in str(caught.value)
