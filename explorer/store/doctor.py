"""Finding damage in a store and putting it aside, beside running writers, readers, compactors."""

from __future__ import annotations

import json
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime

import pyarrow as pa

from explorer.store.inspection import (
    LEFTOVER,
    MISSING,
    NEWER,
    ORPHAN,
    Finding,
    Inspection,
    inspect,
    missing_folders,
)
from explorer.store.location import QUARANTINE, TRIAL_WRITE, Location
from explorer.store.store import Store

#: Seconds from which curves without trials are orphans; between its two files a pack takes far
#: less than one, and a compaction leaves the old curves for its grace period.
ORPHAN_SECONDS = 3600.0

#: Bytes; file systems allow 255, and what is written beside and aside of a file has a longer name.
_LONG_NAME = 180

QUARANTINED, DELETED, MADE, LEFT = "quarantined", "deleted", "made", "left"


@dataclass(frozen=True)
class Treated:
    """One finding, and what became of it.

    Attributes:
        folder: of the store.
        name: the file's path below it; empty for the folder itself.
        kind: damaged, foreign, half, orphan, left over, missing or newer.
        reason: what is wrong, in words.
        outcome: quarantined, deleted, made or left.
        moved_to: its path below the store, where it was quarantined.
    """

    folder: str
    name: str
    kind: str
    reason: str
    outcome: str = LEFT
    moved_to: str | None = None


@dataclass(frozen=True)
class DoctorReport:
    """What the doctor found, and did.

    Attributes:
        store: the store's address, without credentials.
        files: files that were looked at.
        trials: trials that are there, whole, with their curves.
        duplicates: rows of trials that a compaction would remove: other attempts, and copies.
        findings: what is not as it should be, in order of folder and name.
        train_again: ids of the trials that are lost with the findings: missing as soon as these
            are out of the way, so that a run trains them.
        unknown: files that may have held further trials, which nothing names.
        beside: files and folders beside the store's own, which are left alone and no finding.
        repaired: whether this was a repair.
    """

    store: str
    files: int
    trials: int
    duplicates: int
    findings: tuple[Treated, ...]
    train_again: tuple[str, ...]
    unknown: int
    beside: tuple[str, ...]
    repaired: bool

    @property
    def remaining(self) -> int:
        """Findings that are still there."""
        return sum(finding.outcome == LEFT for finding in self.findings)


def examine(
    store: Store, *, repair: bool = False, grace_seconds: float = ORPHAN_SECONDS
) -> DoctorReport:
    """Read every file of a store to its last byte, and say what is wrong; with `repair`, mend it.

    A repair loses nothing that can be read: damaged and foreign files, and the other half of a
    fragment with one damaged half, are moved to `quarantine/<folder>/`, each with a JSON file
    beside it that says why; only curves that were never published and files that dead writers
    left in `tmp/` are deleted. Whatever is well stays readable throughout.

    Args:
        store: the store.
        repair: move, delete and make; otherwise nothing is written at all.
        grace_seconds: age from which curves without trials are orphans.

    Raises:
        EnvironmentFailure: the store cannot be read, or not be written; what was moved before
            stays moved, and the same call goes on from there.
    """
    location = Location(store.location)
    treated: list[Treated] = []
    now = time.time()
    if repair:
        for folder in missing_folders(location):
            if folder == "trials":  # an empty one would make orphans of all curves
                continue
            location.make_folder(folder)
            treated.append(Treated(folder, "", MISSING, "the folder is missing", MADE))
        now = _file_system_time(location)
    found = inspect(location, now, grace_seconds)
    treated += [_treated(location, finding, repair) for finding in _in_order(found, repair)]
    lost = {trial_id for finding in found.findings for trial_id in finding.trial_ids}
    return DoctorReport(
        store=str(location),
        files=found.files,
        trials=len(found.held),
        duplicates=found.rows - len(found.held),
        findings=tuple(sorted(treated, key=lambda t: (t.folder, t.name))),
        train_again=tuple(sorted(lost - found.finished)),
        unknown=sum(not finding.names_trials for finding in found.findings),
        beside=found.beside,
        repaired=repair,
    )


def _in_order(found: Inspection, repair: bool) -> list[Finding]:
    """Deleting first, for it makes room on a full disk; trials before their curves.

    Without its trials a curves file is invisible; the other way round a reader would miss it.
    """
    if not repair:
        return found.findings
    return sorted(found.findings, key=lambda f: (f.kind != LEFTOVER, f.folder != "trials"))


def _treated(location: Location, finding: Finding, repair: bool) -> Treated:
    outcome, moved_to = LEFT, None
    if repair and finding.kind == LEFTOVER:
        location.delete(finding.folder, finding.name)
        outcome = DELETED
    elif repair and finding.kind == ORPHAN:
        outcome = _delete_orphan(location, finding.name)
    elif repair and finding.kind not in (NEWER, MISSING):
        outcome = QUARANTINED
        moved_to = _quarantine(location, finding)
    return Treated(finding.folder, finding.name, finding.kind, finding.reason, outcome, moved_to)


def _delete_orphan(location: Location, name: str) -> str:
    """Delete curves without trials; put them back if their trials appear at that very moment.

    A writer that slept between its two files looks for its curves after its trials: one of the two
    sees what the other has done.
    """
    size = location.size("curves", name)
    if size is None:
        return DELETED
    try:
        content = location.source("curves", name, size).read_buffer()
        location.delete("curves", name)
    except FileNotFoundError:
        return DELETED
    if location.size("trials", name) is None:
        return DELETED
    location.publish("curves", name, content)
    return LEFT


def _quarantine(location: Location, finding: Finding) -> str | None:
    """Move a file, with the reason beside it; None where it is gone already."""
    folder = f"{QUARANTINE}/{finding.folder}"
    name = finding.name.replace("/", "__")
    long = len(name.encode()) > _LONG_NAME
    if long or location.size(folder, name) is not None:  # damaged once more since the last repair
        name = f"{uuid.uuid4().hex[:8]}-{name.encode()[-_LONG_NAME:].decode(errors='ignore')}"
    told = {
        "file": f"{finding.folder}/{finding.name}",
        "kind": finding.kind,
        "reason": finding.reason,
        "moved_at": datetime.now(UTC).isoformat(),
        "trial_ids": list(finding.trial_ids),
    }
    location.make_folder(folder)
    # First, so that on a full disk nothing is moved without its reason.
    beside = f"{name}.reason.json"
    location.publish(folder, beside, pa.py_buffer(json.dumps(told, indent=2).encode()))
    try:
        location.move(finding.folder, finding.name, folder, name)
    except FileNotFoundError:
        location.delete(folder, beside)
        return None
    if finding.folder == "checkpoints":  # the state that it vouched for is of no use without it
        state = f"{finding.name.rpartition('/')[0]}/pack.pt"
        if location.size("checkpoints", state) is not None:
            location.move("checkpoints", state, folder, state.replace("/", "__"))
    return f"{folder}/{name}"


def _file_system_time(location: Location) -> float:
    """The present by the clock that gives the store's files their times.

    It need not be this machine's: a file server, an object store and a laptop whose clock has
    jumped each have their own.
    """
    name = f"{TRIAL_WRITE}{uuid.uuid4().hex}"
    location.publish("tmp", name, pa.py_buffer(b"time"))
    try:
        entry = location.entry("tmp", name)
    finally:
        location.delete("tmp", name)
    # Where files have no times, none is old.
    return float("-inf") if entry is None or entry.modified is None else entry.modified
