"""Everything once more with the store on S3: killed drivers, a killed server, killed writers."""

from __future__ import annotations

import time

from chaos import sweeps
from chaos.arena import Arena
from chaos.judge import judge
from chaos.killed_writers import kill_on
from chaos.object_store import ObjectStore
from chaos.outcome import Finding, Scenario
from explorer.store import Store


def run_writers(arena: Arena) -> Finding:
    """The store's own processes, on S3."""
    server = ObjectStore(arena)
    kills = (40, 20, 10) if arena.full else (4, 2, 1)
    return kill_on(arena, server.location("s"), kills=kills, grace=0.5)


def run_runs(arena: Arena) -> Finding:
    """Kill drivers, and once the server itself, which comes back."""
    finding = Finding()
    server = ObjectStore(arena)
    sweep = sweeps.grid(arena.folder) if arena.full else sweeps.grid(arena.folder, steps=400)
    location = server.location("s")
    for _ in range(3 if arena.full else 1):
        process = arena.run(sweep.path, location, "--pack-size", sweep.pack_size)
        deadline = process.began + arena.chance.uniform(9.0, 16.0)
        while process.running and time.monotonic() < deadline:
            time.sleep(0.05)
        if process.running:
            process.kill()
            finding.faults += 1
    before = len(Store.open(location).statuses()) if Store.exists(location) else 0
    process = arena.run(sweep.path, location, "--pack-size", sweep.pack_size)
    while process.running and (
        not Store.exists(location) or len(Store.open(location).statuses()) <= before
    ):
        time.sleep(0.2)
    if process.running:
        server.kill()
        finding.faults += 1
        ended = process.ended()
        arena.expect(finding, ended, (3,), says="cannot be", what="a run whose S3 server died")
        if server.location("s").split("@")[0].split(":")[-1] in ended.err:
            finding.problems.append("a message shows the secret key")
        arena.say(f"the server died: {ended.err.strip().splitlines()[-1:]}")
        server.start()
    ended = arena.run(sweep.path, location, "--pack-size", sweep.pack_size).ended()
    arena.expect(finding, ended, what="the run after the server came back")
    finding.verdicts.append(judge(location, sweep.truth))
    return finding


WRITERS = Scenario("s3-writers", "SIGKILL of writers, compactors and readers, S3", run_writers)
RUNS = Scenario("s3-runs", "SIGKILL of drivers and of the S3 server", run_runs)
