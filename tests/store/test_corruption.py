"""Bytes that change after they were written: found and named, never read as another value.

The reading happens in a process of its own, because a decoder that is led astray may take its
process with it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from explorer.store import Plan, Store, plan_table
from explorer.store.location import Location
from explorer.trial import Configuration

ROOT = Path(__file__).parents[2]

#: Corrupts one file in many ways and reads it each time; prints how often each thing happened.
READER = """
import json, logging, random, sys, time
from pathlib import Path
import pyarrow.parquet as pq, pyarrow as pa
from explorer.store import Store
from explorer.store.doctor import examine

logging.disable(logging.CRITICAL)
store, folder, path = Store.open(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
rounds, seed, sealed = int(sys.argv[4]), int(sys.argv[5]), sys.argv[6] == "sealed"
if not sealed:  # as files of the first versions are: pages with checksums, and no seal
    table = pq.read_table(path)
    metadata = dict(table.schema.metadata)
    del metadata[b"explorer.sealed"]
    pq.write_table(table.replace_schema_metadata(metadata), path, compression="zstd",
                   write_statistics=False, write_page_checksum=True)
whole = path.read_bytes()
draw = random.Random(seed)

def changed():
    kind = draw.choice(["flip", "flip", "flip", "byte", "cut", "zero", "swap", "insert", "drop"])
    data = bytearray(whole)
    at = draw.randrange(len(data))
    if draw.random() < 0.5:  # the footer is the smaller part, and the more delicate one
        at = len(data) - 1 - draw.randrange(min(len(data), 6000))
    size = draw.choice([1, 4, 16, 512])
    if kind == "flip":
        data[at] ^= 1 << draw.randrange(8)
    elif kind == "byte":
        data[at] = draw.randrange(256)
    elif kind == "cut":
        del data[at:]
    elif kind == "zero":
        data[at:at + size] = bytes(len(data[at:at + size]))
    elif kind == "swap":
        other = draw.randrange(len(data))
        data[at], data[other] = data[other], data[at]
    elif kind == "insert":
        data[at:at] = draw.randbytes(size)
    else:
        del data[at:at + size]
    return bytes(data)

def answer():
    if folder == "trials":
        return {r["trial_id"]: r for r in store.trials().to_pylist()}
    if folder == "curves":
        return {(r["trial_id"], r["step"]): r for r in store.curves().to_pylist()}
    return {p.study: (p.source_text, p.left_out, p.trials.to_pylist()) for p in store.plans()}

good = answer()
counts = {"harmless": 0, "found": 0, "wrong": 0, "unnamed": 0}
for _ in range(rounds):
    content = changed()
    if content == whole:
        continue
    path.write_bytes(content)
    found = answer()
    if any(good.get(key) != row for key, row in found.items()):
        counts["wrong"] += 1
    elif len(found) == len(good):
        counts["harmless"] += 1
    else:
        counts["found"] += 1
        named = {f.name for f in examine(store).findings if f.folder == folder}
        counts["unnamed"] += path.name not in named
path.write_bytes(whole)
assert answer() == good
print(json.dumps(counts))
"""


@pytest.fixture
def corrupt(
    store: Store,
    trial_row: Callable[..., Any],
    curve_row: Callable[..., Any],
    configuration: Callable[[int], Configuration],
) -> Callable[..., dict[str, int]]:
    """Corrupt a file of a folder so many times: what happened, how often."""
    finished = datetime(2026, 1, 1, tzinfo=UTC)  # the same bytes in every run
    for attempt, numbers in (("a", range(8)), ("b", range(20, 24))):
        store.publish(
            pack_id="p",
            attempt=attempt,
            trials=[trial_row(n, finished_at=finished, test_accuracy=n / 97) for n in numbers],
            curves=[curve_row(n, s, test_accuracy=(n + s) / 97) for n in numbers for s in range(9)],
        )
    table = plan_table([configuration(n) for n in range(8)])
    store.write_plan(Plan("one", table, "a.py", "space = 1\n", (("B above N", 4),), finished))

    def run(folder: str, rounds: int, seed: int, sealed: bool) -> dict[str, int]:
        (name, *_) = Location(store.location).list(folder)
        command = [sys.executable, "-c", READER, store.location, folder,
                   Location(store.location).path(folder, name), str(rounds), str(seed),
                   "sealed" if sealed else "plain"]  # fmt: skip
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, done.stderr[-2000:]
        counts: dict[str, int] = json.loads(done.stdout)
        return counts

    return run


@pytest.mark.parametrize("folder", ["trials", "curves", "plans"])
def test_every_change_of_a_file_is_found_and_named(
    corrupt: Callable[..., dict[str, int]], folder: str
) -> None:
    counts = corrupt(folder, 300, 1, True)
    assert counts["wrong"] == counts["harmless"] == counts["unnamed"] == 0
    assert counts["found"] > 280


@pytest.mark.slow
@pytest.mark.parametrize("folder", ["trials", "curves", "plans"])
def test_every_one_of_many_changes_is_found(
    corrupt: Callable[..., dict[str, int]], folder: str
) -> None:
    counts = corrupt(folder, 5000, 2, True)
    assert counts["wrong"] == counts["harmless"] == counts["unnamed"] == 0


@pytest.mark.parametrize("folder", ["trials", "curves", "plans"])
def test_a_damaged_file_of_an_earlier_version_ends_no_process(
    corrupt: Callable[..., dict[str, int]], folder: str
) -> None:
    """Without a seal damage to the footer may go unseen; it must not end in a traceback."""
    counts = corrupt(folder, 300, 3, False)
    assert counts["found"] > 100
