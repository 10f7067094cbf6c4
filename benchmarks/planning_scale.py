"""`python -m benchmarks.planning_scale`: time and memory of all that a run does before it trains.

For each size a grid is written to a search-space file, and a store that holds the first half of its
trials (or all, or none) to a temporary folder. A fresh process then takes the steps of
`explorer.run.run_study` up to its first pack, and measures each step's time and the peak of its own
resident memory.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from analysis.text_table import text_table
from benchmarks.machine import description

#: Trials -> values of learning rate, batch size, momentum, training-set size, and seeds.
GRIDS = {
    4_000: (10, 10, 2, 2, 10),
    100_000: (25, 25, 4, 4, 10),
    1_000_000: (50, 50, 4, 10, 10),
}
SLOTS = 2
_STUDY = "planning"
_PUBLISHED = 100_000

_SPACE = """
from explorer.space import SearchSpace, time

space = SearchSpace(
    dataset="mnist1d-large",
    model="mlp-64",
    learning_rate=[0.01 * 1.08**k for k in range({rates})],
    batch_size=[4 * (k + 1) for k in range({batch_sizes})],
    momentum=[0.0, 0.5, 0.9, 0.95][:{momenta}],
    train_size=[1000 * (k + 1) for k in range({train_sizes})],
    budget=time(3000),
    evaluate=10,
    seeds={seeds},
)
"""


@dataclass(frozen=True)
class PlanningCost:
    """What planning took.

    Attributes:
        trials: trials of the space.
        finished: those that the store held.
        limit: `--limit`, where one was given.
        packs: packs made of the rest.
        seconds: of each step, by name; `total` is their sum.
        peak: bytes of the process's resident memory at its largest.
    """

    trials: int
    finished: int
    limit: int | None
    packs: int
    seconds: dict[str, float]
    peak: int


def write_space(path: Path, trials: int) -> None:
    """A grid of so many trials, one of `GRIDS`."""
    names = ("rates", "batch_sizes", "momenta", "train_sizes", "seeds")
    path.write_text(_SPACE.format(**dict(zip(names, GRIDS[trials], strict=True))), encoding="utf-8")


def fill_store(space: Path, store: Path, finished: int) -> None:
    """Make a store that holds the space's first trials as completed."""
    import pyarrow as pa

    from explorer.space import load_space
    from explorer.store import Store, plan_table
    from explorer.store.fragments import COMPACTED, encoded
    from explorer.store.location import Location
    from explorer.store.schema import COMPLETED, CURVES_SCHEMA, TRIALS_SCHEMA

    Store.open(str(store), create=True)
    location = Location(str(store))
    configurations = load_space(space).space.configurations(finished)
    values = {
        "status": COMPLETED, "steps": 3000, "steps_done": 3000, "n_classes": 10,
        "attempt": "a" * 32, "pack_id": "b" * 16, "pack_size": 64, "wall_seconds": 0.1,
        "test_accuracy": 0.5, "data_sha256": "0" * 64, "training_version": 1,
        "explorer_version": "0", "torch_version": "0", "python_version": "0", "device": "cpu",
        "host": "none", "finished_at": datetime(2026, 1, 1, tzinfo=UTC),
    }  # fmt: skip
    for start in range(0, finished, _PUBLISHED):
        plan = plan_table(configurations[start : start + _PUBLISHED])
        columns = [
            plan[field.name].combine_chunks()
            if field.name in plan.column_names
            else pa.array([values.get(field.name)] * plan.num_rows, field.type)
            for field in TRIALS_SCHEMA
        ]
        name = f"{COMPACTED}{start:09d}.parquet"
        location.publish("curves", name, encoded(CURVES_SCHEMA.empty_table(), "curves"))
        table = pa.Table.from_arrays(columns, schema=TRIALS_SCHEMA)
        location.publish("trials", name, encoded(table, "trials"))


def plan(space: Path, store: Path, limit: int | None) -> PlanningCost:
    """Take a run's steps before training, in this process."""
    seconds: dict[str, float] = {}

    @contextmanager
    def timed(name: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        seconds[name] = time.perf_counter() - began

    with timed("import"):
        from explorer import planning
        from explorer.pack_queue import ASK
        from explorer.packing import make_packs
        from explorer.space import load_space
        from explorer.store import Store
        from explorer.strategies import GridStrategy
    with timed("load the space"):
        loaded = load_space(space)
    with timed("configurations"):
        planned = planning.planned_trials(loaded, limit)
    with timed("subtract the store"):
        opened = Store.open(str(store))
        missing = planning.missing_trials(planned, opened)
    with timed("workloads"):
        workloads = planning.workloads_of(loaded, missing)
    with timed("plan table"):
        table = planning.plan_of(loaded, _STUDY, planned)
    with timed("write the plan"):
        opened.write_plan(table)
    with timed("packs"):
        asked = GridStrategy(missing).ask(ASK)
        packs = make_packs(asked, SLOTS, workloads=workloads)
    with timed("predicted seconds"):
        planning.predicted_run_seconds(packs, SLOTS)
    if sum(len(pack.configurations) for pack in packs) != len(missing):
        raise RuntimeError("The packs do not hold the missing trials.")
    seconds["total"] = sum(seconds.values())
    return PlanningCost(
        trials=len(loaded.space),
        finished=len(planned) - len(missing),
        limit=limit,
        packs=len(packs),
        seconds=seconds,
        peak=peak(),
    )


def peak() -> int:
    """Bytes of this process's resident memory at its largest.

    `getrusage` counts that of the process which started this one, too.
    """
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("/proc/self/status has no VmHWM")


def measure(trials: int, finished: int, folder: Path, limit: int | None = None) -> PlanningCost:
    """Plan a grid of `trials` beside a store that holds `finished` of them, in fresh processes."""
    space, store = folder / "space.py", folder / "store"
    write_space(space, trials)
    _fresh("--fill", str(finished), "--space", str(space), "--store", str(store))
    limited = [] if limit is None else ["--limit", str(limit)]
    printed = _fresh("--plan", "--space", str(space), "--store", str(store), *limited)
    return PlanningCost(**json.loads(printed))


def _fresh(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.planning_scale", *arguments],
        cwd=Path(__file__).resolve().parent.parent,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return done.stdout


def table(costs: Sequence[PlanningCost]) -> str:
    """One column a measurement, one row a step."""
    names = list(costs[0].seconds)
    header = ("", *(f"{cost.trials:,} trials" for cost in costs))
    rows = [
        ("finished before", *(f"{cost.finished:,}" for cost in costs)),
        ("--limit", *("-" if cost.limit is None else str(cost.limit) for cost in costs)),
        ("packs", *(f"{cost.packs:,}" for cost in costs)),
        *((f"{name}, s", *(f"{cost.seconds[name]:.2f}" for cost in costs)) for name in names),
        ("peak memory, MB", *(f"{cost.peak / 1e6:.0f}" for cost in costs)),
    ]
    return text_table([header, *rows])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, choices=sorted(GRIDS), default=max(GRIDS))
    parser.add_argument("--fill", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--plan", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--space", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--store", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--limit", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.fill is not None:
        fill_store(arguments.space, arguments.store, arguments.fill)
        return
    if arguments.plan:
        print(json.dumps(asdict(plan(arguments.space, arguments.store, arguments.limit))))
        return
    for name, value in description().items():
        print(f"{name}: {value}")
    n = arguments.trials
    costs = []
    for finished, limit in ((0, None), (n // 2, None), (n, None), (n // 2, 5)):
        with tempfile.TemporaryDirectory() as folder:
            costs.append(measure(n, finished, Path(folder), limit))
    print(table(costs))


if __name__ == "__main__":
    main()
