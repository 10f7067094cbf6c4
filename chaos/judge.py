"""The judge: what a store holds, against what undisturbed training gives, bit for bit.

It reads the Parquet files itself and applies the documented rules (docs/store.md), so that an error
of the store's readers cannot hide; what the readers return is judged beside it.
"""

from __future__ import annotations

import struct
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs

from explorer.store import Store

METRICS = (
    "train_loss",
    "train_accuracy",
    "test_loss",
    "test_accuracy",
    "validation_loss",
    "validation_accuracy",
)
#: Best first.
_STATUSES = ("completed", "diverged", "failed")
_RESULTS = _STATUSES[:2]
#: Examples named of each kind of damage.
_NAMED = 3

#: One evaluation: step, then epoch and metrics as the bytes of their float64.
Point = tuple[int, tuple[bytes | None, ...]]


@dataclass(frozen=True)
class Truth:
    """What a trial's result must be.

    Attributes:
        status: `completed` or `diverged`.
        steps_done: SGD steps.
        metrics: the last evaluation's, in the order of METRICS, as bytes.
        curve: all evaluations in order of steps.
    """

    status: str
    steps_done: int
    metrics: tuple[bytes | None, ...]
    curve: tuple[Point, ...]


@dataclass(frozen=True)
class Verdict:
    """What the judge found in one store.

    Attributes:
        planned: trials that had to be there.
        lost: those without a result.
        doubled: trials or evaluations that the store's reader returns more than once.
        differing: trials of which any attempt with a result, or what the reader returns, differs
            in any bit from the truth.
        retrained: attempts with a result beyond one a trial.
        unreadable: files that are no Parquet files of the store.
        examples: sentences that name some of what is wrong.
    """

    planned: int
    lost: int
    doubled: int
    differing: int
    retrained: int
    unreadable: int
    examples: tuple[str, ...] = ()


def judge(
    location: str, truth: Mapping[str, Truth], failing: Mapping[str, str] | None = None
) -> Verdict:
    """Judge a store.

    Args:
        location: a folder or URI.
        truth: what each planned trial's result must be, by trial_id.
        failing: for trials that must be recorded as failed, a text that their error contains.
    """
    failing = failing or {}
    files = _Files(location)
    examples: list[str] = []

    def name(kind: str, ids: Sequence[str]) -> int:
        examples.extend(f"{kind}: trial {trial_id} in {location}" for trial_id in ids[:_NAMED])
        return len(ids)

    rows: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in files.rows("trials"):
        rows[row["trial_id"]].append(row)
    points: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for row in files.rows("curves"):
        points[row["trial_id"], row["attempt"]].append(row)

    results = {
        trial_id: [row for row in found if row["status"] in _RESULTS]
        for trial_id, found in rows.items()
    }
    lost = [trial_id for trial_id in truth if not results.get(trial_id)]
    lost += [trial_id for trial_id in failing if not _failed_so(rows[trial_id], failing[trial_id])]
    differing = {
        trial_id
        for trial_id, expected in truth.items()
        for row in results.get(trial_id, [])
        if _found(row, points[trial_id, row["attempt"]]) != expected
    }
    # A file that a compaction has gathered holds the same attempts once more.
    attempts = {t: {row["attempt"] for row in found} for t, found in results.items()}

    if not Store.exists(location):
        return Verdict(len(truth) + len(failing), len(truth) + len(failing), 0, 0, 0, 0)
    trials, curves = Store.open(location).snapshot()
    seen = Counter(trials["trial_id"].to_pylist())
    read_points = defaultdict(list)
    for row in curves.to_pylist():
        read_points[row["trial_id"]].append(row)
    doubled = [trial_id for trial_id, count in seen.items() if count > 1]
    doubled += [
        trial_id
        for trial_id, found in read_points.items()
        if trial_id not in seen or len({row["step"] for row in found}) < len(found)
    ]
    read = {row["trial_id"]: row for row in trials.to_pylist()}
    differing |= {
        trial_id
        for trial_id, expected in truth.items()
        if results.get(trial_id)
        and (trial_id not in read or _found(read[trial_id], read_points[trial_id]) != expected)
    }
    differing |= {
        trial_id
        for trial_id, row in read.items()
        if trial_id in truth and row["attempt"] != _chosen(rows[trial_id])
    }
    unplanned = sorted(set(rows) - set(truth) - set(failing))
    name("not planned", unplanned)
    return Verdict(
        planned=len(truth) + len(failing),
        lost=name("lost", lost),
        doubled=name("doubled", doubled),
        differing=name("differing", sorted(differing)),
        retrained=sum(max(0, len(found) - 1) for found in attempts.values()),
        unreadable=files.unreadable,
        examples=tuple(examples),
    )


def bits(value: float | None) -> bytes | None:
    """A float64's bytes, so that -0.0 is not 0.0 and NaN equals itself."""
    return None if value is None else struct.pack("<d", value)


def point(row: Mapping[str, Any]) -> Point:
    """One evaluation's step and bytes."""
    return row["step"], tuple(bits(row[name]) for name in ("epoch", *METRICS))


class _Files:
    """All rows of a store's files; files that cannot be read are counted."""

    def __init__(self, location: str) -> None:
        if "://" in location:
            self._filesystem, self._root = fs.FileSystem.from_uri(location)
        else:
            self._filesystem, self._root = fs.LocalFileSystem(), location
        self.unreadable = 0

    def rows(self, folder: str) -> list[dict[str, Any]]:
        selector = fs.FileSelector(f"{self._root.rstrip('/')}/{folder}", allow_not_found=True)
        found: list[dict[str, Any]] = []
        for info in self._filesystem.get_file_info(selector):
            if info.type != fs.FileType.File or info.base_name.startswith("."):
                continue
            try:
                with self._filesystem.open_input_file(info.path) as source:
                    file = pq.ParquetFile(source, page_checksum_verification=True)
                    kind = (file.schema_arrow.metadata or {}).get(b"explorer.kind")
                    table = file.read(use_threads=False)
            except (OSError, pa.ArrowException):
                self.unreadable += 1
                continue
            if kind == folder.encode() and info.base_name.endswith(".parquet"):
                found += table.to_pylist()
            else:
                self.unreadable += 1
        return found


def _found(row: Mapping[str, Any], points: Sequence[Mapping[str, Any]]) -> Truth:
    """What an attempt says; evaluations that stand there twice, alike, count once."""
    return Truth(
        status=row["status"],
        steps_done=row["steps_done"],
        metrics=tuple(bits(row[name]) for name in METRICS),
        curve=tuple(sorted(set(map(point, points)), key=lambda each: each[0])),
    )


def _chosen(rows: Sequence[Mapping[str, Any]]) -> str:
    """The attempt that readers must take: the best status, then the smallest attempt."""
    best = min(rows, key=lambda row: (_STATUSES.index(row["status"]), row["attempt"]))
    return str(best["attempt"])


def _failed_so(rows: Sequence[Mapping[str, Any]], text: str) -> bool:
    """Whether a trial is recorded as failed, with this error, and as nothing else."""
    return bool(rows) and all(
        row["status"] == "failed" and text in (row["error"] or "") for row in rows
    )
