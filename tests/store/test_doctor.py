"""The doctor: finds every kind of damage, puts it aside, and leaves alone what is in the making."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from explorer.errors import EnvironmentFailure
from explorer.store import Plan, Store, plan_table
from explorer.store.doctor import DoctorReport, examine
from explorer.store.fragments import encoded
from explorer.store.location import FOLDERS, OPTIONAL_FOLDERS, QUARANTINE, Location
from explorer.trial import Configuration

Publish = Callable[..., str]


@pytest.fixture
def location(store: Store) -> Location:
    return Location(store.location)


def _tear(location: Location, folder: str, name: str, keep: float = 0.7) -> None:
    """Put the beginning of a file in its place, anywhere."""
    size = location.size(folder, name)
    assert size
    content = location.source(folder, name, size).read()
    location.publish(folder, name, pa.py_buffer(content[: int(size * keep)]))


def _kinds(report: DoctorReport) -> dict[str, tuple[str, str]]:
    return {f"{f.folder}/{f.name}": (f.kind, f.outcome) for f in report.findings}


def _files(location: Location) -> dict[str, Any]:
    return {f: location.entries(f) for f in (*FOLDERS, *OPTIONAL_FOLDERS, QUARANTINE)}


@pytest.mark.everywhere
def test_a_sound_store_is_read_and_left_as_it_is(
    store: Store,
    location: Location,
    publish: Publish,
    configuration: Callable[[int], Configuration],
) -> None:
    store.write_plan(Plan("one", plan_table([configuration(1)]), "a.py", ""))
    store.write_note("device", "a", {"n": 1})
    publish(store, {1: "failed", 2: "diverged"})
    publish(store, [1, 3])
    before = _files(location)
    report = examine(store)
    assert (report.files, report.trials, report.duplicates) == (6, 3, 1)
    assert (report.findings, report.train_again, report.unknown) == ((), (), 0)
    assert _files(location) == before
    assert examine(store, repair=True).findings == ()
    assert _files(location) == before


@pytest.mark.everywhere
def test_damaged_fragments_are_put_aside_whole_and_their_trials_become_missing(
    store: Store,
    location: Location,
    publish: Publish,
    configuration: Callable[[int], Configuration],
) -> None:
    ids = {n: configuration(n).trial_id for n in range(10)}
    store.write_plan(Plan("one", plan_table([configuration(n) for n in range(10)]), "a.py", ""))
    torn_trials, torn_curves = publish(store, [0, 1]), publish(store, [2, 3])
    no_curves, both, sound = publish(store, [4, 5]), publish(store, [6]), publish(store, [7, 1])
    _tear(location, "trials", torn_trials)
    _tear(location, "curves", torn_curves)
    location.delete("curves", no_curves)
    _tear(location, "trials", both)
    _tear(location, "curves", both)
    damage = {
        f"trials/{torn_trials}": "damaged",
        f"curves/{torn_trials}": "half",
        f"trials/{torn_curves}": "half",
        f"curves/{torn_curves}": "damaged",
        f"trials/{no_curves}": "half",
        f"trials/{both}": "damaged",
        f"curves/{both}": "damaged",
    }

    found = examine(store)
    assert _kinds(found) == {file: (kind, "left") for file, kind in damage.items()}
    assert found.trials == 2
    # The trials of `both` are named by nothing; 1 is well in another fragment.
    assert found.train_again == tuple(sorted(ids[n] for n in (0, 2, 3, 4, 5)))
    assert found.unknown == 2
    assert found.remaining == len(damage)

    repaired = examine(store, repair=True)
    assert _kinds(repaired) == {file: (kind, "quarantined") for file, kind in damage.items()}
    assert repaired.train_again == found.train_again
    assert repaired.remaining == 0
    assert list(location.list("trials")) == list(location.list("curves")) == [sound]
    assert store.statuses() == {ids[7]: "completed", ids[1]: "completed"}
    moved = {name for f in ("trials", "curves") for name in location.entries(f"{QUARANTINE}/{f}")}
    assert moved == {n for f in damage for n in (f[7:], f"{f[7:]}.reason.json")}
    place = f"{QUARANTINE}/trials"
    reason = f"{torn_curves}.reason.json"
    told = json.loads(location.source(place, reason, location.size(place, reason) or 0).read())
    assert (told["file"], told["kind"]) == (f"trials/{torn_curves}", "half")
    assert sorted(told["trial_ids"]) == sorted((ids[2], ids[3]))

    again = examine(store, repair=True)
    assert (again.findings, again.train_again, again.trials) == ((), (), 2)
    publish(store, [0, 2, 3, 4, 5, 6])  # as a run does
    assert set(store.statuses()) == {ids[n] for n in range(8)}
    assert len(store.curves()) == 16


@pytest.mark.everywhere
def test_a_file_damaged_once_more_keeps_the_first_in_quarantine(
    store: Store, location: Location, publish: Publish
) -> None:
    for _ in range(2):
        name = publish(store, [1], attempt="a")
        _tear(location, "trials", name)
        examine(store, repair=True)
    files = location.entries(f"{QUARANTINE}/trials")
    assert len([f for f in files if f.endswith(f"{name}")]) == 2
    assert len([f for f in files if f.endswith(".reason.json")]) == 2


@pytest.mark.everywhere
def test_damaged_and_foreign_files_of_every_folder(
    store: Store,
    location: Location,
    publish: Publish,
    configuration: Callable[[int], Configuration],
) -> None:
    name = publish(store, [1])
    trials = location.source("trials", name, location.size("trials", name) or 0).read()
    store.write_note("device", "good", {})
    put = {
        "trials/letter.txt": b"Dear",
        "trials/other.parquet": b"PAR1",
        "curves/trials.parquet": trials,
        "plans/none.parquet": bytes(encoded(plan_table([configuration(1)]), "plans")),
        "plans/torn.parquet": b"",
        "notes/device-bad.json": b"{",
        "notes/list-x.json": b"[1]",
        "notes/name": b"{}",
    }
    for file, content in put.items():
        folder, _, file_name = file.partition("/")
        location.publish(folder, file_name, pa.py_buffer(content))
    expected = {
        "trials/letter.txt": "foreign",
        "trials/other.parquet": "damaged",
        "curves/trials.parquet": "foreign",
        "plans/none.parquet": "damaged",
        "plans/torn.parquet": "damaged",
        "notes/device-bad.json": "damaged",
        "notes/list-x.json": "damaged",
        "notes/name": "foreign",
    }
    assert _kinds(examine(store)) == {f: (k, "left") for f, k in expected.items()}
    assert _kinds(examine(store, repair=True)) == {
        f: (k, "quarantined") for f, k in expected.items()
    }
    for file, content in put.items():
        folder, _, file_name = file.partition("/")
        place = f"{QUARANTINE}/{folder}"
        kept = location.source(place, file_name, location.size(place, file_name) or 0).read()
        assert kept == content
    assert store.read_notes("device") == {"good": {}}
    assert examine(store).findings == ()
    assert len(store.statuses()) == 1


@pytest.mark.everywhere
def test_files_in_folders_of_the_stores_folders_are_put_aside_and_those_beside_them_left(
    store: Store, location: Location, publish: Publish
) -> None:
    publish(store, [1])
    foreign = {
        "trials/backup/pack-a.parquet": b"PAR1",
        "curves/a/b/letter.txt": b"Dear",
        "plans/old/one.parquet": b"",
        "notes/old/device-a.json": b"{}",
    }
    left = {
        "trials/.snapshot/pack-a.parquet": b"PAR1",
        "notes/old/.nfs0001": b"{}",
        "tmp/young/0123-p-a.parquet": b"half",
        "checkpoints/run-1/pack/own.txt": b"Ray's",
        "quarantine/trials/x.parquet": b"PAR1",
        "logs/run-1.log": b"",
        "README.md": b"Mine",
        "figures/peaks.svg": b"<svg/>",
        ".DS_Store": b"",
    }
    for path, content in (foreign | left).items():
        whole = location.path("", path)
        location.filesystem.create_dir(whole.rpartition("/")[0], recursive=True)
        with location.filesystem.open_output_stream(whole) as stream:
            stream.write(content)

    found = examine(store)
    assert _kinds(found) == dict.fromkeys(foreign, ("foreign", "left"))
    assert found.beside == ("README.md", "figures/")
    repaired = examine(store, repair=True)
    assert _kinds(repaired) == dict.fromkeys(foreign, ("foreign", "quarantined"))
    for finding in repaired.findings:
        assert finding.moved_to == f"quarantine/{finding.folder}/{finding.name.replace('/', '__')}"
        foreign[finding.moved_to] = foreign.pop(f"{finding.folder}/{finding.name}")
    for path, content in (foreign | left).items():
        with location.filesystem.open_input_stream(location.path("", path)) as stream:
            assert stream.read() == content, path
    again = examine(store)
    assert (again.findings, again.remaining, again.beside) == ((), 0, ("README.md", "figures/"))
    assert again.trials == 1


def test_a_foreign_file_with_the_longest_of_names_is_put_aside_under_a_shorter_one(
    store: Store, location: Location
) -> None:
    name = "ü" * 125 + ".txt"  # 254 bytes
    Path(location.path("trials", name)).write_text("Dear")
    (finding,) = examine(store, repair=True).findings
    assert finding.moved_to
    place = Path(store.location) / finding.moved_to
    assert place.read_text() == "Dear"
    told = json.loads(Path(f"{place}.reason.json").read_text())
    assert told["file"] == f"trials/{name}"
    assert examine(store).findings == ()


def test_what_lies_behind_a_symbolic_link_is_somebody_elses(
    store: Store, location: Location, tmp_path: Path
) -> None:
    theirs = tmp_path / "theirs" / "thesis.tex"
    theirs.parent.mkdir()
    theirs.write_text("Chapter 1")
    os.utime(theirs, (1e9, 1e9))
    for folder in ("trials", "tmp"):
        os.symlink(theirs.parent, location.path(folder, "link"))
        for name in ("round", "and_round"):  # followed, they would have no end
            os.symlink("..", location.path(folder, name))
    assert examine(store, repair=True).findings == ()
    assert theirs.read_text() == "Chapter 1"


def test_curves_of_other_trials_do_not_pass_for_these(
    store: Store, location: Location, publish: Publish
) -> None:
    one, two = publish(store, [1]), publish(store, [2])
    os.replace(location.path("curves", two), location.path("curves", one))
    found = examine(store)
    assert _kinds(found) == {
        f"curves/{one}": ("foreign", "left"),
        f"trials/{one}": ("half", "left"),
        f"trials/{two}": ("half", "left"),
    }
    assert found.trials == 0
    assert len(found.train_again) == 2


def test_a_newer_file_is_named_and_left(
    store: Store, location: Location, publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(store, [1])
    with monkeypatch.context() as patch:
        patch.setattr("explorer.store.fragments.SCHEMA_VERSION", (2, 0))
        newer = publish(store, [2])
    before = _files(location)
    report = examine(store, repair=True)
    assert _kinds(report) == {f"trials/{newer}": ("newer", "left")}
    assert (report.trials, report.remaining, report.train_again) == (1, 1, ())
    assert _files(location) == before


def test_saved_packs_are_checked_by_their_hash_and_never_decoded(
    store: Store, location: Location
) -> None:
    _, root = store.subfolder("checkpoints")
    state = b"tensors"
    good = {"sha256": hashlib.sha256(state).hexdigest()}
    for run, told, content in [
        ("good", good, state),
        ("changed", good, b"tensorz"),
        ("half", good, None),
        ("young", good, None),
    ]:
        folder = Path(root) / f"{run}-1" / "pack" / "checkpoint_000001"
        folder.mkdir(parents=True)
        (folder / "pack.json").write_text(json.dumps(told))
        if content is not None:
            (folder / "pack.pt").write_bytes(content)
        if run != "young":
            os.utime(folder / "pack.json", (1e9, 1e9))
    report = examine(store, repair=True)
    assert [f.name.split("-")[0] for f in report.findings] == ["changed", "half"]
    assert {f.outcome for f in report.findings} == {"quarantined"}
    assert sorted(location.entries("checkpoints")) == [
        "good-1/pack/checkpoint_000001/pack.json",
        "good-1/pack/checkpoint_000001/pack.pt",
        "young-1/pack/checkpoint_000001/pack.json",
    ]
    assert "changed-1__pack__checkpoint_000001__pack.pt" in location.entries(
        f"{QUARANTINE}/checkpoints"
    )


def test_missing_folders_are_made_again_while_results_are_there(
    store: Store, location: Location, publish: Publish
) -> None:
    """Copying programs leave empty folders out."""
    publish(store, [1])
    Path(location.path("tmp")).rmdir()
    Path(location.path("plans")).rmdir()
    assert _kinds(examine(store)) == {"plans/": ("missing", "left"), "tmp/": ("missing", "left")}
    assert len(store.statuses()) == 1
    made = {"plans/": ("missing", "made"), "tmp/": ("missing", "made")}
    assert _kinds(examine(store, repair=True)) == made
    publish(store, [2])
    assert store.plans() == []


def test_a_store_that_is_gone_is_not_made_again(store: Store, location: Location) -> None:
    os.rename(store.location, f"{store.location}-elsewhere")
    for repair in (False, True):
        with pytest.raises(EnvironmentFailure, match="cannot be"):
            examine(store, repair=repair)
    assert not Path(store.location).exists()


def test_a_file_that_fails_to_be_read_once_is_not_called_damaged(
    store: Store, location: Location, publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = publish(store, [1])
    reading, calls = Location.source, 0

    def flaky(self: Location, folder: str, file: str, size: int) -> pa.NativeFile:
        nonlocal calls
        source = reading(self, folder, file, size)
        calls += folder == "trials"
        return pa.BufferReader(source.read()[:-9]) if calls == 1 and folder == "trials" else source

    monkeypatch.setattr(Location, "source", flaky)
    assert examine(store, repair=True).findings == ()
    assert calls == 2
    assert name in location.list("trials")


def test_a_large_file_is_looked_at_to_its_last_byte(
    store: Store, location: Location, publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond 32 MB files are read in pieces, and readers look at the pages that they need."""
    monkeypatch.setattr("explorer.store.location._WHOLE_FILE_BYTES", 100)
    name = publish(store, [1])
    assert examine(store).findings == ()
    path = Path(location.path("trials", name))
    whole = path.read_bytes()
    column = pq.ParquetFile(path).metadata.row_group(0).column(0)
    # The header of the first page has no checksum: some of its bytes are never missed in reading.
    for position in range(column.dictionary_page_offset, column.dictionary_page_offset + 24):
        content = bytearray(whole)
        content[position] ^= 1
        path.write_bytes(content)
        assert _kinds(examine(store))[f"trials/{name}"] == ("damaged", "left")


def test_times_jumping_between_publishes_change_no_choice(
    store: Store,
    publish: Publish,
    configuration: Callable[[int], Configuration],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Attempts are chosen by status and id, resuming goes by what is there."""

    def at(year: int) -> type[datetime]:
        class Clock(datetime):
            @classmethod
            def now(cls, tz: Any = None) -> datetime:
                return datetime(year, 1, 1, tzinfo=UTC)

        return Clock

    answers = []
    for years in ((2026, 2026, 2026), (2031, 1999, 2026), (1999, 2031, 2026)):
        copy = Store.open(f"{store.location}-{years}", create=True)
        for year, (attempt, pack) in zip(
            years,
            [("b", {1: "completed"}), ("a", {1: "completed", 2: "failed"}), ("c", {2: "diverged"})],
            strict=True,
        ):
            with monkeypatch.context() as patch:
                patch.setattr("explorer.store.publish.datetime", at(year))
                patch.setattr("explorer.store.plans.datetime", at(year))
                publish(copy, pack, attempt=attempt)
                table = plan_table([configuration(n) for n in (1, 2, 3)])
                copy.write_plan(Plan("one", table, "a.py", str(year)))
        assert examine(copy).findings == ()
        rows = copy.trials(columns=["trial_id", "attempt", "status"]).to_pylist()
        answers.append((rows, copy.statuses(), copy.planned("one")["trial_id"].to_pylist()))
        copy.compact(grace_seconds=0)
        assert copy.trials(columns=["trial_id", "attempt", "status"]).to_pylist() == rows
    assert answers[0] == answers[1] == answers[2]
