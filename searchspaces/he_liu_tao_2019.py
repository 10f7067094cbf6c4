"""The 1,600 models of He, Liu & Tao (NeurIPS 2019), "Control batch size and learning rate".

ResNet-110 and VGG-19 on CIFAR-10 and CIFAR-100, twenty batch sizes by twenty learning rates, one
model a cell: plain SGD without momentum, constant learning rate and batch size, 200 epochs, and
the best test accuracy over the epochs as the metric (`--metric best_test_accuracy`).

The paper names no initialization, weight decay or data augmentation; it calls its networks close
to those of the repository bearpaw/pytorch-classification. So here are no weight decay and no
augmentation, batch normalization in both networks, and that repository's initialization. The data
are read by torchvision from `--data-root`.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from explorer.space import SearchSpace, epochs


def convolution(fan_in: int, fan_out: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    """Without a bias, which batch normalization takes away; normal weights (He et al. 2015)."""
    layer = nn.Conv2d(fan_in, fan_out, kernel, stride, padding=kernel // 2, bias=False)
    nn.init.normal_(layer.weight, 0.0, math.sqrt(2 / (kernel * kernel * fan_out)))
    return layer


class Block(nn.Module):
    """Two 3x3 convolutions around which the input is added (He et al. 2016, figure 2)."""

    def __init__(self, fan_in: int, fan_out: int, stride: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            convolution(fan_in, fan_out, 3, stride),
            nn.BatchNorm2d(fan_out),
            nn.ReLU(),
            convolution(fan_out, fan_out, 3),
            nn.BatchNorm2d(fan_out),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or fan_in != fan_out:  # the input in the output's shape
            self.shortcut = nn.Sequential(
                convolution(fan_in, fan_out, 1, stride), nn.BatchNorm2d(fan_out)
            )

    def forward(self, inputs: Tensor) -> Tensor:
        return functional.relu(self.layers(inputs) + self.shortcut(inputs))


def resnet110(input_shape: tuple[int, ...], n_classes: int) -> nn.Module:
    """6n + 2 layers with n = 18: three stages of 16, 32 and 64 channels (He et al. 2016, 4.2)."""
    layers = [convolution(input_shape[0], 16, 3), nn.BatchNorm2d(16), nn.ReLU()]
    fan_in = 16
    for fan_out, stride in ((16, 1), (32, 2), (64, 2)):
        for number in range(18):
            layers.append(Block(fan_in, fan_out, stride if number == 0 else 1))
            fan_in = fan_out
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, n_classes))


def vgg19(input_shape: tuple[int, ...], n_classes: int) -> nn.Module:
    """Sixteen convolutions, halved five times, and one linear layer for 32x32 images.

    Simonyan & Zisserman (2015, table 1, E), whose three linear layers are for larger images.
    """
    layers: list[nn.Module] = []
    fan_in = input_shape[0]
    for fan_out, count in ((64, 2), (128, 2), (256, 4), (512, 4), (512, 4)):
        for _ in range(count):
            layers += [convolution(fan_in, fan_out, 3), nn.BatchNorm2d(fan_out), nn.ReLU()]
            fan_in = fan_out
        layers.append(nn.MaxPool2d(2))
    linear = nn.Linear(512, n_classes)
    with torch.no_grad():
        linear.weight.normal_(0.0, 0.01)
        linear.bias.zero_()
    return nn.Sequential(*layers, nn.Flatten(), linear)


space = SearchSpace(
    dataset=["cifar10", "cifar100"],
    model=[resnet110, vgg19],
    train_size=50_000,
    learning_rate=[k / 100 for k in range(1, 21)],  # 0.01, 0.02, ..., 0.20
    momentum=0.0,
    batch_size=[16 * k for k in range(1, 21)],  # 16, 32, ..., 320
    budget=epochs(200),
    evaluate=200,  # after each epoch
    seeds=1,
)
