"""Torn, foreign and corrupted files appear in the store, in mid-run and afterwards."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from chaos import sweeps
from chaos.arena import Arena
from chaos.judge import judge
from chaos.outcome import Finding, Scenario
from chaos.processes import explorer


def run(arena: Arena) -> Finding:
    """Damage a running store, repair it, run again; then damage the finished one likewise."""
    finding = Finding()
    sweep = sweeps.grid(arena.folder) if arena.full else sweeps.grid(arena.folder, steps=400)
    store = arena.folder / "s"
    process = arena.run(sweep.path, store, "--pack-size", sweep.pack_size)
    for act in _ACTS:
        _more_commits(store, 3, lambda: process.running)
        act(arena, store)
        finding.faults += 1
    arena.expect(finding, process.ended(), what="a run into whose store damaged files came")
    for turn in range(3 if arena.full else 1):
        if turn:
            for act in _ACTS * 2:
                act(arena, store)
                finding.faults += 1
        named = arena.start(explorer("doctor", "--store", store)).ended()
        arena.expect(finding, named, (1,), what="doctor on a damaged store")
        repaired = arena.start(explorer("doctor", "--store", store, "--repair")).ended()
        arena.expect(finding, repaired, (0, 1), what="doctor --repair")
        again = arena.run(sweep.path, store, "--pack-size", sweep.pack_size).ended()
        arena.expect(finding, again, what="the run after a repair")
        clean = arena.start(explorer("doctor", "--store", store)).ended()
        arena.expect(finding, clean, what="doctor after repair and run")
        verdict = judge(str(store), sweep.truth)
        if verdict.unreadable:
            finding.problems.append(f"{verdict.unreadable} damaged files are still in their places")
        finding.verdicts.append(verdict)
    return finding


def _more_commits(store: Path, count: int, running: Callable[[], bool]) -> None:
    """Wait until so many more packs are there than at the call, or the run ends."""
    trials = store / "trials"
    before = len(list(trials.iterdir())) if trials.exists() else 0
    while running() and not (trials.exists() and len(list(trials.iterdir())) >= before + count):
        time.sleep(0.05)


def _some(arena: Arena, folder: Path) -> Path:
    """A whole file of a pack, by chance."""
    names = [path.name for path in folder.glob("*.parquet") if not path.name.startswith("x-")]
    return folder / arena.chance.choice(sorted(names))


def _new(arena: Arena, folder: Path, end: str = ".parquet") -> Path:
    return folder / f"x-{arena.chance.getrandbits(64):016x}{end}"


def _torn(arena: Arena, store: Path) -> None:
    """The first part of a trials file, under a name of its own."""
    content = _some(arena, store / "trials").read_bytes()
    cut = arena.chance.randrange(1, len(content))
    _new(arena, store / "trials").write_bytes(content[:cut])


def _foreign(arena: Arena, store: Path) -> None:
    for folder in ("trials", "curves"):
        pq.write_table(pa.table({"a": [1, 2]}), _new(arena, store / folder))


def _garbage(arena: Arena, store: Path) -> None:
    for folder in ("trials", "curves"):
        _new(arena, store / folder).write_bytes(arena.chance.randbytes(5000))


def _other_kinds(arena: Arena, store: Path) -> None:
    _new(arena, store / "trials", ".txt").write_text("a note\n")
    _new(arena, store / "trials").touch()
    (store / "curves" / ".hidden").write_text("of a file system\n")


def _trials_truncated(arena: Arena, store: Path) -> None:
    """A committed trials file loses its end: its trials must be trained again."""
    path = _some(arena, store / "trials")
    content = path.read_bytes()
    path.write_bytes(content[: arena.chance.randrange(0, len(content))])


def _curves_flipped(arena: Arena, store: Path) -> None:
    """Some bytes of a committed curves file change."""
    path = _some(arena, store / "curves")
    content = bytearray(path.read_bytes())
    for _ in range(3):
        content[arena.chance.randrange(len(content))] ^= 1 << arena.chance.randrange(8)
    path.write_bytes(content)


def _trials_flipped(arena: Arena, store: Path) -> None:
    """Some bytes of a committed trials file change."""
    path = _some(arena, store / "trials")
    content = bytearray(path.read_bytes())
    for _ in range(3):
        content[arena.chance.randrange(len(content))] ^= 1 << arena.chance.randrange(8)
    path.write_bytes(content)


def _curves_deleted(arena: Arena, store: Path) -> None:
    _some(arena, store / "curves").unlink()


_ACTS = (
    _torn,
    _foreign,
    _garbage,
    _other_kinds,
    _trials_truncated,
    _curves_flipped,
    _trials_flipped,
    _curves_deleted,
)

SCENARIO = Scenario("damaged-files", "torn, foreign, corrupted and deleted files, repaired", run)
