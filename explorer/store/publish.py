"""Publishing a pack: typed rows, the curves file first, the trials file last."""

from __future__ import annotations

import contextlib
import operator
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from explorer.errors import EnvironmentFailure
from explorer.store.fragments import COMPACTED, Fragment, UnreadableFile, encoded
from explorer.store.location import Location
from explorer.store.schema import CURVES_SCHEMA, STATUSES, TRIALS_SCHEMA

_KEY = pa.schema([TRIALS_SCHEMA.field("trial_id")])
_SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")


def publish_pack(
    location: Location,
    *,
    pack_id: str,
    attempt: str,
    trials: Sequence[Mapping[str, Any]],
    curves: Sequence[Mapping[str, Any]],
) -> None:
    """Publish the complete trials of one pack in one atomic act: the trials file is the commit.

    `attempt` and `pack_id` are filled into rows that leave them out, `finished_at` is the present
    time where it is left out, and nullable columns that are left out are null. Publishing the same
    trials again under the same pack and attempt changes nothing.

    Args:
        location: the store.
        pack_id: the pack; letters, digits, `_`, `.` and `-`, not beginning with `c-`.
        attempt: uuid of this attempt at the pack; it publishes once.
        trials: one mapping a trial, keyed by TRIALS_SCHEMA.
        curves: one mapping an evaluation, keyed by CURVES_SCHEMA.

    Raises:
        ValueError: a row does not fit its schema, or the attempt has published other trials.
        EnvironmentFailure: the store cannot be written; nothing became visible.
    """
    for field, text in (("pack_id", pack_id), ("attempt", attempt)):
        if not _SAFE_NAME.fullmatch(text) or (field == "pack_id" and text.startswith(COMPACTED)):
            raise ValueError(f"{field} {text!r} cannot be part of a file's name.")
    filled = {"attempt": attempt, "pack_id": pack_id, "finished_at": datetime.now(UTC)}
    trial_table = typed(trials, TRIALS_SCHEMA, filled)
    curve_table = typed(curves, CURVES_SCHEMA, {"attempt": attempt})
    _check(trial_table, curve_table, pack_id, attempt)
    name = f"{pack_id}-{attempt}.parquet"
    if _already_published(location, name, trial_table):
        return
    publish_pair(location, name, trial_table, curve_table)


def publish_pair(location: Location, name: str, trials: pa.Table, curves: pa.Table) -> None:
    """Publish a fragment's two files: the curves first, then the trials, which are the commit.

    Args:
        location: the store.
        name: the name of both files.
        trials: TRIALS_SCHEMA.
        curves: CURVES_SCHEMA, of these trials.

    Raises:
        EnvironmentFailure: the store cannot be written; nothing became visible.
    """
    content = encoded(curves, "curves")
    location.publish("curves", name, content)
    try:
        location.publish("trials", name, encoded(trials, "trials"))
    except EnvironmentFailure:
        # On a full disk they would be in the way. An object store may have kept a put that it
        # reported as failed, so that there they stay, invisible.
        if location.renames:
            with contextlib.suppress(EnvironmentFailure):
                if location.size("trials", name) is None:
                    location.delete("curves", name)
        raise
    if location.size("curves", name) is None:
        # This process slept between the two so long that a repair took the curves for orphans.
        location.publish("curves", name, content)


def typed(
    rows: Sequence[Mapping[str, Any]], schema: pa.Schema, filled: Mapping[str, Any] | None = None
) -> pa.Table:
    """Rows as a table of exactly this schema.

    Args:
        rows: mappings from column names to values.
        schema: the table's schema.
        filled: values for columns that a row leaves out.

    Raises:
        ValueError: a key is not a column, a value has the wrong type, or a column that cannot be
            null is missing.
    """
    filled = filled or {}
    unknown = {key for row in rows for key in row} - set(schema.names)
    if unknown:
        raise ValueError(f"The store has no column {sorted(unknown)[0]!r}.")
    arrays = []
    for field in schema:
        default = filled.get(field.name)
        values = [row.get(field.name, default) for row in rows]
        try:
            if pa.types.is_integer(field.type):
                # Arrow cuts fractions off without a word.
                values = [v if type(v) is int or v is None else operator.index(v) for v in values]
            array = pa.array(values, type=field.type)
        except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
            raise ValueError(f"The column {field.name} holds a value of a wrong type.") from error
        if array.null_count and not field.nullable:
            raise ValueError(f"The column {field.name} must not be null.")
        arrays.append(array)
    return pa.Table.from_arrays(arrays, schema=schema)


def _check(trials: pa.Table, curves: pa.Table, pack_id: str, attempt: str) -> None:
    if trials.num_rows == 0:
        raise ValueError("A pack without trials cannot be published.")
    ids = trials["trial_id"]
    if pc.count_distinct(ids).as_py() != trials.num_rows:
        raise ValueError(f"The pack {pack_id} holds a trial twice.")
    if not pc.all(pc.is_in(trials["status"], value_set=pa.array(STATUSES))).as_py():
        raise ValueError(f"The pack {pack_id} holds a status that is none of {STATUSES}.")
    for table, column, value in (
        (trials, "attempt", attempt),
        (trials, "pack_id", pack_id),
        (curves, "attempt", attempt),
    ):
        if table.num_rows and not pc.all(pc.equal(table[column], value)).as_py():
            raise ValueError(f"A row's {column} is not the published {value!r}.")
    if curves.num_rows:
        if not pc.all(pc.is_in(curves["trial_id"], value_set=ids.combine_chunks())).as_py():
            raise ValueError(f"The pack {pack_id} has a curve of a trial that it does not hold.")
        steps = curves.select(["trial_id", "step"]).group_by(["trial_id", "step"]).aggregate([])
        if steps.num_rows != curves.num_rows:
            raise ValueError(f"The pack {pack_id} holds an evaluation twice.")


def _already_published(location: Location, name: str, trials: pa.Table) -> bool:
    """Whether the file is there and holds these trials; False where it cannot be read any more.

    Facts are immutable: without this check a second, different publish under one name would
    silently replace the first.
    """
    size = location.size("trials", name)
    if size is None:
        return False
    try:
        held = Fragment(location, "trials", name, size).read(_KEY)
    except (UnreadableFile, FileNotFoundError):
        return False
    if set(held["trial_id"].to_pylist()) != set(trials["trial_id"].to_pylist()):
        raise ValueError(
            f"The file {location.shown('trials', name)} already holds other trials: "
            "an attempt publishes once."
        )
    return True
