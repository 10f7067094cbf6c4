"""The protocol between a strategy and whatever runs its trials."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from explorer.trial import Configuration


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a strategy learns from one finished trial.

    Attributes:
        configuration: the trial.
        status: `completed`, `diverged` or `failed`.
        test_accuracy: fraction at the last evaluation; None where there was none.
        test_loss: nats per sample at the last evaluation; None where there was none.
    """

    configuration: Configuration
    status: str
    test_accuracy: float | None = None
    test_loss: float | None = None


class Strategy(Protocol):
    """Proposes trials (ask) and learns from finished ones (tell)."""

    @property
    def finished(self) -> bool:
        """True when `ask` will never return anything again, whatever is told."""
        ...

    def ask(self, n: int) -> list[Configuration]:
        """Return up to n new configurations; fewer, or none, when it must first be told more.

        A strategy with nothing outstanding that returns none is taken to be finished.
        """
        ...

    def tell(self, outcomes: Sequence[Outcome]) -> None:
        """Take in finished trials, in any order; each configuration asked for is told once."""
        ...
