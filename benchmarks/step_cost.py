"""How much of the machine's SGEMM rate a pack's training reaches, one thread, one process."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch

from explorer.datasets import Dataset
from explorer.training import PackTrainer
from explorer.trial import Configuration

#: Steps, each followed by an evaluation, from which the cost of evaluations is taken.
EVALUATED_STEPS = 10


@dataclass(frozen=True)
class PackCost:
    """What one pack's training costs.

    Attributes:
        batch_size: B of its members.
        members: K.
        steps: of each member.
        step_seconds: s, one step of one member without evaluation; shuffling included.
        evaluation_seconds: s, one evaluation of one member on training and test set.
        step_flops: floating-point operations of the matrix products of one such step.
    """

    batch_size: int
    members: int
    steps: int
    step_seconds: float
    evaluation_seconds: float
    step_flops: int

    @property
    def flops_per_second(self) -> float:
        return self.step_flops / self.step_seconds

    def evaluation_share(self, evaluations: int) -> float:
        """The part of a member's time in the pack that its evaluations take."""
        evaluating = evaluations * self.evaluation_seconds
        return evaluating / (evaluating + self.steps * self.step_seconds)


def step_flops(sizes: Sequence[int], batch_size: int) -> int:
    """Floating-point operations of a step's matrix products, two for each multiply-add.

    Forward, the same again for the weights' gradients, and for the gradient at each layer's input
    except the first one's, which nobody needs.
    """
    layers = [a * b for a, b in itertools.pairwise(sizes)]
    return 2 * batch_size * (2 * sum(layers) + sum(layers[1:]))


def sgemm_rate(size: int = 1024, repeats: int = 20) -> float:
    """The best rate of a single-threaded product of two square float32 matrices, in FLOP/s."""
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.randn(size, size, generator=generator) for _ in range(2))
    out = torch.empty(size, size)
    with one_thread():
        return 2 * size**3 / min(_seconds(lambda: torch.mm(a, b, out=out)) for _ in range(repeats))


def pack_cost(
    members: Sequence[Configuration], dataset: Dataset, sizes: Sequence[int], repeats: int
) -> PackCost:
    """Train a pack in this process, the best of `repeats` runs.

    Args:
        members: of one shape, all of the same number of steps.
        dataset: the data set they name.
        sizes: the perceptron's layer sizes, input and output included.
        repeats: how often each of two runs is made: the whole training with one evaluation at its
            end, and a few steps with an evaluation after each.
    """
    once = [replace(c, evaluations=1) for c in members]
    often = [
        replace(c, budget="steps", budget_value=EVALUATED_STEPS, evaluations=EVALUATED_STEPS)
        for c in members
    ]
    training = min(_trained(once, dataset) for _ in range(repeats))
    evaluated = min(_trained(often, dataset) for _ in range(repeats))
    # training = steps * step + evaluation, evaluated = EVALUATED_STEPS * (step + evaluation)
    steps, count = members[0].steps, len(members)
    step = (training - evaluated / EVALUATED_STEPS) / (steps - 1)
    return PackCost(
        batch_size=members[0].batch_size,
        members=count,
        steps=steps,
        step_seconds=step / count,
        evaluation_seconds=(evaluated / EVALUATED_STEPS - step) / count,
        step_flops=step_flops(sizes, members[0].batch_size),
    )


def _trained(members: Sequence[Configuration], dataset: Dataset) -> float:
    trainer = PackTrainer(members, dataset)
    return _seconds(trainer.advance)


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


@contextmanager
def one_thread() -> Iterator[None]:
    """One torch thread, as in the workers."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
