"""Whose fault it is that workers die: the machine's, or that of the packs they were given."""

from __future__ import annotations

from collections.abc import Collection

#: Packs in a row whose worker died, again and again, after which the machine is at fault ...
MAX_LOST_IN_A_ROW = 3
#: ... and the same once a pack of this run has come to an end: then it is rather the packs.
MAX_LOST_AFTER_SUCCESS = 10


class Blame:
    """Counts lost packs in a row.

    A model of which no trial was ever finished, where workers did come to the end of other packs,
    is at fault itself, however many of its packs are lost.
    """

    def __init__(self) -> None:
        self._in_a_row = 0
        self._worked = False
        self._came_through: set[str] = set()

    @property
    def machine(self) -> bool:
        """Whether the machine is to be taken for broken."""
        return self._in_a_row >= (MAX_LOST_AFTER_SUCCESS if self._worked else MAX_LOST_IN_A_ROW)

    def ended(self, models: Collection[str]) -> None:
        """A worker came to the end of a pack, with finished trials of these models."""
        self._in_a_row = 0
        self._worked = True
        self._came_through.update(models)

    def lost(self, model: str) -> None:
        """A pack of this model was lost: its worker died, again and again."""
        if not self._worked or model in self._came_through:
            self._in_a_row += 1
