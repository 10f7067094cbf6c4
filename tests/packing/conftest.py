from collections.abc import Callable
from typing import Any

import pytest

from explorer.trial import Configuration


@pytest.fixture
def make_trial() -> Callable[..., Configuration]:
    def make(**fields: Any) -> Configuration:
        base = {
            "train_size": 1000,
            "batch_size": 32,
            "learning_rate": 0.1,
            "budget": "steps",
            "budget_value": 100,
        }
        return Configuration(**{**base, **fields})

    return make


@pytest.fixture
def grid(make_trial: Callable[..., Configuration]) -> list[Configuration]:
    """560 trials of ten shapes, whose lengths differ eightfold inside a shape."""
    return [
        make_trial(
            batch_size=round(4 * 2 ** (b / 2)),
            learning_rate=0.05 * 2 ** (e / 2),
            momentum=0.9,
            seed=seed,
            budget="time_over_learning_rate",
            budget_value=300,
        )
        for b in range(10)
        for e in range(7)
        for seed in range(8)
    ]
