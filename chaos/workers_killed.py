"""Workers are killed at random while a run goes on; it finishes by itself."""

from __future__ import annotations

import time

from chaos import sweeps
from chaos.arena import Arena, summary
from chaos.judge import judge
from chaos.outcome import Finding, Scenario
from chaos.processes import PATIENCE, kill

#: Mean seconds between two kills; a new worker needs some before it trains anything.
_EVERY = 4.0


def run(arena: Arena) -> Finding:
    """Kill a random worker every few seconds."""
    finding = Finding()
    sweep = sweeps.grid(arena.folder, steps=4800 if arena.full else 800)
    store = arena.folder / "s"
    process = arena.run(sweep.path, store, "--pack-size", sweep.pack_size)
    wanted = 20 if arena.full else 2
    while process.running and finding.faults < wanted:
        time.sleep(arena.chance.uniform(0.5, 2 * _EVERY - 0.5))
        workers = process.workers()
        if workers and kill(arena.chance.choice(workers)):
            finding.faults += 1
            arena.say(f"worker killed, {finding.faults} of {wanted}")
        if time.monotonic() - process.began > PATIENCE:
            break
    ended = process.ended(PATIENCE)
    arena.expect(finding, ended)
    finding.verdicts.append(judge(str(store), sweep.truth))
    finding.notes.append(f"the run took {ended.seconds:.0f} s")
    if summary(ended).get("failed") != 0:
        finding.problems.append("trials were given up although they were not at fault")
    return finding


SCENARIO = Scenario("workers-killed", "SIGKILL of random workers, one run", run)
