"""Writers and compactors killed with SIGKILL at random moments, a reader looking on throughout."""

from __future__ import annotations

import contextlib
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from explorer.store import Store
from explorer.store.location import Location
from explorer.trial import Configuration

ROOT = Path(__file__).parents[2]
PACK = 3

#: Publishes packs of three trials for ever; a line on stdout acknowledges each.
WRITER = """
import sys, uuid
from explorer.store import Store
from explorer.trial import Configuration

store, first = Store.open(sys.argv[1]), int(sys.argv[2])
for pack in range(10**6):
    attempt = uuid.uuid4().hex
    trials, curves = [], []
    for member in range(3):
        c = Configuration(train_size=1000, batch_size=8, learning_rate=0.1, budget_value=100.0,
                          seed=first + 3 * pack + member)
        trials.append({
            "trial_id": c.trial_id, **c.as_dict(), "status": "completed", "steps": 100,
            "steps_done": 100, "pack_size": 3, "wall_seconds": 0.1, "data_sha256": "d",
            "training_version": 1, "explorer_version": "0", "torch_version": "2",
            "python_version": "3", "device": "cpu", "host": "h"})
        curves += [{"trial_id": c.trial_id, "step": s, "epoch": s / 125} for s in (50, 100)]
    store.publish(pack_id=f"pack{first + pack}", attempt=attempt, trials=trials, curves=curves)
    print(attempt, first + 3 * pack, flush=True)
"""

#: Compacts for ever; a line on stdout counts each.
COMPACTOR = """
import sys
from explorer.errors import EnvironmentFailure
from explorer.store import Store

store = Store.open(sys.argv[1])
while True:
    try:
        store.compact(grace_seconds=0.02)
        print("compacted", flush=True)
    except EnvironmentFailure as failure:
        assert "Another compaction" in str(failure) or "kept changing" in str(failure), failure
"""


#: Repairs for ever; a line on stdout counts each. What a writer is in the middle of is younger.
DOCTOR = """
import sys, time
from explorer.errors import EnvironmentFailure
from explorer.store import Store
from explorer.store.doctor import examine

store = Store.open(sys.argv[1])
while True:
    report = examine(store, repair=True, grace_seconds=float(sys.argv[2]))
    assert not report.train_again and not report.unknown, report
    assert all(f.kind == "orphan" for f in report.findings), report
    print("repaired", len(report.findings), flush=True)
    time.sleep(0.2)
"""


@pytest.fixture
def start(tmp_path: Path, store: Store) -> Callable[..., tuple[subprocess.Popen[bytes], Path]]:
    """Start a script on the store, its output in a file: a pipe would lose what it holds."""
    running: list[subprocess.Popen[bytes]] = []

    def begin(script: str, *arguments: object) -> tuple[subprocess.Popen[bytes], Path]:
        output = tmp_path / f"output-{len(running)}"
        with output.open("wb") as stdout, (tmp_path / f"errors-{len(running)}").open("wb") as err:
            command = [sys.executable, "-c", script, store.location, *map(str, arguments)]
            process = subprocess.Popen(command, cwd=ROOT, stdout=stdout, stderr=err)
        running.append(process)
        return process, output

    yield begin
    for process in running:
        process.kill()
        process.wait()


def _lines(output: Path) -> list[str]:
    """Whole lines: a killed process may leave the last one unfinished."""
    return output.read_text().split("\n")[:-1]


def _acknowledged(outputs: list[Path]) -> dict[str, int]:
    """attempt -> number of its pack's first trial."""
    pairs = [line.split() for output in outputs for line in _lines(output)]
    return {attempt: int(first) for attempt, first in pairs}


def _check(store: Store, acknowledged: dict[str, int]) -> int:
    """Everything acknowledged before this reading began is there, once and whole."""
    trials, curves = store.snapshot()
    assert len(trials["trial_id"].unique()) == trials.num_rows
    packs: dict[str, set[int]] = {}
    for attempt, seed in zip(
        trials["attempt"].to_pylist(), trials["seed"].to_pylist(), strict=True
    ):
        packs.setdefault(attempt, set()).add(seed)
    assert all(len(seeds) == PACK for seeds in packs.values()), "half a pack"
    for attempt, first in acknowledged.items():
        assert packs.get(attempt) == set(range(first, first + PACK)), "an acknowledged pack is lost"
    steps: dict[str, list[int]] = {}
    for trial, step in zip(curves["trial_id"].to_pylist(), curves["step"].to_pylist(), strict=True):
        steps.setdefault(trial, []).append(step)
    assert set(steps) == set(trials["trial_id"].to_pylist())
    assert all(found == [50, 100] for found in steps.values())
    return trials.num_rows


@pytest.mark.parametrize(
    ("address", "writers", "compactors"),
    [
        ("local", 10, 5),
        ("s3", 4, 2),
        pytest.param("local", 200, 100, marks=pytest.mark.slow),
        pytest.param("s3", 40, 20, marks=pytest.mark.slow),
    ],
    indirect=["address"],
)
def test_nothing_acknowledged_is_lost_doubled_or_halved(
    store: Store,
    start: Callable[..., tuple[subprocess.Popen[bytes], Path]],
    writers: int,
    compactors: int,
) -> None:
    generator = random.Random(20260101)
    outputs: list[Path] = []
    compactions: list[Path] = []
    kills = {"writer": 0, "compactor": 0}
    wanted = {"writer": writers, "compactor": compactors}
    reads = 0
    processes: dict[str, tuple[subprocess.Popen[bytes], Path, float]] = {}
    while kills != wanted:
        for kind in kills:
            if kind not in processes and kills[kind] < wanted[kind]:
                script = WRITER if kind == "writer" else COMPACTOR
                arguments = [10**6 * len(outputs)] if kind == "writer" else []
                process, output = start(script, *arguments)
                (outputs if kind == "writer" else compactions).append(output)
                processes[kind] = process, output, 0.0
        for kind, (process, output, when) in list(processes.items()):
            assert process.poll() is None, f"the {kind} ended by itself"
            # From its first act on: imports are long, and not what is to be interrupted.
            if when == 0.0 and _lines(output):
                processes[kind] = process, output, time.monotonic() + generator.uniform(0, 0.6)
            elif when and time.monotonic() >= when:
                process.send_signal(signal.SIGKILL)
                process.wait()
                kills[kind] += 1
                del processes[kind]
        acknowledged = _acknowledged(outputs)
        _check(store, acknowledged)
        reads += 1
    acknowledged = _acknowledged(outputs)
    assert len(acknowledged) > 3 * writers, "the writers hardly wrote"
    assert reads > writers
    assert all("compacted" in _lines(output) for output in compactions)
    before = _check(store, acknowledged)
    report = store.compact(grace_seconds=0)
    assert _check(store, acknowledged) == before
    print(f"{kills} kills, {len(acknowledged)} packs acknowledged, {reads} reads, {report}")


def test_a_doctor_beside_killed_writers_deletes_only_what_they_left(
    store: Store, start: Callable[..., tuple[subprocess.Popen[bytes], Path]]
) -> None:
    """Packs appear, are compacted and lose their writers while the doctor is at work."""
    generator = random.Random(7)
    doctor, repairs = start(DOCTOR, 5)
    compactor, _ = start(COMPACTOR)
    outputs: list[Path] = []
    location = Location(store.location)
    for life in range(6):
        writer, output = start(WRITER, 10**6 * life)
        outputs.append(output)
        while not _lines(output):
            time.sleep(0.05)
        time.sleep(generator.uniform(0, 0.6))
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        _check(store, _acknowledged(outputs))
    # An orphan that is certain: what a writer leaves that is killed between its two files.
    location.publish("curves", "pack-orphan.parquet", pa.py_buffer(_curves_file(location)))
    deadline = time.monotonic() + 60
    while "pack-orphan.parquet" in location.list("curves") and time.monotonic() < deadline:
        _check(store, _acknowledged(outputs))
        assert doctor.poll() is None, "the doctor ended by itself"
    assert "pack-orphan.parquet" not in location.list("curves")
    assert compactor.poll() is None
    assert len(_lines(repairs)) > 3
    assert _check(store, _acknowledged(outputs)) >= 3 * len(_acknowledged(outputs))


def _curves_file(location: Location) -> bytes:
    """The bytes of any curves file; a compaction may be moving them."""
    while True:
        with contextlib.suppress(FileNotFoundError):
            name, size = next(iter(location.list("curves").items()))
            return bytes(location.source("curves", name, size).read())


def test_trials_before_curves_would_be_caught(
    store: Store,
    publish: Callable[..., str],
    configuration: Callable[[int], Configuration],
) -> None:
    """The check above sees what the opposite order of the two files would leave."""
    name = publish(store, [0, 1, 2], attempt="a")
    Location(store.location).delete("curves", name)
    with pytest.raises(AssertionError):
        _check(store, {"a": 0})
    publish(store, [10, 11], attempt="b")
    with pytest.raises(AssertionError, match="half a pack"):
        _check(store, {})
