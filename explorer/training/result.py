"""What a trial leaves behind: its evaluations and how it ended."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import Any

from explorer.trial import Configuration


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One point of a learning curve: mean cross-entropies in nats, accuracies as fractions."""

    step: int
    epoch: float
    train_loss: float
    train_accuracy: float
    test_loss: float
    test_accuracy: float
    validation_loss: float | None = None
    validation_accuracy: float | None = None

    def as_list(self) -> list[Any]:
        """The fields in order, as `Evaluation(*values)` takes them."""
        return list(astuple(self))


@dataclass(frozen=True, slots=True)
class TrialResult:
    """How one trial ended.

    Attributes:
        status: `completed`, or `diverged` when its loss became non-finite.
        steps_done: SGD steps done; where it diverged, up to the check that found it.
        wall_seconds: the trial's share of its pack's time.
        evaluations: in order of steps; of a diverged trial those before it diverged.
    """

    configuration: Configuration
    status: str
    steps_done: int
    n_classes: int
    wall_seconds: float
    evaluations: tuple[Evaluation, ...]
