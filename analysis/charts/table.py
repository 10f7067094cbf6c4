"""The numbers behind a chart: nine digits in a CSV, three for reading."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass

from analysis.charts.common import finite, number, percent

Value = str | int | float | bool | None

#: First characters that make a spreadsheet read a text as a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """Rows of plain values, a column a header.

    Attributes:
        columns: headers.
        rows: unrounded values, each row as long as `columns`; None or NaN where unknown.
        percent: the columns of fractions that are read as percentages.
        note: what was left out, or empty.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[Value, ...], ...]
    percent: frozenset[str] = frozenset()
    note: str = ""

    def shown(self) -> list[tuple[str, ...]]:
        """The rows for reading: three significant digits, percentages, an en dash for none."""
        is_percent = [name in self.percent for name in self.columns]
        return [
            tuple(_shown(value, share) for value, share in zip(row, is_percent, strict=True))
            for row in self.rows
        ]

    def csv(self) -> str:
        """Header and rows, numbers with nine significant digits, nothing where unknown.

        A text that a spreadsheet would run as a formula gets an apostrophe in front.
        """
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([written(name) for name in self.columns])
        writer.writerows([written(value) for value in row] for row in self.rows)
        return text.getvalue()


def bounds(low: float | None, high: float | None) -> tuple[float | None, float | None]:
    """Both ends of an interval as table values."""
    return finite(low), finite(high)


def stacked(tables: Sequence[Table]) -> Table:
    """Tables of equal columns, one below the other.

    Raises:
        ValueError: their columns differ, or there is none.
    """
    if len({(t.columns, t.percent) for t in tables}) != 1:
        raise ValueError("tables of different columns cannot be stacked")
    notes = dict.fromkeys(t.note for t in tables if t.note)
    return Table(
        columns=tables[0].columns,
        rows=tuple(row for t in tables for row in t.rows),
        percent=tables[0].percent,
        note=" ".join(notes),
    )


def _shown(value: Value, is_percent: bool) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None or isinstance(value, str):
        return value or "–"
    return percent(value, 2) if is_percent else number(value)


def written(value: Value) -> str:
    """One value as it stands in the CSV."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        text = f"'{value}" if value.startswith(_FORMULA) else value
        # The csv module does not quote a lone carriage return, which ends a row for some readers.
        return text.replace("\r\n", "\n").replace("\r", "\n")
    if isinstance(value, int):
        return str(value)
    known = finite(value)
    return "" if known is None else f"{known:.9g}"
