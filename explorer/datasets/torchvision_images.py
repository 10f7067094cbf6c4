"""MNIST, FashionMNIST, CIFAR-10 and CIFAR-100, read by torchvision from a folder of the user's."""

from __future__ import annotations

import contextlib
import io
import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from explorer.datasets.cache import cache_folder
from explorer.datasets.dataset import Array, Dataset, DatasetInfo
from explorer.errors import EnvironmentFailure

logger = logging.getLogger(__name__)

_ORDER_SEED = 20171114


@dataclass(frozen=True)
class Family:
    """One of torchvision's data sets.

    Attributes:
        info: its sizes.
        class_name: its name in `torchvision.datasets`.
        mean: per channel, of the training pixels scaled to [0, 1].
        standard_deviation: per channel, of the same.
    """

    info: DatasetInfo
    class_name: str
    mean: tuple[float, ...]
    standard_deviation: tuple[float, ...]


FAMILIES = {
    family.info.name: family
    for family in [
        Family(
            DatasetInfo("mnist", 60_000, 10_000, (1, 28, 28), 10), "MNIST", (0.1307,), (0.3081,)
        ),
        Family(
            DatasetInfo("fashion_mnist", 60_000, 10_000, (1, 28, 28), 10),
            "FashionMNIST",
            (0.2860,),
            (0.3530,),
        ),
        Family(
            DatasetInfo("cifar10", 50_000, 10_000, (3, 32, 32), 10),
            "CIFAR10",
            (0.4914, 0.4822, 0.4465),
            (0.2470, 0.2435, 0.2616),
        ),
        Family(
            DatasetInfo("cifar100", 50_000, 10_000, (3, 32, 32), 100),
            "CIFAR100",
            (0.5071, 0.4865, 0.4409),
            (0.2673, 0.2564, 0.2762),
        ),
    ]
}


def load(name: str, data_root: str | None) -> Dataset:
    """Read one of `FAMILIES`; what `data_root` lacks is downloaded.

    Args:
        name: `mnist`, `fashion_mnist`, `cifar10` or `cifar100`.
        data_root: the folder torchvision keeps its files in, as its own `root`; None means
            `torchvision` in the cache folder.

    Raises:
        EnvironmentFailure: the files are missing or damaged and cannot be downloaded.
    """
    family = FAMILIES[name]
    root = cache_folder() / "torchvision" if data_root is None else Path(data_root)
    train_inputs, train_labels = _read(family, root, train=True)
    test_inputs, test_labels = _read(family, root, train=False)
    # The files come in an order of their own; a prefix of it need not look like the whole.
    order = np.random.default_rng(_ORDER_SEED).permutation(len(train_labels))
    return Dataset.from_arrays(
        name, train_inputs[order], train_labels[order], test_inputs, test_labels
    )


def _read(family: Family, root: Path, *, train: bool) -> tuple[Array, Array]:
    """Standardized images float32 [samples, channels, height, width] and labels [samples]."""
    import torchvision.datasets

    reader = getattr(torchvision.datasets, family.class_name)
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # torchvision prints while it downloads
            try:
                images = reader(root=str(root), train=train, download=False)
            except RuntimeError:  # its word for files missing or damaged
                logger.info("Downloading the data set %s to %s.", family.info.name, root)
                images = reader(root=str(root), train=train, download=True)
    except (OSError, RuntimeError) as error:
        reason = " ".join(str(error).split()).rstrip(".")
        raise EnvironmentFailure(
            f"The data set {family.info.name} is not in the data root {root} (--data-root) "
            f"and could not be downloaded: {reason}."
        ) from error
    pixels = np.asarray(images.data)
    pixels = pixels[:, None] if pixels.ndim == 3 else pixels.transpose(0, 3, 1, 2)
    inputs = pixels.astype(np.float32) / np.float32(255.0)
    inputs -= np.asarray(family.mean, np.float32)[:, None, None]
    inputs /= np.asarray(family.standard_deviation, np.float32)[:, None, None]
    return inputs, np.asarray(images.targets, np.int64)
