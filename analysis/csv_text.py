"""A CSV file as a table of text cells, whatever program wrote it."""

from __future__ import annotations

import csv
import io
import itertools
import re
import string
from array import array
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from explorer.errors import InputError

SEPARATORS = ",;\t|"
#: Texts that stand for an empty cell, compared in lower case.
EMPTY = frozenset({"", "na", "n/a", "nan", "-nan", "null", "none"})

_BYTE_ORDER_MARKS = (
    (b"\xff\xfe\x00\x00", "UTF-32", "utf-32"),
    (b"\x00\x00\xfe\xff", "UTF-32", "utf-32"),
    (b"\xff\xfe", "UTF-16", "utf-16"),
    (b"\xfe\xff", "UTF-16", "utf-16"),
    (b"\xef\xbb\xbf", "UTF-8", "utf-8-sig"),
)
_OTHER_FORMATS = (
    (b"PK\x03\x04", "an Excel workbook or zip archive"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook"),
    (b"\x1f\x8b", "gzip-compressed"),
)
#: Excel's own first line, which says by what the cells are separated.
_SEPARATOR_LINE = re.compile(r'"?sep=([,;\t|])"?[ ,;\t]*(\r\n|\n|\r|$)', re.IGNORECASE)
_ROWS_AT_ONCE = 10_000
_QUOTED = re.compile(r'"[^"]*"')


@dataclass(frozen=True, eq=False)
class TextTable:
    """The cells of a CSV file.

    Attributes:
        frame: one column a name, see `text_cells`; the index is the row as a spreadsheet counts it.
        separator: what stands between the cells.
    """

    frame: pd.DataFrame
    separator: str


def read_csv_text(path: Path) -> TextTable:
    """Read a CSV file of text in UTF-8, or in UTF-16 or UTF-32 with a byte-order mark.

    The separator is the comma, semicolon, tab or bar that the header has most of, or what a first
    line `sep=;` says. Lines that are blank or hold separators alone are skipped, as are columns
    without a name and without a cell. A row may be shorter than the header: its last cells are
    empty then.

    Raises:
        InputError: the file is of another kind, or no table; one sentence with the file.
        OSError: it cannot be read.
    """
    text = _decoded(path)
    said = _SEPARATOR_LINE.match(text)
    if said:
        text = text[said.end() :]
    if not text.strip():
        raise InputError(f"{path} is empty: a first line with column names is needed.")
    separator = said[1] if said else _separator(text)
    rows = _Rows(path, text, separator)
    names = [" ".join(name.split()) for name in rows.header()]
    first = rows.number + 1
    cells = rows.columns(len(names))
    index = pd.RangeIndex(first, rows.number + 1)
    columns = [column.series(index) for column in cells]
    kept = [i for i, name in enumerate(names) if name or columns[i].notna().any()]
    names = [name or f"(unnamed column {i + 1})" for i, name in enumerate(names)]
    twice = sorted({names[i] for i in kept if names.count(names[i]) > 1})
    if twice:
        raise InputError(f"{path} names the column {shown(twice[0])} twice.")
    frame = pd.DataFrame({names[i]: columns[i] for i in kept}, index=index).dropna(how="all")
    return TextTable(frame, separator)


def text_cells(cells: Iterable[str], index: pd.Index) -> pd.Series:
    """A column of text: its categories are the different texts without surrounding white space.

    A text that says that it is empty (EMPTY) is missing.
    """
    column = _Column()
    column.extend(cells)
    return column.series(index)


def shown(value: object) -> str:
    """Somebody's text within a sentence: on one line, printable, and of bounded length."""
    text = " ".join(str(value).split())
    text = "".join(
        letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text
    )
    return text if len(text) <= 60 else f"{text[:57]}..."


def _decoded(path: Path) -> str:
    data = path.read_bytes()
    for magic, kind in _OTHER_FORMATS:
        if data.startswith(magic):
            raise InputError(f"{path} is {kind}, not a CSV file: save or unpack it as one.")
    name, encoding = "UTF-8", "utf-8"
    for mark, its_name, its_encoding in _BYTE_ORDER_MARKS:
        if data.startswith(mark):
            name, encoding = its_name, its_encoding
            break
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        advice = "" if data.startswith(b"\xef\xbb\xbf") or name != "UTF-8" else ": save it as such"
        raise InputError(f"{path} is not {name} text (byte {error.start}){advice}.") from error
    if "\0" in text:
        raise InputError(
            f"{path} is no CSV text: it holds NUL characters, as binary files do, and UTF-16 text"
            " without its byte-order mark."
        )
    return text


def _separator(text: str) -> str:
    """What the first line with any text has most of, outside its quotes."""
    for line in io.StringIO(text, newline=""):
        if line.strip('"\ufeff' + SEPARATORS + string.whitespace):
            return max(SEPARATORS, key=_QUOTED.sub("", line).count)
    return SEPARATORS[0]


class _Column:
    """The cells of a column as they come: each different text once, and its number in each row."""

    def __init__(self) -> None:
        self._numbers: defaultdict[str, int] = defaultdict(itertools.count().__next__)
        self._cells = array("q")

    def extend(self, cells: Iterable[str]) -> None:
        numbers = self._numbers
        self._cells.extend([numbers[text] for text in cells])

    def series(self, index: pd.Index) -> pd.Series:
        texts = np.empty(len(self._numbers), dtype=object)
        stripped = [text.strip() for text in self._numbers]
        texts[:] = [None if text.lower() in EMPTY else text for text in stripped]
        codes, categories = pd.factorize(texts)  # None is -1
        whole = codes[np.frombuffer(self._cells, dtype=np.int64)] if len(index) else codes[:0]
        return pd.Series(
            pd.Categorical.from_codes(whole, categories=pd.Index(categories)), index=index
        )


class _Rows:
    """The rows of a CSV text, from its first to its last."""

    def __init__(self, path: Path, text: str, separator: str) -> None:
        self.path = path
        self.number = 0  # of the last row read, blank ones counted
        # Strict, or a quote that is never closed would swallow the rest of the file in silence.
        self._reader = csv.reader(
            io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True, strict=True
        )

    def header(self) -> list[str]:
        """The first row with any text."""
        while row := self._next(1):
            if any(map(str.strip, row[0])):
                return row[0]
        raise InputError(f"{self.path} has no column names, only separators.")

    def columns(self, width: int) -> list[_Column]:
        """All rows that are left, as columns; a row longer than the header must end in blanks."""
        columns = [_Column() for _ in range(width)]
        first = self.number + 1
        while rows := self._next(_ROWS_AT_ONCE):
            if set(map(len, rows)) != {width}:
                rows = [self._fitted(first + i, row, width) for i, row in enumerate(rows)]
            for column, cells in zip(columns, zip(*rows, strict=True), strict=True):
                column.extend(cells)
            first = self.number + 1
        return columns

    def _next(self, n: int) -> list[list[str]]:
        try:
            rows = list(itertools.islice(self._reader, n))
        except csv.Error as error:
            raise InputError(
                f"{self.path} is not a regular CSV table: {error} (line {self._reader.line_num})."
            ) from error
        self.number += len(rows)
        return rows

    def _fitted(self, number: int, row: list[str], width: int) -> list[str]:
        if any(map(str.strip, row[width:])):
            raise InputError(
                f"{self.path} is not a regular CSV table: row {number} has {len(row)} cells where"
                f" the header has {width}."
            )
        return [*row[:width], *[""] * (width - len(row))]
