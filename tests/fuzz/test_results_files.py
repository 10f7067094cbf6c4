"""Anybody's CSV or Parquet file, through each command: a result or a sentence, and no file."""

from __future__ import annotations

import datetime
import decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

HEADER = ["batch_size", "learning_rate", "momentum", "train_size", "seed", "test_accuracy"]
MORE = ["status", "steps", "epochs", "n_classes", "model", "dataset", "budget", "budget_value"]
MORE += ["train_accuracy", "best_test_accuracy", "train_loss", "weight_decay", "clip_norm", "note"]
CELLS = ["", "0", "-1", "1", "0.5", "1e9", "1e-9", "1e308", "2e15", "9" * 30, "nan", "inf", "-0"]
CELLS += ["failed", "diverged", "completed", "x", "1,5", "50%", "=1+1", "\x1b[31m", "é", "\0", " "]
CELLS += ["100", "0.1", "0.9", "0.999999999999", "64", "1000", "True", "None", "1e-320", "0.10"]


def fair_rows(rng: np.random.Generator) -> list[list[str]]:
    """A header and the rows of a small sweep, in which there may be a peak."""
    rates = [0.1 * 2.0**k for k in range(int(rng.integers(1, 4)))]
    sizes = [2**k for k in range(2, 2 + int(rng.integers(1, 7)))]
    rows = [list(HEADER)]
    for eps in rates:
        for size in sizes:
            for seed in range(int(rng.integers(1, 4))):
                peak = 0.8 - 0.03 * np.log2(size / (100 * eps)) ** 2 + 0.01 * rng.normal()
                accuracy = f"{np.clip(peak, 0, 1):.4f}"
                rows.append([str(size), f"{eps:g}", "0.9", "1000", str(seed), accuracy])
    for name in rng.permutation(MORE)[: int(rng.integers(0, 4))]:
        spread = str(rng.choice(["0.5", "10", "completed", "sgd"]))
        for i, row in enumerate(rows):
            row.append(str(name) if i == 0 else spread)
    return rows


def spoil(rng: np.random.Generator, rows: list[list[str]]) -> None:
    """Change a cell, a column, or the order and number of rows."""
    kind = int(rng.integers(7))
    i, j = int(rng.integers(len(rows))), int(rng.integers(len(rows[0])))
    if kind <= 1:
        rows[i][j : j + 1] = [str(rng.choice(CELLS))]
    elif kind == 2:  # one value in all rows
        for row in rows[1:]:
            row[j : j + 1] = [str(rng.choice(CELLS[:20]))] if rng.random() < 0.9 else []
    elif kind == 3:
        del rows[max(1, i) : i + int(rng.integers(1, 20))]
    elif kind == 4:
        for row in rows[1:]:  # one scale for another
            if len(row) > j and row[j].replace(".", "").isdigit():
                row[j] = repr(float(row[j]) * 10.0 ** int(rng.integers(-12, 13)))
    elif kind == 5:
        rows.extend(list(row) for row in rows[1:][:: int(rng.integers(1, 5))])
    else:
        rows[0][j] = str(rng.choice([*HEADER, *MORE, "", "bs", "lr"]))


def csv_bytes(rng: np.random.Generator) -> bytes:
    rows = fair_rows(rng)
    for _ in range(int(rng.integers(0, 4))):
        spoil(rng, rows)
    separator = str(rng.choice(list(",,,;\t")))
    text = "\n".join(separator.join(row) for row in rows)
    content = bytearray(text.encode(str(rng.choice(["utf-8", "utf-8", "utf-8-sig", "utf-16"]))))
    if rng.random() < 0.1:
        content[int(rng.integers(len(content)))] = int(rng.integers(256))
    return bytes(content)


STRANGE = [
    pa.array([[0.1, 0.2], None]),
    pa.array([{"a": 1}, None]),
    pa.array([decimal.Decimal("0.1"), None]),
    pa.array([datetime.datetime(2026, 1, 1), None]),
    pa.array([datetime.timedelta(1), None]),
    pa.array([b"\xff", None]),
    pa.array(["0.1", None]),
    pa.array([True, None]),
    pa.array([2**63, 2**64 - 1], pa.uint64()),
    pa.array([-(2**63), None]),
    pa.array([float("nan"), float("inf")]),
    pa.array(["64", "64"]).dictionary_encode(),
    pa.nulls(2),
]


def parquet_table(rng: np.random.Generator) -> pa.Table:
    """A fair sweep as numbers, with up to two columns of another type."""
    header, *rows = fair_rows(rng)
    names = dict.fromkeys(header)
    columns = {
        name: [float(row[j]) for row in rows] if j < len(HEADER) else [row[j] for row in rows]
        for j, name in enumerate(names)
    }
    table = pa.table(columns)
    for _ in range(int(rng.integers(0, 3))):
        strange = STRANGE[int(rng.integers(len(STRANGE)))]
        filled = strange.take(pa.array(rng.integers(2, size=len(rows))))
        i = int(rng.integers(table.num_columns))
        name = table.column_names[i] if rng.random() < 0.8 else str(rng.choice([*MORE, "x"]))
        if rng.random() < 0.2:
            table = table.append_column(name, filled)  # there twice, perhaps
        else:
            table = table.set_column(i, name, filled)
    return table


def command(rng: np.random.Generator, path: Path) -> list[str]:
    name = str(rng.choice(["fit-scaling", "correlations", "claims", "suggest"]))
    made = [name, "--from", path.name]
    if name == "suggest":
        made += ["--learning-rate", "0.3", "--train-size", "1000"]
    if rng.random() < 0.5:
        made.append("--json")
    if rng.random() < 0.1:
        made += ["--metric", str(rng.choice([*MORE, "test_accuracy", "best_test_accuracy"]))]
    if rng.random() < 0.1:
        made += ["--column", f"{rng.choice(HEADER)}={rng.choice([*HEADER, *MORE])}"]
    return made


def test_files_of_results(fuzzer, judged, folder: Path):
    for number, rng in fuzzer.draws(0.10):
        path = folder / ("theirs.parquet" if rng.random() < 0.25 else "theirs.csv")
        if path.suffix == ".csv":
            path.write_bytes(csv_bytes(rng))
        else:
            pq.write_table(parquet_table(rng), path)
            if rng.random() < 0.3:
                content = bytearray(path.read_bytes())
                content[int(rng.integers(len(content)))] = int(rng.integers(256))
                path.write_bytes(content)
        said = judged(number, command(rng, path), folder.parent, (), True)
        if said.code == 3:
            fuzzer.defect(number, "a bad file is no failure of the environment", said.err)
    fuzzer.both_ways("exit 0", "exit 2")


def test_reports_of_results(fuzzer, judged, folder: Path):
    """The page is written whole or not at all."""
    for number, rng in fuzzer.draws(0.002):
        path = folder / "theirs.csv"
        path.write_bytes(csv_bytes(rng))
        said = judged(number, ["report", "--from", path.name, "--out", "page.html"], folder.parent)
        page = folder / "page.html"
        assert page.exists() == (said.code == 0)
        page.unlink(missing_ok=True)
