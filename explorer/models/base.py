"""What the training loop asks of a model: K members' parameters stacked along a leading axis."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

#: Parameters, gradients or momentum buffers of a pack: one tensor [K, ...] for each parameter.
Stack = list[Tensor]


class StackedModel(Protocol):
    """A model family whose members train together without touching each other's arithmetic.

    Every method works on K members at once. Member k's numbers must not depend on K or on the
    other members, bit for bit on the CPU; a family that cannot promise this works member by member.
    """

    def initial(self, generators: Sequence[torch.Generator]) -> Stack:
        """Initial parameters on the CPU, member k drawn from `generators[k]` alone."""
        ...

    def logits(self, parameters: Stack, inputs: Tensor, members: Sequence[int]) -> Tensor:
        """Class scores [M, classes, n] in evaluation mode of M listed members.

        Args:
            parameters: the M members' own, one tensor [M, ...] for each parameter.
            inputs: [M or 1, n, *input_shape].
            members: their positions 0..K-1 in the pack, for families that hold state of a member.
        """
        ...

    def gradients(self, parameters: Stack, inputs: Tensor, labels: Tensor, out: Stack) -> Tensor:
        """Write each member's gradient of its mean cross-entropy into `out`; return the logits.

        Args:
            parameters: one tensor [K, ...] for each parameter.
            inputs: [K, B, *input_shape].
            labels: [K, B], whole numbers below the number of classes.
            out: tensors shaped like `parameters`.

        Returns:
            Logits [K, classes, B], before the step.
        """
        ...

    def keep(self, members: Sequence[int]) -> None:
        """Drop what the model itself holds for members not listed."""
        ...

    def state(self) -> dict[str, Any]:
        """What the model itself holds of its members and decides their further training.

        Tensors, numbers, texts, None, and lists and dicts of them; not the parameters.

        Raises:
            UnkeepableStateError: it holds something else that training changes.
        """
        ...

    def load_state(self, state: dict[str, Any], device: torch.device) -> None:
        """Take over a state of the same members; `initial` was called for them, and `keep`.

        Raises:
            StateError: the state is not one of this model's.
        """
        ...


class WithoutState:
    """A family whose members' whole state is in their parameters."""

    def state(self) -> dict[str, Any]:
        """See `StackedModel.state`."""
        return {}

    def load_state(self, state: dict[str, Any], device: torch.device) -> None:
        """See `StackedModel.load_state`."""


def uniform(shape: tuple[int, ...], bound: float, generators: Sequence[torch.Generator]) -> Tensor:
    """[K, *shape] uniform in (-bound, bound), member k drawn from `generators[k]` alone."""
    return torch.stack(
        [torch.empty(shape).uniform_(-bound, bound, generator=g) for g in generators]
    )


def member_by_member(
    gradients: Callable[[Stack, Tensor, Tensor, Stack], Tensor],
    parameters: Stack,
    inputs: Tensor,
    labels: Tensor,
    out: Stack,
) -> Tensor:
    """`StackedModel.gradients` of one member after the other.

    A product with a single row or column is summed in another order when it stands alone, so
    batches of one sample, and layers of width one, cannot be stacked without changing bits.
    """
    logits = []
    for k in range(len(labels)):
        one = slice(k, k + 1)
        own, into = [p[one] for p in parameters], [o[one] for o in out]
        logits.append(gradients(own, inputs[one], labels[one], into).clone())
    return torch.cat(logits)


def member_losses(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean cross-entropy [K] in nats, from logits [K, classes, n] and labels [K, n]."""
    picked = torch.log_softmax(logits, 1).gather(1, labels.unsqueeze(1))
    return picked.mean((1, 2)).neg_()
