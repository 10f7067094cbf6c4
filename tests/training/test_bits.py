"""A trial's bytes are a function of its configuration alone."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from explorer.models import build_model
from explorer.models.modules import OneByOne, Vmapped
from explorer.training import PackTrainer, train_pack


def normalized(input_shape, n_classes):
    return nn.Sequential(
        nn.Linear(math.prod(input_shape), 20), nn.LayerNorm(20), nn.GELU(), nn.Linear(20, n_classes)
    )


def noisy(input_shape, n_classes):
    """Dropout and batch statistics: noise and state of a member's own."""
    return nn.Sequential(
        nn.Linear(math.prod(input_shape), 20),
        nn.BatchNorm1d(20),
        nn.Dropout(0.3),
        nn.Linear(20, n_classes),
    )


class Recurrent(nn.Module):
    """A recurrent cell, which torch.func trains but cannot evaluate."""

    def __init__(self, n_classes):
        super().__init__()
        self.cell = nn.LSTM(8, 6, batch_first=True)
        self.head = nn.Linear(6, n_classes)

    def forward(self, x):
        return self.head(self.cell(x.view(-1, 5, 8))[0][:, -1])


def recurrent(input_shape, n_classes):
    return Recurrent(n_classes)


def tied(input_shape, n_classes):
    """Two layers with one weight."""
    model = nn.Sequential(nn.Linear(40, 40), nn.Tanh(), nn.Linear(40, 40), nn.Linear(40, n_classes))
    model[2].weight = model[0].weight
    return model


class NoisyEvaluation(nn.Module):
    """Noise in evaluation too, from torch and from numpy."""

    def __init__(self, n_classes):
        super().__init__()
        self.layer = nn.Linear(40, n_classes)
        with torch.no_grad():
            self.layer.bias.fill_(float(np.random.normal()))

    def forward(self, x):
        return self.layer(x + 0.1 * torch.randn_like(x))


def noisy_evaluation(input_shape, n_classes):
    return NoisyEvaluation(n_classes)


def mixed_pack(configure, n, batch_size, **options):
    """Members that differ in all that may differ within a shape, some of them diverging."""
    return [
        configure(
            batch_size=batch_size,
            learning_rate=[0.01, 0.1, 0.4, 1e9][k % 4],
            momentum=[0.9, 0.0, 0.5][k % 3],
            weight_decay=[0.0, 0.01][k % 2],
            clip_norm=[None, 1.0][(k // 2) % 2],
            final_decay=[0.0, 0.3][(k // 3) % 2],
            budget_value=[20, 40, 70][k % 3],
            evaluations=2,
            seed=k,
            **options,
        )
        for k in range(n)
    ]


def outcome(result):
    """All of a result but its timing; floats compare by value, so bit for bit."""
    return result.configuration, result.status, result.steps_done, result.evaluations


def in_packs(configurations, dataset, size, **options):
    return [
        outcome(result)
        for start in range(0, len(configurations), size)
        for result in train_pack(configurations[start : start + size], dataset, **options)
    ]


@pytest.mark.parametrize("batch_size", [1, 3, 11, 16, 45, 91, 500])
def test_pack_size_does_not_matter_to_a_perceptron(batch_size, vectors, configure):
    members = mixed_pack(configure, 64, batch_size)
    alone = in_packs(members, vectors, 1)
    assert {"completed", "diverged"} == {status for _, status, _, _ in alone}
    for size in (3, 8, 64):
        assert in_packs(members, vectors, size) == alone


@pytest.mark.parametrize(
    ("model", "data", "factory", "batch_sizes"),
    [
        ("mlp-64-30", "vectors", None, (5, 32)),
        ("mlp", "vectors", None, (1, 7)),
        ("mlp-1-17", "vectors", None, (45,)),
        ("mlp-17-1", "vectors", None, (128,)),
        ("recurrent", "vectors", recurrent, (16,)),
        ("tied", "vectors", tied, (16,)),
        ("noisy_evaluation", "vectors", noisy_evaluation, (1, 16)),
        ("cnn1d-4-8", "vectors", None, (1, 3, 23)),
        ("cnn2d-4", "images", None, (16,)),
        ("normalized", "vectors", normalized, (2, 16)),
        ("noisy", "vectors", noisy, (16,)),
    ],
)
def test_pack_size_does_not_matter_to_any_family(
    model, data, factory, batch_sizes, configure, request
):
    dataset = request.getfixturevalue(data)
    for batch_size in batch_sizes:
        members = mixed_pack(configure, 8, batch_size, model=model)
        alone = in_packs(members, dataset, 1, model_factory=factory)
        for size in (3, 8):
            assert in_packs(members, dataset, size, model_factory=factory) == alone


def test_order_and_neighbours_do_not_matter(vectors, configure):
    members = mixed_pack(configure, 12, 16)
    forwards = in_packs(members, vectors, 12)
    backwards = in_packs(members[::-1], vectors, 12)
    assert sorted(forwards, key=str) == sorted(backwards, key=str)


def test_interruptions_do_not_matter(vectors, configure):
    members = mixed_pack(configure, 8, 16)
    trainer = PackTrainer(members, vectors)
    calls = 0
    while not trainer.finished:
        trainer.advance(seconds=0.002)
        calls += 1
    assert calls > 3
    slices = sorted(map(outcome, trainer.take_results()), key=str)
    assert slices == sorted(in_packs(members, vectors, 8), key=str)


def test_the_callers_threads_do_not_matter(vectors, configure):
    members = mixed_pack(configure, 4, 500)
    one = in_packs(members, vectors, 4)
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        assert in_packs(members, vectors, 4) == one
    finally:
        torch.set_num_threads(threads)


def test_evaluating_more_often_does_not_change_the_training(vectors, configure):
    few, many = (configure(evaluations=n, momentum=0.9) for n in (1, 8))
    assert few.trial_id != many.trial_id
    (a,), (b,) = train_pack([few], vectors), train_pack([many], vectors)
    assert a.evaluations[-1] == b.evaluations[-1]


def test_a_long_evaluation_can_be_stopped_in_between(vectors, configure):
    """A stride of no time at all still goes on, by one step or one member's evaluation."""
    trainer = PackTrainer([configure(budget_value=1, seed=k) for k in range(3)], vectors)
    left = []
    for _ in range(4):
        trainer.advance(seconds=1e-9)
        left.append(len(trainer.take_results()))
    assert left == [0, 0, 0, 3]


def test_seeds_differ(vectors, configure):
    a, b = train_pack([configure(seed=0), configure(seed=1)], vectors)
    assert a.evaluations != b.evaluations


def test_modules_are_stacked_only_where_bits_allow(vectors):
    def build(factory):
        return build_model("user", (40,), 10, batch_size=16, factory=factory)

    def convolution(input_shape, n_classes):
        return nn.Sequential(
            nn.Unflatten(1, (1, 40)), nn.Conv1d(1, 2, 5), nn.Flatten(), nn.Linear(72, n_classes)
        )

    assert isinstance(build(normalized), Vmapped)
    assert isinstance(build(noisy), OneByOne)
    assert isinstance(build(convolution), OneByOne)
    assert isinstance(build(recurrent), OneByOne)
    assert isinstance(build(tied), Vmapped)
    assert isinstance(build(noisy_evaluation), OneByOne)
