"""Torn, foreign, newer and older files beside good ones."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from explorer.errors import InputError
from explorer.store import Plan, Store, plan_table
from explorer.store.fragments import Fragment, encoded
from explorer.store.location import Location
from explorer.store.schema import CURVES_SCHEMA, TRIALS_SCHEMA
from explorer.trial import Configuration

Publish = Callable[..., str]


@pytest.fixture
def location(store: Store) -> Location:
    return Location(store.location)


def _content(location: Location, folder: str, name: str) -> bytes:
    return Path(location.path(folder, name)).read_bytes()


def _versioned(table: pa.Table, folder: str, version: str) -> pa.Buffer:
    """A fragment that says it was written under another schema version."""
    written = pq.read_table(pa.BufferReader(encoded(table, folder)))
    metadata = {**written.schema.metadata, b"explorer.schema_version": version.encode()}
    del metadata[b"explorer.sealed"]  # as files of the first versions are
    sink = pa.BufferOutputStream()
    pq.write_table(written.replace_schema_metadata(metadata), sink)
    return sink.getvalue()


@pytest.mark.parametrize("folder", ["trials", "curves", "plans"])
@pytest.mark.parametrize("version", ["2.0", "10.3"])
def test_a_newer_schema_is_refused_by_file_name(
    store: Store,
    location: Location,
    publish: Publish,
    configuration: Callable[[int], Configuration],
    folder: str,
    version: str,
) -> None:
    name = publish(store, [1])
    store.write_plan(Plan("one", plan_table([configuration(1)]), "a.py", ""))
    if folder == "plans":
        (name,) = location.list("plans")
    size = location.size(folder, name) or 0
    table = Fragment(location, folder, name, size).read(
        {"trials": TRIALS_SCHEMA, "curves": CURVES_SCHEMA}.get(
            folder, plan_table([configuration(1)]).schema
        )
    )
    location.publish(folder, name, _versioned(table, folder, version))
    with pytest.raises(InputError, match=f"{folder}/{name} has schema version {version}, newer"):
        {"trials": store.statuses, "curves": store.curves, "plans": store.plans}[folder]()


def test_a_newer_minor_version_is_read_and_not_rewritten(
    store: Store, location: Location, publish: Publish
) -> None:
    name = publish(store, [1])
    publish(store, [2])
    publish(store, [3])
    size = location.size("trials", name) or 0
    table = Fragment(location, "trials", name, size).read(TRIALS_SCHEMA)
    more = table.append_column("invented_later", pa.array(["kept"]))
    location.publish("trials", name, _versioned(more, "trials", "1.7"))
    before = store.trials()
    assert before.num_rows == 3
    assert before.schema.equals(TRIALS_SCHEMA)
    report = store.compact(grace_seconds=0)
    assert report.left_alone == (name,)
    assert report.fragments_after == 2
    assert store.trials().equals(before)
    assert b"invented_later" in _content(location, "trials", name)


def test_columns_missing_in_an_older_file_are_null(
    store: Store, location: Location, publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = publish(store, [1])
    size = location.size("trials", name) or 0
    table = Fragment(location, "trials", name, size).read(TRIALS_SCHEMA)
    older = table.drop_columns(["n_classes", "error"])
    location.publish("trials", name, _versioned(older, "trials", "1.0"))
    monkeypatch.setattr("explorer.store.fragments.SCHEMA_VERSION", (1, 1))
    publish(store, [2])
    assert (
        store.trials(columns=["n_classes", "error", "steps"]).to_pylist()
        == [{"n_classes": None, "error": None, "steps": 100}] * 2
    )


def test_a_file_without_a_column_that_it_must_have_is_foreign(
    store: Store, location: Location, publish: Publish, caplog: pytest.LogCaptureFixture
) -> None:
    name = publish(store, [1])
    publish(store, [2])
    size = location.size("trials", name) or 0
    table = Fragment(location, "trials", name, size).read(TRIALS_SCHEMA)
    location.publish("trials", name, encoded(table.drop_columns(["host"]), "trials"))
    with caplog.at_level(logging.WARNING, "explorer.store"):
        assert store.trials().num_rows == 1
    assert f"trials/{name}: without the column host" in caplog.text


def test_a_file_cut_anywhere_is_skipped_with_a_warning(
    store: Store, location: Location, publish: Publish, caplog: pytest.LogCaptureFixture
) -> None:
    name = publish(store, [1, 2])
    publish(store, [3])
    whole = _content(location, "trials", name)
    path = Path(location.path("trials", name))
    for length in [0, 1, 4, 7, 8, 12, *range(50, len(whole), 997), len(whole) - 1]:
        path.write_bytes(whole[:length])
        caplog.clear()
        with caplog.at_level(logging.WARNING, "explorer.store"):
            assert store.trials(columns=["seed"])["seed"].to_pylist() == [3]
        assert [r.getMessage() for r in caplog.records if f"/trials/{name}" in r.getMessage()]
    path.write_bytes(whole)
    assert store.trials().num_rows == 3


def test_changed_bytes_never_give_changed_values(
    store: Store, location: Location, publish: Publish, trial_row: Callable[..., Any]
) -> None:
    """Every page carries a checksum: damage is seen, and never read as another number."""
    finished = datetime(2026, 1, 1, tzinfo=UTC)  # the same bytes in every run
    rows = [trial_row(n, finished_at=finished) for n in (1, 2)]
    store.publish(pack_id="p", attempt="a", trials=rows, curves=[])
    name = "p-a.parquet"
    publish(store, [3])
    good = {row["trial_id"]: row for row in store.trials().to_pylist()}
    whole = _content(location, "trials", name)
    path = Path(location.path("trials", name))
    row_group = pq.ParquetFile(path).metadata.row_group(0)
    last = row_group.column(row_group.num_columns - 1)
    pages_end = last.data_page_offset + 20
    skipped = 0
    for position in range(4, pages_end, 61):
        damaged = bytearray(whole)
        damaged[position] ^= 0x41
        path.write_bytes(damaged)
        rows = store.trials().to_pylist()
        assert all(good[row["trial_id"]] == row for row in rows)
        skipped += len(rows) == 1
    assert skipped > 30


def test_torn_curves_keep_their_trial_and_are_left_to_a_repair(
    store: Store, location: Location, publish: Publish, caplog: pytest.LogCaptureFixture
) -> None:
    torn, missing = publish(store, [1], mark=0.1), publish(store, [2])
    publish(store, [3]), publish(store, [4])
    path = Path(location.path("curves", torn))
    path.write_bytes(path.read_bytes()[:-20])
    location.delete("curves", missing)
    with caplog.at_level(logging.WARNING, "explorer.store"):
        trials, curves = store.snapshot()
    assert trials.num_rows == 4
    assert curves.num_rows == 4
    assert f"curves/{torn}" in caplog.text
    assert f"curves/{missing}: missing" in caplog.text
    report = store.compact(grace_seconds=0)
    assert set(report.left_alone) == {torn, missing}
    assert report.trials == 2
    assert path.exists()
    assert store.trials().equals(trials)
    assert store.curves().equals(curves)


def test_curves_damaged_inside_are_left_with_their_trials(
    store: Store, location: Location, publish: Publish
) -> None:
    """The footer is whole, so that only the rewriting meets the damage."""
    damaged = publish(store, [1])
    publish(store, [2])
    publish(store, [3])
    path = Path(location.path("curves", damaged))
    content = bytearray(path.read_bytes())
    content[pq.ParquetFile(path).metadata.row_group(0).column(0).data_page_offset + 24] ^= 0x41
    path.write_bytes(content)
    before = store.snapshot()
    assert before[1].num_rows == 4
    report = store.compact(grace_seconds=0)
    assert (report.left_alone, report.trials, report.fragments_after) == ((damaged,), 2, 2)
    assert path.read_bytes() == content
    for old, new in zip(before, store.snapshot(), strict=True):
        assert old.equals(new)


def test_foreign_files_are_skipped_by_name_and_hidden_ones_in_silence(
    store: Store, location: Location, publish: Publish, caplog: pytest.LogCaptureFixture
) -> None:
    name = publish(store, [1])
    folder = Path(location.path("trials"))
    (folder / "notes.txt").write_text("mine")
    (folder / ".DS_Store").write_text("hidden")
    (folder / "a folder").mkdir()
    pq.write_table(pa.table({"x": [1]}), folder / "other.parquet")
    (folder / "curves.parquet").write_bytes(_content(location, "curves", name))
    with caplog.at_level(logging.WARNING, "explorer.store"):
        assert len(store.statuses()) == 1
    assert [record.args[0].rsplit("/", 1)[1] for record in caplog.records] == [  # type: ignore[index,union-attr]
        "curves.parquet",
        "notes.txt",
        "other.parquet",
    ]


def test_damaged_plans_are_skipped_by_name(
    store: Store,
    location: Location,
    configuration: Callable[[int], Configuration],
    caplog: pytest.LogCaptureFixture,
) -> None:
    table = plan_table([configuration(1)])
    store.write_plan(Plan("one", table, "a.py", ""))
    metadata: dict[str, Any] = {"plan.study": "x", "plan.source_name": "", "plan.source_text": ""}
    bad = {"plan.left_out": "[", "plan.created_at": "2026-01-01T00:00:00+00:00"}
    location.publish("plans", "bad.parquet", encoded(table, "plans", metadata | bad))
    location.publish("plans", "none.parquet", encoded(table, "plans"))
    Path(location.path("plans", "torn.parquet")).write_bytes(b"PAR1")
    with caplog.at_level(logging.WARNING, "explorer.store"):
        assert [plan.study for plan in store.plans()] == ["one"]
    for name in ("bad", "none", "torn"):
        assert f"plans/{name}.parquet" in caplog.text


def test_a_large_file_is_read_by_ranges(
    store: Store, publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("explorer.store.location._WHOLE_FILE_BYTES", 100)
    monkeypatch.setattr("explorer.store.fragments._LARGE_FILE_BYTES", 100)
    name = publish(store, [1])
    publish(store, [2])
    assert store.curves().num_rows == 4
    path = Path(Location(store.location).path("trials", name))
    path.write_bytes(path.read_bytes()[:-9])
    assert store.curves().num_rows == 2
