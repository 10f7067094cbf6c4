"""How far a study is, and one trial's whole record."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from explorer.errors import EnvironmentFailure, InputError
from explorer.store import Store
from explorer.store.schema import COMPLETED, DIVERGED, FAILED


@dataclass(frozen=True)
class StudyStatus:
    """How many of a study's planned trials ended in which way; `missing` ones have not run yet."""

    study: str
    planned: int
    completed: int
    diverged: int
    failed: int
    missing: int


def study_status(store: Store, study: str) -> StudyStatus:
    """Count a study's trials.

    Raises:
        InputError: there is no such study.
        EnvironmentFailure: the store cannot be read.
    """
    planned = store.planned(study).num_rows
    found = Counter(store.statuses(study).values())
    return StudyStatus(
        study=study,
        planned=planned,
        completed=found[COMPLETED],
        diverged=found[DIVERGED],
        failed=found[FAILED],
        missing=planned - sum(found.values()),
    )


@dataclass(frozen=True)
class TrialRecord:
    """One trial: its row of `trials` and its rows of `curves`, in order of steps."""

    trial: dict[str, Any]
    curve: list[dict[str, Any]]


def trial_record(store: Store, trial_id: str) -> TrialRecord:
    """Read one trial.

    Args:
        store: the store.
        trial_id: the id, or enough of its beginning to tell it from all others.

    Raises:
        InputError: no trial of the store has this id, or several begin so.
        EnvironmentFailure: the store, or the file that holds the trial, cannot be read.
    """
    ids = store.trials(columns=["trial_id"])["trial_id"]
    matching: list[str] = ids.filter(pc.starts_with(ids, trial_id)).to_pylist()
    if not matching:
        raise InputError(f"The store {store} holds no trial {trial_id!r}.")
    if len(matching) > 1 and trial_id not in matching:
        raise InputError(
            f"{len(matching)} trials of {store} begin with {trial_id!r}: write more of it."
        )
    chosen = trial_id if trial_id in matching else matching[0]
    trials: pa.Table = store.trials()
    rows = trials.filter(pc.equal(trials["trial_id"], chosen)).to_pylist()
    if not rows:
        raise EnvironmentFailure(
            f"The file of {store} that holds the trial {chosen} cannot be read whole."
        )
    return TrialRecord(rows[0], store.curves(trial_ids=[chosen]).to_pylist())
