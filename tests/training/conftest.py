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


@pytest.fixture(scope="session")
def uneven_pack():
    """Members that end apart, one that diverges at a check and one at an evaluation."""

    def build(n=6, **given):
        usual = {"dataset": "blobs", "train_size": 60, "batch_size": 16, "budget": "steps"}
        return [
            Configuration(
                **{
                    **usual,
                    "learning_rate": [0.05, 0.2, 0.1, 1e30, 0.4, 1e30][k % 6],
                    "momentum": [0.9, 0.0, 0.5][k % 3],
                    "weight_decay": [0.0, 0.01][k % 2],
                    "clip_norm": 1.0 if clip else None,
                    "final_decay": [0.0, 0.4, 1.0][k % 3],
                    "budget_value": [70, 30, 45, 1000, 67, 20][k % 6],
                    "evaluations": 3,
                    "seed": k,
                    **rest,
                }
            )
            for k in range(n)
            for clip, rest in [
                (given.get("clip", False), {a: b for a, b in given.items() if a != "clip"})
            ]
        ]

    return build
