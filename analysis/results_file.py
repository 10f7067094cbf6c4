"""Reads anybody's CSV or Parquet file of training results into the landscape's columns."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from analysis.budget_column import fill_budget
from analysis.cell_values import (
    NOT_GIVEN,
    SIGNIFICANT_DIGITS,
    name_cells,
    number_cells,
    plain_cells,
)
from analysis.column_names import absent_column, own_names
from analysis.csv_text import read_csv_text, shown
from analysis.decimal_commas import to_decimal_points
from analysis.training_runs import OBSERVATION_COLUMNS, one_row_a_run
from explorer.errors import InputError
from explorer.store.schema import COMPLETED, DIVERGED, FAILED, STATUSES, TRIALS_SCHEMA

REQUIRED = ("batch_size", "learning_rate", "train_size", "seed", "test_accuracy")
_COUNTS = (
    "batch_size",
    "train_size",
    "seed",
    "n_classes",
    "steps",
    "steps_done",
    "evaluations",
    "validation_size",
)
_ACCURACIES = ("train_accuracy", "test_accuracy", "validation_accuracy", "best_test_accuracy")
_LOSSES = ("train_loss", "test_loss", "validation_loss")
_NUMBERS = (
    *_COUNTS,
    *_ACCURACIES,
    *_LOSSES,
    "learning_rate",
    "momentum",
    "weight_decay",
    "clip_norm",
    "final_decay",
    "budget_value",
    "epochs",
)
_TEXTS = ("dataset", "model", "budget", "sampling", "status", "dataset_source", "model_source")
#: Columns with a meaning here; the others of TRIALS_SCHEMA are passed over in silence.
KNOWN = (*_NUMBERS, *_TEXTS, "trial_id", "data_sha256")
_KEY = ("dataset", "model", "budget", "budget_value", "weight_decay", "clip_norm", "final_decay")
_SHOWN_VALUES = 3
_AT_LEAST_0 = (
    "steps",
    "steps_done",
    "evaluations",
    "validation_size",
    "weight_decay",
    "final_decay",
    "epochs",
)
_ABOVE_0 = ("learning_rate", "clip_norm", "budget_value")
#: How other trackers call a status.
_THEIR_STATUSES = {
    "finished": COMPLETED,
    "complete": COMPLETED,
    "crashed": FAILED,
    "fail": FAILED,
    "killed": FAILED,
}
#: What pandas names the column of its row labels, in CSV and in Parquet.
_ROW_LABELS = re.compile(r"\(unnamed column 1\)|Unnamed: 0|__index_level_0__")


def read_results_file(
    path: Path, columns: Mapping[str, str] | None = None
) -> tuple[pd.DataFrame, list[str]]:
    """Read and check one file; every doubt is a refusal or a note, never a guess in silence.

    Needed columns are REQUIRED; `momentum` is 0 where absent. Columns are renamed as `columns`
    says, then by `analysis.column_names.OTHER_NAMES`. CSV is read by `analysis.csv_text`, decimal
    commas by `analysis.decimal_commas`. Without a budget column, `analysis.budget_column` finds
    the budget from steps or epochs. Accuracies in percent become fractions. A missing accuracy
    needs a `status` column, since a diverged trial counts at chance and a failed one not at all.
    Columns without a meaning here are ignored; a note names those that vary, since trials that
    differ in them are pooled.

    Args:
        path: a CSV or Parquet file.
        columns: our name -> the file's name, for columns that are called otherwise there.

    Returns:
        One row a trial, and sentences on what was assumed or converted.

    Raises:
        InputError: one sentence with the file, the row (header is row 1), the column, the value.
    """
    frame, separator = _read(path)
    needed = (*REQUIRED, "momentum")
    names = [str(name) for name in frame.columns]
    names, notes = own_names(path, names, columns or {}, KNOWN, needed)
    frame.columns = pd.Index(names)
    absent = [name for name in REQUIRED if name not in frame.columns]
    if absent:
        raise absent_column(path, absent[0], names)
    if frame.empty:
        raise InputError(f"{path} has columns but no rows.")
    if separator is not None:
        counts = (*_COUNTS, "budget_value", "epochs")
        notes += to_decimal_points(path, frame, separator, _NUMBERS, counts)
    if "momentum" not in frame.columns:
        frame["momentum"] = 0.0
        notes.append(f"{path.name} has no momentum column: momentum is taken as 0.")
    unknown = [n for n in frame.columns if n not in KNOWN and n not in TRIALS_SCHEMA.names]
    frame = frame.drop(columns=[name for name in unknown if _is_row_label(name, frame[name])])
    unknown = [name for name in unknown if name in frame.columns]
    for name in frame.columns:
        if name in _TEXTS:
            frame[name] = name_cells(path, name, frame[name])
        elif name not in _NUMBERS:
            text = plain_cells(frame[name])
            frame[name] = text if name in unknown else text.astype(object)
    notes += _ignored(path, frame[unknown])
    for name in [name for name in _NUMBERS if name in frame.columns]:
        exact = name in (*_COUNTS, *_ACCURACIES, *_LOSSES)
        frame[name] = number_cells(path, name, frame[name], exact)
    for name in ("dataset", "model"):
        if name not in frame.columns:
            frame[name] = NOT_GIVEN
    _check_ranges(path, frame)
    notes += _set_status(path, frame)
    for name in _ACCURACIES:
        if name in frame.columns:
            notes += _to_fractions(path, name, frame)
    notes += fill_budget(path, frame)
    if "budget" not in frame.columns:
        frame["budget"] = NOT_GIVEN
    frame, repeats = _one_row_a_trial(path, frame, unknown)
    return frame, notes + repeats


def _ignored(path: Path, unknown: pd.DataFrame) -> list[str]:
    """A sentence that names every unknown column that varies."""
    varying = []
    for name in unknown.columns:
        values = unknown[name].unique()
        if len(values) > 1:
            first = ["empty" if pd.isna(v) else shown(v) for v in values[:_SHOWN_VALUES]]
            more = ", ..." if len(values) > _SHOWN_VALUES else ""
            varying.append(f"{shown(name)} ({len(values)} values: {', '.join(first)}{more})")
    if not varying:
        return []
    return [
        f"{path.name} has columns that are not understood and were IGNORED although they vary:"
        f" {'; '.join(varying)}. Trials that differ only there are pooled into one law; to keep"
        " them apart, write the difference into the column model."
    ]


def _read(path: Path) -> tuple[pd.DataFrame, str | None]:
    """The file's cells, the index being its rows, and what separates them in a CSV file."""
    try:
        if not path.exists():
            raise InputError(f"{path} does not exist.")
        if path.is_dir():
            raise InputError(f"{path} is a folder, not a CSV or Parquet file.")
        with path.open("rb") as file:
            is_parquet = file.read(4) == b"PAR1"
        if is_parquet or path.suffix.lower() in (".parquet", ".pq"):
            return _read_parquet(path), None
        table = read_csv_text(path)
    except OSError as error:
        reason = shown(error.strerror or error).rstrip(".")
        raise InputError(f"{path} cannot be read: {reason}.") from error
    return table.frame, table.separator


def _read_parquet(path: Path) -> pd.DataFrame:
    try:
        file = pq.ParquetFile(path)
        names = file.schema_arrow.names
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise InputError(f"{path} names the column {shown(twice[0])} twice.")
        table = file.read().replace_schema_metadata(None)  # or columns would hide in the index
        frame = pd.DataFrame(table.to_pandas())
        frame.index = pd.RangeIndex(2, len(frame) + 2)
        for name in names:
            column = frame[name]
            if not (pd.api.types.is_any_real_numeric_dtype(column) or column.dtype == bool):
                frame[name] = plain_cells(column)
    except (pa.ArrowException, ValueError, OverflowError) as error:  # text that is no UTF-8, too
        raise InputError(f"{path} is not a readable Parquet file.") from error
    return frame


def _is_row_label(name: str, column: pd.Series) -> bool:
    """Whether it is the column of row labels 0, 1, 2... that pandas writes unasked."""
    if not _ROW_LABELS.fullmatch(name):
        return False
    return bool((column.map(str) == [str(i) for i in range(len(column))]).all())


def _refuse_where(path: Path, frame: pd.DataFrame, name: str, bad: pd.Series, why: str) -> None:
    """Raise at the first row where `bad`; pandas compares NaN as false, so nulls pass ranges."""
    if bad.any():
        at = int(np.flatnonzero(bad.to_numpy())[0])
        value = frame[name].iloc[at]
        text = "empty" if pd.isna(value) else f"{value:.{SIGNIFICANT_DIGITS}g}"
        raise InputError(f"{path}, row {frame.index[at]}: {name} is {text}, {why}.")


def _check_ranges(path: Path, frame: pd.DataFrame) -> None:
    for name in [name for name in _LOSSES if name in frame.columns]:
        frame[name] = frame[name].where(np.isfinite(frame[name]))  # of a diverged trial
    for name in ("batch_size", "learning_rate", "momentum", "train_size", "seed"):
        bad = ~np.isfinite(frame[name])
        _refuse_where(path, frame, name, bad, "but every row needs a number there")
    for name in [name for name in _NUMBERS if name in frame.columns and name not in _ACCURACIES]:
        _refuse_where(path, frame, name, np.isinf(frame[name]), "but must be finite")
    for name in [name for name in _COUNTS if name in frame.columns]:
        bad = (frame[name] != np.round(frame[name])) & frame[name].notna()
        _refuse_where(path, frame, name, bad, "which is no whole number")
        _refuse_where(path, frame, name, frame[name].abs() >= 2**53, "too large for a count")
    for name, least in (("batch_size", 1), ("train_size", 1), ("n_classes", 2)):
        if name in frame.columns:
            bad = frame[name] < least
            _refuse_where(path, frame, name, bad, f"but must be at least {least}")
    for name in _AT_LEAST_0:
        if name in frame.columns:
            _refuse_where(path, frame, name, frame[name] < 0, "but must be at least 0")
    for name in _ABOVE_0:
        if name in frame.columns:
            _refuse_where(path, frame, name, frame[name] <= 0, "but must be above 0")
    bad = (frame["momentum"] < 0) | (frame["momentum"] >= 1)
    _refuse_where(path, frame, "momentum", bad, "but must lie in [0, 1)")
    bad = frame["batch_size"] > frame["train_size"]
    _refuse_where(path, frame, "batch_size", bad, "more than its train_size")
    for name in ("batch_size", "train_size", "seed"):
        frame[name] = frame[name].astype("int64")


def _set_status(path: Path, frame: pd.DataFrame) -> list[str]:
    """Fill `status`; an accuracy may be absent only where the trial is not called completed."""
    if "status" not in frame.columns:
        frame["status"] = COMPLETED
    given = frame["status"].str.lower()
    frame["status"] = given.replace(_THEIR_STATUSES)
    unknown = ~frame["status"].isin(STATUSES)
    if unknown.any():
        at = int(np.flatnonzero(unknown)[0])
        value = given.iloc[at]
        text = "empty" if value == NOT_GIVEN else repr(shown(value))
        raise InputError(
            f"{path}, row {frame.index[at]}: status is {text},"
            f" not {COMPLETED}, {DIVERGED} or {FAILED}."
        )
    bad = frame["test_accuracy"].isna() & (frame["status"] == COMPLETED)
    why = f"and nothing says why: add a column status with {DIVERGED} or {FAILED} there"
    _refuse_where(path, frame, "test_accuracy", bad, why)
    theirs = [f"{name} as {own}" for name, own in _THEIR_STATUSES.items() if (given == name).any()]
    return [f"Of the statuses in {path.name}, {', '.join(theirs)} was read."] if theirs else []


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
        differ = [shown(name) for name in unknown if kept.at[first, name] != trial[name]]
        hint = f"; they differ in {', '.join(differ)}, which is not understood" if differ else ""
        lengths = [name for name in ("steps", "epochs") if name in kept.columns]
        lengths = [name for name in lengths if kept.at[first, name] != trial[name]]
        if lengths:
            hint = f"; they differ in {' and '.join(lengths)}: columns budget and budget_value"
            hint += " keep trials of unlike length apart"
        raise InputError(
            f"{path}, rows {first} and {again} hold two results for one trial"
            f" (batch_size {trial['batch_size']}, learning_rate {trial['learning_rate']:g},"
            f" seed {trial['seed']}){hint}."
        )
    n = len(frame) - len(kept)
    notes = [f"{n} row(s) of {path.name} repeat another row and count once."] if n else []
    kept, observed_twice = one_row_a_run(kept.reset_index(drop=True), run)
    return kept, notes + observed_twice
