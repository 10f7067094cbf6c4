"""The two studies that ship to be planned: their files say what their sources say."""

import itertools

import pytest
import torch
from torch.nn import functional

from explorer.cluster import Cluster
from explorer.cluster_estimate import estimate
from explorer.model_numbers import model_numbers
from explorer.space import load_space, shipped_names


@pytest.fixture(scope="module")
def he():
    return load_space("he_liu_tao_2019")


@pytest.fixture(scope="module")
def butter():
    return load_space("butter_sized")


def test_both_are_shipped():
    assert {"he_liu_tao_2019", "butter_sized"} <= set(shipped_names())


def test_1600_models_of_he_liu_and_tao(he):
    space = he.space
    assert len(space) == 1600
    assert {c.batch_size for c in space.cells} == set(range(16, 321, 16))
    assert {c.learning_rate for c in space.cells} == {round(0.01 * k, 2) for k in range(1, 21)}
    assert {(c.dataset, c.model) for c in space.cells} == {
        (data, model) for data in ("cifar10", "cifar100") for model in ("resnet110", "vgg19")
    }
    fixed = {(c.train_size, c.momentum, c.weight_decay, c.clip_norm) for c in space.cells}
    assert fixed == {(50_000, 0.0, 0.0, None)}
    # Updates in 200 epochs at the smallest and largest batch; the last partial batch is dropped.
    steps = {c.batch_size: c.steps for c in space.cells}
    assert (steps[16], steps[320]) == (200 * 3125, 200 * 156)
    assert all(len(c.evaluation_steps) == 200 for c in space.cells)
    ratios = [c.batch_size / c.learning_rate for c in space.cells]
    assert (min(ratios), max(ratios)) == (pytest.approx(80), pytest.approx(32_000))


def test_the_networks_are_those_of_their_names(he):
    """ResNet-110 has 1.7 million parameters and 255 million multiply-adds (He et al. 2016)."""
    counted = {
        name: model_numbers(name, (3, 32, 32), 10, factory)
        for name, factory in he.space.model_factories.items()
    }
    assert counted["resnet110"].parameters == pytest.approx(1.7e6, rel=0.03)
    assert counted["resnet110"].multiply_adds == pytest.approx(255e6, rel=0.02)
    # By hand: sixteen convolutions without bias, their norms, and a linear layer.
    widths = [3, 64, 64, 128, 128, *[256] * 4, *[512] * 8]
    convolutions = sum(9 * a * b for a, b in itertools.pairwise(widths))
    assert counted["vgg19"].parameters == convolutions + 2 * sum(widths[1:]) + 513 * 10
    assert not counted["vgg19"].stacked
    modules = {
        name: factory((3, 32, 32), 100) for name, factory in he.space.model_factories.items()
    }
    kinds = (torch.nn.Conv2d, torch.nn.Linear)
    # Convolutions around which there is a shortcut of its own are not counted as layers.
    layers = {
        name: sum(
            isinstance(layer, kinds) and "shortcut" not in path
            for path, layer in module.named_modules()
        )
        for name, module in modules.items()
    }
    assert layers == {"resnet110": 110, "vgg19": 17}  # VGG's other two linear layers are left out


@pytest.mark.parametrize("name", ["resnet110", "vgg19"])
def test_a_network_takes_a_step(he, name):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = he.space.model_factories[name]((3, 32, 32), 10).train()
        inputs, labels = torch.randn(2, 3, 32, 32), torch.tensor([3, 7])
    scores = module(inputs)
    assert scores.shape == (2, 10)
    loss = functional.cross_entropy(scores, labels)
    loss.backward()
    assert all(parameter.grad is not None for parameter in module.parameters())
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.sub_(parameter.grad, alpha=1e-3)
    assert functional.cross_entropy(module(inputs), labels) < loss


def test_loading_builds_no_network(monkeypatch):
    def refuse(*arguments, **options):
        raise AssertionError("a convolution was made")

    monkeypatch.setattr(torch.nn.Conv2d, "__init__", refuse)
    assert len(load_space("he_liu_tao_2019").space) == 1600


def test_butters_number_of_runs_and_epochs(butter):
    found = estimate(butter, Cluster(nodes=8, cpus=16), seeds=500)
    assert found.trials == 11_200_000
    assert found.evaluation_rows == pytest.approx(40e9, rel=1e-3)
    assert found.cells == 22_400
    assert len(butter.space.seeds) == 24


def test_butters_networks_have_the_parameters_asked_for(butter):
    models = dict.fromkeys(cell.model for cell in butter.space.cells)
    assert len(models) == 2 * 8 * 7
    sizes = sorted(model_numbers(name, (40,), 10).parameters for name in models)
    assert sizes[0] < 1200
    assert 2**16 * 0.9 < sizes[-1] < 2**16 * 1.5
    for name in models:
        widths = name.split("-")[1:]
        if len(set(widths)) > 1:
            continue  # a trapezoid has about as many as its rectangle
        # One less in every layer would be too few for one of the sizes asked for.
        narrower = "-".join(["mlp", *[str(int(widths[0]) - 1)] * len(widths)])
        at_least = model_numbers(narrower, (40,), 10).parameters
        at_most = model_numbers(name, (40,), 10).parameters
        assert any(at_least < 2**k <= at_most for k in range(9, 17)), name
