"""Reads anybody's CSV or Parquet file of training results into the landscape's columns."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from analysis.training_runs import OBSERVATION_COLUMNS, one_row_a_run
from explorer.errors import InputError
from explorer.store.schema import COMPLETED, DIVERGED, FAILED, STATUSES, TRIALS_SCHEMA

REQUIRED = ("batch_size", "learning_rate", "train_size", "seed", "test_accuracy")
_INTEGERS = ("batch_size", "train_size", "seed", "n_classes", "steps", "steps_done", "evaluations")
_ACCURACIES = ("train_accuracy", "test_accuracy", "validation_accuracy", "best_test_accuracy")
_NUMBERS = (
    *_INTEGERS,
    *_ACCURACIES,
    "learning_rate",
    "momentum",
    "weight_decay",
    "clip_norm",
    "final_decay",
    "budget_value",
    "validation_size",
    "train_loss",
    "test_loss",
    "validation_loss",
)
_TEXTS = ("dataset", "model", "budget", "sampling", "status", "dataset_source", "model_source")
_NOT_GIVEN = "not given"
_KEY = ("dataset", "model", "budget", "budget_value", "weight_decay", "clip_norm", "final_decay")
_SIGNIFICANT_DIGITS = 12
_SHOWN_VALUES = 3


def read_results_file(path: Path) -> tuple[pd.DataFrame, list[str]]:
    """Read and check one file; every doubt is a refusal or a note, never a guess in silence.

    Needed columns are REQUIRED; `momentum` is 0 where absent. CSV may be separated by commas,
    semicolons or tabs, with or without a byte-order mark; a decimal comma is refused by name.
    Accuracies in percent become fractions. A missing accuracy needs a `status` column, since a
    diverged trial counts at chance and a failed one not at all. Columns that TRIALS_SCHEMA does
    not have are ignored; a note names those that vary, since trials that differ in them are pooled.

    Returns:
        One row a trial, and sentences on what was assumed or converted.

    Raises:
        InputError: one sentence with the file, the row (header is row 1), the column, the value.
    """
    frame = _read(path)
    notes: list[str] = []
    absent = [name for name in REQUIRED if name not in frame.columns]
    if absent:
        raise InputError(
            f"{path} has no column {absent[0]}; it has {', '.join(map(str, frame.columns))}."
        )
    if frame.empty:
        raise InputError(f"{path} has columns but no rows.")
    if "momentum" not in frame.columns:
        frame["momentum"] = 0.0
        notes.append(f"{path.name} has no momentum column: momentum is taken as 0.")
    unknown = [name for name in frame.columns if name not in TRIALS_SCHEMA.names]
    for name in unknown:
        frame[name] = frame[name].map(str)  # whatever it holds, it can now be compared
    notes += _ignored(path, frame[unknown])
    for name in _NUMBERS:
        if name in frame.columns:
            frame[name] = _numbers(path, name, frame[name])
    for name in _TEXTS:
        if name in frame.columns:
            frame[name] = frame[name].astype(object).where(frame[name].notna(), _NOT_GIVEN)
            frame[name] = frame[name].map(str)
    for name in ("dataset", "model", "budget"):
        if name not in frame.columns:
            frame[name] = _NOT_GIVEN
    _check_ranges(path, frame)
    _set_status(path, frame)
    for name in _ACCURACIES:
        if name in frame.columns:
            notes += _to_fractions(path, name, frame)
    frame, repeats = _one_row_a_trial(path, frame, unknown)
    return frame, notes + repeats


def _ignored(path: Path, unknown: pd.DataFrame) -> list[str]:
    """A sentence that names every unknown column that varies."""
    varying = []
    for name in unknown.columns:
        values = unknown[name].unique()
        if len(values) > 1:
            shown = ", ".join(values[:_SHOWN_VALUES])
            more = ", ..." if len(values) > _SHOWN_VALUES else ""
            varying.append(f"{name or '(no name)'} ({len(values)} values: {shown}{more})")
    if not varying:
        return []
    return [
        f"{path.name} has columns that are not understood and were IGNORED although they vary:"
        f" {'; '.join(varying)}. Trials that differ only there are pooled into one law; to keep"
        " them apart, write the difference into the column model."
    ]


def _read(path: Path) -> pd.DataFrame:
    if not path.exists():
        raise InputError(f"{path} does not exist.")
    if path.is_dir():
        raise InputError(f"{path} is a folder, not a CSV or Parquet file.")
    try:
        with path.open("rb") as file:
            is_parquet = file.read(4) == b"PAR1"
        if is_parquet or path.suffix.lower() in (".parquet", ".pq"):
            return pd.DataFrame(pq.read_table(path).to_pandas())
        return _read_csv(path)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from error
    except pa.ArrowInvalid as error:
        raise InputError(f"{path} is not a readable Parquet file.") from error


def _read_csv(path: Path) -> pd.DataFrame:
    """CSV with its separator found from the header; all cells as text, checked later by column."""
    try:
        header = path.read_text(encoding="utf-8-sig").split("\n", 1)[0]
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text (byte {error.start}).") from error
    if not header.strip():
        raise InputError(f"{path} is empty: a first line with column names is needed.")
    separator = max(",;\t", key=header.count)
    names = next(csv.reader([header.strip("\r")], delimiter=separator))
    names = [name.strip() for name in names]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(f"{path} names the column {twice[0]} twice.")
    try:
        return pd.read_csv(
            path,
            sep=separator,
            names=names,
            header=0,
            index_col=False,
            dtype=str,
            encoding="utf-8-sig",
            skipinitialspace=True,
            skip_blank_lines=True,
            na_values=["", "NA", "nan", "NaN", "null", "None"],
            keep_default_na=False,
            on_bad_lines="error",
        )
    except (pd.errors.ParserError, pd.errors.ParserWarning, ValueError) as error:
        reason = str(error).removeprefix("Error tokenizing data. C error: ").strip().rstrip(".")
        raise InputError(f"{path} is not a regular CSV table: {reason}.") from error


def _numbers(path: Path, name: str, column: pd.Series) -> pd.Series:
    """The column as float64, refused at its first cell that is no number."""
    if column.dtype == bool:
        raise InputError(f"{path}: column {name} holds true and false where numbers are needed.")
    values = pd.to_numeric(column, errors="coerce").astype("float64")
    text = column.astype(object)
    bad = values.isna() & column.notna() & ~text.map(lambda v: str(v).strip().lower() == "nan")
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        value = text.iloc[row]
        hint = " (write decimals with a point)" if "," in str(value) else ""
        raise InputError(
            f"{path}, row {row + 2}: {name} is {str(value)!r}, which is no number{hint}."
        )
    if name in _ACCURACIES or name.endswith("_loss"):
        return values.where(np.isfinite(values))
    rounded = [float(f"{v:.{_SIGNIFICANT_DIGITS}g}") for v in values.to_numpy()]
    return pd.Series(rounded, index=column.index, dtype="float64")


def _refuse_where(path: Path, frame: pd.DataFrame, name: str, bad: pd.Series, why: str) -> None:
    """Raise at the first row where `bad`; pandas compares NaN as false, so nulls pass ranges."""
    if bad.any():
        row = int(np.flatnonzero(bad.to_numpy())[0])
        value = frame[name].iloc[row]
        shown = "empty" if pd.isna(value) else f"{value:g}"
        raise InputError(f"{path}, row {row + 2}: {name} is {shown}, {why}.")


def _check_ranges(path: Path, frame: pd.DataFrame) -> None:
    for name in ("batch_size", "learning_rate", "momentum", "train_size", "seed"):
        bad = ~np.isfinite(frame[name])
        _refuse_where(path, frame, name, bad, "but every row needs a number there")
    for name in _INTEGERS:
        if name in frame.columns:
            bad = frame[name] != np.round(frame[name])
            bad &= frame[name].notna()
            _refuse_where(path, frame, name, bad, "which is no whole number")
    for name in _INTEGERS:
        if name in frame:
            _refuse_where(path, frame, name, frame[name].abs() > 2**53, "too large for a count")
    for name in ("batch_size", "train_size"):
        _refuse_where(path, frame, name, frame[name] < 1, "but must be at least 1")
        frame[name] = frame[name].astype("int64")
    bad = frame["learning_rate"] <= 0
    _refuse_where(path, frame, "learning_rate", bad, "but must be above 0")
    bad = (frame["momentum"] < 0) | (frame["momentum"] >= 1)
    _refuse_where(path, frame, "momentum", bad, "but must lie in [0, 1)")
    bad = frame["batch_size"] > frame["train_size"]
    _refuse_where(path, frame, "batch_size", bad, "more than its train_size")
    if "n_classes" in frame.columns:
        _refuse_where(path, frame, "n_classes", frame["n_classes"] < 2, "but must be at least 2")
    frame["seed"] = frame["seed"].astype("int64")


def _set_status(path: Path, frame: pd.DataFrame) -> None:
    """Fill `status`; an accuracy may be absent only where the trial is not called completed."""
    if "status" not in frame.columns:
        frame["status"] = COMPLETED
    frame["status"] = frame["status"].str.strip().str.lower()
    unknown = ~frame["status"].isin(STATUSES)
    if unknown.any():
        row = int(np.flatnonzero(unknown)[0])
        raise InputError(
            f"{path}, row {row + 2}: status is {frame['status'].iloc[row]!r},"
            f" not {COMPLETED}, {DIVERGED} or {FAILED}."
        )
    bad = frame["test_accuracy"].isna() & (frame["status"] == COMPLETED)
    why = f"and nothing says why: add a column status with {DIVERGED} or {FAILED} there"
    _refuse_where(path, frame, "test_accuracy", bad, why)


def _to_fractions(path: Path, name: str, frame: pd.DataFrame) -> list[str]:
    """Turn percent into fractions in place; a column that mixes the two is refused."""
    values = frame[name]
    bad = (values < 0) | (values > 100)
    _refuse_where(path, frame, name, bad, "which is neither a fraction nor percent")
    percent = values > 1
    if not percent.any():
        return []
    mixed = (values > 0) & (values < 1)
    if mixed.any():
        high = float(values[percent].iloc[0])
        why = f"while another row has {high:g}, so fractions and percent cannot be told apart"
        _refuse_where(path, frame, name, mixed, why)
    frame[name] = values / 100
    return [f"{name} in {path.name} is in percent and was divided by 100."]


def _one_row_a_trial(
    path: Path, frame: pd.DataFrame, unknown: list[str]
) -> tuple[pd.DataFrame, list[str]]:
    """Equal rows and runs observed twice count once; two results for one trial are refused."""
    names = [*_KEY, "sampling", "dataset_source", "model_source"]
    names += ["learning_rate", "momentum", "train_size", "batch_size", "seed"]
    run = [name for name in names if name in frame.columns]
    key = run + [name for name in OBSERVATION_COLUMNS if name in frame.columns]
    kept = frame[~frame.duplicated(keep="first")]
    clash = kept.duplicated(key, keep="first")
    if clash.any():
        again = kept[clash].index[0]
        trial = kept.loc[again]
        same = (kept[key] == trial[key]) | (kept[key].isna() & trial[key].isna())
        first = kept.index[same.all(axis=1)][0]
        differ = [str(name) for name in unknown if kept.at[first, name] != trial[name]]
        hint = f"; they differ in {', '.join(differ)}, which is not understood" if differ else ""
        raise InputError(
            f"{path}, rows {first + 2} and {again + 2} hold two results for one trial"
            f" (batch_size {trial['batch_size']}, learning_rate {trial['learning_rate']:g},"
            f" seed {trial['seed']}){hint}."
        )
    n = len(frame) - len(kept)
    notes = [f"{n} row(s) of {path.name} repeat another row and count once."] if n else []
    kept, observed_twice = one_row_a_run(kept.reset_index(drop=True), run)
    return kept, notes + observed_twice
