"""The store's disk is full; after space is made the same command completes."""

from __future__ import annotations

from chaos import mounts, sweeps
from chaos.arena import Arena
from chaos.judge import judge
from chaos.outcome import Finding, Scenario
from chaos.processes import explorer


def run(arena: Arena) -> Finding:
    """Let the disk fill at one place or another, look at what is there, make room, go on."""
    finding = Finding()
    sweep = sweeps.grid(arena.folder) if arena.full else sweeps.grid(arena.folder, steps=400)
    # From a store that cannot even hold the plan to one that is full shortly before the end.
    sizes = ("40k", "120k", "400k", "800k") if arena.full else ("300k",)
    for number, size in enumerate(sizes):
        with mounts.tmpfs(arena.folder / f"disk{number}", size) as disk:
            store = disk / "s"
            full = arena.run(sweep.path, store, "--pack-size", sweep.pack_size).ended()
            says = "No space left on device"
            arena.expect(finding, full, (3,), says=says, what=f"a run into {size}")
            finding.faults += 1
            arena.say(f"{size}: {full.err.strip().splitlines()[-1:]}")
            if (store / "trials").exists() and any((store / "plans").iterdir()):
                reading = arena.start(explorer("status", "--store", store)).ended()
                arena.expect(finding, reading, what="status on a full disk")
            mounts.resize(disk, "64m")
            again = arena.run(sweep.path, store, "--pack-size", sweep.pack_size).ended()
            arena.expect(finding, again, what=f"the same run after space was made ({size})")
            finding.verdicts.append(judge(str(store), sweep.truth))
            left = list((store / "tmp").iterdir())
            finding.notes.append(f"{size}: {len(left)} files left in tmp/")
    return finding


SCENARIO = Scenario("disk-full", "the store's disk is full", run)
