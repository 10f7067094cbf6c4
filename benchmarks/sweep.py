"""The trials that all contenders train, and each contender timed from outside."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from explorer.datasets import Dataset
from explorer.space import load_space
from explorer.store import Store
from explorer.trial import Configuration

ROOT = Path(__file__).resolve().parents[1]
SPACES = Path(__file__).resolve().parent / "spaces"
SPEED_GRID = SPACES / "speed_grid.py"
ONE_STEP = SPACES / "one_step.py"


@dataclass(frozen=True)
class Contender:
    """One way to run the sweep.

    Attributes:
        name: what tables call it.
        module: run with `python -m`; None for the installed command `explorer`.
        options: that follow the module's files.
        expected_start, expected_trial: s, for the progress line alone; on two cores.
    """

    name: str
    module: str | None
    options: tuple[str, ...]
    expected_start: float
    expected_trial: float


EXPLORER = Contender("explorer run", None, (), 9, 0.15)
TUNE = Contender("Ray Tune", "benchmarks.rival_tune", (), 11, 7.0)
TUNE_REUSED = Contender(
    "Ray Tune, reuse_actors", "benchmarks.rival_tune", ("--reuse-actors",), 11, 4.1
)
LOOP = Contender("PyTorch loop", "benchmarks.rival_loop", (), 6, 2.9)
RIVALS = (TUNE, TUNE_REUSED, LOOP)


@dataclass(frozen=True)
class Job:
    """The first `limit` trials of a search-space file, and the same as files for the rivals."""

    space: Path
    configurations: tuple[Configuration, ...]
    trials_file: Path
    data_file: Path

    @property
    def limit(self) -> int:
        return len(self.configurations)


@dataclass(frozen=True)
class Outcome:
    """One contender's run.

    Attributes:
        seconds: wall time from the process's start to its exit.
        trials: a row a trial with its configuration and `test_accuracy`; the explorer's also with
            its other columns.
    """

    seconds: float
    trials: pd.DataFrame

    @property
    def test_accuracy(self) -> float:
        return float(self.trials["test_accuracy"].mean())


def make_job(space: Path, limit: int, dataset: Dataset, folder: Path) -> Job:
    """Write the files that the rivals read."""
    configurations = tuple(load_space(space).space.configurations(limit))
    if len(configurations) < limit:
        raise SystemExit(f"{space} has {len(configurations)} trials, not {limit}.")
    trials_file = folder / f"{space.stem}-{limit}.json"
    trials_file.write_text(
        json.dumps([rival_trial(configuration) for configuration in configurations])
    )
    data_file = folder / "data.npz"
    if not data_file.exists():
        arrays = rival_arrays(dataset, configurations[0].train_size)
        np.savez(data_file, allow_pickle=False, **arrays)
    return Job(space, configurations, trials_file, data_file)


def rival_trial(configuration: Configuration) -> dict[str, object]:
    """What `benchmarks.rival_training.train` needs to know of a trial."""
    return {
        "batch_size": configuration.batch_size,
        "learning_rate": configuration.learning_rate,
        "momentum": configuration.momentum,
        "seed": configuration.seed,
        "steps": configuration.steps,
        "evaluation_steps": list(configuration.evaluation_steps),
    }


def rival_arrays(dataset: Dataset, train_size: int) -> dict[str, np.ndarray]:
    """What `benchmarks.rival_training.train` needs to know of the data."""
    return {
        "train_inputs": dataset.train_inputs[:train_size],
        "train_labels": dataset.train_labels[:train_size],
        "test_inputs": dataset.test_inputs,
        "test_labels": dataset.test_labels,
    }


def run(contender: Contender, job: Job, folder: Path) -> Outcome:
    """Run one contender to its end, in a process of its own and into fresh files."""
    results = folder / uuid.uuid4().hex
    if contender.module is None:
        store = ["--store", str(results), "--limit", str(job.limit), "--quiet", "--json"]
        seconds = timed([explorer_command(), "run", str(job.space), *store])
        trials = Store.open(str(results)).trials().to_pandas()
        shutil.rmtree(results)
    else:
        files = [str(job.trials_file), str(job.data_file), str(results)]
        command = [sys.executable, "-m", contender.module, *files, *contender.options]
        seconds = timed(command)
        trials = pd.DataFrame(json.loads(results.read_text()))
    if len(trials) != job.limit:
        raise SystemExit(f"{contender.name} trained {len(trials)} trials, not {job.limit}.")
    return Outcome(seconds, trials)


def empty_tune_job() -> float:
    """Seconds that Ray Tune takes for nothing."""
    return timed([sys.executable, "-m", "benchmarks.empty_tune"])


def timed(command: Sequence[str]) -> float:
    """Wall time in s from a process's start to its exit.

    Raises:
        SystemExit: the process failed; its last words are told.
    """
    began = time.perf_counter()
    done = subprocess.run(
        command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    seconds = time.perf_counter() - began
    if done.returncode:
        raise SystemExit(
            f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr[-3000:]}"
        )
    return seconds


def explorer_command() -> str:
    """The installed command that belongs to this Python."""
    beside = Path(sys.executable).parent / "explorer"
    found = str(beside) if beside.exists() else shutil.which("explorer")
    if found is None:
        raise SystemExit("The command `explorer` is not installed: run `make venv`.")
    return found
