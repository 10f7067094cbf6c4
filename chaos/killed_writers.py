"""Writers, compactors and readers of one store are killed; readers look on throughout."""

from __future__ import annotations

import functools
import time

from chaos.arena import Arena
from chaos.judge import METRICS, Truth, bits, judge
from chaos.outcome import Finding, Scenario
from chaos.processes import Started, python
from explorer.store import Store
from explorer.trial import Configuration

_PACK = 3
_STEPS = (50, 100)

#: Publishes packs for ever, each value following from the trial's number; acknowledges each pack.
_WRITER = """
import sys, uuid
from explorer.store import Store
from chaos.killed_writers import configuration, evaluation
store, first = Store.open(sys.argv[1]), int(sys.argv[2])
for number in range(first, first + 10**6, 3):
    trials, curves = [], []
    for member in range(number, number + 3):
        c = configuration(member)
        trials.append({
            "trial_id": c.trial_id, **c.as_dict(), **evaluation(member, 100),
            "status": "completed", "steps": 100, "steps_done": 100, "pack_size": 3,
            "wall_seconds": 0.1, "data_sha256": "d", "training_version": 1,
            "explorer_version": "0", "torch_version": "2", "python_version": "3",
            "device": "cpu", "host": "h"})
        curves += [{"trial_id": c.trial_id, "step": step, "epoch": step / 125,
                    **evaluation(member, step)} for step in (50, 100)]
    store.publish(pack_id=f"pack{number}", attempt=uuid.uuid4().hex, trials=trials, curves=curves)
    print(number, flush=True)
"""

#: Compacts for ever.
_COMPACTOR = """
import sys
from explorer.errors import EnvironmentFailure
from explorer.store import Store
store = Store.open(sys.argv[1])
while True:
    try:
        store.compact(grace_seconds=float(sys.argv[2]))
        print("compacted", flush=True)
    except EnvironmentFailure as failure:
        assert "Another compaction" in str(failure) or "kept changing" in str(failure), failure
"""

#: Reads for ever; whatever was seen must be seen again, whole and once.
_READER = """
import sys
from collections import Counter
from explorer.errors import EnvironmentFailure
from explorer.store import Store
store, seen = Store.open(sys.argv[1]), set()
while True:
    try:
        trials, curves = store.snapshot()
    except EnvironmentFailure as failure:
        assert "kept changing" in str(failure), failure
        continue
    ids = trials["trial_id"].to_pylist()
    assert len(set(ids)) == len(ids), "a trial twice"
    assert seen <= set(ids), "a finished trial is missing"
    assert set(Counter(trials["attempt"].to_pylist()).values()) <= {3}, "half a pack"
    points = Counter(zip(curves["trial_id"].to_pylist(), curves["step"].to_pylist()))
    assert set(points.values()) <= {1}, "an evaluation twice"
    assert set(points) == {(i, step) for i in ids for step in (50, 100)}, "an incomplete curve"
    seen = set(ids)
    print("read", flush=True)
"""


def configuration(number: int) -> Configuration:
    """The trial of this number."""
    return Configuration(
        train_size=1000, batch_size=8, learning_rate=0.1, budget_value=100.0, seed=number
    )


def evaluation(number: int, step: int) -> dict[str, float | None]:
    """Its metrics after so many steps: any values, as long as they follow from the number."""
    values = [(number * 7 + step * 3 + i) % 1009 / 1009 for i in range(4)]
    return dict(zip(METRICS, [*values, None, None], strict=True))


def _truth(number: int) -> Truth:
    curve = []
    for step in _STEPS:
        values = evaluation(number, step)
        curve.append((step, (bits(step / 125), *(bits(values[name]) for name in METRICS))))
    return Truth("completed", 100, curve[-1][1][1:], tuple(curve))


def run(arena: Arena) -> Finding:
    """On this machine's disk."""
    return kill_on(arena, str(arena.folder / "s"), kills=(100, 50, 25) if arena.full else (8, 4, 2))


def kill_on(
    arena: Arena, location: str, *, kills: tuple[int, int, int], grace: float = 0.02
) -> Finding:
    """Kill so many writers, compactors and readers at work, two of each at a time.

    Args:
        arena: the surroundings.
        location: where the store goes.
        kills: of writers, compactors and readers.
        grace: seconds that a compaction waits before it deletes.
    """
    finding = Finding()
    Store.open(location, create=True)
    left = dict(zip((_WRITER, _COMPACTOR, _READER), kills, strict=True))
    working: list[tuple[str, Started]] = []
    moments: dict[int, float] = {}
    writers: list[tuple[int, Started]] = []
    reads = compactions = 0
    while any(left.values()) or working:
        for script in left:
            present = sum(each == script for each, _ in working)
            for _ in range(min(2, left[script]) - present):
                argument: float = len(writers) * 10**6 if script == _WRITER else grace
                process = arena.start(python(script, location, argument))
                if script == _WRITER:
                    writers.append((int(argument), process))
                working.append((script, process))
        for script, process in list(working):
            if not process.running:
                error = process.ended().err.strip().splitlines()[-1:]
                finding.problems.append(f"a process ended by itself: {error}")
                left[script] = 0
            elif process.pid not in moments:
                # From its first act on: imports are long, and not what is to be interrupted.
                if process.out:
                    moments[process.pid] = time.monotonic() + arena.chance.uniform(0.0, 0.8)
                continue
            elif time.monotonic() < moments[process.pid]:
                continue
            else:
                process.kill()
                finding.faults += 1
                left[script] -= 1
            working.remove((script, process))
            reads += process.out.count("read\n")
            compactions += process.out.count("compacted\n")
        time.sleep(0.01)
    finding.verdicts.append(judge(location, _published(location, writers)))
    finding.notes.append(f"{reads} readings of the growing store, {compactions} compactions")
    if not (reads and compactions):
        finding.problems.append("nothing was read, or nothing compacted")
    return finding


def _published(location: str, writers: list[tuple[int, Started]]) -> dict[str, Truth]:
    """All acknowledged trials, and those of packs that were committed right before the kill."""
    held = Store.open(location).statuses()
    truth: dict[str, Truth] = {}
    identity = functools.cache(lambda number: configuration(number).trial_id)
    for first, process in writers:
        # A killed process may leave its last line unfinished.
        done = [int(line) for line in process.out.split("\n")[:-1]]
        after = done[-1] + _PACK if done else first
        numbers = [number + member for number in done for member in range(_PACK)]
        if identity(after) in held:
            numbers += range(after, after + _PACK)
        truth.update((identity(number), _truth(number)) for number in numbers)
    return truth


SCENARIO = Scenario("killed-writers", "SIGKILL of writers, compactors and readers, local disk", run)
