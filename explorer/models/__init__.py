"""Model families by name (`mlp-64`, `cnn1d-16-32`, `cnn2d-16-32`), or a user's factory."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from explorer.errors import InputError

if TYPE_CHECKING:
    import torch

    from explorer.models.base import StackedModel

FAMILIES = {
    "mlp": "hidden sizes, such as mlp-64 or mlp-128-64; plain mlp is linear",
    "cnn1d": "channels, such as cnn1d-16-32",
    "cnn2d": "channels, such as cnn2d-16-32",
}


def check_model_name(name: str, input_shape: Sequence[int]) -> None:
    """Refuse a name that no family builds for this input shape.

    Raises:
        InputError: unknown family, malformed sizes, or an input shape that the family cannot take.
    """
    _parse(name, tuple(input_shape))


def multiply_adds(name: str, input_shape: Sequence[int], n_classes: int) -> int:
    """Multiply-adds of one sample's forward pass; 0 for a name of no built-in family."""
    family, _, sizes = name.partition("-")
    if family not in FAMILIES or not re.fullmatch(r"(\d+(-\d+)*)?", sizes):
        return 0
    model = _built_in(*_parse(name, tuple(input_shape)), tuple(input_shape), n_classes)
    return int(model.multiply_adds)  # type: ignore[attr-defined]


def build_model(
    name: str,
    input_shape: Sequence[int],
    n_classes: int,
    *,
    batch_size: int,
    factory: Callable[..., torch.nn.Module] | None = None,
    device: torch.device | None = None,
) -> StackedModel:
    """The family that trains this model.

    Args:
        name: the configuration's `model`.
        input_shape: of one sample.
        n_classes: number of classes.
        batch_size: B; whether a user's model can be stacked is checked for this B.
        factory: the user's `factory(input_shape, n_classes) -> torch.nn.Module`, if it is one.
        device: where it will train.

    Raises:
        InputError: see `check_model_name`.
    """
    shape = tuple(input_shape)
    if factory is not None:
        from explorer.models.modules import build_user_model

        return build_user_model(factory, shape, n_classes, batch_size=batch_size, device=device)
    return _built_in(*_parse(name, shape), shape, n_classes)


def _parse(name: str, input_shape: tuple[int, ...]) -> tuple[str, tuple[int, ...]]:
    family, _, text = name.partition("-")
    known = "; ".join(f"{k}: {v}" for k, v in FAMILIES.items())
    if family not in FAMILIES:
        raise InputError(f"model {name!r} is unknown; known families: {known}; or a function.")
    if not re.fullmatch(r"(\d+(-\d+)*)?", text) or (not text and family != "mlp"):
        raise InputError(f"model {name!r} is malformed; known families: {known}.")
    sizes = tuple(int(part) for part in text.split("-") if part)
    if 0 in sizes:
        raise InputError(f"model {name!r} has a layer of size 0.")
    axes = {"cnn1d": (1, 2), "cnn2d": (2, 3)}.get(family)
    if axes and len(input_shape) not in axes:
        raise InputError(
            f"model {name!r} needs inputs of {axes[0]} dimension(s), with or without channels; "
            f"this data set's are {input_shape}."
        )
    if axes and min(input_shape[-axes[0] :]) >> len(sizes) < 1:
        raise InputError(
            f"model {name!r} halves inputs of shape {input_shape} {len(sizes)} times, to nothing."
        )
    return family, sizes


def _built_in(
    family: str, sizes: tuple[int, ...], input_shape: tuple[int, ...], n_classes: int
) -> StackedModel:
    if family == "mlp":
        from math import prod

        from explorer.models.mlp import StackedMLP

        return StackedMLP(prod(input_shape), sizes, n_classes)
    if family == "cnn1d":
        from explorer.models.cnn1d import StackedCNN1d

        return StackedCNN1d(input_shape, sizes, n_classes)
    from explorer.models.cnn2d import StackedCNN2d

    return StackedCNN2d(input_shape, sizes, n_classes)
