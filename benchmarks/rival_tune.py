"""The sweep in plain Ray Tune: one trial a run, one CPU a trial.

python -m benchmarks.rival_tune TRIALS.json DATA.npz RESULTS.json [--reuse-actors]
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from explorer import ray_environment  # the same sockets, loggers and folders as the explorer's
from explorer.packing import available_cores

ray_environment.prepare(None)

import ray  # noqa: E402
from ray import tune  # noqa: E402
from torch import Tensor  # noqa: E402

from benchmarks.rival_training import read_data, read_trials, train, write_results  # noqa: E402


def trainable(config: dict[str, Any], data: dict[str, Tensor]) -> None:
    train(config["trial"], data, tune.report)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("trials", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("results", type=Path)
    parser.add_argument("--reuse-actors", action="store_true")
    arguments = parser.parse_args()
    trials, data = read_trials(arguments.trials), read_data(arguments.data)
    cores = available_cores()
    with ray_environment.private_folder() as folder:
        ray.init(
            address="local",
            num_cpus=cores,
            include_dashboard=False,
            log_to_driver=False,
            _temp_dir=str(folder / "ray"),
        )
        tuner = tune.Tuner(
            tune.with_resources(tune.with_parameters(trainable, data=data), {"cpu": 1}),
            param_space={"trial": tune.grid_search(trials)},
            tune_config=tune.TuneConfig(
                reuse_actors=arguments.reuse_actors,
                # Above it, one reused worker was seen to do all the work; without reuse it costs
                # nothing.
                max_concurrent_trials=cores,
                trial_dirname_creator=lambda trial: str(trial.trial_id),
            ),
            run_config=tune.RunConfig(storage_path=str(folder / "tune"), verbose=0),
        )
        grid = tuner.fit()
        write_results(
            arguments.results,
            [
                {**result.config["trial"], "test_accuracy": result.metrics["test_accuracy"]}
                for result in grid
                if result.error is None and result.config and result.metrics
            ],
        )
        ray.shutdown()
    return 1 if grid.num_errors else 0


if __name__ == "__main__":
    sys.exit(main())
