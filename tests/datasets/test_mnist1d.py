from __future__ import annotations

import hashlib
import logging
import os
import random
import subprocess
import sys
import time

import numpy as np
import pytest

from explorer.datasets import cache, dataset_info, load_dataset, mnist1d

# Two processes that start to generate at the same moment, each in a pool of its own size of 500.
_GENERATE_AT_ONCE = """
import sys, time
from dataclasses import replace
import mnist1d.data
from explorer.datasets import cache, mnist1d as ours
ours.INFO = replace(ours.INFO, pool_size=400, test_size=100)
generate = ours._generate
def generate_and_say():
    print("generating", flush=True)
    return generate()
ours._generate = generate_and_say
print("ready", flush=True)
sys.stdin.readline()
print(ours.load().sha256, flush=True)
"""


@pytest.fixture(scope="module")
def full_pool():
    """The whole pool, from the user's own cache: generated (15 s) by the first run of all."""
    return load_dataset("mnist1d")


def test_the_pool_has_the_stated_sizes(full_pool):
    data = full_pool
    assert data.info == dataset_info("mnist1d")
    assert (data.train_inputs.shape, data.test_inputs.shape) == ((20_000, 40), (10_000, 40))
    labels = np.concatenate([data.train_labels, data.test_labels])
    np.testing.assert_array_equal(np.bincount(labels), 3_000)  # the library makes equal classes


def test_the_order_of_the_pool_is_the_one_that_results_were_stored_with(full_pool):
    data = full_pool
    labels = np.concatenate([data.train_labels, data.test_labels]).astype("<i8")
    assert hashlib.sha256(labels.tobytes()).hexdigest()[:16] == "e9d73281ee8ec5af"
    assert data.train_inputs[0, :3] == pytest.approx([-0.823062, -1.209141, -1.606654], abs=1e-5)


def test_a_prefix_is_not_sorted_by_class(full_pool):
    data = full_pool
    counts = np.bincount(data.train_labels[:500], minlength=10)
    # 50 +- 6.7 each; six standard deviations never happen by chance.
    assert counts.min() > 10
    assert counts.max() < 90


def test_generation_leaves_the_global_random_states_alone(small_mnist1d):
    numpy_before, python_before = np.random.get_state(), random.getstate()
    load_dataset("mnist1d")
    numpy_after = np.random.get_state()
    assert random.getstate() == python_before
    np.testing.assert_array_equal(numpy_after[1], numpy_before[1])
    assert numpy_after[2:] == numpy_before[2:]


def test_random_states_are_restored_when_generation_fails(small_mnist1d, monkeypatch):
    import mnist1d.data as library

    def fail(arguments):
        np.random.seed(arguments.seed)
        random.seed(arguments.seed)
        raise RuntimeError("no samples")

    monkeypatch.setattr(library, "make_dataset", fail)
    before = np.random.get_state()[1].copy(), random.getstate()
    with pytest.raises(RuntimeError, match="no samples"):
        load_dataset("mnist1d")
    np.testing.assert_array_equal(np.random.get_state()[1], before[0])
    assert random.getstate() == before[1]


def test_samples_are_the_librarys_own(small_mnist1d):
    from mnist1d.data import get_dataset_args, make_dataset

    arguments = get_dataset_args()
    arguments.num_samples = 500
    states = np.random.get_state(), random.getstate()
    made = make_dataset(arguments)
    np.random.set_state(states[0])
    random.setstate(states[1])
    data = load_dataset("mnist1d")
    ours = np.concatenate([data.train_inputs, data.test_inputs])
    theirs = np.concatenate([made["x"], made["x_test"]])
    np.testing.assert_array_equal(ours, theirs.astype(np.float32))
    assert len(data.train_labels) == 400


def test_the_downloader_is_never_called(small_mnist1d, monkeypatch):
    import mnist1d.data as library
    import requests

    def refuse(*arguments, **keywords):
        raise AssertionError("the network was used")

    monkeypatch.setattr(library, "get_dataset", refuse)
    monkeypatch.setattr(requests, "get", refuse)
    assert len(load_dataset("mnist1d").test_labels) == 100


def test_a_second_load_reads_the_cache_and_says_nothing(small_mnist1d, monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    first = load_dataset("mnist1d")
    assert "about 15 s" in caplog.text
    caplog.clear()
    monkeypatch.setattr(mnist1d, "_generate", lambda: pytest.fail("generated again"))
    assert load_dataset("mnist1d").sha256 == first.sha256
    assert caplog.text == ""


def _truncate(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _flip_a_byte(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 1
    path.write_bytes(data)


def _empty(path):
    path.write_bytes(b"")


def _foreign(path):
    np.savez(path, array_0=np.zeros(3))


def _pickled(path):
    np.savez(path, array_0=np.array([{"an": "object"}], dtype=object), sha256=np.array("x"))


@pytest.mark.parametrize("damage", [_truncate, _flip_a_byte, _empty, _foreign, _pickled])
def test_a_damaged_cache_file_is_made_again(small_mnist1d, caplog, damage):
    whole = load_dataset("mnist1d").sha256
    (path,) = small_mnist1d.iterdir()
    damage(path)
    assert load_dataset("mnist1d").sha256 == whole
    assert f"{path} is damaged" in caplog.text
    caplog.clear()
    assert load_dataset("mnist1d").sha256 == whole
    assert caplog.text == ""


def test_two_processes_may_generate_at_once(small_mnist1d):
    environment = {**os.environ, "EXPLORER_CACHE": str(small_mnist1d), "OMP_NUM_THREADS": "1"}
    both = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", _GENERATE_AT_ONCE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        for _ in range(2)
    ]
    for process in both:
        assert process.stdout.readline() == "ready\n"
    for process in both:
        process.stdin.write("\n")
        process.stdin.flush()
    printed = [process.communicate(timeout=60)[0].split() for process in both]
    assert [process.returncode for process in both] == [0, 0]
    ours = load_dataset("mnist1d").sha256
    assert [words[-1] for words in printed] == [ours, ours]
    # At least one generated; a load later than the other's rename may have read its file.
    assert sum("generating" in words for words in printed) >= 1
    assert [path.suffix for path in small_mnist1d.iterdir()] == [".npz"]  # no temporary file left


def test_a_reader_never_sees_half_a_file(cache_path):
    """Rewrites go on in another process while this one reads."""
    writer = """
import numpy as np
from explorer.datasets import cache
arrays = (np.arange(200_000),)
path = cache.cache_folder() / "busy.npz"
for _ in range(30):
    cache._write(path, arrays)
"""
    cache.cached_arrays("busy", lambda: (np.arange(200_000),))
    environment = {**os.environ, "EXPLORER_CACHE": str(cache_path)}
    process = subprocess.Popen([sys.executable, "-c", writer], env=environment)
    reads = 0
    while process.poll() is None:
        (array,) = cache.cached_arrays("busy", lambda: pytest.fail("saw half a file"))
        assert array[-1] == 199_999
        reads += 1
        time.sleep(0.001)
    assert process.returncode == 0
    assert reads > 3


def test_a_cache_that_cannot_be_written_costs_a_warning_only(tmp_path, monkeypatch, caplog):
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    monkeypatch.setenv("EXPLORER_CACHE", str(blocked / "cache"))
    (array,) = cache.cached_arrays("key", lambda: (np.arange(3),))
    np.testing.assert_array_equal(array, [0, 1, 2])
    assert "could not be written" in caplog.text


def test_the_cache_folder_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.delenv("EXPLORER_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache.cache_folder() == tmp_path / "hyperparameter-landscape-explorer"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache.cache_folder() == tmp_path / ".cache" / "hyperparameter-landscape-explorer"
    monkeypatch.setenv("EXPLORER_CACHE", str(tmp_path / "own"))
    assert cache.cache_folder() == tmp_path / "own"
