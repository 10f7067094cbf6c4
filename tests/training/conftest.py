import numpy as np
import pytest
import torch

from explorer.datasets import Dataset
from explorer.training.streams import stream
from explorer.trial import Configuration


@pytest.fixture(autouse=True)
def _global_randomness_is_left_alone():
    """No training may draw from or reseed torch's or numpy's global generators."""
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()
    threads, grad = torch.get_num_threads(), torch.is_grad_enabled()
    assert torch.tensor(1e-45) * 1.0 > 0
    yield
    assert torch.tensor(1e-45) * 1.0 > 0, "subnormal numbers are flushed from here on"
    assert torch.equal(torch.get_rng_state(), torch_state)
    assert np.array_equal(np.random.get_state()[1], numpy_state)
    assert (torch.get_num_threads(), torch.is_grad_enabled()) == (threads, grad)


def _blobs(shape: tuple[int, ...]) -> Dataset:
    """Ten noisy clusters: learnable, not separable."""
    draw = np.random.default_rng(7)
    labels = np.concatenate([np.arange(10), draw.integers(0, 10, 1190)])
    centres = draw.normal(size=(10, *shape))
    inputs = (centres[labels] + 1.5 * draw.normal(size=(1200, *shape))).astype(np.float32)
    return Dataset.from_arrays(
        f"blobs{shape}", inputs[:700], labels[:700], inputs[700:], labels[700:]
    )


@pytest.fixture(scope="session")
def vectors() -> Dataset:
    return _blobs((40,))


@pytest.fixture(scope="session")
def images() -> Dataset:
    return _blobs((1, 8, 8))


@pytest.fixture(scope="session")
def make_stream():
    return stream


@pytest.fixture(scope="session")
def configure():
    """A configuration with everything that the tests do not care about filled in."""

    def build(**given) -> Configuration:
        usual = {
            "dataset": "blobs",
            "train_size": 500,
            "batch_size": 16,
            "learning_rate": 0.05,
            "budget": "steps",
            "budget_value": 200,
            "evaluations": 4,
        }
        return Configuration(**(usual | given))

    return build
