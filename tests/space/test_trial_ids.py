"""Ids that results are stored under: if one of these changes, every stored result is orphaned."""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import json
import pickle
import random

import numpy as np
import pytest

from explorer.errors import InputError
from explorer.trial import Configuration, checked_value

_PLAIN = {
    "train_size": 1000,
    "batch_size": 32,
    "learning_rate": 0.1,
    "momentum": 0.9,
    "budget": "time",
    "budget_value": 300,
}


@pytest.mark.parametrize(
    ("changes", "trial_id", "stream_start"),
    [
        ({}, "9e81fb0f36392b226bd0", "9e81fb0f36392b22"),
        ({"seed": 7}, "2b8b29ff726d71943030", "2b8b29ff726d7194"),
        (
            {"weight_decay": 1e-4, "clip_norm": 1.0, "sampling": "replacement"},
            "7d6452d9106325200ad0",
            "7d6452d910632520",
        ),
        (
            {"dataset": "digits", "model": "cnn2d-8-16", "validation_size": 100},
            "0ecbc0fc6dcaaa767f4f",
            "21aa410504dfe670",
        ),
    ],
)
def test_ids_stay_as_they_are(changes, trial_id, stream_start):
    configuration = Configuration(**{**_PLAIN, **changes})
    assert configuration.trial_id == trial_id
    assert configuration.stream_key.startswith(stream_start)


def test_an_id_is_the_hash_of_the_documented_text():
    text = json.dumps(
        {
            "batch_size": 32,
            "budget": "time",
            "budget_value": "300",
            "learning_rate": "0.1",
            "momentum": "0.9",
            "train_size": 1000,
            "training_version": 1,
        },
        separators=(",", ":"),
    )
    expected = hashlib.sha256(text.encode()).hexdigest()[:20]
    assert Configuration(**_PLAIN).trial_id == expected


def test_types_and_rounding_noise_do_not_change_an_id():
    noisy = {**_PLAIN, "train_size": 1000.0, "learning_rate": 0.1 + 1e-16, "budget_value": 300.0}
    assert Configuration(**noisy) == Configuration(**_PLAIN)
    minus = Configuration(**_PLAIN, weight_decay=-0.0)
    assert str(minus.weight_decay) == "0.0"
    assert minus.trial_id == Configuration(**_PLAIN).trial_id


def test_another_seed_of_the_same_cell():
    configuration = Configuration(**_PLAIN, clip_norm=1.0)
    other = configuration.with_seed(5)
    assert other == Configuration(**_PLAIN, clip_norm=1.0, seed=5)
    assert hash(other) == hash(Configuration(**_PLAIN, clip_norm=1.0, seed=5))
    assert configuration.seed == 0
    with pytest.raises(InputError, match="seed must be at least 0, not -1"):
        configuration.with_seed(-1)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("batch_size", 2000, "batch_size must be between 1 and train_size 1000, not 2000."),
        ("batch_size", 0, "batch_size must be between 1 and train_size 1000, not 0."),
        ("momentum", 1, "momentum must be in [0, 1), not 1.0."),
        ("learning_rate", "fast", "learning_rate must be a number, not 'fast'."),
        ("sampling", "all", "sampling must be one of shuffle, subset, replacement, not 'all'."),
    ],
)
def test_a_configuration_refuses_values_outside_their_range(name, value, words):
    with pytest.raises(InputError) as caught:
        Configuration(**{**_PLAIN, name: value})
    assert str(caught.value) == words


def test_a_seed_keeps_all_its_digits():
    largest = 2**63 - 1
    for given in (largest, np.int64(largest), np.uint64(largest)):
        assert Configuration(**_PLAIN, seed=given).seed == largest
    for given in (largest + 1, np.uint64(largest + 1)):
        with pytest.raises(InputError, match="seed must be at most 9223372036854775807"):
            Configuration(**_PLAIN, seed=given)


def test_one_field_is_checked_alone():
    assert checked_value("train_size", 3.0) == 3
    assert type(checked_value("train_size", 3.0)) is int
    assert checked_value("clip_norm", None) is None
    with pytest.raises(InputError, match="final_decay must be in"):
        checked_value("final_decay", 1.5)


def _documented_text(configuration, exclude=()):
    """The canonical form written out field by field, independently of how ids are made."""
    fields = dataclasses.fields(Configuration)
    values = {"training_version": 1}
    for field in fields:
        value = getattr(configuration, field.name)
        if value != field.default and field.name not in exclude:
            values[field.name] = format(value, ".12g") if type(value) is float else value
    return json.dumps(dict(sorted(values.items())), separators=(",", ":"))


def _drawn(draw):
    n = draw.choice([1, 7, 1000, 2**40])
    return Configuration(
        dataset=draw.choice(["mnist1d", "digits", 'a"b,"seed":1', "größe"]),
        model=draw.choice(["mlp-64", '","seed":5,"x":"', "net"]),
        train_size=n,
        batch_size=draw.randint(1, n),
        learning_rate=draw.choice([0.1, draw.lognormvariate(0, 3)]),
        momentum=draw.choice([0.0, 0.9, draw.random()]),
        weight_decay=draw.choice([0.0, 1e-12, draw.random()]),
        clip_norm=draw.choice([None, 1.0, draw.random() + 0.1]),
        final_decay=draw.choice([0.0, 1.0]),
        sampling=draw.choice(["shuffle", "subset", "replacement"]),
        budget=draw.choice(["steps", "epochs", "time", "time_over_learning_rate"]),
        budget_value=draw.choice([1, 300, draw.random() + 1]),
        evaluations=draw.choice([1, 10, 100]),
        validation_size=draw.choice([0, 5]),
        seed=draw.choice([0, 1, 2**60]),
        model_source=draw.choice(["", "ab" * 32]),
    )


def test_ids_of_drawn_configurations_are_hashes_of_the_documented_text():
    draw = random.Random(11)
    for _ in range(500):
        configuration = _drawn(draw)
        seed = draw.choice([0, 3, 2**62])
        for one in (configuration, configuration.with_seed(seed)):
            text = _documented_text(one)
            assert one.trial_id == hashlib.sha256(text.encode()).hexdigest()[:20]
            observed = ("evaluations", "validation_size")
            stream = hashlib.sha256(_documented_text(one, exclude=observed).encode())
            assert one.stream_key == stream.hexdigest()


def test_another_seed_is_the_configuration_built_anew():
    draw = random.Random(12)
    for _ in range(200):
        configuration = _drawn(draw)
        values = configuration.as_dict()
        for seed in (0, 5, configuration.seed):
            other = configuration.with_seed(seed)
            anew = Configuration(**{**values, "seed": seed})
            assert other == anew
            assert hash(other) == hash(anew)
            assert (other.trial_id, other.steps) == (anew.trial_id, anew.steps)
            assert other.as_dict() == {**values, "seed": seed}


def test_the_repetitions_of_a_cell_share_what_follows_from_it():
    cell = Configuration(**_PLAIN)
    assert cell.with_seed(1).cell is cell.with_seed(2).cell is cell.cell
    assert Configuration(**_PLAIN).cell is not cell.cell  # a key, not an equality


def test_copies_and_pickles_are_equal_and_keep_their_ids():
    configuration = Configuration(**_PLAIN).with_seed(4)
    assert configuration.trial_id  # whatever was remembered along the way
    for other in (
        pickle.loads(pickle.dumps(configuration)),
        copy.deepcopy(configuration),
        copy.copy(configuration),
        dataclasses.replace(configuration),
    ):
        assert other == configuration
        assert hash(other) == hash(configuration)
        assert other.trial_id == configuration.trial_id
    changed = dataclasses.replace(configuration, learning_rate=0.2)
    assert changed.trial_id == Configuration(**{**_PLAIN, "learning_rate": 0.2, "seed": 4}).trial_id
    assert changed.steps != configuration.steps
