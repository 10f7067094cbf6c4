"""A small convolutional network for 1-d inputs, stacked by unfold and a matrix product.

Grouped convolutions, and `torch.func.vmap` over convolutions, give results that depend on the
number of members; windows unfolded into rows and multiplied by `baddbmm` do not.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from explorer.models.base import Stack, WithoutState, member_by_member, uniform

KERNEL = 5


class StackedCNN1d(WithoutState):
    """Per channel count: convolution (5 wide, padded), ReLU, max-pooling by 2; then one linear.

    Convolution weights are [K, out, in * 5] (a `torch.nn.Conv1d` weight with its last two axes
    joined), biases [K, out, 1]; initialized like PyTorch's layers.
    """

    def __init__(
        self, input_shape: tuple[int, ...], channels: Sequence[int], n_classes: int
    ) -> None:
        in_channels, length = (1, *input_shape)[-2:]
        self.channels: tuple[int, ...] = (in_channels, *channels)
        self.in_length = length
        self.out_features = channels[-1] * (length >> len(channels))
        self.n_classes = n_classes

    @property
    def multiply_adds(self) -> int:
        """Multiply-adds of one sample's forward pass."""
        total, length = 0, self.in_length
        for fan_in, fan_out in zip(self.channels, self.channels[1:], strict=False):
            total += length * fan_in * KERNEL * fan_out
            length //= 2
        return total + self.out_features * self.n_classes

    def initial(self, generators: Sequence[torch.Generator]) -> Stack:
        """See `StackedModel.initial`."""
        rows = [(a * KERNEL, b) for a, b in zip(self.channels, self.channels[1:], strict=False)]
        parameters = []
        for fan_in, fan_out in [*rows, (self.out_features, self.n_classes)]:
            bound = 1 / math.sqrt(fan_in)
            parameters.append(uniform((fan_out, fan_in), bound, generators))
            parameters.append(uniform((fan_out, 1), bound, generators))
        return parameters

    def logits(self, parameters: Stack, inputs: Tensor, members: Sequence[int]) -> Tensor:
        """See `StackedModel.logits`."""
        k, n = len(members), inputs.shape[1]
        maps = inputs.reshape(-1, n, self.channels[0], self.in_length).expand(k, -1, -1, -1)
        for weight, bias in zip(parameters[:-2:2], parameters[1:-2:2], strict=True):
            windows = functional.pad(maps, (KERNEL // 2, KERNEL // 2)).unfold(3, KERNEL, 1)
            length = windows.shape[3]
            # [M, n, channels, length, 5] -> [M, channels * 5, n * length]
            rows = windows.permute(0, 2, 4, 1, 3).reshape(k, -1, n * length)
            out = torch.baddbmm(bias, weight, rows).relu()
            pooled = out.view(k, -1, n, length)[..., : length // 2 * 2].unflatten(3, (-1, 2))
            maps = pooled.amax(4).transpose(1, 2)  # [M, n, channels, length / 2]
        features = maps.reshape(k, n, -1).transpose(1, 2)
        return torch.baddbmm(parameters[-1], parameters[-2], features)

    def gradients(self, parameters: Stack, inputs: Tensor, labels: Tensor, out: Stack) -> Tensor:
        """See `StackedModel.gradients`; by autograd."""
        if labels.shape[1] == 1 or self.out_features == 1:
            return member_by_member(self._gradients, parameters, inputs, labels, out)
        return self._gradients(parameters, inputs, labels, out)

    def _gradients(self, parameters: Stack, inputs: Tensor, labels: Tensor, out: Stack) -> Tensor:
        leaves = [p.detach().requires_grad_() for p in parameters]
        with torch.enable_grad():
            logits = self.logits(leaves, inputs, range(len(labels)))
            picked = torch.log_softmax(logits, 1).gather(1, labels.unsqueeze(1))
            # Members share no parameter, so the sum's gradient is each member's own.
            loss = -picked.sum() / labels.shape[1]
        for target, gradient in zip(out, torch.autograd.grad(loss, leaves), strict=True):
            target.copy_(gradient)
        return logits.detach()

    def keep(self, members: Sequence[int]) -> None:
        """See `StackedModel.keep`: nothing is held."""
