"""Plans: what a study meant to run, with the text of the search-space file that said so."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from operator import attrgetter

import numpy as np
import pyarrow as pa

from explorer.errors import InputError
from explorer.store.fragments import Fragment, UnreadableFile, encoded
from explorer.store.location import Location
from explorer.store.read import warn_skipped
from explorer.store.schema import PLAN_SCHEMA
from explorer.trial import Configuration


@dataclass(frozen=True)
class Plan:
    """What one run meant to train, written to the store before it starts.

    Attributes:
        study: the study's name, as the user wrote it.
        trials: PLAN_SCHEMA, one row a trial, in canonical order.
        source_name: name of the search-space file.
        source_text: its text.
        left_out: (reason, number of cells) of the cells that rules left out.
        created_at: when it was made, UTC.

    Raises:
        InputError: the study's name is empty or holds control characters.
        ValueError: the trials do not fit PLAN_SCHEMA, a trial_id stands there twice, or
            `created_at` has no time zone.
    """

    study: str
    trials: pa.Table
    source_name: str
    source_text: str
    left_out: tuple[tuple[str, int], ...] = ()
    created_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __post_init__(self) -> None:
        if not self.study.strip() or not self.study.isprintable():
            raise InputError(f"The study's name must be printable text, not {self.study!r}.")
        if self.created_at.tzinfo is None:
            raise ValueError("created_at must have a time zone.")
        if self.trials.column_names != PLAN_SCHEMA.names:
            raise ValueError("The plan's columns are not those of PLAN_SCHEMA.")
        trials = self.trials.cast(PLAN_SCHEMA)
        if len(trials["trial_id"].unique()) != trials.num_rows:
            raise ValueError("The plan holds a trial twice.")
        object.__setattr__(self, "trials", trials)
        object.__setattr__(self, "left_out", tuple((str(r), int(n)) for r, n in self.left_out))

    @property
    def source_sha256(self) -> str:
        """SHA-256 of the search-space file's text, hexadecimal."""
        return hashlib.sha256(self.source_text.encode()).hexdigest()

    @property
    def trial_ids(self) -> list[str]:
        """The planned trials' ids, in the plan's order."""
        ids: list[str] = self.trials["trial_id"].to_pylist()
        return ids


def plan_table(configurations: Iterable[Configuration]) -> pa.Table:
    """Configurations as PLAN_SCHEMA rows, in the order given."""
    listed = list(configurations)
    columns = [
        pa.array(list(map(attrgetter(field.name), listed)), type=field.type)
        for field in PLAN_SCHEMA  # column by column: a million rows as mappings take gigabytes
    ]
    return pa.Table.from_arrays(columns, schema=PLAN_SCHEMA)


def write_plan(location: Location, plan: Plan) -> str:
    """Publish a plan; one with the same study, trial ids and source is already there.

    Returns:
        The name of its file, by which others can tell that they see the same store.

    Raises:
        EnvironmentFailure: the store cannot be written.
    """
    name = _file_name(plan)
    size = location.size("plans", name)
    if size is not None and _is_whole(location, name, size):
        return name
    metadata = {
        "plan.study": plan.study,
        "plan.source_name": plan.source_name,
        "plan.source_text": plan.source_text,
        "plan.left_out": json.dumps(plan.left_out),
        "plan.created_at": plan.created_at.astimezone(UTC).isoformat(),
    }
    location.publish("plans", name, encoded(plan.trials, "plans", metadata))
    return name


def read_plans(location: Location, study: str | None = None) -> list[Plan]:
    """The plans of one study, or of all, oldest first. Torn and foreign files are skipped.

    Raises:
        InputError: a plan was written under a newer major schema version.
        EnvironmentFailure: the store cannot be read.
    """
    plans: list[tuple[datetime, str, Plan]] = []
    skipped: list[UnreadableFile] = []
    for name, size in location.list("plans").items():
        try:
            fragment = Fragment(location, "plans", name, size)
            if study is None or _text(fragment, "study") == study:
                plan = _decoded(fragment)
                plans.append((plan.created_at, name, plan))
        except UnreadableFile as unreadable:
            skipped.append(unreadable)
    warn_skipped(location, skipped)
    return [plan for _, _, plan in sorted(plans, key=lambda item: item[:2])]


def check_plan(location: Location, name: str, size: int) -> None:
    """Read a plan's file to its last byte.

    Raises:
        FileNotFoundError: it has vanished since it was listed.
        UnreadableFile: it is torn or no plan.
        InputError: it was written under a newer major schema version.
        EnvironmentFailure: it cannot be read.
    """
    fragment = Fragment(location, "plans", name, size)
    fragment.check_whole()
    _decoded(fragment)


def study_names(location: Location) -> list[str]:
    """The names of all studies that have a plan, in alphabetical order."""
    names: set[str] = set()
    skipped: list[UnreadableFile] = []
    for name, size in location.list("plans").items():
        try:
            names.add(_text(Fragment(location, "plans", name, size), "study"))
        except UnreadableFile as unreadable:
            skipped.append(unreadable)
    warn_skipped(location, skipped)
    return sorted(names)


def union(plans: Iterable[Plan]) -> pa.Table:
    """All planned trials, PLAN_SCHEMA, one row a trial_id, in the order of first planning."""
    tables = [plan.trials for plan in plans]
    if not tables:
        return PLAN_SCHEMA.empty_table()
    table = pa.concat_tables(tables).combine_chunks()
    codes = table["trial_id"].combine_chunks().dictionary_encode().indices
    _, first = np.unique(codes.to_numpy(zero_copy_only=False), return_index=True)
    return table.take(first)


def _file_name(plan: Plan) -> str:
    """A name safe on any file system, equal for plans that mean the same."""
    slug = re.sub(r"[^a-z0-9]+", "-", plan.study.lower()).strip("-")[:40] or "study"
    parts = [plan.study, plan.source_sha256, *sorted(plan.trial_ids)]
    digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()
    return f"{slug}-{digest[:24]}.parquet"


def _is_whole(location: Location, name: str, size: int) -> bool:
    """Whether a plan's file is as it was written; a damaged one is written anew."""
    try:
        Fragment(location, "plans", name, size)
    except (UnreadableFile, FileNotFoundError):
        return False
    return True


def _text(fragment: Fragment, key: str) -> str:
    try:
        return fragment.metadata[f"plan.{key}".encode()].decode()
    except (KeyError, UnicodeDecodeError) as error:
        raise UnreadableFile("plans", fragment.name, f"a plan without its {key}") from error


def _decoded(fragment: Fragment) -> Plan:
    try:
        return Plan(
            study=_text(fragment, "study"),
            trials=fragment.read(PLAN_SCHEMA),
            source_name=_text(fragment, "source_name"),
            source_text=_text(fragment, "source_text"),
            left_out=tuple((reason, n) for reason, n in json.loads(_text(fragment, "left_out"))),
            created_at=datetime.fromisoformat(_text(fragment, "created_at")).astimezone(UTC),
        )
    except (ValueError, TypeError, InputError, RecursionError, OverflowError) as error:
        raise UnreadableFile("plans", fragment.name, f"not a plan: {error}") from error
