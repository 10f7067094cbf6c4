"""Numbers of models by formula against the models themselves, and counted ones against the hand."""

import random
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

from explorer.cost_model import ModelNumbers, Workload, counted_workload, workload_of
from explorer.errors import InputError
from explorer.model_numbers import model_numbers
from explorer.models import build_model, multiply_adds
from explorer.planning import workloads_of


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("mlp", (40,)),
        ("mlp-64", (40,)),
        ("mlp-128-64", (1, 28, 28)),
        ("cnn1d-16", (40,)),
        ("cnn1d-8-16-4", (3, 41)),
        ("cnn2d-8", (28, 28)),
        ("cnn2d-16-32", (3, 32, 33)),
    ],
)
def test_built_in_models_have_the_numbers_of_their_formula(name, shape):
    model = build_model(name, shape, 10, batch_size=4)
    made = model.initial([torch.Generator().manual_seed(0)])
    numbers = model_numbers(name, shape, 10)
    assert numbers.multiply_adds == multiply_adds(name, shape, 10)
    assert numbers.parameters == sum(parameter.numel() for parameter in made)


def test_nothing_is_said_of_an_unknown_name_and_a_malformed_one_is_refused():
    assert model_numbers("my_net", (40,), 10) == ModelNumbers()
    with pytest.raises(InputError, match="malformed"):
        model_numbers("mlp-a", (40,), 10)


def convolutional(input_shape, n_classes):
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(8 * 16 * 16, n_classes),
    )


def test_a_convolutional_module_against_the_hand():
    found = model_numbers("convolutional", (3, 32, 32), 10, convolutional)
    assert found.multiply_adds == 32 * 32 * 9 * 3 * 8 + 2048 * 10
    assert found.parameters == (27 * 8 + 8) + 16 + (2048 * 10 + 10)
    # Outputs of the convolution, the norm, the rectifier, the pooling and the linear layer.
    assert found.values == 3 * 8 * 32 * 32 + 2048 + 10
    assert found.operations == 5  # those; views and flattening compute nothing
    assert not found.stacked


def perceptron(input_shape, n_classes):
    return nn.Sequential(nn.Linear(40, 64), nn.LayerNorm(64), nn.GELU(), nn.Linear(64, n_classes))


def test_a_module_of_linear_layers_against_the_hand():
    found = model_numbers("perceptron", (40,), 10, perceptron)
    assert found.multiply_adds == 40 * 64 + 64 * 10
    assert found.parameters == 41 * 64 + 2 * 64 + 65 * 10
    assert found.stacked


class OnValues(nn.Module):
    """Looks at its inputs' values, which the meta device does not have."""

    def __init__(self, n_classes):
        super().__init__()
        self.layer = nn.Linear(40, n_classes)

    def forward(self, inputs):
        return self.layer(inputs if inputs.sum() > 0 else -inputs)


def test_a_module_that_cannot_run_without_data_is_not_counted():
    assert model_numbers("values", (40,), 10, lambda shape, n: OnValues(n)) == ModelNumbers()
    assert model_numbers("broken", (40,), 10, lambda shape, n: None) == ModelNumbers()


def test_counting_moves_no_random_numbers_and_happens_once():
    calls = []

    def drawing(input_shape, n_classes):
        calls.append(input_shape)
        torch.manual_seed(5)
        random.seed(5)
        np.random.seed(5)
        return perceptron(input_shape, n_classes)

    before = (torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist())
    assert model_numbers("drawing", (40,), 10, drawing) == model_numbers(
        "drawing", [40], 10, drawing
    )
    assert calls == [(40,)]
    assert torch.equal(torch.get_rng_state(), before[0])
    assert random.getstate() == before[1]
    assert np.random.get_state()[1].tolist() == before[2]


def test_built_in_convolutions_weigh_more_on_cores_than_on_a_gpu():
    weights = [
        workload_of("cnn1d-16", 3200, 100, (40,), on_gpu=on_gpu).multiply_adds
        for on_gpu in (False, True)
    ]
    assert weights == [5 * 3200, 3200]


def test_a_stack_takes_its_operations_for_all_members_at_once():
    numbers = ModelNumbers(multiply_adds=100, parameters=7, values=5, operations=3)
    assert counted_workload(numbers, 1000, (40,)) == Workload(100, 1000, 40 + 2 * 5, 7)


def test_members_that_train_one_by_one_hold_their_layers_in_turn():
    numbers = ModelNumbers(multiply_adds=100, parameters=7, values=5, operations=3, stacked=False)
    assert counted_workload(numbers, 1000, (40,)) == Workload(
        multiply_adds=100,
        test_size=1000,
        sample_values=40,
        parameters=7,
        alone_values=10,
        operations=3,
    )


MODULE = """
from torch import nn

def net(input_shape, n_classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, n_classes))
"""


def test_a_spaces_module_gives_its_workload(make_space):
    loaded = make_space(before=MODULE, model='["mlp-32", net]')
    found = workloads_of(loaded, loaded.space.cells, count_modules=True)
    built_in, counted = found["digits", "mlp-32"], found["digits", "net"]
    assert counted.multiply_adds == built_in.multiply_adds == 64 * 32 + 32 * 10
    assert counted.parameters == built_in.parameters == 65 * 32 + 33 * 10


def test_a_run_of_built_in_models_needs_no_torch_to_plan():
    """In the driver torch would take some 470 MB, and seconds to import."""
    code = (
        "import sys\n"
        "from explorer.planning import dry_run\n"
        "from explorer.space import load_space\n"
        "dry_run(load_space('quick_grid'), store='/nonexistent/store')\n"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
