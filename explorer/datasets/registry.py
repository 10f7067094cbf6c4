"""Data sets by name."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from types import MappingProxyType

from explorer.datasets import digits, mnist1d, mnist5k, torchvision_images, user_factory
from explorer.datasets.dataset import Dataset, DatasetInfo
from explorer.datasets.user_factory import DatasetFactory
from explorer.errors import InputError

_LOADERS: dict[str, Callable[[], Dataset]] = {
    "mnist1d": mnist1d.load,
    "mnist1d-large": mnist1d.load_large,
    "digits": digits.load,
    "mnist5k": mnist5k.load,
}
_INFOS: dict[str, DatasetInfo] = {
    info.name: info
    for info in [
        mnist1d.INFO,
        mnist1d.LARGE_INFO,
        digits.INFO,
        mnist5k.INFO,
        *(family.info for family in torchvision_images.FAMILIES.values()),
    ]
}
_NO_FACTORIES: Mapping[str, DatasetFactory] = MappingProxyType({})


def dataset_names() -> tuple[str, ...]:
    """The built-in data sets, in the order of the documentation."""
    return tuple(_INFOS)


def load_dataset(
    name: str,
    *,
    data_root: str | None = None,
    factories: Mapping[str, DatasetFactory] | None = None,
) -> Dataset:
    """Read, generate or make a data set.

    Args:
        name: a built-in name, or the name of one of `factories`.
        data_root: the folder of torchvision's files.
        factories: a search space's own data functions by name.

    Raises:
        InputError: no such data set, or a user's function returned unfit data.
        EnvironmentFailure: files are missing and cannot be downloaded.
    """
    factories = _NO_FACTORIES if factories is None else factories
    if name in factories:
        return user_factory.load(name, factories[name])
    if name in torchvision_images.FAMILIES:
        return torchvision_images.load(name, data_root)
    if name in _LOADERS:
        return _LOADERS[name]()
    raise _unknown(name, factories)


def dataset_info(
    name: str, *, factories: Mapping[str, DatasetFactory] | None = None
) -> DatasetInfo:
    """A data set's sizes; only a user's function has to be called for them.

    Raises:
        InputError: no such data set, or a user's function returned unfit data.
    """
    factories = _NO_FACTORIES if factories is None else factories
    if name in factories:
        return user_factory.load(name, factories[name]).info
    if name in _INFOS:
        return _INFOS[name]
    raise _unknown(name, factories)


def _unknown(name: str, factories: Mapping[str, DatasetFactory]) -> InputError:
    known = [*_INFOS, *factories]
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]!r}? Known" if close else "known"
    return InputError(f"dataset {name!r} is unknown: {hint} are {', '.join(known)}.")
