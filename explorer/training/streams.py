"""Each trial's own random streams, derived from its configuration alone."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import torch
from torch import Tensor

from explorer.models.state import State, StateError, copy_into
from explorer.trial import Configuration


def stream(configuration: Configuration, purpose: str) -> torch.Generator:
    """A CPU generator that depends on the configuration and the purpose, and on nothing else.

    Streams are drawn on the CPU whatever the training device, so that a trial meets the same
    initial weights and the same batches everywhere.
    """
    digest = hashlib.sha256(f"{configuration.stream_key}/{purpose}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "little"))


class BatchStream:
    """The batches of a pack whose members share train_size N, batch_size B and sampling.

    `shuffle` permutes the N samples each epoch and drops the last partial batch; `subset` draws B
    distinct samples afresh each step; `replacement` draws B independent ones (He, Liu & Tao 2019,
    eq. 7).
    """

    def __init__(self, configurations: Sequence[Configuration]) -> None:
        first = configurations[0]
        self._sampling = first.sampling
        self._train_size = first.train_size
        self._batch_size = first.batch_size
        self._per_epoch = first.steps_per_epoch
        self._generators = [stream(c, "batches") for c in configurations]
        self._order = torch.empty((len(configurations), self._train_size), dtype=torch.int64)
        # From these the order in hand was drawn; 5 kB a member, whatever the number of samples.
        self._order_drawn_from = [g.get_state() for g in self._generators]

    def indices(self, step: int) -> Tensor:
        """Rows [K, B] of the training set for 0-based `step`; steps must be asked for in order."""
        if self._sampling == "replacement":
            draws = [
                torch.randint(self._train_size, (self._batch_size,), generator=g)
                for g in self._generators
            ]
            return torch.stack(draws)
        within = step % self._per_epoch if self._sampling == "shuffle" else 0
        if within == 0:
            if self._sampling == "shuffle":
                self._order_drawn_from = [g.get_state() for g in self._generators]
            for row, generator in zip(self._order, self._generators, strict=True):
                torch.randperm(self._train_size, generator=generator, out=row)
        start = within * self._batch_size
        return self._order[:, start : start + self._batch_size]

    def keep(self, members: Sequence[int]) -> None:
        """Go on with these members only."""
        self._generators = [self._generators[k] for k in members]
        self._order = self._order[list(members)]
        self._order_drawn_from = [self._order_drawn_from[k] for k in members]

    def state(self, step: int) -> State:
        """What the batches from 0-based `step` on follow from, when it has not been asked for."""
        generators = self._order_drawn_from
        if not self._amid_epoch(step):
            generators = [generator.get_state() for generator in self._generators]
        return {"generators": [generator.clone() for generator in generators]}

    def load_state(self, state: State, step: int) -> None:
        """Go on at `step` as the stream of the same members would have.

        Raises:
            StateError: the state is of another pack, or damaged.
        """
        kept = [generator.get_state() for generator in self._generators]
        copy_into(kept, state, "generators")
        for generator, value in zip(self._generators, kept, strict=True):
            try:
                generator.set_state(value)
            except RuntimeError as error:
                raise StateError(
                    f"The training state is damaged: it holds no random stream ({error})."
                ) from error
        if self._amid_epoch(step):
            self.indices(step - step % self._per_epoch)

    def _amid_epoch(self, step: int) -> bool:
        return self._sampling == "shuffle" and step % self._per_epoch != 0
