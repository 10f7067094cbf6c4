"""Trials longer than the driver and its workers live: they go on from checkpoints."""

from __future__ import annotations

import time
from pathlib import Path

from chaos import sweeps
from chaos.arena import Arena
from chaos.judge import judge
from chaos.outcome import Finding, Scenario
from chaos.patches import patched
from chaos.processes import PATIENCE, kill

#: Checkpoints every other second, so that minutes stand for hours.
_OFTEN = """
def changed(name, module):
    if name == "explorer.worker":
        module.CHECKPOINT_EVERY = 2.0
"""


def run(arena: Arena) -> Finding:
    """Kill drivers before any trial ends, then workers, until a run comes to its end."""
    finding = Finding()
    sweep = sweeps.grid(
        arena.folder, batch_sizes=(8, 16), steps=60_000 if arena.full else 20_000, seeds=1
    )
    store = arena.folder / "s"
    environment = patched(arena.folder, _OFTEN)
    resumed = 0
    for _ in range(4 if arena.full else 1):
        process = arena.run(sweep.path, store, "--pack-size", 8, environment=environment)
        _until_checkpoints(process.popen.poll, store, 2)
        time.sleep(arena.chance.uniform(1.0, 6.0))
        if process.running:
            process.kill()
            finding.faults += 1
            arena.say(f"driver killed, {finding.faults}")
    process = arena.run(sweep.path, store, "--pack-size", 8, environment=environment)
    for _ in range(4 if arena.full else 1):
        time.sleep(arena.chance.uniform(8.0, 12.0))
        workers = process.workers() if process.running else []
        if workers and kill(arena.chance.choice(workers)):
            finding.faults += 1
            arena.say(f"worker killed, {finding.faults}")
    arena.expect(finding, process.ended(2 * PATIENCE), what="the last run")
    for log in (store / "logs").iterdir():
        resumed += log.read_text(errors="replace").count("go on from a checkpoint")
    finding.notes.append(f"{resumed} runs went on from checkpoints")
    if not resumed:
        finding.problems.append("no run went on from a checkpoint")
    finding.verdicts.append(judge(str(store), sweep.truth))
    left = [path for path in (store / "checkpoints").rglob("*") if path.is_file()]
    if left:
        finding.problems.append(f"{len(left)} files are left in checkpoints/, such as {left[0]}")
    return finding


def _until_checkpoints(ended: object, store: Path, count: int) -> None:
    """Wait until so many checkpoints more than at the call are there, or the run has ended."""
    assert callable(ended)
    before = set((store / "checkpoints").rglob("pack.json"))
    deadline = time.monotonic() + PATIENCE
    while ended() is None and time.monotonic() < deadline:
        if len(set((store / "checkpoints").rglob("pack.json")) - before) >= count:
            return
        time.sleep(0.2)


SCENARIO = Scenario("long-trials", "drivers and workers die before any trial ends", run)
