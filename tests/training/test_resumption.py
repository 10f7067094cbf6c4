"""A pack that is interrupted, however often, ends with the bits of one that was not."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from explorer.models import build_model
from explorer.models.modules import OneByOne, Vmapped
from explorer.training import PackTrainer, train_pack
from explorer.training.loop import CHECK_EVERY
from explorer.training.state_file import read_state, state_bytes
from explorer.trial import SAMPLINGS, Configuration


def layer_normalized(input_shape, n_classes):
    return nn.Sequential(nn.Linear(40, 12), nn.LayerNorm(12), nn.GELU(), nn.Linear(12, n_classes))


def batch_normalized(input_shape, n_classes):
    """Batch statistics and noise of a member's own."""
    return nn.Sequential(
        nn.Linear(40, 12), nn.BatchNorm1d(12), nn.Dropout(0.3), nn.Linear(12, n_classes)
    )


class Recurrent(nn.Module):
    """Its cell keeps a list of its own parameters beside the registered ones."""

    def __init__(self, n_classes):
        super().__init__()
        self.cell = nn.LSTM(8, 6, batch_first=True)
        self.head = nn.Linear(6, n_classes)

    def forward(self, x):
        return self.head(self.cell(x.view(-1, 5, 8))[0][:, -1])


def recurrent(input_shape, n_classes):
    return Recurrent(n_classes)


class Stateful(nn.Module):
    """Every kind of state that a module can have beside its trained parameters."""

    def __init__(self, n_classes):
        super().__init__()
        self.features = nn.Linear(40, 12)
        self.features.requires_grad_(False)
        self.head = nn.Linear(12, n_classes)
        self.register_buffer("drift", torch.zeros(12))
        self.register_buffer("unset", None)
        self.register_buffer("hidden", torch.zeros(()), persistent=False)
        self.alias = self.drift
        self.calls = 0
        self.recent = []
        self.seen = {"labels": (0, 1.5), "kinds": {3}}
        self.loose = torch.ones(12)
        self.table = np.zeros(3)
        self.noise = torch.Generator().manual_seed(5)
        self.numpy_noise = np.random.default_rng(6)
        self.activation = torch.tanh
        self.settings = slice(0, 12)  # an object that nobody changes

    def forward(self, x):
        h = self.activation(self.features(x))[:, self.settings]
        if not self.training:
            return self.head(h + self.alias + self.loose + self.hidden)
        with torch.no_grad():
            self.features.weight.mul_(0.999)
            self.drift.mul_(0.9).add_(h.mean(0), alpha=0.1)
            self.unset = h.mean(0) if self.unset is None else 0.5 * self.unset + h.mean(0)
            self.hidden = self.hidden + 0.01
        self.calls += 1
        self.recent = [*self.recent, float(h.mean().detach())][-3:]
        self.seen = {"labels": (self.calls, sum(self.recent)), "kinds": {3, self.calls}}
        self.loose = 0.9 * self.loose + 0.1 * torch.randn(12, generator=self.noise).to(x)
        self.table += self.numpy_noise.normal(size=3)
        scale = 1 + self.seen["labels"][1] + len(self.seen["kinds"]) + float(self.table.sum())
        noise = torch.randn(h.shape, generator=self.noise).to(h)
        return self.head(h + self.alias + self.loose + self.unset + 0.01 * scale * noise)


def stateful(input_shape, n_classes):
    return Stateful(n_classes)


#: (data, factory) of each model.
MODELS = {
    "mlp-16": ("vectors", None),
    "mlp-12-8": ("vectors", None),
    "mlp": ("vectors", None),
    "cnn1d-3-4": ("vectors", None),
    "cnn2d-3": ("images", None),
    "layer_normalized": ("vectors", layer_normalized),
    "batch_normalized": ("vectors", batch_normalized),
    "recurrent": ("vectors", recurrent),
    "stateful": ("vectors", stateful),
}


def outcome(result):
    """All of a result but its timing; floats as their bits."""
    curve = [
        [v.hex() if isinstance(v, float) else v for v in e.as_list()] for e in result.evaluations
    ]
    return [result.configuration.trial_id, result.status, result.steps_done, curve]


def outcomes(results):
    return sorted(map(outcome, results))


def undisturbed(members, dataset, **options):
    return outcomes(train_pack(members, dataset, **options))


def interrupted(members, dataset, every, tmp_path, **options):
    """Train, and every so many actions (steps or evaluations) go on from a file."""
    trainer, results, files = PackTrainer(members, dataset, **options), [], 0
    while not trainer.finished:
        for _ in range(every):
            trainer.advance(0)
        if files % 2:  # results that nobody has taken travel with the state
            results += trainer.take_results()
        (tmp_path / "state.pt").write_bytes(state_bytes(trainer.state()))
        files += 1
        trainer = PackTrainer.resumed(
            members, dataset, read_state(tmp_path / "state.pt"), **options
        )
    assert files > 2
    return outcomes([*results, *trainer.take_results()])


@pytest.mark.parametrize("model", MODELS)
def test_interruptions_move_no_bit(model, tmp_path, request, uneven_pack):
    data, factory = MODELS[model]
    dataset = request.getfixturevalue(data)
    members = uneven_pack(model=model)
    expected = undisturbed(members, dataset, model_factory=factory)
    assert {status for _, status, _, _ in expected} == {"completed", "diverged"}
    assert interrupted(members, dataset, 13, tmp_path, model_factory=factory) == expected


@pytest.mark.parametrize(
    "given",
    [
        *({"sampling": sampling} for sampling in SAMPLINGS),
        {"clip": True},
        {"momentum": 0.0},
        {"validation_size": 100},
        {"batch_size": 1},
        {"batch_size": 60},
        {"batch_size": 7, "train_size": 500},
        {"sampling": "subset", "batch_size": 60},
    ],
    ids=str,
)
def test_at_every_single_action(given, vectors, tmp_path, uneven_pack):
    members = uneven_pack(model="mlp-8", **given)
    expected = undisturbed(members, vectors)
    for every in (1, 5):
        assert interrupted(members, vectors, every, tmp_path) == expected


def test_members_leave_and_diverge_before_and_after_a_state(vectors, uneven_pack):
    """States of every moment of one training: each goes on to the same end."""
    members = uneven_pack(model="mlp-8")
    expected = undisturbed(members, vectors)
    trainer, states = PackTrainer(members, vectors), []
    while not trainer.finished:
        states.append(trainer.state())
        trainer.advance(0)
    states.append(trainer.state())
    counts = [len(state["members"]) for state in states]
    assert counts == sorted(counts, reverse=True)
    assert {0, len(members)} < set(counts)
    assert any(state["awaiting"] and state["leaving"] for state in states)
    assert any(state["step"] > CHECK_EVERY for state in states)
    for state in states[::3] + states[-1:]:
        resumed = PackTrainer.resumed(members, vectors, state)
        assert len(resumed.members) == len(state["members"])
        resumed.advance()
        assert outcomes(resumed.take_results()) == expected
        assert resumed.member_steps_done == resumed.member_steps_total


def test_a_state_is_not_moved_by_the_training_that_goes_on(vectors, uneven_pack):
    members = uneven_pack(model="batch_normalized")
    trainer = PackTrainer(members, vectors, model_factory=batch_normalized)
    for _ in range(10):
        trainer.advance(0)
    state = trainer.state()
    before = state_bytes(state)
    trainer.advance()
    assert state_bytes(state) == before
    resumed = PackTrainer.resumed(members, vectors, state, model_factory=batch_normalized)
    resumed.advance()
    assert state_bytes(state) == before
    assert outcomes(resumed.take_results()) == outcomes(trainer.take_results())


def test_double_precision(vectors, tmp_path, uneven_pack):
    for model, factory in (("mlp-8", None), ("stateful", stateful)):
        members = uneven_pack(model=model)
        options = {"dtype": torch.float64, "model_factory": factory}
        expected = undisturbed(members, vectors, **options)
        assert interrupted(members, vectors, 11, tmp_path, **options) == expected


def test_families_are_what_this_file_takes_them_for():
    kinds = {
        name: type(build_model(name, (40,), 10, batch_size=16, factory=factory))
        for name, (data, factory) in MODELS.items()
        if factory
    }
    assert kinds == {
        "layer_normalized": Vmapped,
        "batch_normalized": OneByOne,
        "recurrent": OneByOne,
        "stateful": OneByOne,
    }


def test_a_fresh_process_goes_on_with_the_same_bits(vectors, images, tmp_path, uneven_pack):
    """Three processes in turn, each a part of every family's training."""
    data = {"vectors": vectors, "images": images}
    for name in data:
        arrays = ("train_inputs", "train_labels", "test_inputs", "test_labels")
        np.savez(tmp_path / f"{name}.npz", **{a: getattr(data[name], a) for a in arrays})
    expected = {}
    for model, (name, factory) in MODELS.items():
        members = uneven_pack(model=model)
        expected[model] = undisturbed(members, data[name], model_factory=factory)
        trainer = PackTrainer(members, data[name], model_factory=factory)
        for _ in range(20):
            trainer.advance(0)
        (tmp_path / f"{model}.pt").write_bytes(state_bytes(trainer.state()))
        (tmp_path / f"{model}.json").write_text(json.dumps([c.as_dict() for c in members]))
    for actions in (17, None):
        code = (
            "import importlib.util, sys\n"
            f"spec = importlib.util.spec_from_file_location('child', {str(Path(__file__))!r})\n"
            "child = importlib.util.module_from_spec(spec)\n"
            "spec.loader.exec_module(child)\n"
            f"child.go_on({str(tmp_path)!r}, {actions})\n"
        )
        subprocess.run([sys.executable, "-c", code], check=True)
    found = json.loads((tmp_path / "outcomes.json").read_text())
    assert found == expected


def go_on(folder, actions):
    """What a fresh process does: some actions of each pack, from file to file."""
    from explorer.datasets import Dataset

    folder, found = Path(folder), {}
    for model, (name, factory) in MODELS.items():
        with np.load(folder / f"{name}.npz") as arrays:
            dataset = Dataset.from_arrays(name, **arrays)
        path = folder / f"{model}.pt"
        members = [Configuration(**c) for c in json.loads(path.with_suffix(".json").read_text())]
        trainer = PackTrainer.resumed(members, dataset, read_state(path), model_factory=factory)
        assert not trainer.finished
        for _ in range(actions or 0):
            trainer.advance(0)
        if actions is None:
            trainer.advance()
        path.write_bytes(state_bytes(trainer.state()))
        found[model] = outcomes(trainer.take_results())
    (folder / "outcomes.json").write_text(json.dumps(found))


def test_the_size_of_a_state(vectors, configure):
    """4 bytes a parameter, 4 more with momentum, 5 kB for the stream, and little beside."""
    for momentum, bytes_each in ((0.0, 4), (0.9, 8)):
        members = [configure(model="mlp-64", momentum=momentum, seed=k) for k in range(16)]
        trainer = PackTrainer(members, vectors)
        trainer.advance(0)
        size = len(state_bytes(trainer.state()))
        least = 16 * (bytes_each * (41 * 64 + 65 * 10) + 5056)
        assert least < size < least + 16 * 500 + 10_000
