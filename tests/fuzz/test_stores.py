"""A store with damaged, foreign and senseless files: each command has a result or a sentence."""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from explorer.space import SearchSpace, steps
from explorer.store import Plan, Store, plan_table
from explorer.store.fragments import encoded
from explorer.store.location import Location
from explorer.store.schema import CURVES_SCHEMA, PLAN_SCHEMA, TRIALS_SCHEMA

SCHEMAS = {"trials": TRIALS_SCHEMA, "curves": CURVES_SCHEMA, "plans": PLAN_SCHEMA}

SPACE = """
from explorer.space import SearchSpace, steps
space = SearchSpace(train_size=1000, batch_size=[4, 8, 16, 32, 64], learning_rate=[0.1, 0.2],
                    momentum=0.5, budget=steps(100), evaluate=2, seeds=2)
"""

#: What is logged of the files that are not taken for results.
LOGS = ("Skipped the file ", "The file ")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store as runs leave it: a plan, three packs, two of them compacted, notes."""
    folder = tmp_path_factory.mktemp("whole") / "store"
    store = Store.open(str(folder), create=True)
    space = SearchSpace(
        train_size=1000,
        batch_size=[4, 8, 16, 32, 64],
        learning_rate=[0.1, 0.2],
        momentum=0.5,
        budget=steps(100),
        evaluate=2,
        seeds=2,
    )
    configurations = space.configurations()
    made = datetime(2026, 1, 1, tzinfo=UTC)
    store.write_plan(Plan("mine", plan_table(configurations), "mine.py", SPACE, created_at=made))
    rng = np.random.default_rng(0)
    packs = [configurations[:8], configurations[8:14], configurations[14:18]]
    for number, members in enumerate(packs):
        trials, curves = [], []
        for member in members:
            peak = 0.7 - 0.04 * np.log2(member.batch_size / (150 * member.learning_rate)) ** 2
            accuracy = float(np.clip(peak + 0.01 * rng.normal(), 0, 1))
            metrics = {"train_loss": 0.5, "train_accuracy": accuracy, "test_loss": 0.6}
            metrics["test_accuracy"] = accuracy
            trials.append(
                {
                    "trial_id": member.trial_id,
                    **member.as_dict(),
                    **metrics,
                    "status": "diverged" if member.batch_size == 4 else "completed",
                    "steps": 100,
                    "steps_done": 100,
                    "n_classes": 10,
                    "best_test_accuracy": accuracy,
                    "pack_size": len(members),
                    "wall_seconds": 0.25,
                    "data_sha256": "d" * 64,
                    "training_version": 1,
                    **dict.fromkeys(["explorer_version", "torch_version", "python_version"], "1"),
                    "device": "cpu",
                    "host": "host",
                }
            )
            curves += [
                {"trial_id": member.trial_id, "step": step, "epoch": step / 100, **metrics}
                for step in (50, 100)
            ]
        attempt = uuid.UUID(int=number).hex
        store.publish(pack_id=f"pack{number}", attempt=attempt, trials=trials, curves=curves)
        if number == 1:
            store.compact(grace_seconds=0)
    store.write_note("claim", "a" * 32, {"beat": 1, "wanted": [], "held": []})
    return folder


VALUES: dict[str, list[object]] = {
    "double": [float("nan"), float("inf"), -float("inf"), 0.0, -1.0, 1e308, 1e-320, 1.0, 2.0, 0.9],
    "int64": [0, -1, 1, 2, 3, 2**53 + 1, 2**63 - 1, -(2**63), 64],
    "string": ["", "x", "completed", "failed", "\0", "\x1b[2J", "é" * 300, "<b>", "=1", "steps"],
    "timestamp[us, tz=UTC]": [datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)],
}


def senseless(rng: np.random.Generator, table: pa.Table) -> pa.Table:
    """The table with some values of one to three columns that no run writes."""
    for _ in range(int(rng.integers(1, 4))):
        i = int(rng.integers(table.num_columns))
        field, values = table.schema.field(i), table.column(i).to_pylist()
        some = [*VALUES[str(field.type)], *([None] if field.nullable else []), values[0]]
        share = rng.choice([0.1, 0.5, 1.0])
        chosen = some[int(rng.integers(len(some)))]
        for row in range(len(values)):
            if rng.random() < share:
                values[row] = chosen if rng.random() < 0.7 else some[int(rng.integers(len(some)))]
        table = table.set_column(i, field, pa.array(values, field.type))
    if rng.random() < 0.2:
        table = table.take(pa.array(rng.integers(len(table), size=int(rng.integers(0, 30)))))
    return table


def strange_types(rng: np.random.Generator, table: pa.Table) -> pa.Table:
    """The table with a column of another type, twice, under another name, or missing."""
    i = int(rng.integers(table.num_columns))
    name, n = table.column_names[i], table.num_rows
    others = [
        pa.array([[1]] * n),
        pa.array([{"a": 1}] * n),
        pa.array([b"\xff"] * n),
        pa.array(["1"] * n),
        pa.array([1.5] * n),
        pa.array([True] * n),
        pa.nulls(n),
        table.column(i).cast(pa.string()).combine_chunks().dictionary_encode(),
    ]
    other = others[int(rng.integers(len(others)))]
    kind = int(rng.integers(4))
    if kind == 0:
        return table.drop_columns([name])
    if kind == 1:
        return table.append_column(name, other)
    if kind == 2:
        return table.append_column("__fragment" if rng.random() < 0.5 else "more", other)
    return table.set_column(i, name, other)


PLAN_TEXTS: dict[str, list[str]] = {
    "study": ["", " ", "other", "\x1b[2J", "x" * 5000, "a\nb"],
    "source_name": ["", "../x.py", "<script>"],
    "source_text": ["", "\0", "x" * 100_000],
    "left_out": ["", "{}", "[[1]]", '[["a", "b"]]', '[["a", 1e400]]', "[" * 5000, "null", '"ab"'],
    "created_at": ["", "yesterday", "2026-01-01", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59"],
}


def rewritten(rng: np.random.Generator, path: Path) -> bytes:
    """A file of the store with other content under a good seal, kind and version."""
    kind = path.parent.name
    try:
        table = pq.read_table(path, partitioning=None)
    except (OSError, ValueError, pa.ArrowException):  # it has been damaged before
        return path.read_bytes()[::2]
    kept = {key.decode(): text.decode() for key, text in (table.schema.metadata or {}).items()}
    metadata = {key: text for key, text in kept.items() if key.startswith("plan.")}
    if kind == "plans" and rng.random() < 0.5:
        field = str(rng.choice(list(PLAN_TEXTS)))
        metadata[f"plan.{field}"] = str(rng.choice(PLAN_TEXTS[field]))
        if rng.random() < 0.1:
            del metadata[f"plan.{field}"]
    elif rng.random() < 0.7:
        table = senseless(rng, table)
    else:
        table = strange_types(rng, table)
    return encoded(table, kind, metadata).to_pybytes()


NOTES = ["", "{", "[]", "null", '{"a": 1e999}', "[" * 10_000, '{"beat": [], "held": 7}', "\ufeff{}"]


def damaged(rng: np.random.Generator, content: bytes, other: bytes) -> bytes:
    """Bytes changed, lost, added, doubled, or another file's."""
    changed, kind = bytearray(content), int(rng.integers(8)) if content else 6
    at = int(rng.integers(len(content) + 1))
    if kind <= 2:
        for place in rng.integers(len(content), size=int(rng.integers(1, 5))):
            changed[place] = int(rng.integers(256))
    elif kind == 3:
        del changed[at:]
    elif kind == 4:
        del changed[at : at + int(rng.integers(1, 50))]
    elif kind == 5:
        changed[at:at] = rng.bytes(int(rng.integers(1, 50)))
    elif kind == 7:
        changed[at : at + 64] = bytes(64)
    else:
        return rng.bytes(int(rng.integers(0, 300))) if rng.random() < 0.5 else other
    return bytes(changed)


def spoil(rng: np.random.Generator, folder: Path) -> None:
    """Change one file of a store, or put one there that does not belong."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    path, other = (files[int(rng.integers(len(files)))] for _ in range(2))
    kind = int(rng.integers(12))
    if kind <= 2:
        path.write_bytes(damaged(rng, path.read_bytes(), other.read_bytes()))
    elif kind <= 7 and path.suffix == ".parquet":
        path.write_bytes(rewritten(rng, path))
    elif kind == 8:
        path.unlink()
    elif kind == 9:
        names = [".hidden.parquet", "c-.parquet", "-.parquet", "x y.parquet", "a\nb.parquet"]
        names += ["\udcff.parquet", "x.PARQUET", "x.txt", "x" * 240 + ".parquet", "é.parquet"]
        shutil.copyfile(other, path.with_name(names[int(rng.integers(len(names)))]))
    elif kind == 10:
        path.unlink()
        if rng.random() < 0.5:
            path.mkdir()
        else:
            path.symlink_to(str(rng.choice(["nowhere", path.name, other.name, "/dev/null", "."])))
    else:
        frame = pd.DataFrame({"batch_size": [1, 2], "test_accuracy": [0.1, 0.2]})
        frame.to_parquet(path.with_name("theirs.parquet"))
        note = folder / "notes" / f"claim-{rng.integers(10**6)}.json"
        note.write_text(NOTES[int(rng.integers(len(NOTES)))])


COMMANDS = [
    ["status"],
    ["show", "{id}"],
    ["export", "trials", "--out", "out.csv"],
    ["export", "curves", "--out", "out.parquet", "--format", "parquet"],
    ["fit-scaling"],
    ["correlations"],
    ["claims"],
    ["suggest", "--learning-rate", "0.2", "--train-size", "1000"],
    ["run", "mine.py", "--dry-run"],
]
WITH_JSON = ("status", "show", "fit-scaling", "correlations", "claims", "suggest", "run")


@pytest.fixture
def spoilt(whole: Path, folder: Path) -> Callable[[np.random.Generator], Path]:
    """Make a copy of the whole store and spoil it."""

    def make(rng: np.random.Generator) -> Path:
        store = folder / "store"
        shutil.rmtree(store, ignore_errors=True)
        shutil.copytree(whole, store)
        for _ in range(int(rng.integers(1, 4))):
            spoil(rng, store)
        return store

    return make


def test_commands_on_spoilt_stores(fuzzer, judged, spoilt, whole: Path, folder: Path):
    (folder / "mine.py").write_text(SPACE)
    trial_id = Store(str(whole)).trials(columns=["trial_id"])["trial_id"][0].as_py()
    for number, rng in fuzzer.draws(0.10):
        store = spoilt(rng)
        command = [word.replace("{id}", trial_id) for word in COMMANDS[rng.integers(len(COMMANDS))]]
        if command[0] in WITH_JSON and rng.random() < 0.5:
            command.append("--json")
        reads = command[0] != "export"
        judged(number, [*command, "--store", "store"], folder.parent, LOGS, reads)
        for out in folder.glob("out.*"):
            out.unlink()
        assert store.is_dir()
    fuzzer.both_ways("exit 0", "exit 2")


def test_compacting_spoilt_stores(fuzzer, judged, spoilt, say, folder: Path):
    """Trials that could be read before can be read afterwards."""
    for number, rng in fuzzer.draws(0.01):
        store = Store(str(spoilt(rng)))
        try:
            before = store.statuses()
        except Exception as error:  # told by the other test, if it is no sentence
            before = {}
            fuzzer.found(type(error).__name__)
        command = ["compact", "--grace", "0", "--store", "store"]
        said = judged(number, command, folder.parent, LOGS)
        if said.code == 0 and store.statuses() != before:
            fuzzer.defect(number, "compacting changes what is read", command)


def test_reports_of_spoilt_stores(fuzzer, judged, spoilt, folder: Path):
    for number, rng in fuzzer.draws(0.002):
        spoilt(rng)
        command = ["report", "--store", "store", "--out", "page.html"]
        said = judged(number, command, folder.parent, LOGS)
        assert (folder / "page.html").exists() == (said.code == 0)
        (folder / "page.html").unlink(missing_ok=True)


def test_any_bytes_are_a_note_or_none(fuzzer, whole: Path, folder: Path):
    store = Store(str(shutil.copytree(whole, folder / "store")))
    path = Path(store.location) / "notes" / f"claim-{'a' * 32}.json"
    good = path.read_bytes()
    for number, rng in fuzzer.draws(0.026):
        content = damaged(rng, good, str(rng.choice(NOTES)).encode())
        path.write_bytes(content)
        try:
            notes = store.read_notes("claim")
            assert all(isinstance(note, dict) for note in notes.values())
            json.dumps(notes)
            fuzzer.found(f"{len(notes)} notes")
        except Exception as error:
            fuzzer.defect(number, f"{type(error).__name__}: {error}", content)


def test_any_file_is_a_fragment_or_none(fuzzer, whole: Path, folder: Path):
    """Below the commands: whatever is put there, what the store hands out has its schema."""
    for number, rng in fuzzer.draws(0.02):
        location = Location(str(shutil.copytree(whole, folder / "store")))
        for path in sorted(Path(location.address).rglob("*.parquet")):
            if rng.random() < 0.5:
                path.write_bytes(rewritten(rng, path))
        store = Store(location.address)
        try:
            trials, curves = store.snapshot()
            trials.validate(full=True)
            curves.validate(full=True)
            assert trials.schema.equals(TRIALS_SCHEMA)
            assert curves.schema.equals(CURVES_SCHEMA)
            assert len(trials["trial_id"].unique()) == len(trials)
            store.plans()
            fuzzer.found(f"{min(len(trials), 18)} trials")
        except Exception as error:
            fuzzer.defect(number, f"{type(error).__name__}: {error}", str(location))
        shutil.rmtree(location.address)
