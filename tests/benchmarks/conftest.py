import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:  # `benchmarks` is no part of the installed package
    sys.path.append(str(ROOT))


@pytest.fixture(scope="session")
def mnist1d():
    from explorer.datasets import load_dataset

    return load_dataset("mnist1d")


@pytest.fixture(scope="session")
def trial():
    """A short trial of the measured grid."""
    from explorer.trial import Configuration

    def make(**given):
        usual = {
            "train_size": 1000,
            "batch_size": 32,
            "learning_rate": 0.05,
            "momentum": 0.9,
            "budget": "steps",
            "budget_value": 100,
            "evaluations": 2,
        }
        return Configuration(**(usual | given))

    return make
