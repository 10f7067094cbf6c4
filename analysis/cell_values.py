"""The cells of one column as numbers or as text, whatever the file held."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd

from analysis.csv_text import shown, text_cells
from explorer.errors import InputError

NOT_GIVEN = "not given"
#: Settings are kept to as many digits as a configuration keeps them.
SIGNIFICANT_DIGITS = 12

_NUMBER = re.compile(
    r"[+-]?((\d+\.?\d*|\.\d+)(e[+-]?\d+)?|inf|infinity)|nan", re.ASCII | re.IGNORECASE
)


def number_cells(path: Path, name: str, column: pd.Series, exact: bool) -> pd.Series:
    """The column as float64; an empty cell becomes NaN.

    Args:
        path: the file, for messages.
        name: the column, for messages.
        column: numbers, or texts as `analysis.csv_text.text_cells` has them; the index is the
            file's rows.
        exact: keep every digit, instead of SIGNIFICANT_DIGITS.

    Raises:
        InputError: a cell is no number; one sentence names the first.
    """
    if pd.api.types.is_bool_dtype(column):
        raise InputError(f"{path}: column {name} holds true and false where numbers are needed.")
    if isinstance(column.dtype, pd.CategoricalDtype):
        codes, found = column.cat.codes.to_numpy(), column.cat.categories
        values = [_number(path, name, column, cell) for cell in found.tolist()]  # each once
    else:
        codes, numbers = pd.factorize(column.to_numpy(np.float64, na_value=np.nan))
        values = numbers.tolist()
    if not exact:
        values = [float(f"{v:.{SIGNIFICANT_DIGITS}g}") for v in values]
    filled = np.array([*values, np.nan])[codes]  # code -1 is an empty cell
    return pd.Series(filled, index=column.index, dtype="float64")


def name_cells(path: Path, name: str, column: pd.Series) -> pd.Series:
    """The column as texts on one line; an empty cell becomes NOT_GIVEN.

    Raises:
        InputError: a text cannot be printed; one sentence names the first.
    """
    text = plain_cells(column)
    names = [" ".join(cell.split()) for cell in text.cat.categories]
    for cell, clean in zip(text.cat.categories.tolist(), names, strict=True):
        if not clean.isprintable():
            raise InputError(
                f"{path}, row {_first_row(text, cell)}: {name} is {shown(cell)!r}, which cannot be"
                " printed."
            )
    texts = np.array([*names, NOT_GIVEN], dtype=object)
    return pd.Series(texts[text.cat.codes.to_numpy()], index=column.index, dtype=object)


def plain_cells(column: pd.Series) -> pd.Series:
    """The column as `analysis.csv_text.text_cells`, whatever it holds."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        return column
    cells = zip(column.astype(object), column.isna(), strict=True)
    return text_cells(["" if absent else str(cell) for cell, absent in cells], column.index)


def _number(path: Path, name: str, column: pd.Series, cell: str) -> float:
    if _NUMBER.fullmatch(cell):
        return float(cell)
    hint = " (write decimals with a point, thousands without any sign)" if "," in cell else ""
    raise InputError(
        f"{path}, row {_first_row(column, cell)}: {name} is {shown(cell)!r}, which is no number"
        f"{hint}."
    )


def _first_row(column: pd.Series, cell: str) -> int:
    """The file's first row with this text; the categories stand in the order of the rows."""
    return int(column.index[int((column == cell).to_numpy().argmax())])
