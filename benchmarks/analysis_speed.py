"""`python -m benchmarks.analysis_speed`: the analysis of 10,000 and 1,600 trials on one core."""

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"  # before numpy is imported

import statistics  # noqa: E402
import tempfile  # noqa: E402
import time  # noqa: E402
from collections.abc import Callable  # noqa: E402
from pathlib import Path  # noqa: E402

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402

from analysis.correlation import correlations  # noqa: E402
from analysis.landscape import Landscape  # noqa: E402
from analysis.planted import PlantedLaw, plant  # noqa: E402
from analysis.scaling import fit_scaling  # noqa: E402

_REPEATS = 3


def law_landscape() -> Landscape:
    """180 conditions of about 12 batch sizes and 5 seeds: more than 10,000 trials."""
    law = PlantedLaw(
        learning_rates=tuple(0.05 * 2 ** (i / 2) for i in range(9)),
        momenta=(0.5, 0.8, 0.9, 0.95),
        train_sizes=(2000, 4000, 8000, 16_000, 32_000),
        train_size=0.5,
        momentum=1.0,
        below=8.0,
        above=8.0,
        n_seeds=5,
    )
    return plant(law, 1).landscape


def correlation_landscape() -> Landscape:
    """He, Liu & Tao's (2019) 1,600 cells: 2 data sets, 2 models, 20 batch sizes, 20 rates."""
    rng = np.random.default_rng(2)
    rows = [
        {
            "dataset": dataset,
            "model": model,
            "budget": "epochs",
            "budget_value": 200.0,
            "learning_rate": round(0.01 * i, 2),
            "momentum": 0.0,
            "train_size": 50_000,
            "batch_size": b,
            "seed": 0,
            "status": "completed",
            "n_classes": 10,
            "train_accuracy": 1.0,
            "test_accuracy": 0.9 - 0.01 * np.log(b / i) + 0.003 * rng.standard_normal(),
        }
        for dataset in ("a", "b")
        for model in ("c", "d")
        for b in range(16, 321, 16)
        for i in range(1, 21)
    ]
    frame = pd.DataFrame(rows)
    frame["best_test_accuracy"] = frame["test_accuracy"]
    return Landscape.from_frame(frame, "planted")


def _time(what: str, work: Callable[[], object]) -> None:
    seconds = []
    for _ in range(_REPEATS):
        start = time.process_time()
        work()
        seconds.append(time.process_time() - start)
    shown = ", ".join(f"{s:.2f}" for s in seconds)
    print(f"{what}: {statistics.median(seconds):.2f} s of one core (of {shown})")


def main() -> None:
    """Print the processor seconds of each analysis."""
    law = law_landscape()
    _time(f"fit-scaling, {len(law.trials):,} trials, 2,000 draws", lambda: fit_scaling(law))
    grid = correlation_landscape()
    what = f"correlations, {len(grid.trials):,} trials, 100,000 permutations"
    _time(what, lambda: correlations(grid))
    many = pd.concat([law.trials.assign(seed=law.trials["seed"] + 5 * i) for i in range(100)])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trials.parquet"
        many.to_parquet(path, index=False)
        _time(f"reading {len(many):,} trials", lambda: Landscape.from_file(path))
        read = Landscape.from_file(path)
        _time(f"fit-scaling of them, {len(many):,} trials", lambda: fit_scaling(read))


if __name__ == "__main__":
    main()
