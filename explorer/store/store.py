"""The store: plans, trials and curves in immutable files that readers see whole or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import uuid
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import fs

from explorer.errors import EnvironmentFailure, InputError
from explorer.store import notes as note_files
from explorer.store import plans as plan_files
from explorer.store.compaction import CompactionReport, compact
from explorer.store.guarded_folder import GuardedFolder
from explorer.store.location import TRIAL_WRITE, Location
from explorer.store.plans import Plan
from explorer.store.publish import publish_pack
from explorer.store.read import (
    FRAGMENT,
    Skipped,
    consistently,
    read_curves,
    read_trials,
    trial_columns,
)
from explorer.store.schema import TRIALS_SCHEMA


class Store:
    """An Arrow store in a folder or under an object store's prefix.

    Any number of processes may publish, read and compact at once without a lock. A Store pickles
    as its location. `Store.open` checks that there is one; the constructor does not.

    Attributes:
        location: an absolute path or a URI, with which `open` finds it again.
    """

    def __init__(self, location: str) -> None:
        self._location = Location(location)
        self.location = self._location.address

    def __repr__(self) -> str:
        return f"Store({str(self._location)!r})"

    def __str__(self) -> str:
        """The location, without the credentials that it may carry."""
        return str(self._location)

    @property
    def has_secret(self) -> bool:
        """Whether the location carries credentials."""
        options = self.location.partition("?")[2].lower()  # `sig` signs an Azure token
        return "://***@" in str(self) or "secret" in options or "sig=" in options

    @classmethod
    def open(cls, location: str, *, create: bool = False) -> Store:
        """Open the store at a local path or a URI that pyarrow understands.

        Args:
            location: for example `./explorer-store` or `s3://bucket/prefix`.
            create: make it where there is none.

        Raises:
            InputError: there is no store, or the location is not one that can hold one.
            EnvironmentFailure: the location cannot be read, or not be written to make one.
        """
        store = cls(location)
        if not store._location.exists():
            if not create:
                raise InputError(
                    f"There is no store at {store._location}: "
                    f"`explorer run SPACE --store {store._location}` makes one."
                )
            store._location.make()
        return store

    @classmethod
    def exists(cls, location: str) -> bool:
        """Whether there is a store to open.

        Raises:
            EnvironmentFailure: the location cannot be read.
        """
        return cls(location)._location.exists()

    def check_writable(self) -> None:
        """Publish and remove a small hidden file in every folder that results go to.

        Raises:
            EnvironmentFailure: the store is read-only, full or gone, or on a file system that
                cannot rename files.
        """
        name = f"{TRIAL_WRITE}{uuid.uuid4().hex}"
        for folder in ("plans", "trials", "curves"):
            try:
                self._location.publish(folder, name, pa.py_buffer(b"writable"))
            finally:
                with contextlib.suppress(EnvironmentFailure):
                    self._location.delete(folder, name)

    def publish(
        self,
        *,
        pack_id: str,
        attempt: str,
        trials: Sequence[Mapping[str, Any]],
        curves: Sequence[Mapping[str, Any]],
    ) -> None:
        """Publish the complete trials of one pack in one atomic act; see `publish_pack`."""
        publish_pack(self._location, pack_id=pack_id, attempt=attempt, trials=trials, curves=curves)

    def subfolder(self, name: str) -> tuple[fs.FileSystem, str]:
        """A folder of the store for files of other programs: its file system, and its path there.

        Args:
            name: `checkpoints`.

        A local store that is gone does not come back through it.

        Raises:
            EnvironmentFailure: it cannot be made.
        """
        self._location.make_folder(name)
        filesystem = self._location.filesystem
        if self._location.is_local:
            filesystem = fs.PyFileSystem(GuardedFolder(self.location))
        return filesystem, self._location.path(name)

    def write_note(self, kind: str, name: str, values: Mapping[str, Any]) -> None:
        """Write a small JSON document, in the place of an earlier one of this kind and name."""
        note_files.write_note(self._location, kind, name, values)

    def read_notes(self, kind: str) -> dict[str, dict[str, Any]]:
        """All notes of a kind, by name."""
        return note_files.read_notes(self._location, kind)

    def delete_note(self, kind: str, name: str) -> None:
        """Delete a note; one that is already gone is well."""
        note_files.delete_note(self._location, kind, name)

    def write_plan(self, plan: Plan) -> str:
        """Write a plan; an identical one (study, trial ids, source) adds no file.

        Returns:
            The name of its file; see `has_plan`.
        """
        return plan_files.write_plan(self._location, plan)

    def has_plan(self, name: str) -> bool:
        """Whether a plan's file is there: another process sees the same store."""
        return self._location.size("plans", name) is not None

    def plans(self, study: str | None = None) -> list[Plan]:
        """The plans of one study, or of all, oldest first."""
        return plan_files.read_plans(self._location, study)

    def studies(self) -> list[str]:
        """The names of the studies in the store, in alphabetical order."""
        return plan_files.study_names(self._location)

    def resolve_study(self, name: str | None) -> str:
        """The study that the user means: the named one, or the only one.

        Raises:
            InputError: there is no such study, or several and none was named.
        """
        names = self.studies()
        listed = ", ".join(names)
        if name is not None and name in names:
            return name
        if not names:
            raise InputError(f"The store {self._location} holds no study.")
        if name is not None:
            raise InputError(
                f"The store {self._location} holds no study {name!r}: it has {listed}."
            )
        if len(names) > 1:
            raise InputError(
                f"The store {self._location} holds several studies: "
                f"choose one with --study from {listed}."
            )
        return names[0]

    def planned(self, study: str | None = None) -> pa.Table:
        """What a study (or all) meant to train: PLAN_SCHEMA, one row a trial_id.

        Raises:
            InputError: there is no such study.
        """
        if study is not None:
            self.resolve_study(study)
        return plan_files.union(self.plans(study))

    def statuses(self, study: str | None = None) -> dict[str, str]:
        """The best status of each trial that was published; reads three columns only."""
        table = self.trials(study, ["trial_id", "status"])
        return dict(zip(table["trial_id"].to_pylist(), table["status"].to_pylist(), strict=True))

    def trials(self, study: str | None = None, columns: Sequence[str] | None = None) -> pa.Table:
        """One whole row a trial, of its best attempt, sorted by trial_id.

        Args:
            study: keep the trials that this study planned; None for all.
            columns: the columns wanted, in this order; None for all of TRIALS_SCHEMA.

        Raises:
            InputError: there is no such study or column.
        """
        names = TRIALS_SCHEMA.names if columns is None else list(columns)
        for name in names:
            if name not in TRIALS_SCHEMA.names:
                raise InputError(f"The store's trials have no column {name!r}.")
        only = self._planned_ids(study)
        schema = trial_columns(names)
        table = consistently(
            self._location, lambda skipped: read_trials(self._location, skipped, schema, only)[0]
        )
        return table.select(names)

    def curves(
        self, study: str | None = None, trial_ids: Collection[str] | None = None
    ) -> pa.Table:
        """The evaluations of the chosen attempts: CURVES_SCHEMA, sorted by trial_id and step.

        Args:
            study: keep the trials that this study planned; None for all.
            trial_ids: keep these trials; None for all.

        Raises:
            InputError: there is no such study.
        """
        return self._read(study, trial_ids, trial_columns())[1]

    def version(self) -> str:
        """A text that changes whenever a plan or a pack is published, or the store is compacted."""
        listed = [sorted(self._location.list(folder).items()) for folder in ("plans", "trials")]
        return hashlib.sha256(repr(listed).encode()).hexdigest()

    def snapshot(self, study: str | None = None) -> tuple[pa.Table, pa.Table]:
        """Trials and curves of one moment: each curve's trial is there, and the reverse."""
        return self._read(study, None, TRIALS_SCHEMA)

    def compact(self, grace_seconds: float = 60.0) -> CompactionReport:
        """Gather small fragments into few large ones; safe beside writers and readers.

        Args:
            grace_seconds: seconds to wait before deleting what was gathered, so that readers that
                have listed it can finish; twice.
        """
        return compact(self._location, grace_seconds)

    def _planned_ids(self, study: str | None) -> pa.Array | None:
        return None if study is None else self.planned(study)["trial_id"].combine_chunks()

    def _read(
        self, study: str | None, trial_ids: Collection[str] | None, schema: pa.Schema
    ) -> tuple[pa.Table, pa.Table]:
        only = self._planned_ids(study)
        if trial_ids is not None:
            chosen_ids = pa.array(list(trial_ids), pa.string())
            only = chosen_ids if only is None else only.filter(pc.is_in(only, chosen_ids))

        def read(skipped: Skipped) -> tuple[pa.Table, pa.Table]:
            trials, names = read_trials(self._location, skipped, schema, only)
            curves = read_curves(self._location, skipped, trials, names)
            return trials.drop_columns([FRAGMENT]), curves

        return consistently(self._location, read)
