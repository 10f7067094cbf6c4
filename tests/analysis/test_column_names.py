"""Other people's column names: as told, or taken where one reading is possible, and said."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from analysis.column_names import OTHER_NAMES, own_names, parse_column_options
from analysis.landscape import Landscape
from analysis.results_file import KNOWN, REQUIRED
from explorer.errors import InputError

OURS = ["batch_size", "learning_rate", "momentum", "train_size", "seed", "test_accuracy"]
ROWS = ["16,0.1,0.9,1000,0,0.45", "32,0.1,0.9,1000,0,0.44"]


@pytest.fixture
def named(tmp_path):
    """A file whose columns are called otherwise, by our name."""

    def write(**theirs):
        names = [theirs.get(name, name) for name in OURS]
        path = tmp_path / "theirs.csv"
        path.write_text("\n".join([",".join(names), *ROWS]))
        return path

    return write


@pytest.fixture
def expected(named):
    return Landscape.from_file(named()).trials


def refusal(path, columns=None):
    with pytest.raises(InputError) as caught:
        Landscape.from_file(path, columns)
    text = str(caught.value)
    assert str(path) in text
    assert "\n" not in text
    return text


def test_options_become_a_mapping():
    options = ["batch_size=bs", " learning_rate = lr = 1", "test_accuracy=Test  acc"]
    assert parse_column_options(options) == {
        "batch_size": "bs",
        "learning_rate": "lr = 1",
        "test_accuracy": "Test acc",
    }
    assert parse_column_options([]) == {}


@pytest.mark.parametrize("option", ["batch_size", "=bs", "batch_size=", "=", "", " = "])
def test_malformed_options_are_refused(option):
    with pytest.raises(InputError, match="is not of the form OURS=THEIRS"):
        parse_column_options([option])


def test_an_own_name_given_twice_is_refused():
    with pytest.raises(InputError, match="names batch_size twice, as bs and b"):
        parse_column_options(["batch_size=bs", "batch_size=b"])


def test_columns_are_read_as_told(named, expected):
    path = named(batch_size="B", test_accuracy="val acc")
    found = Landscape.from_file(path, {"batch_size": "B", "test_accuracy": "val acc"})
    pd.testing.assert_frame_equal(found.trials, expected)
    assert found.notes == ()


def test_columns_may_change_places(named, expected):
    path = named(batch_size="train_size", train_size="batch_size")
    found = Landscape.from_file(path, {"batch_size": "train_size", "train_size": "batch_size"})
    pd.testing.assert_frame_equal(found.trials, expected)


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"batch_size": "nowhere"}, ["no column nowhere to read as batch_size", "it has bs"]),
        ({"batchsize": "bs"}, ["bs cannot be read as batchsize", "there are batch_size"]),
        ({"batch_size": "bs", "steps": "bs"}, ["bs cannot be both batch_size and steps"]),
        ({"seed": "bs"}, ["a column seed already", "bs cannot be read as seed"]),
    ],
)
def test_mappings_that_cannot_be_followed_are_refused(named, columns, words):
    message = refusal(named(batch_size="bs"), columns)
    for word in words:
        assert word in message


@pytest.mark.parametrize(
    "theirs",
    [
        {"batch_size": "bs", "learning_rate": "lr", "train_size": "n_train"},
        {"batch_size": "Batch Size", "learning_rate": "Learning-Rate", "seed": "SEED"},
        {name: f"config.{name}" for name in OURS[:5]} | {"test_accuracy": "summary.test_accuracy"},
        {"learning_rate": "params.lr", "test_accuracy": "metrics.test_acc"},
        {"learning_rate": "params_lr", "test_accuracy": "user_attrs_test_accuracy"},
        {"learning_rate": "config/lr", "batch_size": "config/batch_size"},
        {"test_accuracy": "test/acc"},
        {"test_accuracy": "test/accuracy"},
        {"learning_rate": "eta", "batch_size": "batch"},
    ],
)
def test_common_names_are_taken_and_that_is_said(named, expected, theirs):
    found = Landscape.from_file(named(**theirs))
    pd.testing.assert_frame_equal(found.trials, expected)
    assert sorted(found.notes) == sorted(
        f"theirs.csv has no column {own}: {name} was taken for it." for own, name in theirs.items()
    )


@pytest.mark.parametrize(
    "name",
    [
        "accuracy",
        "acc",
        "val_acc",
        "valid_acc",
        "val/accuracy",
        "summary.val_accuracy",
        "metrics.accuracy",
        "config.test_accuracy",
        "best_test_accuracy",
        "train_acc",
        "test",
        "value",
    ],
)
def test_no_other_accuracy_is_taken_for_the_test_sets(named, name):
    message = refusal(named(test_accuracy=name))
    assert "no column test_accuracy" in message
    assert "--column test_accuracy=THEIR_NAME" in message
    assert ("validation accuracy is not taken for it" in message) is (
        "val" in name and name != "value"
    )


@pytest.mark.parametrize("name", ["eps", "config.optimizer.lr", "summary.lr", "learning_rates"])
def test_no_doubtful_name_is_taken_for_the_learning_rate(named, name):
    assert "no column learning_rate" in refusal(named(learning_rate=name))


@pytest.mark.parametrize("own", ["learning_rate", "momentum"])
def test_of_two_candidates_none_is_taken(named, own):
    first, second = {"learning_rate": ("lr", "eta"), "momentum": ("config.momentum", "Momentum")}[
        own
    ]
    path = named(**{own: first})
    path.write_text(
        "\n".join(
            f"{line},{extra}"
            for line, extra in zip(
                path.read_text().split("\n"), (second, "0.5", "0.5"), strict=True
            )
        )
    )
    message = refusal(path)
    assert f"no column {own}, and {first} and {second} may be it" in message
    told = Landscape.from_file(path, {own: second})
    assert told.trials[own].tolist() == [0.5, 0.5]


def test_our_own_name_counts_before_every_other(named):
    path = named()
    path.write_text(
        "\n".join(
            f"{line},{extra}"
            for line, extra in zip(path.read_text().split("\n"), ("lr", "7", "8"), strict=True)
        )
    )
    found = Landscape.from_file(path)
    assert found.trials["learning_rate"].tolist() == [0.1, 0.1]
    assert "lr (2 values: 7, 8)" in found.notes[0]


def test_every_other_name_stands_for_one_of_ours():
    others = [name for names in OTHER_NAMES.values() for name in names]
    assert len(set(others)) == len(others)
    assert not set(others) & set(KNOWN)
    assert set(OTHER_NAMES) <= set(KNOWN)
    for own, names in OTHER_NAMES.items():
        for name in names:
            assert own_names(Path("t"), [name, "x"], {}, KNOWN, REQUIRED)[0] == [own, "x"]
