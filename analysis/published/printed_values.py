"""The printed coefficients of He, Liu & Tao (2019), and what a rounded number can have been."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path

from explorer.errors import InputError

#: Tables 1 to 3, one row a coefficient. The text at hand has lost the minus signs of tables 1 and
#: 3, so that it shows magnitudes there; the file has them restored. Digits are as printed.
DATA_FILE = Path(__file__).with_name("he2019_spearman.csv")
#: What accuracy was correlated with -> what was held fixed meanwhile.
FIXED: Mapping[str, str | None] = {
    "batch_size": "learning_rate",
    "learning_rate": "batch_size",
    "ratio": None,
}
_COLUMNS = ("table", "kind", "fixed", "dataset", "architecture", "rho", "p", "n_nominal", "column")
_FEWEST = 4
Refusal = Callable[[str, str], InputError]


@dataclass(frozen=True)
class PrintedRow:
    """One coefficient as printed.

    Attributes:
        table: number of the table in the paper.
        kind: what test accuracy is correlated with: batch_size, learning_rate or ratio (B/eps).
        fixed: value of the other of the two; None where all cells are pooled.
        dataset, architecture: the group.
        rho, p: Spearman's coefficient (sign restored) and its two-sided p, digits as printed.
        n_nominal: networks that the paper says are in the group.
        column: `stated` where the heading stands before its numbers, `inferred` where the column
            was assigned because coefficient, p and the other tables agree so.
    """

    table: int
    kind: str
    fixed: float | None
    dataset: str
    architecture: str
    rho: str
    p: str
    n_nominal: int
    column: str = "stated"

    @property
    def label(self) -> str:
        """The group in words, `VGG-19 CIFAR-100, batch_size 64`."""
        name = FIXED[self.kind]
        held = "all cells" if name is None else f"{name} {self.fixed:g}"
        return f"{self.architecture} {self.dataset}, {held}"


@dataclass(frozen=True)
class RoundedNumber:
    """What a printed number says: its value lies in [low, high], ends included."""

    printed: str
    low: Decimal
    high: Decimal


def rounded_number(printed: str) -> RoundedNumber:
    """The values that round to a printed number, half a unit of its last digit to either side.

    A number in scientific notation whose digits are 1, 1.0, 1.00 ... has neighbours ten times as
    dense below it: `1.0e-7` holds [0.995e-7, 1.05e-7]. Both ends count, since half-way cases may
    have been rounded either way.

    Raises:
        InputError: `printed` is no finite decimal number.
    """
    try:
        value = Decimal(printed)
    except InvalidOperation:
        value = Decimal("nan")
    _, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int):
        raise InputError(f"{printed!r} is no decimal number.")
    half = Decimal((0, (5,), exponent - 1))
    towards_zero = half
    if "e" in printed.lower() and digits[0] == 1 and not any(digits[1:]):
        towards_zero = half / 10
    if value.is_signed():
        return RoundedNumber(printed, value - half, value + towards_zero)
    return RoundedNumber(printed, value - towards_zero, value + half)


def read_printed(path: Path = DATA_FILE) -> tuple[PrintedRow, ...]:
    """The rows of a file of printed coefficients, by default ours, in the file's order.

    Lines that begin with # are comments; then a line with the column names table, kind, fixed,
    dataset, architecture, rho, p, n_nominal, column.

    Raises:
        InputError: the file, the line, the field and the value, in one sentence.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from error
    kept = [(n, line) for n, line in enumerate(lines, 1) if line and not line.startswith("#")]
    if not kept or tuple(kept[0][1].split(",")) != _COLUMNS:
        raise InputError(f"{path} does not have the columns {', '.join(_COLUMNS)}.")
    rows: dict[tuple[object, ...], PrintedRow] = {}
    for (n, _), cells in zip(kept[1:], csv.reader(line for _, line in kept[1:]), strict=True):
        row = _row(f"{path}, line {n}", cells)
        key = (row.kind, row.fixed, row.dataset, row.architecture)
        if key in rows:
            raise InputError(f"{path}, line {n}: a second coefficient of {row.label}.")
        rows[key] = row
    return tuple(rows.values())


def _row(where: str, cells: list[str]) -> PrintedRow:
    if len(cells) != len(_COLUMNS):
        raise InputError(f"{where} has {len(cells)} fields, not {len(_COLUMNS)}.")
    text = dict(zip(_COLUMNS, (cell.strip() for cell in cells), strict=True))

    def refuse(field: str, why: str) -> InputError:
        return InputError(f"{where}: {field} is {text[field]!r}, {why}.")

    if text["kind"] not in FIXED:
        raise refuse("kind", f"not one of {', '.join(FIXED)}")
    for field in ("table", "n_nominal"):
        if not text[field].isdecimal():
            raise refuse(field, "which is no whole number")
    if int(text["n_nominal"]) < _FEWEST:
        raise refuse("n_nominal", f"but must be at least {_FEWEST}")
    for field, least, ends_in in (("rho", -1, "[-1, 1]"), ("p", 0, "(0, 1]")):
        value = _number(text[field], refuse, field)
        if not least <= value <= 1 or (field == "p" and value == 0):
            raise refuse(field, f"outside {ends_in}")
    pooled = FIXED[text["kind"]] is None
    if pooled != (text["fixed"] == ""):
        raise refuse("fixed", f"but kind is {text['kind']}")
    return PrintedRow(
        table=int(text["table"]),
        kind=text["kind"],
        fixed=None if pooled else float(_number(text["fixed"], refuse, "fixed")),
        dataset=text["dataset"],
        architecture=text["architecture"],
        rho=text["rho"],
        p=text["p"],
        n_nominal=int(text["n_nominal"]),
        column=text["column"],
    )


def _number(printed: str, refuse: Refusal, field: str) -> Decimal:
    try:
        rounded_number(printed)
    except InputError:
        raise refuse(field, "which is no number") from None
    return Decimal(printed)
