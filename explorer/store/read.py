"""Reading: the order of listing, the choice of one attempt a trial, and the curves that count."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from explorer.errors import EnvironmentFailure
from explorer.store.fragments import COMPACTED, Fragment, UnreadableFile
from explorer.store.location import Location
from explorer.store.schema import CURVES_SCHEMA, STATUSES, TRIALS_SCHEMA

logger = logging.getLogger("explorer.store")

T = TypeVar("T")

#: Column, inside this package only: the number of the fragment that a trial's row came from.
FRAGMENT = "__fragment"

#: Pauses in seconds before each new start of a reader whose files moved under it.
_PAUSES = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2)

Skipped = list[UnreadableFile]


def warn_skipped(location: Location, skipped: Collection[UnreadableFile]) -> None:
    """Warn of each torn or foreign file, by name."""
    for file in skipped:
        logger.warning(
            "Skipped the file %s: %s.", location.shown(file.folder, file.name), file.reason
        )


def consistently(location: Location, read: Callable[[Skipped], T]) -> T:
    """Call `read` until no compaction crossed it, and warn of what it skipped.

    A compaction may delete a listed file before it is read, or show a listing neither the old
    fragments nor the new one: the reader starts again, a bounded number of times.

    Args:
        location: the store.
        read: lists and reads; appends the files that it skipped to its argument.

    Raises:
        EnvironmentFailure: the store kept changing.
    """
    for pause in _PAUSES:
        time.sleep(pause)
        skipped: Skipped = []
        before = _compacted(location)
        try:
            result = read(skipped)
        except FileNotFoundError:
            continue
        if _compacted(location) == before:
            warn_skipped(location, skipped)
            return result
    raise EnvironmentFailure(
        f"The store {location} kept changing while it was read: try again when the compaction ends."
    )


def read_trials(
    location: Location,
    skipped: Skipped,
    schema: pa.Schema,
    only: pa.Array | None = None,
) -> tuple[pa.Table, list[str]]:
    """One row a trial, whole, of the chosen attempt, sorted by trial_id.

    Best status first, then the smallest attempt id.

    Args:
        location: the store.
        skipped: receives the files that could not be read.
        schema: the columns to read; `trial_id`, `status` and `attempt` are among them.
        only: trial_ids to keep, or None for all.

    Returns:
        The rows, with one column more (FRAGMENT), and the fragments' names that it counts.
    """
    table, names = read_fragments(location, "trials", location.list("trials"), schema, skipped)
    if only is not None:
        table = table.filter(pc.is_in(table["trial_id"], value_set=only))
    return table.take(chosen_rows(table)), names


def chosen_rows(trials: pa.Table) -> np.ndarray:
    """Indices of the chosen row of each trial, ordered by trial_id.

    Args:
        trials: columns trial_id, status and attempt; a trial may stand there many times.

    Returns:
        Shape (number of different trial_ids,), int64.
    """
    if trials.num_rows == 0:
        return np.empty(0, dtype=np.int64)
    ids, n_ids = _ranks(trials["trial_id"])
    attempts, n_attempts = _ranks(trials["attempt"])
    statuses = pc.index_in(trials["status"], value_set=pa.array(STATUSES))
    status_ranks = pc.fill_null(statuses, len(STATUSES)).to_numpy().astype(np.int64)
    # One integer orders by trial, then status, then attempt: far faster than sorting text.
    assert n_ids * (len(STATUSES) + 1) * n_attempts < 2**63
    keys = (ids * (len(STATUSES) + 1) + status_ranks) * n_attempts + attempts
    order = np.argsort(keys, kind="stable")
    sorted_ids = ids[order]
    first = np.ones(len(order), dtype=bool)
    first[1:] = sorted_ids[1:] != sorted_ids[:-1]
    return order[first]


def read_curves(
    location: Location, skipped: Skipped, chosen: pa.Table, names: Sequence[str]
) -> pa.Table:
    """The evaluations of the chosen attempts, unique by step, sorted by trial_id and step.

    A fragment holds the curves of all its trials, so only the fragments of chosen rows are opened.

    Args:
        location: the store.
        skipped: receives the files that could not be read.
        chosen: what read_trials returned: trial_id, attempt and FRAGMENT, sorted by trial_id.
        names: the fragments' names that FRAGMENT counts.
    """
    sizes = location.list("curves")  # after trials/: any trial seen already has its curves
    wanted = [names[number] for number in pc.unique(chosen[FRAGMENT]).to_pylist()]
    for name in wanted:
        if name not in sizes:
            _curves_missing(location, name, skipped)
    listed = {name: sizes[name] for name in wanted if name in sizes}
    curves, _ = read_fragments(location, "curves", listed, CURVES_SCHEMA, skipped)
    return matching_curves(curves.drop_columns([FRAGMENT]), chosen)


def matching_curves(curves: pa.Table, chosen: pa.Table) -> pa.Table:
    """Those evaluations whose (trial_id, attempt) is chosen, unique by step, in `chosen`'s order.

    Args:
        curves: CURVES_SCHEMA.
        chosen: columns trial_id (unique) and attempt.
    """
    trial = pc.index_in(curves["trial_id"], value_set=chosen["trial_id"].combine_chunks())
    attempt = chosen["attempt"].take(trial)  # null where the trial is not chosen
    valid = pc.fill_null(pc.equal(curves["attempt"], attempt), False)
    rows = np.flatnonzero(valid.to_numpy())
    position = pc.fill_null(trial, 0).to_numpy()[rows]
    step = curves["step"].to_numpy()[rows]
    order = np.lexsort((step, position))
    position, step = position[order], step[order]
    new = np.ones(len(order), dtype=bool)
    new[1:] = (position[1:] != position[:-1]) | (step[1:] != step[:-1])
    return curves.take(rows[order][new])


def read_fragments(
    location: Location,
    folder: str,
    sizes: dict[str, int],
    schema: pa.Schema,
    skipped: Skipped,
) -> tuple[pa.Table, list[str]]:
    """All rows of these files, with the column FRAGMENT counting into the returned names.

    Raises:
        FileNotFoundError: a file vanished since it was listed.
    """

    def read_one(item: tuple[str, int]) -> pa.Table | UnreadableFile:
        try:
            return Fragment(location, folder, *item).read(schema)
        except UnreadableFile as unreadable:
            return unreadable

    workers = min(8, os.cpu_count() or 1) if location.is_local else 16
    with ThreadPoolExecutor(workers) as pool:
        results = list(pool.map(read_one, sizes.items()))
    tables: list[pa.Table] = []
    names: list[str] = []
    for name, result in zip(sizes, results, strict=True):
        if isinstance(result, UnreadableFile):
            skipped.append(result)
        else:
            tables.append(result)
            names.append(name)
    rows = [table.num_rows for table in tables]
    numbers = pa.array(np.repeat(np.arange(len(rows), dtype=np.int32), rows))
    table = pa.concat_tables([schema.empty_table(), *tables]).combine_chunks()
    return table.append_column(FRAGMENT, numbers), names


def trial_columns(columns: Collection[str] = ()) -> pa.Schema:
    """TRIALS_SCHEMA with these columns only, and those that the choice of an attempt needs."""
    needed = {"trial_id", "status", "attempt", *columns}
    return pa.schema([field for field in TRIALS_SCHEMA if field.name in needed])


def _compacted(location: Location) -> set[str]:
    return {name for name in location.list("trials") if name.startswith(COMPACTED)}


def _curves_missing(location: Location, name: str, skipped: Skipped) -> None:
    """Start again where a compaction is deleting this fragment; else its curves are lost.

    Trials files are deleted before their curves files: a trials file without curves is damage.
    """
    if location.size("trials", name) is None:
        raise FileNotFoundError(name)
    skipped.append(UnreadableFile("curves", name, "missing, its trials have no curves"))


def _ranks(texts: pa.ChunkedArray) -> tuple[np.ndarray, int]:
    """Each text's rank among the different texts in byte order, and how many there are."""
    encoded = texts.combine_chunks().dictionary_encode()
    by_text = pc.sort_indices(encoded.dictionary).to_numpy()
    rank = np.empty(len(by_text), dtype=np.int64)
    rank[by_text] = np.arange(len(by_text))
    return rank[encoded.indices.to_numpy(zero_copy_only=False)], len(by_text)
