"""The larger pool of MNIST-1D, in a few hundred samples: the code does not depend on the size."""

from __future__ import annotations

import logging
import random

import numpy as np
import pytest

from explorer.datasets import dataset_info, dataset_names, load_dataset, mnist1d


def test_the_large_pool_is_registered_with_its_sizes():
    info = dataset_info("mnist1d-large")
    assert (info.pool_size, info.test_size) == (128_000, 10_000)
    small = dataset_info("mnist1d")
    assert (info.input_shape, info.n_classes) == (small.input_shape, small.n_classes)
    assert "mnist1d-large" in dataset_names()


def library_samples(number):
    """(inputs, labels) as the library makes them, in its order, with its own seed."""
    from mnist1d.data import get_dataset_args, make_dataset

    arguments = get_dataset_args()
    arguments.num_samples = number
    states = np.random.get_state(), random.getstate()
    made = make_dataset(arguments)
    np.random.set_state(states[0])
    random.setstate(states[1])
    return (np.concatenate([made[k], made[f"{k}_test"]]) for k in "xy")


def test_samples_are_the_librarys_own_split_after_the_pool(small_large_mnist1d):
    inputs, labels = library_samples(700)
    data = load_dataset("mnist1d-large")
    assert (len(data.train_labels), len(data.test_labels)) == (600, 100)
    np.testing.assert_array_equal(data.train_inputs, inputs[:600].astype(np.float32))
    np.testing.assert_array_equal(data.test_inputs, inputs[600:].astype(np.float32))
    np.testing.assert_array_equal(np.concatenate([data.train_labels, data.test_labels]), labels)


def test_the_two_pools_are_cached_apart_and_share_no_row(
    small_mnist1d, small_large_mnist1d, caplog
):
    caplog.set_level(logging.INFO)
    small, large = load_dataset("mnist1d"), load_dataset("mnist1d-large")
    assert "large pool" in caplog.text
    assert len(list(small_mnist1d.glob("*.npz"))) == 2
    assert small.sha256 != large.sha256
    both = np.concatenate([small.train_inputs, small.test_inputs])
    others = {row.tobytes() for row in np.concatenate([large.train_inputs, large.test_inputs])}
    assert len(others) == 700
    assert not any(row.tobytes() in others for row in both)


def test_a_second_load_reads_the_cache(small_large_mnist1d, monkeypatch):
    first = load_dataset("mnist1d-large")
    monkeypatch.setattr(mnist1d, "_generate_large", lambda: pytest.fail("generated again"))
    assert load_dataset("mnist1d-large").sha256 == first.sha256


def test_generation_leaves_the_global_random_states_alone(small_large_mnist1d):
    numpy_before, python_before = np.random.get_state(), random.getstate()
    load_dataset("mnist1d-large")
    numpy_after = np.random.get_state()
    assert random.getstate() == python_before
    np.testing.assert_array_equal(numpy_after[1], numpy_before[1])
    assert numpy_after[2:] == numpy_before[2:]
