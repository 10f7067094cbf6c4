"""What the fuzzers found once, each by itself: it must not come back when their draws change."""

from __future__ import annotations

import logging
import math
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from analysis.landscape import CONFIGURATION_COLUMNS, RESULT_COLUMNS
from analysis.stored_values import sensible_rows
from explorer.cli_app import log_to_stderr, one_line
from explorer.errors import EnvironmentFailure, InputError
from explorer.space import log_grid, window
from explorer.status import trial_record
from explorer.trial import Configuration


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ((10**5000, 1), "low must be finite"),
        ((1, 10**400), "high must be finite"),
        ((5e-324, 1.5), "octaves above"),
        ((1e-300, 1e300), "octaves above"),
    ],
)
def test_a_grid_beyond_all_floats(given, words):
    with pytest.raises(InputError, match=words):
        log_grid(*given, per_octave=1)


def test_the_widest_grid():
    grid = log_grid(1.0, 2.0**1023, per_octave=1)
    assert len(grid) == 1024
    assert grid[-1] == pytest.approx(2.0**1023, rel=1e-11)


def test_a_grid_of_short_floats_is_as_exact_as_any():
    low = np.float32(0.1)
    assert log_grid(low, 1e300, per_octave=1) == log_grid(float(low), 1e300, per_octave=1)


def test_a_windows_offset_that_is_an_array():
    with pytest.raises(InputError, match="alternate_offset must be a number"):
        window(center=1, alternate_offset=np.array([None, 1], dtype=object))


@pytest.mark.parametrize("listed", [range(10**12), range(10**30)])
def test_a_list_without_end(make_space, listed):
    with pytest.raises(InputError, match=r"learning_rate lists .* values, above 5000000\."):
        make_space(learning_rate=listed)


@pytest.fixture
def make_space():
    from explorer.space import SearchSpace, steps

    return lambda **changes: SearchSpace(
        **{"train_size": 100, "batch_size": 4, "learning_rate": 0.1, "budget": steps(9), **changes}
    )


def test_a_message_is_one_line_that_no_terminal_obeys():
    assert one_line("a\n  b\tc") == "a b c"
    assert one_line("x\x1b[2J\udcff\u202e") == "x\\x1b[2J\\udcff\\u202e"
    long = one_line("x" * 10_000 + "end")
    assert len(long) < 1500
    assert long.endswith("end")


@pytest.mark.usefixtures("say")  # puts logging back
def test_a_logged_name_is_one_line(capsys):
    log_to_stderr(1, quiet=False)
    logging.getLogger("explorer").warning("Skipped the file %s.", "a\nb\x1b[2J")
    logging.getLogger("explorer").info("first\nsecond \x07")
    assert capsys.readouterr().err == "Skipped the file a b\\x1b[2J.\nfirst\nsecond \\x07\n"


def rows(number: int) -> pd.DataFrame:
    trials = []
    for seed in range(number):
        trial = Configuration(
            train_size=100, batch_size=4, learning_rate=0.1, budget_value=9, seed=seed
        )
        trials.append(
            {**trial.as_dict(), "status": "completed", "steps": 9, "steps_done": 9}
            | {"n_classes": 10.0, "test_accuracy": 0.5}
        )
    return pd.DataFrame(trials).reindex(columns=[*CONFIGURATION_COLUMNS, *RESULT_COLUMNS])


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("learning_rate", math.nan),
        ("learning_rate", -0.1),
        ("learning_rate", math.inf),
        ("momentum", 1.0),
        ("batch_size", 0),
        ("batch_size", 101),
        ("train_size", -1),
        ("budget_value", 0.0),
        ("test_accuracy", 1.5),
        ("test_accuracy", math.inf),
        ("test_accuracy", math.nan),
        ("n_classes", 0.0),
        ("status", "running"),
        ("model", "\x1b[2J"),
        ("clip_norm", 0.0),
    ],
)
def test_a_row_that_no_run_writes_is_left_out_and_told(column, value):
    frame = rows(4)
    frame.loc[2, column] = value
    kept, notes = sensible_rows(frame, "trials")
    assert kept["seed"].tolist() == [0, 1, 3]
    (note,) = notes
    assert note.startswith(
        f"1 of the store's trials hold values that no run writes, such as {column}"
    )
    assert note.isprintable()


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("clip_norm", math.nan),
        ("n_classes", math.nan),
        ("validation_accuracy", 1.0),
        ("test_loss", math.inf),
        ("final_decay", 1.0),
        ("seed", 2**62),
        ("learning_rate", 5e-324),
    ],
)
def test_a_row_that_a_run_may_write_is_kept(column, value):
    frame = rows(4)
    frame.loc[2, column] = value
    kept, notes = sensible_rows(frame, "trials")
    assert kept is frame
    assert notes == []


def test_a_failed_trial_and_a_planned_one_need_no_accuracy():
    frame = rows(2).assign(status="failed", test_accuracy=math.nan)
    assert sensible_rows(frame, "trials")[1] == []
    planned = frame.assign(**dict.fromkeys(RESULT_COLUMNS))
    assert sensible_rows(planned, "planned trials")[1] == []


def test_a_trial_whose_whole_row_cannot_be_read():
    """Its id can: a file may be whole in one column and not in another."""

    class Half:
        def trials(self, study=None, columns=None):
            table = pa.table({"trial_id": ["abc"], "status": ["completed"]})
            return table.select(columns) if columns else table.slice(1)

        def __str__(self):
            return "half"

    with pytest.raises(EnvironmentFailure, match="half that holds the trial abc"):
        trial_record(Half(), "a")


def test_messages_of_a_file_are_one_line(tmp_path: Path, say, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(
        "import numpy as np\nfrom explorer.space import SearchSpace, steps\n"
        "space = SearchSpace(model=[np.ones((2, 2))], train_size=9, batch_size=3,\n"
        "                    learning_rate=0.1, budget=steps(9))\n"
    )
    said = say("run", "mine.py", "--dry-run")
    assert said.code == 2
    assert said.err.splitlines() == [
        "explorer: mine.py, line 3: model must be text, not array([[1., 1.], [1., 1.]])."
    ]
    assert os.listdir() == ["mine.py"]


def test_a_file_of_results_whose_name_is_too_long(tmp_path: Path, say, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = say("claims", "--from", "x" * 300)
    assert said.code == 2
    assert said.err.endswith("x cannot be read: File name too long.\n")


def test_a_learning_rate_so_small_that_a_ratio_is_beyond_all_floats(tmp_path: Path, say):
    rows = [
        f"{size},{eps},0.9,1000,0,{accuracy}"
        for size, accuracy in ((4, 0.5), (64, 0.6), (256, 0.7))
        for eps in (1e-308, 0.1)
    ]
    path = tmp_path / "theirs.csv"
    header = "batch_size,learning_rate,momentum,train_size,seed,test_accuracy"
    path.write_text("\n".join([header, *rows]))
    assert say("correlations", "--from", path).code == 0
