from collections.abc import Callable
from typing import Any

import pytest

from explorer.trial import Configuration


@pytest.fixture
def make_trial() -> Callable[..., Configuration]:
    def make(**fields: Any) -> Configuration:
        base = {
            "dataset": "digits",
            "model": "mlp-8",
            "train_size": 200,
            "batch_size": 32,
            "learning_rate": 0.1,
            "budget": "steps",
            "budget_value": 50,
            "evaluations": 2,
        }
        return Configuration(**{**base, **fields})

    return make
