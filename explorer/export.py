"""Trials or curves as one file that other programs read."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from explorer.atomic_file import replacing
from explorer.errors import EnvironmentFailure, InputError

FORMATS = ("csv", "parquet")


def export_table(table: pa.Table, out: Path, file_format: str) -> None:
    """Write a table as CSV or Parquet, whole or not at all.

    Raises:
        InputError: the format is unknown.
        EnvironmentFailure: the file cannot be written.
    """
    if file_format not in FORMATS:
        raise InputError(f"--format must be one of {', '.join(FORMATS)}, not {file_format!r}.")
    try:
        with replacing(out) as target:
            if file_format == "csv":
                pyarrow.csv.write_csv(without_formulas(table), target)
            else:
                pyarrow.parquet.write_table(table, target)
    except OSError as error:
        raise EnvironmentFailure(f"{out} cannot be written: {error.strerror or error}.") from error


def without_formulas(table: pa.Table) -> pa.Table:
    """Texts that a spreadsheet would run as a formula, made harmless by a leading apostrophe."""
    for i, field in enumerate(table.schema):
        if pa.types.is_string(field.type):
            texts = table.column(i)
            harmless = pc.replace_substring_regex(texts, r"^([=+\-@\t\r])", r"'\1")
            table = table.set_column(i, field, harmless)
    return table
