"""What trials cost: the numbers of their model and data, and seconds and bytes from them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from explorer.trial import Configuration

_FLOAT_BYTES = 4
#: Arrays as large as its parameters that a member has: those, their gradient and momentum buffer.
_PARAMETER_ARRAYS = 3
#: A built-in convolution's multiply-add in units of a matrix product's on a CPU, unfolding and
#: memory traffic included.
_CONVOLUTION = 5


@dataclass(frozen=True, slots=True)
class Workload:
    """What the cost of a trial depends on beside its configuration.

    Attributes:
        multiply_adds: of one sample's forward pass, in units of a matrix product's.
        test_size: samples of the test set.
        sample_values: numbers that a step holds for each sample of each member: its inputs, and
            its layers' where members train as a stack.
        parameters: numbers that one member trains; 0 where they are not known.
        alone_values: numbers for each sample that only one member at a time holds: the layers'
            where members train one by one.
        operations: tensor operations of a forward pass that each member takes by itself: 0 where
            members train as a stack, or where nothing is known.
    """

    multiply_adds: int = 10_000
    test_size: int = 10_000
    sample_values: int = 1_000
    parameters: int = 0
    alone_values: int = 0
    operations: int = 0


#: Workload of each (data set, model) of a sweep.
Workloads = Mapping[tuple[str, str], Workload]


@dataclass(frozen=True, slots=True)
class ModelNumbers:
    """A model's numbers, of one sample's forward pass where samples matter.

    Attributes:
        multiply_adds: of all layers; 0 where they are not known.
        parameters: numbers to train; 0 where they are not known.
        values: numbers that the layers give out; 0 where they are not known.
        operations: tensor operations; 0 where they are not known.
        stacked: members may train as one stack; False where they train one by one.
    """

    multiply_adds: int = 0
    parameters: int = 0
    values: int = 0
    operations: int = 0
    stacked: bool = True


def workload_of(
    model: str,
    multiply_adds: int,
    test_size: int,
    input_shape: Sequence[int] = (),
    *,
    parameters: int = 0,
    on_gpu: bool = False,
) -> Workload:
    """Return a built-in model's workload; unknown (0) multiply-adds are the generic ones."""
    adds = multiply_adds or Workload().multiply_adds
    convolution = model.startswith("cnn") and not on_gpu
    return Workload(
        multiply_adds=adds * _CONVOLUTION if convolution else adds,
        test_size=test_size,
        sample_values=_sample_values(model, adds, input_shape),
        parameters=parameters,
    )


def counted_workload(
    numbers: ModelNumbers, test_size: int, input_shape: Sequence[int] = ()
) -> Workload:
    """Return the workload of a model whose layers were counted, a user's module.

    Torch's own convolutions take no longer for a multiply-add than its matrix products.
    """
    inputs = math.prod(input_shape)
    layers = 2 * numbers.values  # values and their gradients
    return Workload(
        multiply_adds=numbers.multiply_adds,
        test_size=test_size,
        sample_values=inputs + (layers if numbers.stacked else 0),
        parameters=numbers.parameters,
        alone_values=0 if numbers.stacked else layers,
        operations=0 if numbers.stacked else numbers.operations,
    )


def _sample_values(model: str, multiply_adds: int, input_shape: Sequence[int]) -> int:
    """Numbers that a stacked step holds for each sample; rather too many than too few."""
    inputs = math.prod(input_shape)
    family, _, text = model.partition("-")
    if family == "cnn2d":  # members train one by one: only the gathered inputs are stacked
        return inputs
    sizes = [int(size) for size in text.split("-") if size.isdecimal()]
    if family == "mlp":
        return inputs + 2 * sum(sizes)  # values and their gradients
    if family == "cnn1d" and sizes:
        # An unfolded layer has `multiply_adds / channels` values, and it is kept for the gradient.
        return inputs + multiply_adds // min(sizes) + 2 * inputs * max(sizes)
    return 4 * inputs + Workload().sample_values  # a user's model, of which nothing is known


def member_bytes(batch_size: int, workload: Workload) -> int:
    """Bytes that one more member adds to what a step of its pack holds."""
    samples = batch_size * workload.sample_values
    return _FLOAT_BYTES * (samples + _PARAMETER_ARRAYS * workload.parameters)


def shared_bytes(batch_size: int, workload: Workload) -> int:
    """Bytes that a step holds whatever the number of members, where they train one by one."""
    return _FLOAT_BYTES * batch_size * workload.alone_values


@dataclass(frozen=True, slots=True)
class CostModel:
    """Seconds on one core, from measured constants; good to a factor of about two elsewhere.

    Attributes:
        member_step: s, one member's share of a stacked step, whatever the batch.
        step_multiply_add: s, a multiply-add of the forward pass with its backward pass.
        evaluation_multiply_add: s, a multiply-add of a forward pass over many samples.
        stacked_step: s, what one stacked step costs whatever the number of members.
        pack: s, starting a pack on a running worker, and publishing it.
        operation: s, a tensor operation of a member that trains by itself, with its backward pass.
    """

    member_step: float = 9e-6
    step_multiply_add: float = 9e-11
    evaluation_multiply_add: float = 6e-11
    stacked_step: float = 120e-6
    pack: float = 0.06
    operation: float = 80e-6

    def trial_seconds(self, configuration: Configuration, workload: Workload) -> float:
        """Return what one more member adds to its pack, in seconds."""
        c = configuration
        step = self.member_step + self.step_multiply_add * c.batch_size * workload.multiply_adds
        if workload.operations:
            step += self.operation * workload.operations
        samples = c.train_size + c.validation_size + workload.test_size
        evaluation = samples * workload.multiply_adds * self.evaluation_multiply_add
        return c.steps * step + c.evaluations * evaluation

    def shared_seconds(self, longest_steps: int) -> float:
        """Return what a pack costs beside its members' shares, in seconds."""
        return self.pack + longest_steps * self.stacked_step
