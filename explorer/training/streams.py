"""Each trial's own random streams, derived from its configuration alone."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import torch
from torch import Tensor

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
            for row, generator in zip(self._order, self._generators, strict=True):
                torch.randperm(self._train_size, generator=generator, out=row)
        start = within * self._batch_size
        return self._order[:, start : start + self._batch_size]

    def keep(self, members: Sequence[int]) -> None:
        """Go on with these members only."""
        self._generators = [self._generators[k] for k in members]
        self._order = self._order[list(members)]
