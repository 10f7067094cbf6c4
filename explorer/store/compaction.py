"""Compaction: few large fragments instead of many small ones, beside writers and readers."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from explorer.errors import EnvironmentFailure
from explorer.store.fragments import COMPACTED, Fragment, UnreadableFile
from explorer.store.location import Location
from explorer.store.publish import publish_pair
from explorer.store.read import (
    FRAGMENT,
    Skipped,
    chosen_rows,
    consistently,
    matching_curves,
    read_fragments,
)
from explorer.store.schema import CURVES_SCHEMA, SCHEMA_VERSION, TRIALS_SCHEMA

#: A compacted fragment with this many trials is full: it is left alone from then on, so that
#: repeated compaction costs in proportion to what is new, and memory stays bounded.
FULL_TRIALS = 100_000


@dataclass(frozen=True)
class CompactionReport:
    """What a compaction did.

    Attributes:
        fragments_before: fragments in `trials/` when it began.
        fragments_after: fragments that are left of those, and those written.
        trials: trials in the fragments written.
        curves_rows: evaluations in the fragments written.
        left_alone: names of fragments left as they were: torn, foreign or of a newer version.
    """

    fragments_before: int
    fragments_after: int
    trials: int
    curves_rows: int
    left_alone: tuple[str, ...] = ()


def compact(location: Location, grace_seconds: float) -> CompactionReport:
    """Gather small fragments into `c-<uuid>` ones, then delete what was gathered.

    The new curves are written before the new trials, and the old trials deleted before the old
    curves, so that at every moment a reader finds each trial at least once, with its curves.
    Killed at any point, or run twice at once, it leaves duplicates, which readers remove.

    Args:
        location: the store.
        grace_seconds: seconds to wait before each of the two rounds of deletion.

    Raises:
        InputError: a fragment was written under a newer major schema version.
        EnvironmentFailure: the store cannot be written, or another compaction deleted an input.
    """
    gathered = consistently(location, lambda skipped: _gather(location, skipped))
    report = CompactionReport(gathered.listed, gathered.listed, 0, 0, gathered.left_alone)
    if len(gathered.names) < 2:
        return report
    torn: Skipped = []
    written, trials, curves_rows = 0, 0, 0
    for part in _parts(gathered.trials):
        try:
            rows = _write_part(location, part, gathered, torn)
        except FileNotFoundError as error:
            raise EnvironmentFailure(
                f"Another compaction of the store {location} is at work: nothing is lost."
            ) from error
        written, trials, curves_rows = written + rows[0], trials + rows[1], curves_rows + rows[2]
    left = {file.name for file in torn}
    replaced = [name for name in gathered.names if name not in left]
    for folder in ("trials", "curves"):
        time.sleep(grace_seconds)
        for name in replaced:
            location.delete(folder, name)
    return CompactionReport(
        fragments_before=gathered.listed,
        fragments_after=gathered.listed - len(replaced) + written,
        trials=trials,
        curves_rows=curves_rows,
        left_alone=tuple(sorted({*gathered.left_alone, *left})),
    )


@dataclass(frozen=True)
class _Gathered:
    """The fragments to replace, and the chosen rows of their trials."""

    listed: int
    names: list[str]
    curve_sizes: dict[str, int]
    trials: pa.Table
    left_alone: tuple[str, ...]


def _gather(location: Location, skipped: Skipped) -> _Gathered:
    trial_sizes = location.list("trials")
    curve_sizes = location.list("curves")
    inputs: dict[str, int] = {}
    left_alone: list[str] = []
    for name, size in trial_sizes.items():
        try:
            fragment = Fragment(location, "trials", name, size)
            if name.startswith(COMPACTED) and fragment.rows >= FULL_TRIALS:
                continue
            # Columns that a newer minor version added would be lost by rewriting.
            if fragment.version > SCHEMA_VERSION or not _usable_curves(
                location, name, curve_sizes, skipped
            ):
                left_alone.append(name)
            else:
                inputs[name] = size
        except UnreadableFile as unreadable:
            skipped.append(unreadable)
            left_alone.append(name)
    before = len(skipped)
    table, names = read_fragments(location, "trials", inputs, TRIALS_SCHEMA, skipped)
    left_alone += [file.name for file in skipped[before:]]
    return _Gathered(
        listed=len(trial_sizes),
        names=names,
        curve_sizes=curve_sizes,
        trials=table.take(chosen_rows(table)),
        left_alone=tuple(left_alone),
    )


def _usable_curves(location: Location, name: str, sizes: dict[str, int], skipped: Skipped) -> bool:
    """Whether a fragment's curves can be rewritten with its trials; damage is left to a repair."""
    if name not in sizes:
        if location.size("trials", name) is None:
            raise FileNotFoundError(name)
        skipped.append(UnreadableFile("curves", name, "missing, its trials have no curves"))
        return False
    try:
        return Fragment(location, "curves", name, sizes[name]).version <= SCHEMA_VERSION
    except UnreadableFile as unreadable:
        skipped.append(unreadable)
        return False


def _parts(trials: pa.Table) -> list[pa.Table]:
    """Cut at fragment boundaries into parts of at most about FULL_TRIALS trials."""
    by_fragment = trials.take(pc.sort_indices(trials[FRAGMENT]))
    numbers = by_fragment[FRAGMENT].to_numpy()
    parts: list[pa.Table] = []
    start = 0
    while start < len(numbers):
        # From the first row of the fragment in which the part becomes full, the next part begins.
        last = min(start + FULL_TRIALS, len(numbers)) - 1
        end = int(numbers.searchsorted(numbers[last], side="right"))
        parts.append(by_fragment.slice(start, end - start))
        start = end
    return parts


def _write_part(
    location: Location, part: pa.Table, gathered: _Gathered, torn: Skipped
) -> tuple[int, int, int]:
    """Write one compacted fragment: (fragments, trials, evaluations) written."""
    names = [gathered.names[number] for number in pc.unique(part[FRAGMENT]).to_pylist()]
    sizes = {name: gathered.curve_sizes[name] for name in names}
    before = len(torn)
    curves, _ = read_fragments(location, "curves", sizes, CURVES_SCHEMA, torn)
    for file in torn[before:]:
        number = gathered.names.index(file.name)
        part = part.filter(pc.not_equal(part[FRAGMENT], number))
    if part.num_rows == 0:
        return 0, 0, 0
    trials = part.drop_columns([FRAGMENT]).sort_by("trial_id")
    kept = matching_curves(curves.drop_columns([FRAGMENT]), trials)
    name = f"{COMPACTED}{uuid.uuid4().hex}.parquet"
    publish_pair(location, name, trials, kept)
    for folder, table in (("curves", kept), ("trials", trials)):
        size = location.size(folder, name)
        if size is None or Fragment(location, folder, name, size).rows != table.num_rows:
            raise EnvironmentFailure(
                f"The file {location.shown(folder, name)} was not stored whole: nothing is deleted."
            )
    return 1, trials.num_rows, kept.num_rows
