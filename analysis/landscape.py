"""The landscape: one tidy table of trials, from a store or from anybody's file, in named groups."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import pandas as pd
import pyarrow as pa

from analysis.results_file import read_results_file
from analysis.stored_values import sensible_rows
from analysis.training_runs import one_row_a_run
from explorer.store.schema import COMPLETED, DIVERGED, FAILED

#: What the landscape keeps of a trial, in this order; a source without a column has it null.
CONFIGURATION_COLUMNS = (
    "dataset",
    "model",
    "budget",
    "budget_value",
    "learning_rate",
    "momentum",
    "train_size",
    "batch_size",
    "weight_decay",
    "clip_norm",
    "final_decay",
    "sampling",
    "evaluations",
    "validation_size",
    "seed",
    "dataset_source",
    "model_source",
)
RESULT_COLUMNS = (
    "trial_id",
    "status",
    "steps",
    "steps_done",
    "n_classes",
    "train_loss",
    "train_accuracy",
    "test_loss",
    "test_accuracy",
    "validation_loss",
    "validation_accuracy",
    "best_test_accuracy",
    "data_sha256",
)

#: A condition is these three values within a group; its cells differ in batch size.
CONDITION_COLUMNS = ("learning_rate", "momentum", "train_size")

#: Always in a group's name; the columns of _SETTINGS join it where they vary.
_GROUP_COLUMNS = ("dataset", "model", "budget", "budget_value")
_SETTINGS = (
    "weight_decay",
    "clip_norm",
    "final_decay",
    "sampling",
    "dataset_source",
    "model_source",
)
_TRIAL_KEY = (*_GROUP_COLUMNS, *_SETTINGS, *CONDITION_COLUMNS, "batch_size", "seed")


class TrialSource(Protocol):
    """The part of `explorer.store.Store` that the landscape reads."""

    location: str

    def trials(self, study: str | None = None) -> pa.Table:
        """Chosen trials, columns of TRIALS_SCHEMA."""

    def planned(self, study: str | None = None) -> pa.Table:
        """Planned configurations, columns of PLAN_SCHEMA."""


@dataclass(frozen=True, order=True)
class Group:
    """Trials that one law may hold for: all but batch size, seed and the law's own axes is equal.

    Attributes:
        dataset, model, budget: names; `budget_value` is NaN where the source does not say.
        settings: the other configuration columns that vary in the landscape, as (name, value);
            None is a null, such as `clip_norm` where gradients are not clipped.
    """

    dataset: str
    model: str
    budget: str
    budget_value: float
    settings: tuple[tuple[str, Any], ...] = ()

    @property
    def label(self) -> str:
        """The group in one line, for titles and tables."""
        budget = self.budget
        if math.isfinite(self.budget_value):
            budget = f"{self.budget} {self.budget_value:.12g}"
        settings = [f"{name} {'none' if v is None else v}" for name, v in self.settings]
        return ", ".join([self.dataset, self.model, budget, *settings])

    def columns(self) -> tuple[tuple[str, Any], ...]:
        """The configuration columns that the group holds fixed, with their values."""
        always = tuple((name, getattr(self, name)) for name in _GROUP_COLUMNS)
        return always + self.settings

    def rows_of(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Those rows of a table of configurations that belong to the group; nulls are equal."""
        same = pd.Series(True, index=frame.index)
        for name, value in self.columns():
            column = frame[name]
            same &= column.isna() if pd.isna(value) else column == value
        return frame[same]


@dataclass(frozen=True)
class Counts:
    """How complete a landscape is, in trials; None where nobody said what was planned."""

    planned: int | None
    completed: int
    diverged: int
    failed: int
    missing: int | None


@dataclass(frozen=True, eq=False)
class Landscape:
    """Every trial that was found, one row each.

    Attributes:
        trials: columns CONFIGURATION_COLUMNS and RESULT_COLUMNS; accuracies are fractions.
        source: the store's location or the file's path, as the user gave it.
        study: the study's name; None for a file.
        planned: configurations that were meant to run (CONFIGURATION_COLUMNS); None for a file.
        notes: sentences on what was converted, assumed or left out while reading.
    """

    trials: pd.DataFrame
    source: str
    study: str | None = None
    planned: pd.DataFrame | None = None
    notes: tuple[str, ...] = ()

    @classmethod
    def from_store(cls, store: TrialSource, study: str | None = None) -> Landscape:
        """Read a study's trials and what its plans meant to run.

        Raises:
            ExplorerError: what the store raises.
        """
        found, notes = sensible_rows(_conform(store.trials(study=study).to_pandas()), "trials")
        trials, observed_twice = one_row_a_run(found, _TRIAL_KEY)
        planned, strange = sensible_rows(
            _conform(store.planned(study).to_pandas()), "planned trials"
        )
        planned = planned[list(CONFIGURATION_COLUMNS)]
        planned = planned.drop_duplicates(list(_TRIAL_KEY), ignore_index=True)
        notes += [*observed_twice, *strange, *_data_changed(trials)]
        return cls(trials, store.location, study, planned, tuple(notes))

    @classmethod
    def from_file(cls, path: Path | str, columns: Mapping[str, str] | None = None) -> Landscape:
        """Read anybody's CSV or Parquet file; see `analysis.results_file` for what is accepted.

        Args:
            path: the file.
            columns: our name -> the file's name, for columns that are called otherwise there.

        Raises:
            InputError: the file, a column or a value cannot be used; the sentence names it.
        """
        frame, notes = read_results_file(Path(path), columns)
        return cls(_conform(frame), str(path), notes=tuple(notes))

    @classmethod
    def from_frame(cls, frame: pd.DataFrame, source: str) -> Landscape:
        """A landscape of rows already checked; columns it lacks become null."""
        return cls(_conform(frame), source)

    def counts(self) -> Counts:
        """Trials planned, completed, diverged, failed and missing."""
        status = self.trials["status"]
        planned = missing = None
        if self.planned is not None:
            planned = len(self.planned)
            missing = len(self.missing())
        return Counts(
            planned=planned,
            completed=int((status == COMPLETED).sum()),
            diverged=int((status == DIVERGED).sum()),
            failed=int((status == FAILED).sum()),
            missing=missing,
        )

    def missing(self) -> pd.DataFrame:
        """Planned configurations without a row in `trials`; empty where nothing was planned."""
        return self._missing

    @cached_property
    def _missing(self) -> pd.DataFrame:
        if self.planned is None:
            return self.trials.iloc[:0][list(CONFIGURATION_COLUMNS)]
        key = list(_TRIAL_KEY)
        found = pd.MultiIndex.from_frame(_hashable(self.trials[key]))
        wanted = pd.MultiIndex.from_frame(_hashable(self.planned[key]))
        return self.planned[~wanted.isin(found)].reset_index(drop=True)

    def groups(self) -> tuple[tuple[Group, pd.DataFrame], ...]:
        """The groups, each with its rows of `trials`, in the order of their names.

        Rows come in a canonical order, so that no result depends on the order of the source.
        """
        settings = [c for c in _SETTINGS if self.trials[c].nunique(dropna=False) > 1]
        keys = [*_GROUP_COLUMNS, *settings]
        found: list[tuple[Group, pd.DataFrame]] = []
        for values, rows in self.trials.groupby(keys, dropna=False, sort=False):
            group = _group(settings, values)
            order = [*CONDITION_COLUMNS, "batch_size", "seed"]
            found.append((group, rows.sort_values(order, kind="stable", ignore_index=True)))
        return tuple(sorted(found, key=lambda pair: pair[0].label))


def _group(settings: Sequence[str], values: tuple[Any, ...]) -> Group:
    dataset, model, budget, budget_value, *rest = values
    return Group(
        dataset=str(dataset),
        model=str(model),
        budget=str(budget),
        budget_value=float(budget_value),
        settings=tuple((n, None if pd.isna(v) else v) for n, v in zip(settings, rest, strict=True)),
    )


def _conform(frame: pd.DataFrame) -> pd.DataFrame:
    """The landscape's columns in their order; a column that the source lacks becomes null."""
    return frame.reindex(columns=[*CONFIGURATION_COLUMNS, *RESULT_COLUMNS])


def _hashable(frame: pd.DataFrame) -> pd.DataFrame:
    """Keys whose nulls compare equal."""
    return frame.astype(object).where(frame.notna(), None)


def _data_changed(trials: pd.DataFrame) -> list[str]:
    """A sentence for each data set that was not the same arrays in all its trials."""
    seen = trials.groupby(["dataset", "dataset_source", "train_size"], dropna=False)["data_sha256"]
    changed = sorted({str(key[0]) for key, n in seen.nunique().items() if n > 1})  # type: ignore[index]
    return [f"The data of {name} changed between trials of this study." for name in changed]
