"""Any `torch.nn.Module`: stacked by torch.func where that keeps every bit, else one by one."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value, vmap
from torch.nn import functional

from explorer.errors import InputError
from explorer.models.base import Stack, StackedModel
from explorer.models.module_state import (
    Attributes,
    attributes_of,
    load_module_state,
    module_state,
)
from explorer.models.out_of_memory import is_out_of_memory
from explorer.models.state import StateError, entry

Factory = Callable[[tuple[int, ...], int], nn.Module]

#: Layers whose bits under vmap depend on the number of members, or that hold state or draw noise.
UNSTACKABLE = (
    nn.modules.conv._ConvNd,
    nn.modules.dropout._DropoutNd,
    nn.modules.batchnorm._NormBase,
)
_CHECK_PACKS = (1, 3, 8)
_CHECK_STEPS = 3
#: Purposes of a member's randomness, beside the numbers of its training steps.
_WEIGHTS, _EVALUATION = -1, -2


class OneByOne:
    """Members trained in turn, each with its own module: its buffers and its noise are its own."""

    def __init__(self, factory: Factory, input_shape: tuple[int, ...], n_classes: int) -> None:
        self._factory = factory
        self._input_shape = input_shape
        self._n_classes = n_classes
        self._modules: list[nn.Module] = []
        self._as_made: list[Attributes] = []
        self._seeds: list[int] = []
        self._steps = 0

    def initial(self, generators: Sequence[torch.Generator]) -> Stack:
        """See `StackedModel.initial`; frozen parameters stay in the modules."""
        self._seeds = [draw_seed(generator) for generator in generators]
        self._modules, self._steps = [], 0
        for seed in self._seeds:
            with own_randomness(seed, _WEIGHTS):
                self._modules.append(make_module(self._factory, self._input_shape, self._n_classes))
        self._as_made = [attributes_of(module) for module in self._modules]
        return stacked_parameters(self._modules)

    def logits(self, parameters: Stack, inputs: Tensor, members: Sequence[int]) -> Tensor:
        """See `StackedModel.logits`."""
        scores = []
        for row, k in enumerate(members):
            module = self._modules[k].to(inputs).eval()
            own = dict(zip(trainable(module), [p[row] for p in parameters], strict=True))
            with own_randomness(self._seeds[k], _EVALUATION):
                scores.append(functional_call(module, own, (inputs[row % len(inputs)],)))
        return torch.stack(scores).transpose(1, 2).contiguous()

    def gradients(self, parameters: Stack, inputs: Tensor, labels: Tensor, out: Stack) -> Tensor:
        """See `StackedModel.gradients`."""
        scores = []
        for k, module in enumerate(self._modules):
            module.to(inputs).train()
            leaves = [p[k].detach().requires_grad_() for p in parameters]
            own = dict(zip(trainable(module), leaves, strict=True))
            with torch.enable_grad(), own_randomness(self._seeds[k], self._steps):
                logits = functional_call(module, own, (inputs[k],))
                loss = functional.cross_entropy(logits, labels[k])
                found = torch.autograd.grad(loss, leaves, materialize_grads=True)
            for target, gradient in zip(out, found, strict=True):
                target[k].copy_(gradient)
            scores.append(logits.detach())
        self._steps += 1
        return torch.stack(scores).transpose(1, 2)

    def keep(self, members: Sequence[int]) -> None:
        """See `StackedModel.keep`."""
        self._modules = [self._modules[k] for k in members]
        self._as_made = [self._as_made[k] for k in members]
        self._seeds = [self._seeds[k] for k in members]

    def state(self) -> dict[str, Any]:
        """See `StackedModel.state`."""
        modules = map(module_state, self._modules, self._as_made)
        return {"steps": self._steps, "modules": list(modules)}

    def load_state(self, state: dict[str, Any], device: torch.device) -> None:
        """See `StackedModel.load_state`."""
        modules = entry(state, "modules", list)
        if len(modules) != len(self._modules):
            raise StateError("The training state belongs to a pack of other members.")
        self._steps = entry(state, "steps", int)
        for module, kept in zip(self._modules, modules, strict=True):
            load_module_state(module, kept, device)


class Vmapped:
    """Members stacked by `torch.func`: one vmapped call of the module for the whole pack."""

    def __init__(self, factory: Factory, input_shape: tuple[int, ...], n_classes: int) -> None:
        self._factory = factory
        self._input_shape = input_shape
        self._n_classes = n_classes
        with own_randomness(0, _WEIGHTS):
            self._module = make_module(factory, input_shape, n_classes)
        self._as_made = attributes_of(self._module)
        self._names = trainable(self._module)

    def initial(self, generators: Sequence[torch.Generator]) -> Stack:
        """See `StackedModel.initial`."""
        modules = []
        for generator in generators:
            with own_randomness(draw_seed(generator), _WEIGHTS):
                modules.append(make_module(self._factory, self._input_shape, self._n_classes))
        return stacked_parameters(modules)

    def _scores(self, leaves: Stack, inputs: Tensor) -> Tensor:
        named = dict(zip(self._names, leaves, strict=True))
        return cast("Tensor", functional_call(self._module, named, (inputs,)))

    def logits(self, parameters: Stack, inputs: Tensor, members: Sequence[int]) -> Tensor:
        """See `StackedModel.logits`."""
        self._module.eval()
        scores: Tensor = vmap(self._scores)(
            parameters, inputs.expand(len(members), *inputs.shape[1:])
        )
        return scores.transpose(1, 2).contiguous()

    def gradients(self, parameters: Stack, inputs: Tensor, labels: Tensor, out: Stack) -> Tensor:
        """See `StackedModel.gradients`."""
        self._module.train()

        def loss(leaves: Stack, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
            scores = self._scores(leaves, x)
            return functional.cross_entropy(scores, y), scores

        step = vmap(grad_and_value(loss, has_aux=True))
        found, (_, scores) = step(parameters, inputs, labels)
        for target, gradient in zip(out, found, strict=True):
            target.copy_(gradient)
        return cast("Tensor", scores.transpose(1, 2))

    def keep(self, members: Sequence[int]) -> None:
        """See `StackedModel.keep`: nothing is held for a member."""

    def state(self) -> dict[str, Any]:
        """See `StackedModel.state`."""
        return {"module": module_state(self._module, self._as_made)}

    def load_state(self, state: dict[str, Any], device: torch.device) -> None:
        """See `StackedModel.load_state`."""
        load_module_state(self._module, entry(state, "module", dict), device)


def build_user_model(
    factory: Factory,
    input_shape: tuple[int, ...],
    n_classes: int,
    *,
    batch_size: int,
    device: torch.device | None = None,
) -> StackedModel:
    """The fastest way to train this module that keeps every member's bits.

    Raises:
        InputError: the factory fails, or its module does not give [B, n_classes].
    """
    check_module(factory, input_shape, n_classes)
    if stacks_exactly(factory, input_shape, n_classes, batch_size, str(device or "cpu")):
        return Vmapped(factory, input_shape, n_classes)
    return OneByOne(factory, input_shape, n_classes)


def make_module(factory: Factory, input_shape: tuple[int, ...], n_classes: int) -> nn.Module:
    """Call the factory.

    Raises:
        InputError: it fails, or gives no module with parameters.
    """
    name = getattr(factory, "__name__", repr(factory))
    try:
        module = factory(input_shape, n_classes)
    except Exception as error:
        raise InputError(
            f"the model factory {name}{(input_shape, n_classes)} failed: {error}."
        ) from error
    if not isinstance(module, nn.Module) or not trainable(module):
        raise InputError(
            f"the model factory {name} must give a torch.nn.Module with parameters to train."
        )
    return module


def check_module(factory: Factory, input_shape: tuple[int, ...], n_classes: int) -> None:
    """Refuse a module that does not map [n, *input_shape] to [n, n_classes].

    Raises:
        InputError: the module fails on two samples of zeros, or gives another shape.
    """
    name = getattr(factory, "__name__", repr(factory))
    with own_randomness(0, _WEIGHTS), torch.no_grad():
        module = make_module(factory, input_shape, n_classes).eval()
        try:
            shape = tuple(module(torch.zeros(2, *input_shape)).shape)
        except Exception as error:
            reason = str(error).splitlines()[0]
            raise InputError(
                f"the model {name} fails on inputs {(2, *input_shape)}: {reason}."
            ) from error
    if shape != (2, n_classes):
        raise InputError(f"the model {name} gives {shape} for 2 samples, not {(2, n_classes)}.")


@lru_cache(maxsize=256)
def stacks_exactly(
    factory: Factory, input_shape: tuple[int, ...], n_classes: int, batch_size: int, device: str
) -> bool:
    """Whether torch.func trains packs of 1, 3 and 8 to equal bytes (on a GPU: to equal numbers).

    Modules known not to are not tried: convolutions, dropout, batch statistics, buffers, frozen
    parameters. The few steps run on random inputs of this batch size, and are evaluated.
    """
    with own_randomness(0, _WEIGHTS):
        module = make_module(factory, input_shape, n_classes)
        if any(isinstance(layer, UNSTACKABLE) for layer in module.modules()):
            return False
        if list(module.buffers()) or not all(p.requires_grad for p in module.parameters()):
            return False
        try:
            shape = (factory, input_shape, n_classes, batch_size)
            alone = _short_training(OneByOne, *shape, max(_CHECK_PACKS), device)
            stacked = [_short_training(Vmapped, *shape, k, device) for k in _CHECK_PACKS]
        except Exception as error:
            if is_out_of_memory(error):  # which says nothing about the module
                raise
            # torch.func refuses the module (noise, recurrence, control flow that depends on the
            # data), or the module itself fails: then training it one by one says how.
            return False
    for pack in stacked:
        for mine, largest, reference in zip(pack, stacked[-1], alone, strict=True):
            k = len(mine)
            if device == "cpu" and not torch.equal(mine, largest[:k]):
                return False
            if not torch.allclose(mine, reference[:k], rtol=1e-3, atol=1e-5):
                return False
    return True


def _short_training(
    kind: type[OneByOne] | type[Vmapped],
    factory: Factory,
    input_shape: tuple[int, ...],
    n_classes: int,
    batch_size: int,
    members: int,
    device: str,
) -> Stack:
    """Parameters after a few steps, and scores in evaluation mode, of the first of 8 members."""
    model = kind(factory, input_shape, n_classes)
    parameters = model.initial([torch.Generator().manual_seed(k) for k in range(members)])
    parameters = [p.to(device) for p in parameters]
    gradients = [torch.empty_like(p) for p in parameters]
    draw = torch.Generator().manual_seed(0)
    for _ in range(_CHECK_STEPS):
        inputs = torch.randn((8, batch_size, *input_shape), generator=draw)[:members]
        labels = torch.randint(n_classes, (8, batch_size), generator=draw)[:members]
        with torch.no_grad():
            model.gradients(parameters, inputs.to(device), labels.to(device), gradients)
            for parameter, gradient in zip(parameters, gradients, strict=True):
                parameter.sub_(gradient, alpha=0.1)
    samples = torch.randn((1, 5, *input_shape), generator=draw).to(device)
    with torch.no_grad():
        scores = [
            model.logits([p[k : k + 1] for p in parameters], samples, [k]) for k in range(members)
        ]
    return [*parameters, torch.cat(scores)]


def trainable(module: nn.Module) -> list[str]:
    """Names of the parameters that are trained, in order; a tied one stands there once."""
    return [name for name, parameter in module.named_parameters() if parameter.requires_grad]


def stacked_parameters(modules: Sequence[nn.Module]) -> Stack:
    """One tensor [K, ...] for each trained parameter, in the order of `trainable`."""
    columns = zip(*[[p for p in m.parameters() if p.requires_grad] for m in modules], strict=True)
    return [torch.stack([p.detach() for p in column]) for column in columns]


def draw_seed(generator: torch.Generator) -> int:
    """A seed for what a user's module draws, from a trial's own stream."""
    return int(torch.randint(2**62, (), generator=generator))


@contextmanager
def own_randomness(seed: int, purpose: int) -> Iterator[None]:
    """Seed the global generators that modules draw from (torch, numpy, random); restore them.

    What is drawn depends on the seed and the purpose alone, so neither on a pack's other members
    nor on how often a trial is evaluated.
    """
    digest = hashlib.sha256(f"{seed}/{purpose}".encode()).digest()
    mixed = int.from_bytes(digest[:8], "little") >> 1
    python_state, numpy_state = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(mixed)
        np.random.seed(mixed % 2**32)
        random.seed(mixed)
        try:
            yield
        finally:
            np.random.set_state(numpy_state)
            random.setstate(python_state)
