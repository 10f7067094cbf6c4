"""A small convolutional network for two-dimensional inputs.

Its members train one by one: at these sizes unfold + baddbmm is three times slower, and grouped
convolutions change a member's bits with its neighbours.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from explorer.models.modules import OneByOne


class StackedCNN2d(OneByOne):
    """Per channel count: 3x3 convolution (padded), ReLU, 2x2 max-pooling; then one linear."""

    def __init__(
        self, input_shape: tuple[int, ...], channels: Sequence[int], n_classes: int
    ) -> None:
        super().__init__(self._module, input_shape, n_classes)
        self._channels = (1, *input_shape)[-3], *channels
        self._image = input_shape[-2:]

    def _module(self, input_shape: tuple[int, ...], n_classes: int) -> nn.Module:
        layers: list[nn.Module] = [nn.Unflatten(0, (-1, 1))] if len(input_shape) == 2 else []
        for fan_in, fan_out in zip(self._channels, self._channels[1:], strict=False):
            layers += [nn.Conv2d(fan_in, fan_out, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
        halvings = len(self._channels) - 1
        features = self._channels[-1] * (self._image[0] >> halvings) * (self._image[1] >> halvings)
        return nn.Sequential(*layers, nn.Flatten(), nn.Linear(features, n_classes))

    @property
    def multiply_adds(self) -> int:
        """Multiply-adds of one sample's forward pass."""
        total, (height, width) = 0, self._image
        for fan_in, fan_out in zip(self._channels, self._channels[1:], strict=False):
            total += height * width * 9 * fan_in * fan_out
            height, width = height // 2, width // 2
        return total + self._channels[-1] * height * width * self._n_classes
