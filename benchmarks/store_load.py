"""How long a store of a million trials takes to load.

    python benchmarks/store_load.py [--trials 1000000] [--small-fragments 2000]

Builds the store in a temporary folder: large compacted fragments, and some thousand packs of 32
trials, one in ten of which repeats trials under another attempt, as a retried worker does.
"""

from __future__ import annotations

import argparse
import platform
import resource
import shutil
import tempfile
import time
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa

from explorer.store import Plan, Store
from explorer.store.fragments import COMPACTED, encoded
from explorer.store.location import Location
from explorer.store.schema import COMPLETED, CURVES_SCHEMA, FAILED, PLAN_SCHEMA, TRIALS_SCHEMA

PACK = 32
EVALUATIONS = 10
LARGE = 100_000


def trial_rows(first: int, count: int, pack_id: str, attempts: list[str], status: str) -> pa.Table:
    """`count` trials with ids that hash from their number; `attempts` are spread over them."""
    number = np.arange(first, first + count)
    generator = np.random.default_rng(first)
    columns = {
        # An odd multiplier is a bijection modulo 2**64: ids are different, and not in order.
        "trial_id": [f"{x:020x}" for x in (number.astype(np.uint64) * 0x9E3779B97F4A7C15).tolist()],
        "train_size": 500 * 2 ** (number % 5),
        "batch_size": 4 * 2 ** (number % 7),
        "learning_rate": 0.01 * 2.0 ** (number % 9),
        "momentum": np.array([0.0, 0.5, 0.9, 0.95])[number % 4],
        "seed": number // 1260,
        "attempt": [attempts[i * len(attempts) // count] for i in range(count)],
        "test_accuracy": generator.uniform(0.1, 0.9, count),
        "wall_seconds": generator.exponential(0.1, count),
    }
    constants = {
        "dataset": "mnist1d", "model": "mlp-64", "weight_decay": 0.0, "final_decay": 0.0,
        "sampling": "shuffle", "budget": "steps", "budget_value": 3000.0,
        "evaluations": EVALUATIONS, "validation_size": 0, "dataset_source": "",
        "model_source": "", "status": status, "steps": 3000, "steps_done": 3000,
        "n_classes": 10, "train_loss": 0.5, "train_accuracy": 0.8, "test_loss": 1.2,
        "best_test_accuracy": 0.5, "pack_id": pack_id, "pack_size": PACK,
        "data_sha256": "0123456789abcdef" * 4, "training_version": 1, "explorer_version": "0.1.0",
        "torch_version": "2.14.1", "python_version": "3.11.0", "device": "cpu", "host": "bench",
        "finished_at": datetime(2026, 1, 1, tzinfo=UTC),
    }  # fmt: skip
    return _table(TRIALS_SCHEMA, count, columns, constants)


def curve_rows(trials: pa.Table) -> pa.Table:
    """Ten evaluations a trial."""
    repeated = trials.select(["trial_id", "attempt"]).take(
        np.repeat(np.arange(trials.num_rows), EVALUATIONS)
    )
    step = np.tile(np.arange(1, EVALUATIONS + 1) * 300, trials.num_rows)
    columns = {
        "trial_id": repeated["trial_id"],
        "attempt": repeated["attempt"],
        "step": step,
        "epoch": step / 31.0,
        "test_accuracy": np.random.default_rng(0).uniform(size=len(step)),
    }
    constants = {"train_loss": 0.5, "train_accuracy": 0.8, "test_loss": 1.2}
    return _table(CURVES_SCHEMA, len(step), columns, constants)


def _table(
    schema: pa.Schema, count: int, columns: Mapping[str, Any], constants: Mapping[str, Any]
) -> pa.Table:
    arrays = []
    for field in schema:
        if field.name in columns:
            column = columns[field.name]
            array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
            arrays.append(pa.array(array, field.type))
        elif field.name in constants:
            arrays.append(pa.repeat(pa.scalar(constants[field.name], field.type), count))
        else:
            arrays.append(pa.nulls(count, field.type))
    return pa.Table.from_arrays(arrays, schema=schema)


def build(store: Store, trials: int, small_fragments: int) -> None:
    """Write the files themselves: how long publishing takes is another question."""
    location = Location(store.location)

    def write(name: str, rows: pa.Table) -> None:
        location.publish("curves", f"{name}.parquet", encoded(curve_rows(rows), "curves"))
        location.publish("trials", f"{name}.parquet", encoded(rows, "trials"))

    in_small = small_fragments * PACK
    for first in range(0, trials - in_small, LARGE):
        count = min(LARGE, trials - in_small - first)
        attempts = [uuid.uuid4().hex for _ in range(count // PACK + 1)]
        write(f"{COMPACTED}{uuid.uuid4().hex}", trial_rows(first, count, "p", attempts, COMPLETED))
    for pack in range(small_fragments):
        first = trials - in_small + pack * PACK
        for status in (COMPLETED, FAILED) if pack % 10 == 0 else (COMPLETED,):
            attempt, pack_id = uuid.uuid4().hex, f"{pack:016x}"
            write(f"{pack_id}-{attempt}", trial_rows(first, PACK, pack_id, [attempt], status))


def timed(label: str, work: Callable[[], object]) -> object:
    """Print one line of the table."""
    start = time.perf_counter()
    result = work()
    seconds = time.perf_counter() - start
    size = len(result) if hasattr(result, "__len__") else 0
    if isinstance(result, pa.Table):
        size = result.num_rows
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{label:<46}{size:>12,}{seconds:>10.2f}{peak:>12.2f}", flush=True)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--trials", type=int, default=1_000_000)
    parser.add_argument("--small-fragments", type=int, default=2_000)
    parser.add_argument("--curves", action="store_true", help="read all curves too")
    arguments = parser.parse_args()
    if arguments.small_fragments * PACK > arguments.trials:
        parser.error("--small-fragments hold 32 trials each, more than --trials")
    folder = tempfile.mkdtemp(prefix="store-load-")
    try:
        store = Store.open(f"{folder}/store", create=True)
        start = time.perf_counter()
        build(store, arguments.trials, arguments.small_fragments)
        print(f"built in {time.perf_counter() - start:.0f} s")
        print(f"Python {platform.python_version()}, pyarrow {pa.__version__}")
        print(f"{'':<46}{'rows':>12}{'seconds':>10}{'peak GiB':>12}")
        columns = ["trial_id", "batch_size", "learning_rate", "test_accuracy"]
        statuses = timed("statuses()", store.statuses)
        assert isinstance(statuses, dict)
        assert len(statuses) == arguments.trials
        assert set(statuses.values()) == {COMPLETED}
        timed("trials(columns=4)", lambda: store.trials(columns=columns))
        trials = timed("trials()", store.trials)
        assert isinstance(trials, pa.Table)
        assert trials.num_rows == arguments.trials
        store.write_plan(Plan("bench", trials.select(PLAN_SCHEMA.names), "bench.py", ""))
        timed("statuses(study): with a plan of all", lambda: store.statuses("bench"))
        one = trials["trial_id"][0].as_py()
        timed("curves(trial_ids=[one])", lambda: store.curves(trial_ids=[one]))
        if arguments.curves:
            timed("curves()", store.curves)
        del trials, statuses
        print(timed("compact(grace_seconds=0)", lambda: store.compact(grace_seconds=0.0)))
        timed("statuses(), compacted", store.statuses)
        timed("trials(), compacted", store.trials)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
