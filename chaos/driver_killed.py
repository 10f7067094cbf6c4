"""The driver is killed at random moments of its life, and the same command is run again."""

from __future__ import annotations

import time
from pathlib import Path

from chaos import sweeps
from chaos.arena import Arena
from chaos.judge import judge
from chaos.outcome import Finding, Scenario
from chaos.processes import PATIENCE, Afterlife


def run(arena: Arena) -> Finding:
    """Kill, and run again at once, while the dead driver's workers may still be publishing."""
    finding = Finding()
    sweep = sweeps.grid(arena.folder) if arena.full else sweeps.grid(arena.folder, steps=400)
    kills = 20 if arena.full else 2
    life = 15.0
    if arena.full:  # an undisturbed run, which is judged too, says how long a life is
        undisturbed = arena.run(sweep.path, arena.folder / "s0", "--pack-size", sweep.pack_size)
        ended = undisturbed.ended()
        arena.expect(finding, ended)
        finding.verdicts.append(judge(str(arena.folder / "s0"), sweep.truth))
        life = ended.seconds
        finding.notes.append(f"an undisturbed run took {life:.0f} s")
    afterlife = Afterlife()
    stores = [_store(arena, 1)]
    while True:
        process = arena.run(sweep.path, stores[-1], "--pack-size", sweep.pack_size)
        if finding.faults < kills:
            moment = arena.chance.uniform(0.0, life)
            deadline = process.began + moment
            while process.running and time.monotonic() < deadline:
                time.sleep(0.02)
            if process.running:
                process.kill()
                finding.faults += 1
                afterlife.watch(process, whole=arena.full)
                arena.say(f"driver killed after {moment:.1f} s, {finding.faults} of {kills}")
                continue
        if not arena.expect(finding, process.ended(PATIENCE)):
            break
        finding.verdicts.append(judge(str(stores[-1]), sweep.truth))
        if finding.faults >= kills:
            break
        stores.append(_store(arena, len(stores) + 1))
    afterlife.wait()
    training, longest = max(afterlife.training, default=0), max(afterlife.all, default=0)
    finding.notes.append(f"a killed driver's workers were gone after at most {training:.0f} s")
    if arena.full:
        finding.notes.append(f"its last idle process was gone after {longest:.0f} s")
    if training > 15.0:
        finding.problems.append(f"workers of a killed driver were still there {training:.0f} s on")
    if longest >= 90.0:
        finding.problems.append("processes of a killed driver were there 90 s later")
    left = sum(1 for _ in arena.temporary.glob("explorer-*"))
    finding.notes.append(f"killed drivers left {left} temporary folders")
    return finding


def _store(arena: Arena, number: int) -> Path:
    return arena.folder / f"s{number}"


SCENARIO = Scenario("driver-killed", "SIGKILL of the driver at random moments", run)
