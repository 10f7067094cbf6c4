"""A data set's arrays on the training device, moved once and shared by the packs that follow."""

from __future__ import annotations

import warnings
from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from explorer.datasets import Dataset
from explorer.errors import InputError


@dataclass(frozen=True)
class DeviceData:
    """The training pool [pool, *input_shape], the fixed test set, and their labels [samples]."""

    train_inputs: Tensor
    train_labels: Tensor
    test_inputs: Tensor
    test_labels: Tensor
    n_classes: int

    def training(self, train_size: int) -> tuple[Tensor, Tensor]:
        """The first N samples of the fixed permutation: N changes the amount of data only."""
        return self.train_inputs[:train_size], self.train_labels[:train_size]

    def validation(self, train_size: int, validation_size: int) -> tuple[Tensor, Tensor]:
        """The last `validation_size` samples of the pool, which no training prefix reaches.

        Raises:
            InputError: training and validation samples would overlap.
        """
        start = len(self.train_inputs) - validation_size
        if start < train_size:
            raise InputError(
                f"validation_size {validation_size} and train_size {train_size} together exceed "
                f"the pool of {len(self.train_inputs)} samples."
            )
        return self.train_inputs[start:], self.train_labels[start:]


_recent: OrderedDict[tuple[str, str, torch.dtype], DeviceData] = OrderedDict()
_MOST_RECENT = 2


def device_data(dataset: Dataset, device: torch.device, dtype: torch.dtype) -> DeviceData:
    """The data set on `device`; the last two asked for are kept, so that packs share them."""
    key = (dataset.sha256, str(device), dtype)
    if key not in _recent:
        _recent[key] = DeviceData(
            train_inputs=_tensor(dataset.train_inputs).to(device, dtype),
            train_labels=_tensor(dataset.train_labels).to(device),
            test_inputs=_tensor(dataset.test_inputs).to(device, dtype),
            test_labels=_tensor(dataset.test_labels).to(device),
            n_classes=dataset.n_classes,
        )
        while len(_recent) > _MOST_RECENT:
            _recent.popitem(last=False)
    _recent.move_to_end(key)
    return _recent[key]


def forget(dataset: Dataset) -> None:
    """Keep no copy of this data set on any device."""
    for key in [key for key in _recent if key[0] == dataset.sha256]:
        del _recent[key]


def _tensor(array: np.ndarray) -> Tensor:
    with warnings.catch_warnings():
        # Ray hands out read-only shared memory; nothing here writes to it.
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(array)
