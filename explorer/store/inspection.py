"""Looking at every byte of a store: damaged, foreign, lone and left-over files. Writes nothing."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from explorer.errors import EnvironmentFailure, InputError
from explorer.store.fragments import Fragment, UnreadableFile
from explorer.store.location import FOLDERS, OPTIONAL_FOLDERS, TRIAL_WRITE, Entry, Location
from explorer.store.plans import check_plan
from explorer.store.schema import COMPLETED, CURVES_SCHEMA, DIVERGED, TRIALS_SCHEMA

T = TypeVar("T")

#: Kinds of findings. A repair moves damaged and foreign files, and the other half of a fragment of
#: which one half is damaged or missing; it deletes orphans (curves without trials) and leftovers,
#: makes missing folders, and leaves newer files as they are.
DAMAGED, FOREIGN, HALF = "damaged", "foreign", "half"
ORPHAN, LEFTOVER = "orphan", "left over"
MISSING, NEWER = "missing", "newer"

#: Age in seconds from which a file in tmp/ is one that a dead writer left behind.
LEFTOVER_SECONDS = 24 * 3600.0
#: A file's content is held while it is looked at, and a fragment may hold 100,000 trials.
_AT_ONCE = 4
_NOTE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.]{0,99}-[A-Za-z0-9][A-Za-z0-9_.]{0,99}\.json")
_LARGEST_NOTE = 16 * 2**20
_CHECKPOINT, _CHECKPOINT_STATE = "pack.json", "pack.pt"


@dataclass(frozen=True)
class Finding:
    """One file that is not as it should be.

    Attributes:
        folder: of the store.
        name: the file's path below it; empty for the folder itself.
        kind: one of this module's kinds.
        reason: what is wrong, in words.
        trial_ids: the trials that the store loses with it, as far as they are known.
        names_trials: whether those are all; False where the file may have held more.
    """

    folder: str
    name: str
    kind: str
    reason: str
    trial_ids: tuple[str, ...] = ()
    names_trials: bool = True


@dataclass
class Inspection:
    """What was found.

    Attributes:
        files: files that were looked at.
        findings: in order of folder and name.
        rows: rows of `trials/` that are well, attempts and copies of one trial counted each.
        held: ids of the trials that are well.
        finished: those of them that need not be trained again: completed or diverged.
        beside: files and folders in the store's own folder that are none of its.
    """

    files: int = 0
    findings: list[Finding] = field(default_factory=list)
    rows: int = 0
    held: set[str] = field(default_factory=set)
    finished: set[str] = field(default_factory=set)
    beside: tuple[str, ...] = ()


def inspect(location: Location, now: float, grace_seconds: float) -> Inspection:
    """Look at every file of a store, beside running writers, readers and compactors.

    Args:
        location: the store.
        now: the present in seconds since 1970, by the clock that the files' times come from. A
            file whose time is later, or unknown, is not old.
        grace_seconds: age from which curves without trials are orphans: before, they may be a pack
            in the middle of its publishing.

    Raises:
        EnvironmentFailure: the store cannot be read.
    """
    found = Inspection(beside=location.beside())

    def old(entry: Entry, seconds: float) -> bool:
        return entry.modified is not None and now - entry.modified >= seconds

    missing = missing_folders(location)
    found.findings += [Finding(f, "", MISSING, "the folder is missing") for f in missing]
    trials = location.entries("trials")  # before curves/: what is committed has its curves
    listed = {f: location.entries(f) for f in ("curves", "plans", *OPTIONAL_FOLDERS, "tmp")}
    found.files = sum(map(len, listed.values())) + len(trials)
    curves = _visible(listed["curves"])
    pairs = _visible(trials)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for pair in pool.map(lambda name: _pair(location, name, pairs[name]), pairs):
            found.findings += pair.findings
            found.rows += len(pair.trial_ids)
            found.held.update(pair.trial_ids)
            found.finished.update(pair.finished)
        # Without the folder all curves would be orphans, and they are all that is left.
        alone = [] if "trials" in missing else [name for name in curves if name not in pairs]
        found.findings += _kept(
            pool.map(
                lambda name: _lone_curves(location, name, curves[name], grace_seconds, old), alone
            )
        )
        plans = _visible(listed["plans"])
        found.findings += _kept(pool.map(lambda name: _plan(location, name, plans[name]), plans))
        notes = _visible(listed["notes"])
        found.findings += _kept(pool.map(lambda name: _note(location, name, notes[name]), notes))
        saved = listed["checkpoints"]
        sidecars = [
            n for n in saved if n.endswith(f"/{_CHECKPOINT}") and old(saved[n], grace_seconds)
        ]
        found.findings += _kept(pool.map(lambda name: _checkpoint(location, name, saved), sidecars))
    del listed["checkpoints"]  # where Ray has files of its own
    for folder, entries in (("trials", trials), *listed.items()):
        for name, entry in entries.items():
            if folder == "tmp" or name.startswith(TRIAL_WRITE):
                if old(entry, LEFTOVER_SECONDS):
                    found.findings.append(Finding(folder, name, LEFTOVER, "more than a day old"))
            elif "/" in name and not any(part.startswith(".") for part in name.split("/")):
                reason = f"the store keeps no folders in {folder}/"
                found.findings.append(Finding(folder, name, FOREIGN, reason))
    if missing_folders(location) != missing:
        raise EnvironmentFailure(f"The store {location} has vanished while it was looked at.")
    found.findings.sort(key=lambda finding: (finding.folder, finding.name))
    return found


def missing_folders(location: Location) -> list[str]:
    """The folders that a store must have and this one lacks.

    Raises:
        EnvironmentFailure: there is no store (any more), or it cannot be read.
    """
    if not location.exists():
        raise EnvironmentFailure(f"The store {location} cannot be read: it is gone.")
    return [folder for folder in FOLDERS if not location.has_folder(folder)]


@dataclass(frozen=True)
class _Pair:
    """The trials of one fragment, where it is well, or what is wrong with its two files."""

    trial_ids: list[str] = field(default_factory=list)
    finished: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)


def _pair(location: Location, name: str, entry: Entry) -> _Pair:
    """Look at a trials file and its curves file."""
    try:
        curves = _read(location, "curves", name)
    except UnreadableFile as unreadable:
        curves = unreadable
    except InputError:
        curves = None  # of a newer version, as its trials are
    try:
        trials = _read(location, "trials", name)
        if trials is None:  # a compaction has replaced it
            return _Pair()
    except InputError as error:
        return _Pair(findings=[Finding("trials", name, NEWER, str(error))])
    except UnreadableFile as unreadable:
        return _Pair(findings=_unreadable_trials(unreadable, curves))
    ids: list[str] = trials["trial_id"].to_pylist()
    if isinstance(curves, UnreadableFile):
        broken = _finding(curves)
        reason = f"its curves are {broken.kind}"
    elif curves is None and location.size("curves", name) is None:
        if location.size("trials", name) is None:
            return _Pair()
        broken, reason = None, "its curves are missing"
    elif curves is not None and not _belong(curves, trials):
        reason = "its curves are those of other trials"
        broken = Finding("curves", name, FOREIGN, "curves of other trials than those of its name")
    else:
        done = pc.is_in(trials["status"], value_set=pa.array([COMPLETED, DIVERGED]))
        return _Pair(ids, trials["trial_id"].filter(done).to_pylist())
    lost = Finding("trials", name, HALF, reason, tuple(ids))
    return _Pair(findings=[lost, broken] if broken else [lost])


def _unreadable_trials(
    unreadable: UnreadableFile, curves: pa.Table | UnreadableFile | None
) -> list[Finding]:
    """What is wrong where the trials cannot be read; their curves still say which they were."""
    name, found = unreadable.name, _finding(unreadable)
    if isinstance(curves, pa.Table):
        ids = tuple(pc.unique(curves["trial_id"]).to_pylist())
        # A trial that failed before its first evaluation has no curve.
        lost = replace(found, trial_ids=ids, names_trials=False)
        return [lost, Finding("curves", name, HALF, f"its trials are {found.kind}")]
    lost = replace(found, names_trials=unreadable.foreign)
    return [lost] if curves is None else [lost, _finding(curves)]


def _lone_curves(
    location: Location,
    name: str,
    entry: Entry,
    grace_seconds: float,
    old: Callable[[Entry, float], bool],
) -> Finding | None:
    """Look at curves that had no trials when the trials were listed."""
    try:
        if _read(location, "curves", name) is None:
            return None
    except InputError as error:
        return Finding("curves", name, NEWER, str(error))
    except UnreadableFile as unreadable:
        return _finding(unreadable)
    if not old(entry, grace_seconds) or location.size("trials", name) is not None:
        return None  # a pack in the middle of its publishing, or just published
    reason = "a pack that was never published whole, or one that a compaction has gathered"
    return Finding("curves", name, ORPHAN, reason)


def _plan(location: Location, name: str, entry: Entry) -> Finding | None:
    try:
        _twice(lambda: check_plan(location, name, entry.size))
    except FileNotFoundError:
        return None
    except InputError as error:
        return Finding("plans", name, NEWER, str(error))
    except UnreadableFile as unreadable:
        return _finding(unreadable)
    return None


def _note(location: Location, name: str, entry: Entry) -> Finding | None:
    if not _NOTE_NAME.fullmatch(name):
        return Finding("notes", name, FOREIGN, "not a note's name")
    if entry.size > _LARGEST_NOTE:
        return Finding("notes", name, FOREIGN, f"not a note, it has {entry.size} bytes")

    def read() -> None:
        if not isinstance(json.loads(_content(location, "notes", name).decode()), dict):
            raise ValueError("it holds no object")

    try:
        _twice(read)
    except FileNotFoundError:
        return None
    except (ValueError, RecursionError) as error:
        return Finding("notes", name, DAMAGED, f"not a note: {error}")
    return None


def _checkpoint(location: Location, name: str, saved: dict[str, Entry]) -> Finding | None:
    """Look whether a saved pack's state is the one that its `pack.json` vouches for."""
    state = f"{name.removesuffix(_CHECKPOINT)}{_CHECKPOINT_STATE}"

    def read() -> None:
        told = json.loads(_content(location, "checkpoints", name).decode())
        if not isinstance(told, dict):
            raise ValueError("pack.json holds no object")
        if state not in saved:
            raise ValueError("pack.pt is missing")
        content = _content(location, "checkpoints", state)
        if told.get("sha256") != hashlib.sha256(content).hexdigest():
            raise ValueError("pack.pt is not what pack.json vouches for")

    try:
        _twice(read)
    except FileNotFoundError:
        return None
    except (ValueError, RecursionError) as error:
        return Finding("checkpoints", name, DAMAGED, f"not a whole saved pack: {error}")
    return None


def _read(location: Location, folder: str, name: str) -> pa.Table | None:
    """All columns of a fragment; None where it is not there (any more).

    Raises:
        UnreadableFile: it is torn, foreign, or otherwise not as it was written.
        InputError: it was written under a newer schema version.
        EnvironmentFailure: it cannot be read.
    """
    schema = TRIALS_SCHEMA if folder == "trials" else CURVES_SCHEMA

    def read() -> pa.Table | None:
        size = location.size(folder, name)
        if size is None:
            return None
        fragment = Fragment(location, folder, name, size)
        fragment.check_whole()
        return fragment.read(schema)

    try:
        return _twice(read)
    except FileNotFoundError:
        return None


def _twice(read: Callable[[], T]) -> T:
    """Read again what cannot be read: a file is called damaged only if it still is."""
    try:
        return read()
    except (UnreadableFile, ValueError, RecursionError):
        return read()


def _belong(curves: pa.Table, trials: pa.Table) -> bool:
    """Whether every evaluation is one of these trials, in their attempts."""
    number = pc.index_in(curves["trial_id"], value_set=trials["trial_id"].combine_chunks())
    attempts = trials["attempt"].take(number)
    same = pc.fill_null(pc.equal(curves["attempt"], attempts), False)
    return curves.num_rows == 0 or bool(pc.all(same).as_py())


def _content(location: Location, folder: str, name: str) -> bytes:
    entry = location.entry(folder, name)
    if entry is None:
        raise FileNotFoundError(name)
    return bytes(location.source(folder, name, entry.size).read())


def _finding(unreadable: UnreadableFile) -> Finding:
    kind = FOREIGN if unreadable.foreign else DAMAGED
    return Finding(unreadable.folder, unreadable.name, kind, unreadable.reason)


def _kept(findings: Iterator[Finding | None]) -> list[Finding]:
    return [finding for finding in findings if finding is not None]


def _visible(entries: dict[str, Entry]) -> dict[str, Entry]:
    """The files of a folder itself that are not hidden."""
    return {
        name: entry
        for name, entry in entries.items()
        if "/" not in name and not name.startswith(".")
    }
