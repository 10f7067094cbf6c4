"""Mini-batch SGD with momentum, PyTorch's convention, hyperparameters per member."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from explorer.models.base import Stack
from explorer.models.state import State, copies, copy_into
from explorer.trial import Configuration


class StackedSGD:
    """`torch.optim.SGD` for K members at once: buf = m*buf + grad + wd*p; p -= eps*buf.

    Optional per member: the gradient's norm over all parameters clipped as by
    `torch.nn.utils.clip_grad_norm_`, and a learning rate that falls linearly to 0 over the last
    `final_decay` of its steps.
    """

    def __init__(self, configurations: Sequence[Configuration], parameters: Stack) -> None:
        self._configurations = list(configurations)
        self._like = parameters[0]
        self._buffers = [torch.zeros_like(p) for p in parameters]
        self._prepare()

    def _prepare(self) -> None:
        members = self._configurations
        self._momentum = self._column([c.momentum for c in members])
        self._any_momentum = any(c.momentum for c in members)
        self._weight_decay = self._column([c.weight_decay for c in members])
        self._any_weight_decay = any(c.weight_decay for c in members)
        bounds = [float("inf") if c.clip_norm is None else c.clip_norm for c in members]
        self._clip_norm = self._column(bounds)
        self._any_clip = any(c.clip_norm is not None for c in members)
        self._decay_from = min(
            (c.steps - int(c.final_decay * c.steps) for c in members if c.final_decay), default=None
        )
        self._minus_rate = self._column([-c.learning_rate for c in members])

    def _column(self, values: Sequence[float]) -> Tensor:
        """[K, 1, 1], in the parameters' type and on their device."""
        return torch.tensor(values, dtype=self._like.dtype, device=self._like.device).view(-1, 1, 1)

    def step(self, step: int, parameters: Stack, gradients: Stack) -> None:
        """Take 0-based `step` in place; `gradients` is used as work space."""
        if self._any_clip:
            self._clip(gradients)
        if self._decay_from is not None and step >= self._decay_from:
            rates = [-c.learning_rate * decay_factor(c, step) for c in self._configurations]
            self._minus_rate = self._column(rates)
        for parameter, gradient, buffer in zip(parameters, gradients, self._buffers, strict=True):
            if self._any_weight_decay:
                gradient.addcmul_(parameter, _like(self._weight_decay, parameter))
            if self._any_momentum:
                direction = buffer.mul_(_like(self._momentum, buffer)).add_(gradient)
            else:
                direction = gradient
            parameter.addcmul_(direction, _like(self._minus_rate, parameter))

    def _clip(self, gradients: Stack) -> None:
        norms = torch.stack([torch.linalg.vector_norm(g.flatten(1), dim=1) for g in gradients], 1)
        norm = torch.linalg.vector_norm(norms, dim=1).view(-1, 1, 1)
        factor = (self._clip_norm / (norm + 1e-6)).clamp_(max=1.0)
        for gradient in gradients:
            gradient.mul_(_like(factor, gradient))

    def keep(self, members: Sequence[int]) -> None:
        """Go on with these members only."""
        self._configurations = [self._configurations[k] for k in members]
        self._buffers = [b[list(members)] for b in self._buffers]
        self._prepare()

    def state(self) -> State:
        """The momentum buffers; none where no member has momentum."""
        return {"momentum": copies(self._buffers) if self._any_momentum else []}

    def load_state(self, state: State) -> None:
        """Take over the momentum of the same members.

        Raises:
            StateError: the state is of another pack.
        """
        copy_into(self._buffers if self._any_momentum else [], state, "momentum")


def decay_factor(configuration: Configuration, step: int) -> float:
    """The learning rate's factor at 0-based `step`: 1, then linear to 0 just after the end."""
    window = configuration.final_decay * configuration.steps
    return min(1.0, (configuration.steps - step) / window) if window else 1.0


def _like(column: Tensor, tensor: Tensor) -> Tensor:
    """The column [K, 1, 1] with as many axes as `tensor`."""
    return column.view(-1, *[1] * (tensor.dim() - 1))
