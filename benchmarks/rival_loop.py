"""The sweep without Ray: a pool of processes, as many as cores, one trial after the other.

python -m benchmarks.rival_loop TRIALS.json DATA.npz RESULTS.json
"""

from __future__ import annotations

import argparse
import multiprocessing
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.rival_training import (
    Metrics,
    Trial,
    read_data,
    read_trials,
    train,
    write_results,
)
from explorer.packing import available_cores

_data: dict[str, Tensor] = {}


def start_process(path: Path) -> None:
    torch.set_num_threads(1)
    _data.update(read_data(path))


def train_one(trial: Trial) -> dict[str, Any]:
    curve: list[Metrics] = []
    train(trial, _data, curve.append)
    return {**trial, "test_accuracy": curve[-1]["test_accuracy"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("trials", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("results", type=Path)
    arguments = parser.parse_args()
    trials = read_trials(arguments.trials)
    processes = min(available_cores(), len(trials))
    context = multiprocessing.get_context("spawn")
    with context.Pool(processes, start_process, (arguments.data,)) as pool:
        results = list(pool.imap_unordered(train_one, trials))
        pool.close()
        pool.join()
    write_results(arguments.results, results)


if __name__ == "__main__":
    main()
