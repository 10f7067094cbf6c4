"""A model's multiply-adds, parameters and layers: by formula, or counted on torch's meta device."""

from __future__ import annotations

import itertools
import logging
import math
import warnings
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from explorer.cost_model import ModelNumbers
from explorer.models import FAMILIES, check_model_name

if TYPE_CHECKING:
    from torch import nn

logger = logging.getLogger(__name__)

Factory = Callable[[tuple[int, ...], int], "nn.Module"]

#: Samples of the forward pass that is counted: batch statistics need two.
_SAMPLES = 2


def model_numbers(
    model: str, input_shape: Sequence[int], n_classes: int, factory: Factory | None = None
) -> ModelNumbers:
    """Return a model's numbers; zeros where nothing can be said of it.

    A built-in model's follow from its name, without torch. A user's module is made once and run
    on torch's meta device, where tensors have shapes and no data.

    Args:
        model: the configuration's `model`.
        input_shape: of one sample.
        n_classes: number of classes.
        factory: the user's `factory(input_shape, n_classes) -> torch.nn.Module`, if it is one.

    Raises:
        InputError: a built-in family's name that is malformed, or does not fit the inputs.
    """
    shape = tuple(input_shape)
    if factory is not None:
        return _counted(factory, shape, n_classes)
    family, _, text = model.partition("-")
    if family not in FAMILIES:
        return ModelNumbers()
    check_model_name(model, shape)
    sizes = [int(size) for size in text.split("-") if size]
    if family == "mlp":
        return _perceptron((math.prod(shape), *sizes, n_classes))
    if family == "cnn1d":
        return _convolutions((1, *shape)[-2], shape[-1:], 5, sizes, n_classes)
    return _convolutions((1, *shape)[-3], shape[-2:], 9, sizes, n_classes)


def _perceptron(sizes: Sequence[int]) -> ModelNumbers:
    pairs = list(itertools.pairwise(sizes))
    return ModelNumbers(
        multiply_adds=sum(fan_in * fan_out for fan_in, fan_out in pairs),
        parameters=sum((fan_in + 1) * fan_out for fan_in, fan_out in pairs),
        values=sum(fan_out for _, fan_out in pairs),
    )


def _convolutions(
    in_channels: int, extent: Sequence[int], kernel: int, channels: Sequence[int], n_classes: int
) -> ModelNumbers:
    """Each convolution is padded and followed by pooling that halves every side; then one linear.

    Args:
        in_channels: of the inputs.
        extent: sides of the inputs, in positions.
        kernel: positions of a convolution's window.
        channels: of each convolution.
        n_classes: of the linear layer.
    """
    multiply_adds = parameters = values = 0
    for fan_in, fan_out in itertools.pairwise([in_channels, *channels]):
        multiply_adds += math.prod(extent) * kernel * fan_in * fan_out
        parameters += (kernel * fan_in + 1) * fan_out
        values += math.prod(extent) * fan_out
        extent = [side // 2 for side in extent]
    features = channels[-1] * math.prod(extent)
    return ModelNumbers(
        multiply_adds=multiply_adds + features * n_classes,
        parameters=parameters + (features + 1) * n_classes,
        values=values + n_classes,
    )


@lru_cache(maxsize=256)
def _counted(factory: Factory, input_shape: tuple[int, ...], n_classes: int) -> ModelNumbers:
    """What one forward pass of the module does, or zeros where it cannot run without data."""
    try:
        return _count(factory, input_shape, n_classes)
    except Exception as error:  # the user's code, under a device it was not written for
        name = getattr(factory, "__name__", repr(factory))
        logger.info("The model %s cannot be counted, its cost is guessed: %s", name, error)
        return ModelNumbers()


def _count(factory: Factory, input_shape: tuple[int, ...], n_classes: int) -> ModelNumbers:
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils.flop_counter import FlopCounterMode

    from explorer.models.modules import UNSTACKABLE, make_module, own_randomness

    class Layers(TorchDispatchMode):
        """Counts operations and the numbers they give out; views and bookkeeping do nothing."""

        operations = 0
        values = 0

        def __torch_dispatch__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            result = func(*args, **(kwargs or {}))
            if isinstance(result, torch.Tensor | tuple | list) and not func.is_view:
                found = [result] if isinstance(result, torch.Tensor) else result
                # The largest is the layer's; a batch norm's others are its statistics.
                largest = max((t.numel() for t in found if torch.is_tensor(t)), default=0)
                self.operations += largest > 0
                self.values += largest
            return result

    with warnings.catch_warnings(), own_randomness(0, -1), torch.no_grad(), torch.device("meta"):
        warnings.simplefilter("ignore")  # those of the module come when it trains
        module = make_module(factory, input_shape, n_classes).to("meta").eval()
        inputs = torch.empty(_SAMPLES, *input_shape)
        with FlopCounterMode(display=False) as flops, Layers() as layers:
            module(inputs)
    return ModelNumbers(
        multiply_adds=flops.get_total_flops() // (2 * _SAMPLES),
        parameters=sum(p.numel() for p in module.parameters() if p.requires_grad),
        values=layers.values // _SAMPLES,
        operations=layers.operations,
        stacked=not any(isinstance(layer, UNSTACKABLE) for layer in module.modules())
        and not list(module.buffers())
        and all(p.requires_grad for p in module.parameters()),
    )
