"""The grid: every configuration of a list, once, in the list's order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from explorer.strategies.ask_tell import Outcome
from explorer.trial import Configuration


class GridStrategy:
    """Hands out a fixed list of configurations and learns nothing.

    Args:
        configurations: the trials to run; a repeated one is handed out once.
    """

    def __init__(self, configurations: Iterable[Configuration]) -> None:
        self._remaining = list(dict.fromkeys(configurations))
        self._next = 0

    @property
    def finished(self) -> bool:
        """True when every configuration was handed out."""
        return self._next >= len(self._remaining)

    def ask(self, n: int) -> list[Configuration]:
        """Return the next n configurations of the list, or the rest of it."""
        asked = self._remaining[self._next : self._next + n]
        self._next += len(asked)
        return asked

    def tell(self, outcomes: Sequence[Outcome]) -> None:
        """Ignore what came of them: the grid is fixed."""
