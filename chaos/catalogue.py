"""All scenarios, in the order in which they are run, and the machine that runs them."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path

from chaos import (
    cluster_nodes,
    damaged_files,
    disk_full,
    driver_killed,
    failing_packs,
    interrupted,
    jumping_clock,
    killed_writers,
    long_trials,
    out_of_memory,
    s3_runs,
    split_network,
    store_gone,
    two_runs,
    workers_killed,
)

SCENARIOS = (
    driver_killed.SCENARIO,
    workers_killed.SCENARIO,
    cluster_nodes.SCENARIO,
    split_network.SCENARIO,
    failing_packs.SCENARIO,
    two_runs.SCENARIO,
    interrupted.SCENARIO,
    disk_full.SCENARIO,
    store_gone.SCENARIO,
    damaged_files.SCENARIO,
    killed_writers.SCENARIO,
    s3_runs.WRITERS,
    s3_runs.RUNS,
    jumping_clock.SCENARIO,
    out_of_memory.SCENARIO,
    long_trials.SCENARIO,
)


def machine() -> str:
    """Processor, cores, system and versions, in one line."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    packages = ", ".join(f"{name} {version(name)}" for name in ("ray", "torch", "pyarrow"))
    return (
        f"{os.cpu_count()} cores ({models[0] if models else platform.machine()}), "
        f"{platform.system()} {platform.release()}, Python {platform.python_version()}, {packages}"
    )
