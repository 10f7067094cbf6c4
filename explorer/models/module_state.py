"""What training changes in a user's `torch.nn.Module` beside the parameters that are trained.

Buffers, registered or not, frozen parameters, and the module's own attributes: counters, tensors,
random generators, and lists and dicts of them. Objects of other types must stay as the factory
made them; where one has changed, the module's state cannot be kept, and that is said.

Two attributes that hold one and the same object hold two equal ones afterwards.
"""

from __future__ import annotations

import enum
import functools
import hashlib
import pickle
import types
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from explorer.models.state import State, StateError, UnkeepableStateError, entry

#: Values without state of their own; an attribute may only hold another one, which is noticed.
_STATELESS = (
    types.FunctionType,
    types.BuiltinFunctionType,
    types.MethodType,
    types.ModuleType,
    type,
    enum.Enum,
    torch.dtype,
    torch.device,
    torch.layout,
    torch.memory_format,
    torch.jit.ScriptFunction,
)
_PLAIN = (bool, int, float, str, type(None))
_INTERNAL = frozenset(nn.Module().__dict__)

#: Attributes of each layer, encoded: plain values as they are, others as a list that begins with
#: what they are.
Attributes = dict[str, dict[str, Any]]


def attributes_of(module: nn.Module) -> Attributes:
    """All attributes of all layers, to tell later which of them training has changed."""
    registered = {id(tensor) for tensor in [*module.parameters(), *module.buffers()]}
    return {
        name: {
            key: _encoded(value, registered)
            for key, value in layer.__dict__.items()
            if key not in _INTERNAL
        }
        for name, layer in module.named_modules()
    }


def module_state(module: nn.Module, fresh: Attributes) -> State:
    """What is to be kept of a module.

    Args:
        module: the module.
        fresh: its `attributes_of` when its factory had made it.

    Raises:
        UnkeepableStateError: an attribute that has changed is of a type that no state can hold.
    """
    now = attributes_of(module)
    changed: list[list[Any]] = []
    if list(now) != list(fresh):
        raise UnkeepableStateError(
            f"The state of the model's {type(module).__name__} cannot be kept: training changes "
            f"its layers."
        )
    for name, attributes in now.items():
        before = fresh[name]
        for key, value in attributes.items():
            if key in before and _equal(before[key], value):
                continue
            kind = _unkeepable(value)
            if kind:
                raise UnkeepableStateError(
                    f"The state of the model's {type(module.get_submodule(name)).__name__} cannot "
                    f"be kept: training changes its attribute {key!r}, which holds {kind}."
                )
            changed.append([name, key, value])
        changed += [[name, key] for key in before if key not in attributes]
    return {
        "layers": list(now),
        "frozen": {
            name: parameter.detach().to("cpu", copy=True)
            for name, parameter in module.named_parameters()
            if not parameter.requires_grad
        },
        "buffers": {
            name: None if buffer is None else buffer.detach().to("cpu", copy=True)
            for name, buffer in _buffers(module).items()
        },
        "changed": changed,
    }


def load_module_state(module: nn.Module, state: State, device: torch.device) -> None:
    """Bring a module that its factory has just made to a kept state.

    Args:
        module: the module, on the CPU.
        state: what `module_state` gave.
        device: where attributes go that were on no CPU.

    Raises:
        StateError: the state is of another module.
    """
    layers = dict(module.named_modules())
    frozen = {n: p for n, p in module.named_parameters() if not p.requires_grad}
    kept_frozen, kept_buffers = entry(state, "frozen", dict), entry(state, "buffers", dict)
    if (
        entry(state, "layers", list) != list(layers)
        or list(kept_frozen) != list(frozen)
        or any(kept_frozen[name].shape != frozen[name].shape for name in frozen)
        or not _buffers(module).keys() <= kept_buffers.keys()
    ):
        raise StateError("The training state belongs to a model of other layers.")
    for name, parameter in frozen.items():
        parameter.data = kept_frozen[name].clone()
    for name, value in kept_buffers.items():
        owner, _, key = name.rpartition(".")
        present = layers[owner]._buffers.get(key)
        if value is None or present is None:
            layers[owner]._buffers[key] = None if value is None else value.clone()
        else:
            present.data = value.clone()  # the buffer itself stays: other names may mean it too
    for name, key, *values in entry(state, "changed", list):
        attributes = layers[name].__dict__
        if values:
            attributes[key] = _decoded(values[0], attributes.get(key), device)
        else:
            attributes.pop(key, None)


def _buffers(module: nn.Module) -> dict[str, Tensor | None]:
    """All buffers, those that are not set and those that no `state_dict` holds too."""
    return {
        f"{name}.{key}" if name else key: buffer
        for name, layer in module.named_modules()
        for key, buffer in layer._buffers.items()
    }


def _encoded(value: Any, registered: set[int]) -> Any:
    encode = functools.partial(_encoded, registered=registered)
    if type(value) in _PLAIN:
        return value
    if isinstance(value, weakref.ReferenceType):
        return ["object", "reference", 0]  # recurrent layers renew those to their own parameters
    if id(value) in registered or isinstance(value, _STATELESS):
        return ["object", type(value).__qualname__, id(value)]
    if type(value) in (Tensor, nn.Parameter):
        return ["tensor", value.device.type, value.detach().to("cpu", copy=True)]
    if type(value).__name__ in _CONTAINERS and type(value) is _CONTAINERS[type(value).__name__]:
        return [type(value).__name__, *map(encode, value)]
    if type(value) is dict:
        return ["dict", *(["item", encode(key), encode(v)] for key, v in value.items())]
    if type(value) is torch.Generator and value.device.type == "cpu":
        return ["generator", value.get_state()]
    if type(value) is np.random.Generator:
        return ["numpy generator", encode(value.bit_generator.state)]
    if isinstance(value, np.ndarray | np.generic) and value.dtype.kind in "biuf":
        return ["array", isinstance(value, np.generic), torch.from_numpy(np.array(value))]
    return ["object", type(value).__qualname__, _fingerprint(value)]


def _fingerprint(value: object) -> str | None:
    """Tells whether an object has changed; None where that cannot be told."""
    try:
        # Written to be compared, never read.
        return hashlib.sha256(pickle.dumps(value)).hexdigest()
    except Exception:  # whatever an object's own hooks raise
        return None


def _equal(a: Any, b: Any) -> bool:
    """Whether two encoded values are the same to the bit."""
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        same = a.dtype == b.dtype and a.shape == b.shape
        return same and torch.equal(_bytes(a), _bytes(b))
    if isinstance(a, list) and isinstance(b, list):
        if a[:1] == ["object"] and a[-1] is None:
            return False
        return len(a) == len(b) and all(map(_equal, a, b))
    return type(a) is type(b) and repr(a) == repr(b)


def _bytes(tensor: Tensor) -> Tensor:
    return tensor.reshape(-1).view(torch.uint8)


def _unkeepable(encoded: Any) -> str | None:
    """The type of an object within that cannot be brought back."""
    if not isinstance(encoded, list):
        return None
    if encoded[0] == "object":
        return str(encoded[1])
    return next(filter(None, map(_unkeepable, encoded)), None)


_CONTAINERS: dict[str, Callable[[list[Any]], Any]] = {
    kind.__name__: kind for kind in (list, tuple, set, frozenset, torch.Size)
}


def _decoded(encoded: Any, present: Any, device: torch.device) -> Any:
    """A value as it was, `present` being what the factory has made in its place.

    Raises:
        StateError: the state is damaged, or the factory makes something else now.
    """
    if type(encoded) in _PLAIN:
        return encoded
    kind, *parts = encoded
    if kind in _CONTAINERS:
        return _CONTAINERS[kind]([_decoded(part, None, device) for part in parts])
    if kind == "dict":
        return {
            _decoded(key, None, device): _decoded(value, None, device) for _, key, value in parts
        }
    if kind == "tensor":
        return parts[1].to("cpu" if parts[0] == "cpu" else device, copy=True)
    if kind == "array":
        array = parts[1].numpy().copy()
        return array[()] if parts[0] else array
    if kind == "generator":
        generator = present if isinstance(present, torch.Generator) else torch.Generator()
        generator.set_state(parts[0])
        return generator
    if kind == "numpy generator" and isinstance(present, np.random.Generator):
        present.bit_generator.state = _decoded(parts[0], None, device)
        return present
    raise StateError("The training state belongs to a model with other attributes.")
