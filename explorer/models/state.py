"""What is kept of a pack in the middle of its training, and the errors that belong to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor

from explorer.errors import ExplorerError
from explorer.models.base import Stack

#: Tensors, numbers, texts, None, and lists, tuples and dicts of them: what `torch.load` reads with
#: `weights_only=True`.
State = dict[str, Any]

_Kind = TypeVar("_Kind")


class StateError(ExplorerError):
    """A state that cannot be gone on from; training from the beginning gives the same results."""


class UnkeepableStateError(StateError):
    """A user's model holds something that no state can keep; train it without one."""


def entry(state: State, name: str, kind: type[_Kind]) -> _Kind:
    """One value of a state.

    Raises:
        StateError: it is missing or of another type.
    """
    value = state.get(name) if isinstance(state, dict) else None
    if type(value) is not kind:
        raise StateError(
            f"The training state is damaged: its {name!r} should be {kind.__name__}, "
            f"not {type(value).__name__}."
        )
    return value


def copies(tensors: Sequence[Tensor]) -> list[Tensor]:
    """Copies on the CPU, which further training does not move."""
    return [tensor.detach().to("cpu", copy=True) for tensor in tensors]


def copy_into(targets: Stack, state: State, name: str) -> None:
    """Copy a state's tensors into those that a trainer has made, in place.

    In place, so that memory is laid out as in a training that was never interrupted.

    Raises:
        StateError: their number, a shape or a type differs.
    """
    values = entry(state, name, list)
    found = [(v.dtype, v.shape) if isinstance(v, Tensor) else type(v) for v in values]
    wanted = [(target.dtype, target.shape) for target in targets]
    if found != wanted:
        raise StateError(
            f"The training state is damaged: the shapes of its {name!r} are not this pack's."
        )
    with torch.no_grad():
        for target, value in zip(targets, values, strict=True):
            target.copy_(value)
