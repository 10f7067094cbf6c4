"""The store becomes read-only, or vanishes, in the middle of a run, and comes back."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path

from chaos import mounts, sweeps
from chaos.arena import Arena
from chaos.judge import judge
from chaos.outcome import Finding, Scenario
from chaos.processes import Started


def run(arena: Arena) -> Finding:
    """Take the store away in three manners, and bring it back after a while or after the end."""
    finding = Finding()
    sweep = sweeps.grid(arena.folder, steps=2400) if arena.full else sweeps.grid(arena.folder)
    manners: list[Callable[[Arena, Finding, Path, Started], None]] = [_renamed]
    if arena.full:
        manners += [_read_only, _renamed_for_seconds, _unmounted]
    for number, manner in enumerate(manners):
        store = arena.folder / f"s{number}"
        if manner is _unmounted:
            (arena.folder / "behind").mkdir()
            store.mkdir()
            mounts.mount("--bind", arena.folder / "behind", store)
        try:
            process = arena.run(sweep.path, store, "--pack-size", sweep.pack_size)
            if not _committed(process, store):
                finding.problems.append("a run ended before its store was taken away")
                continue
            manner(arena, finding, store, process)
            finding.faults += 1
            again = arena.run(sweep.path, store, "--pack-size", sweep.pack_size).ended()
            arena.expect(finding, again, what=f"the run after {manner.__name__}")
            finding.verdicts.append(judge(str(store), sweep.truth))
        finally:
            if manner is _unmounted:
                mounts.unmount(store)
    return finding


def _committed(process: Started, store: Path) -> bool:
    """Wait until two packs are there."""
    while process.running:
        if (store / "trials").exists() and len(list((store / "trials").iterdir())) >= 2:
            return True
        time.sleep(0.05)
    return False


def _renamed(arena: Arena, finding: Finding, store: Path, process: Started) -> None:
    away = store.with_name("away")
    store.rename(away)
    ended = process.ended()
    arena.expect(finding, ended, (3,), says=str(store), what="a run whose store was renamed")
    arena.say(f"renamed: {ended.err.strip().splitlines()[-1:]}")
    _brought_back(finding, store, away)


def _renamed_for_seconds(arena: Arena, finding: Finding, store: Path, process: Started) -> None:
    away = store.with_name("away")
    store.rename(away)
    time.sleep(3.0)
    _brought_back(finding, store, away)
    ended = process.ended()
    arena.expect(finding, ended, (0, 3), what="a run whose store was gone for 3 s")
    finding.notes.append(f"a run whose store was gone for 3 s ended with {ended.code}")


def _brought_back(finding: Finding, store: Path, away: Path) -> None:
    """Rename it back; the run must have made nothing in its place."""
    if store.exists():
        made = [str(path.relative_to(store)) for path in store.rglob("*")][:4]
        finding.problems.append(f"a run made a folder in the place of its store: {made}")
        shutil.rmtree(store)
    away.rename(store)


def _read_only(arena: Arena, finding: Finding, store: Path, process: Started) -> None:
    with mounts.read_only_over(store):
        ended = process.ended()
        says = "Read-only file system"
        arena.expect(finding, ended, (3,), says=says, what="a run whose store became read-only")
        arena.say(f"read-only: {ended.err.strip().splitlines()[-1:]}")
        start = arena.run(arena.folder / "sweep.py", store).ended()
        arena.expect(finding, start, (3,), says=says, what="a run on a read-only store")


def _unmounted(arena: Arena, finding: Finding, store: Path, process: Started) -> None:
    mounts.unmount(store)
    ended = process.ended()
    arena.expect(finding, ended, (3,), says=str(store), what="a run whose store was unmounted")
    arena.say(f"unmounted: {ended.err.strip().splitlines()[-1:]}")
    if made := [str(path.relative_to(store)) for path in store.rglob("*")][:4]:
        finding.problems.append(f"a run wrote into the empty mount point of its store: {made}")
    mounts.mount("--bind", arena.folder / "behind", store)


SCENARIO = Scenario("store-gone", "the store is read-only or away in mid-run, and comes back", run)
