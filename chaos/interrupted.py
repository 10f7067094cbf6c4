"""Ctrl-C, SIGTERM and SIGHUP at random moments; the same command goes on each time.

A terminal sends its signal to the whole process group, and so do `timeout` and batch systems.
"""

from __future__ import annotations

import signal
import time
from collections import Counter

from chaos import sweeps
from chaos.arena import Arena
from chaos.judge import judge
from chaos.outcome import Finding, Scenario
from chaos.processes import PATIENCE, Afterlife

#: Seconds after which a run should have ended.
_SLOW = 30.0


def run(arena: Arena) -> Finding:
    """Interrupt runs, by signals to the process or its group, until enough were heard."""
    finding = Finding()
    sweep = sweeps.grid(arena.folder) if arena.full else sweeps.grid(arena.folder, steps=400)
    wanted = 20 if arena.full else 2
    stores = [arena.folder / "s1"]
    slowest, codes = 0.0, Counter[int]()
    afterlife = Afterlife()
    while finding.faults < wanted:
        process = arena.run(sweep.path, stores[-1], "--pack-size", sweep.pack_size)
        moment = arena.chance.uniform(0.0, 18.0)
        while process.running and time.monotonic() < process.began + moment:
            time.sleep(0.02)
        if process.running:
            number = arena.chance.choice([signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
            group = arena.chance.random() < 0.5
            process.interrupt(number, group=group)
            sent = time.monotonic()
            ended = process.ended(PATIENCE)
            took = time.monotonic() - sent
            slowest = max(slowest, took)
            to = "with its group" if group else "alone"
            what = f"a run that got {number.name} {to} after {moment:.1f} s"
            # Before the program has set up its own handlers a signal simply ends it.
            arena.expect(finding, ended, (130, 0, -number), what=what)
            if took > _SLOW:
                finding.problems.append(f"{what} ended {took:.0f} s later")
            arena.say(f"{number.name} {to} after {moment:.1f} s: {ended.code}, {took:.1f} s later")
            finding.faults += 1
            codes[ended.code] += 1
            afterlife.watch(process, whole=arena.full)
        else:
            arena.expect(finding, process.ended())
        if process.ended().code == 0:
            finding.verdicts.append(judge(str(stores[-1]), sweep.truth))
            stores.append(arena.folder / f"s{len(stores) + 1}")
    last = arena.run(sweep.path, stores[-1], "--pack-size", sweep.pack_size).ended()
    arena.expect(finding, last, what="the last run")
    finding.verdicts.append(judge(str(stores[-1]), sweep.truth))
    afterlife.wait()
    finding.notes.append(f"the slowest end came {slowest:.1f} s after the signal")
    told = ", ".join(f"{code} {count} times" for code, count in sorted(codes.items()))
    finding.notes.append(f"exit codes: {told} (below 0: ended by the signal in Python's own start)")
    after = max(afterlife.training, default=0)
    finding.notes.append(f"no worker was left of a run {after:.0f} s after its end")
    left = sum(1 for _ in arena.temporary.glob("explorer-*"))
    finding.notes.append(f"{left} temporary folders were left")
    return finding


SCENARIO = Scenario("interrupted", "Ctrl-C, SIGTERM and SIGHUP at random moments", run)
