"""Ray Tune with nothing to do: start, one report, end. It imports no torch."""

from __future__ import annotations

from typing import Any

from explorer import ray_environment
from explorer.packing import available_cores

ray_environment.prepare(None)

import ray  # noqa: E402
from ray import tune  # noqa: E402


def trainable(config: dict[str, Any]) -> None:
    tune.report({"nothing": config["nothing"]})


def main() -> None:
    with ray_environment.private_folder() as folder:
        ray.init(
            address="local",
            num_cpus=available_cores(),
            include_dashboard=False,
            log_to_driver=False,
            _temp_dir=str(folder / "ray"),
        )
        tune.Tuner(
            trainable,
            param_space={"nothing": 0},
            run_config=tune.RunConfig(storage_path=str(folder / "tune"), verbose=0),
        ).fit()
        ray.shutdown()


if __name__ == "__main__":
    main()
