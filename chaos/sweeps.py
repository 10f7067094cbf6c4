"""The sweeps that faults are injected into, and what undisturbed training makes of them."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from chaos.judge import METRICS, Truth, bits, point
from explorer.packing import shape_of
from explorer.space import load_space
from explorer.trial import Configuration

#: Different shapes and lengths, and a quarter of the trials diverge.
_SPACE = """
from explorer.space import SearchSpace, steps
space = SearchSpace(
    dataset="digits",
    model="mlp-16",
    train_size=500,
    batch_size={batch_sizes},
    learning_rate=[0.05, 0.2, 0.8, 1e20],
    momentum=[0.0, 0.9],
    budget=[steps({steps}), steps({half_more})],
    evaluate=4,
    seeds={seeds},
)
"""


@dataclass(frozen=True)
class Sweep:
    """A search-space file.

    Attributes:
        path: the file.
        truth: each planned trial's result, by trial_id, from training in this process.
        pack_size: what its runs are told, so that there are many commits.
    """

    path: Path
    truth: Mapping[str, Truth]
    pack_size: int = 8


def grid(
    folder: Path,
    name: str = "sweep",
    *,
    batch_sizes: Iterable[int] = (8, 16, 32, 64),
    steps: int = 1200,
    seeds: int = 5,
) -> Sweep:
    """Write a grid of 16 trials a batch size and seed, and train it here.

    Args:
        folder: where the file goes.
        name: the file's, and the study's.
        batch_sizes: each makes a shape of its own.
        steps: of half of the trials; the others take half as many again.
        seeds: how many.
    """
    text = _SPACE.format(
        batch_sizes=list(batch_sizes), steps=steps, half_more=steps * 3 // 2, seeds=seeds
    )
    path = folder / f"{name}.py"
    path.write_text(text, encoding="utf-8")
    return Sweep(path, truth_of(load_space(str(path)).space.configurations()))


def truth_of(configurations: Iterable[Configuration]) -> dict[str, Truth]:
    """Train configurations of built-in models here, those of a shape together."""
    shapes = defaultdict(list)
    for configuration in configurations:
        shapes[shape_of(configuration)].append(configuration)
    return dict(itertools.chain.from_iterable(_trained(tuple(s)) for s in shapes.values()))


@cache
def _trained(configurations: tuple[Configuration, ...]) -> tuple[tuple[str, Truth], ...]:
    """Scenarios share sweeps: what was trained once in this process is kept."""
    from explorer.datasets import load_dataset
    from explorer.training import train_pack

    found = []
    for result in train_pack(list(configurations), load_dataset(configurations[0].dataset)):
        rows = [
            {name: getattr(each, name) for name in ("step", "epoch", *METRICS)}
            for each in result.evaluations
        ]
        last = rows[-1] if rows else dict.fromkeys(METRICS)
        truth = Truth(
            status=result.status,
            steps_done=result.steps_done,
            metrics=tuple(bits(last[name]) for name in METRICS),
            curve=tuple(map(point, rows)),
        )
        found.append((result.configuration.trial_id, truth))
    return tuple(found)
