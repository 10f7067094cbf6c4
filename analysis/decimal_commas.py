"""Decimal commas in a spreadsheet's CSV: read where they can mean one thing, else refused."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

import pandas as pd

from analysis.csv_text import shown
from explorer.errors import InputError

_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+([eE][+-]?\d+)?", re.ASCII)
#: Digits in groups of three by commas, points, apostrophes or spaces, with or without decimals.
_GROUPS = re.compile(
    r"[+-]?\d{1,3}(?:([.' \u00a0\u202f\u2019])\d{3}(?:\1\d{3})*(?:,\d+)?"
    r"|(?:,\d{3})+\.\d+|(?:,\d{3}){2,})",
    re.ASCII,
)
#: In a count, these read as a number of thousands in one country and as a decimal in another.
_THREE_DIGITS = re.compile(r"[+-]?[1-9]\d{0,2}[.,]\d{3}", re.ASCII)
_POINT = re.compile(r"[+-]?\d*\.\d*([eE][+-]?\d+)?", re.ASCII)


def to_decimal_points(
    path: Path,
    frame: pd.DataFrame,
    separator: str,
    numbers: Collection[str],
    counts: Collection[str],
) -> list[str]:
    """Write the decimal commas of number columns as points, in place.

    A comma is a decimal comma where it does not separate cells and the cell is digits, one comma,
    digits. Thousands separators are refused, as is what might be one: three digits behind the
    comma or point of a count, and a point in a file that has decimal commas.

    Args:
        path: the file, for messages.
        frame: columns of `analysis.csv_text.text_cells`; the index is the file's rows.
        separator: what separates the cells.
        numbers: columns that hold numbers.
        counts: those of them whose numbers may be thousands.

    Returns:
        A sentence where commas were read.

    Raises:
        InputError: a number can be read in two ways; one sentence with file, row, column, value.
    """
    names = [name for name in numbers if name in frame.columns]
    found: list[str] = []
    first_point: tuple[int, str, str] | None = None
    for name in names:
        cells = set(frame[name].cat.categories.tolist())
        if separator == ",":
            cells = {c for c in cells if "," in c}
        _refuse(path, frame, name, {c for c in cells if _is_grouped(c)})
        if separator == ",":
            continue
        if name in counts:
            _refuse_doubtful(path, frame, name, {c for c in cells if _THREE_DIGITS.fullmatch(c)})
        commas = {c for c in cells if "," in c}
        if commas and all(map(_DECIMAL_COMMA.fullmatch, commas)):
            found.append(name)
        points = {c for c in cells if _POINT.fullmatch(c)}
        if points and first_point is None:
            row, cell = _first(frame, name, points)
            first_point = row, name, cell
    if not found:
        return []
    if first_point is not None:
        row, name, cell = first_point
        raise InputError(
            f"{path}, row {row}: {name} is {shown(cell)!r} in a file with decimal commas (column"
            f" {found[0]}), so its point may separate thousands: write all decimals alike."
        )
    for name in found:
        frame[name] = frame[name].cat.rename_categories(lambda cell: cell.replace(",", "."))
    return [f"Decimal commas were read as such in {path.name}: {', '.join(found)}."]


def _is_grouped(cell: str) -> bool:
    """Whether thousands are separated; one point alone is as likely a decimal point."""
    grouped = _GROUPS.fullmatch(cell)
    if grouped is None:
        return False
    return grouped[1] != "." or "," in cell or cell.count(".") > 1


def _refuse(path: Path, frame: pd.DataFrame, name: str, bad: set[str]) -> None:
    if bad:
        row, cell = _first(frame, name, bad)
        raise InputError(
            f"{path}, row {row}: {name} is {shown(cell)!r}, which separates its thousands: write it"
            " without, and decimals with a point."
        )


def _refuse_doubtful(path: Path, frame: pd.DataFrame, name: str, bad: set[str]) -> None:
    if bad:
        row, cell = _first(frame, name, bad)
        whole = re.sub(r"[.,]", "", cell)
        part = re.split(r"[.,]", cell)[0]
        raise InputError(
            f"{path}, row {row}: {name} is {shown(cell)!r}, which may mean {whole} or {part}:"
            " write it without thousands separators and decimals."
        )


def _first(frame: pd.DataFrame, name: str, cells: set[str]) -> tuple[int, str]:
    """The first row whose cell is one of these, and the cell."""
    at = int(frame[name].isin(cells).to_numpy().argmax())
    return int(frame.index[at]), str(frame[name].iloc[at])
