import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:  # `chaos` is no part of the installed package
    sys.path.append(str(ROOT))


@pytest.fixture(scope="session")
def configurations():
    """Four short trials, one of which diverges."""
    from explorer.trial import Configuration

    def trial(seed, learning_rate):
        return Configuration(
            dataset="digits",
            model="mlp-8",
            train_size=200,
            batch_size=32,
            learning_rate=learning_rate,
            budget_value=200,
            evaluations=2,
            seed=seed,
        )

    return [*(trial(seed, 0.1) for seed in range(3)), trial(3, 1e20)]


@pytest.fixture(scope="session")
def truth(configurations):
    from chaos.sweeps import truth_of

    return truth_of(configurations)


@pytest.fixture
def store(tmp_path, configurations):
    """Two packs of two, trained and published as a worker does."""
    from explorer.datasets import load_dataset
    from explorer.packing import pack_of
    from explorer.store import Store
    from explorer.worker import PackRun

    store = Store.open(str(tmp_path / "store"), create=True)
    for members in (configurations[:2], configurations[2:]):
        run = PackRun(pack_of(members), load_dataset("digits"), store)
        while not run.step(10.0).done:
            pass
    return store
