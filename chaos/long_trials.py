"""Trials longer than the driver and its workers live: they go on from checkpoints."""

from __future__ import annotations

import time
from pathlib import Path

from chaos import sweeps
from chaos.arena import Arena, summary
from chaos.judge import judge
from chaos.outcome import Finding, Scenario
from chaos.processes import PATIENCE, Started, kill

#: Checkpoints every other second, so that minutes stand for hours.
_OFTEN = ("--pack-size", 8, "--checkpoint-every", 2)


def run(arena: Arena) -> Finding:
    """Kill drivers before any trial ends, then workers, until a run comes to its end."""
    finding = Finding()
    steps = 80_000 if arena.full else 40_000
    sweep = sweeps.grid(arena.folder, batch_sizes=(8,), steps=steps, seeds=1)
    store = arena.folder / "s"
    resumed = 0
    for _ in range(4 if arena.full else 1):
        process = arena.run(sweep.path, store, *_OFTEN)
        _until_checkpoints(process, store, 2)
        time.sleep(arena.chance.uniform(0.0, 3.0))
        if process.running:
            process.kill()
            finding.faults += 1
            arena.say(f"driver killed, {finding.faults}")
    process = arena.run(sweep.path, store, *_OFTEN)
    for _ in range(4 if arena.full else 1):
        _until_checkpoints(process, store, 2)
        workers = process.workers() if process.running else []
        if workers and kill(arena.chance.choice(workers)):
            finding.faults += 1
            arena.say(f"worker killed, {finding.faults}")
    last = process.ended(2 * PATIENCE)
    arena.expect(finding, last, what="the last run")
    finding.notes.append(
        f"the last run took {last.seconds:.0f} s; {summary(last).get('resumed')} of its packs went "
        "on from a checkpoint"
    )
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


def _until_checkpoints(process: Started, store: Path, count: int) -> None:
    """Wait until so many checkpoints more than at the call are there, or the run has ended."""
    before = _saved(store)
    new: set[Path] = set()
    deadline = time.monotonic() + PATIENCE
    while process.running and len(new) < count and time.monotonic() < deadline:
        new |= _saved(store) - before
        time.sleep(0.1)


def _saved(store: Path) -> set[Path]:
    try:
        return set((store / "checkpoints").rglob("pack.json"))
    except FileNotFoundError:  # a folder was deleted under our eyes
        return set()


SCENARIO = Scenario("long-trials", "drivers and workers die before any trial ends", run)
