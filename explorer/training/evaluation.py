"""Loss and accuracy of a pack's members over whole sample sets."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from explorer.models.base import Stack, StackedModel

#: Samples a block. Fixed, because it decides the shapes of the matrix products and so their bits;
#: on a CPU one member's block of activations fits the second-level cache.
BLOCK = 2000


def evaluate(
    model: StackedModel, parameters: Stack, members: Sequence[int], inputs: Tensor, labels: Tensor
) -> list[tuple[float, float]]:
    """Mean cross-entropy (nats) and accuracy of each listed member.

    A sample counts as correct when its class scores strictly higher than every other class.

    Args:
        model: the family.
        parameters: one tensor [K, ...] for each parameter.
        members: positions in 0..K-1.
        inputs: [n, *input_shape].
        labels: [n].
    """
    # On a CPU members go one by one, which keeps the work in cache; on a GPU together.
    groups = [list(members)] if inputs.device.type != "cpu" else [[k] for k in members]
    results: list[tuple[float, float]] = []
    for group in groups:
        chosen = [p[group[0] : group[0] + 1] if len(group) == 1 else p[group] for p in parameters]
        loss = torch.zeros(len(group), dtype=torch.float64, device=inputs.device)
        correct = torch.zeros(len(group), dtype=torch.int64, device=inputs.device)
        for start in range(0, len(inputs), BLOCK):
            block = slice(start, start + BLOCK)
            logits = model.logits(chosen, inputs[block].unsqueeze(0), group)
            index = labels[block].expand(len(group), 1, -1)
            loss -= torch.log_softmax(logits, 1).gather(1, index).sum((1, 2), dtype=torch.float64)
            own = logits.gather(1, index)
            others = logits.scatter_(1, index, -torch.inf).amax(1, keepdim=True)
            correct += (own > others).sum((1, 2))
        n = len(inputs)
        results += zip((loss / n).tolist(), (correct.double() / n).tolist(), strict=True)
    return results
