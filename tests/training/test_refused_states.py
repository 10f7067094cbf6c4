"""What no pack goes on from, and what no state can hold, is said."""

import pytest
import torch
from torch import nn

from explorer.training import PackTrainer
from explorer.training.state_file import (
    StateError,
    UnkeepableStateError,
)


def layer_normalized(input_shape, n_classes):
    return nn.Sequential(nn.Linear(40, 12), nn.LayerNorm(12), nn.GELU(), nn.Linear(12, n_classes))


@pytest.fixture
def begun(vectors, uneven_pack):
    """A pack some steps on its way, and its state."""
    members = uneven_pack(model="mlp-8")
    trainer = PackTrainer(members, vectors)
    for _ in range(12):
        trainer.advance(0)
    return members, trainer.state()


def test_a_state_of_another_pack_is_refused(begun, vectors, images, uneven_pack):
    members, state = begun
    others = {
        "trials": [
            members[:-1],
            members[::-1],
            uneven_pack(model="mlp-9"),
            uneven_pack(model="mlp-8", batch_size=15),
        ],
        "dataset": [members],
        "dtype": [members],
        "model": [members],
    }
    for reason, packs in others.items():
        data = images if reason == "dataset" else vectors
        options = {
            "dtype": {"dtype": torch.float64},
            "model": {"model_factory": layer_normalized},
        }.get(reason, {})
        for pack in packs:
            with pytest.raises(StateError, match=f"of another pack: its {reason} is"):
                PackTrainer.resumed(pack, data, state, **options)
    with pytest.raises(StateError, match="its torch is 0"):
        PackTrainer.resumed(members, vectors, {**state, "torch": "0"})
    with pytest.raises(StateError, match="its device is cuda"):
        PackTrainer.resumed(members, vectors, {**state, "device": "cuda"})


@pytest.mark.parametrize(
    "damage",
    [
        lambda s: s.pop("step"),
        lambda s: s.update(step="12"),
        lambda s: s.update(members=[0, 1, 2, 3, 4, 17]),
        lambda s: s.update(members=[0, 1, 2]),
        lambda s: s.update(members=[[0]]),
        lambda s: s.update(awaiting=[6]),
        lambda s: s.update(evaluations=[]),
        lambda s: s["evaluations"].__setitem__(0, [[1, 2.0]]),
        lambda s: s.update(finished=[[9, "completed", 1, 0.1, []]]),
        lambda s: s["parameters"].pop(),
        lambda s: s["parameters"].__setitem__(0, s["parameters"][0][:, :4]),
        lambda s: s["parameters"].__setitem__(0, s["parameters"][0].double()),
        lambda s: s["parameters"].__setitem__(0, None),
        lambda s: s["optimizer"].update(momentum=[]),
        lambda s: s["batches"]["generators"].__setitem__(0, torch.zeros(7, dtype=torch.uint8)),
        lambda s: s["batches"]["generators"][0].fill_(255),
        lambda s: s.update(held_by_model=None),
    ],
)
def test_a_damaged_state_is_refused(damage, begun, vectors):
    members, state = begun
    damage(state)
    with pytest.raises(StateError, match="damaged"):
        PackTrainer.resumed(members, vectors, state)


def test_no_dictionary_at_all(begun, vectors):
    members, _ = begun
    for nothing in ({}, [], None):
        with pytest.raises(StateError, match="damaged"):
            PackTrainer.resumed(members, vectors, nothing)


class Counting(nn.Module):
    """Holds an object of a type of its own, which training changes or leaves alone."""

    class Counter:
        count = 0

    def __init__(self, n_classes, changes):
        super().__init__()
        self.layer = nn.Linear(40, n_classes)
        self.dropout = nn.Dropout(0.1)
        self.counter = slice(0, 0)
        self.changes = changes

    def forward(self, x):
        if self.changes == "object":
            self.counter = slice(0, self.counter.stop + 1)
        if self.changes == "function":
            self.counter = torch.tanh
        if self.changes == "layers":
            self.add_module(f"another{len(list(self.children()))}", nn.ReLU())
        return self.layer(self.dropout(x))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ("nothing", None),
        ("object", "Counting .* its attribute 'counter', which holds slice"),
        ("function", "its attribute 'counter', which holds builtin_function"),
        ("layers", "its layers"),
    ],
)
def test_what_cannot_be_kept_is_said(changes, message, vectors, configure):
    def counting(input_shape, n_classes):
        return Counting(n_classes, changes)

    members = [configure(model="counting", budget_value=20, seed=k) for k in range(2)]
    trainer = PackTrainer(members, vectors, model_factory=counting)
    trainer.advance(0)
    if message is None:
        trainer = PackTrainer.resumed(members, vectors, trainer.state(), model_factory=counting)
    else:
        with pytest.raises(UnkeepableStateError, match=message):
            trainer.state()
    trainer.advance()  # goes on all the same
    assert [r.status for r in trainer.take_results()] == ["completed"] * 2
