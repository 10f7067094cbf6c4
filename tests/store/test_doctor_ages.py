"""What is young may be in the making: only what is old by the file system's clock is deleted."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from explorer.store import Plan, Store, plan_table
from explorer.store.doctor import DoctorReport, examine
from explorer.store.location import Location
from explorer.trial import Configuration

Publish = Callable[..., str]
HOUR = 3600.0


@pytest.fixture
def location(store: Store) -> Location:
    return Location(store.location)


def _kinds(report: DoctorReport) -> dict[str, tuple[str, str]]:
    return {f"{f.folder}/{f.name}": (f.kind, f.outcome) for f in report.findings}


def _grow_old(location: Location, folder: str, name: str, seconds: float) -> None:
    when = time.time() - seconds
    os.utime(location.path(folder, name), (when, when))


@pytest.mark.parametrize("place", ["local", "s3"])
def test_curves_without_trials_are_deleted_when_they_are_old(
    place: str, request: pytest.FixtureRequest, tmp_path: Path, publish: Publish
) -> None:
    address = str(tmp_path / "store")
    if place == "s3":
        address = request.getfixturevalue("s3").address("orphans")
    store = Store.open(address, create=True)
    location = Location(address)
    publish(store, [1])
    orphan = publish(store, [2])
    location.delete("trials", orphan)
    assert examine(store).findings == examine(store, repair=True).findings == ()
    assert orphan in location.list("curves"), "it may be a pack in the middle of its publishing"
    assert _kinds(examine(store, grace_seconds=0.0)) == {f"curves/{orphan}": ("orphan", "left")}
    report = examine(store, repair=True, grace_seconds=0.0)
    assert _kinds(report) == {f"curves/{orphan}": ("orphan", "deleted")}
    assert orphan not in location.list("curves")
    assert len(store.curves()) == 2


def test_where_files_have_no_times_none_is_old(publish: Publish) -> None:
    store = Store.open("fsspec+memory://untimed/store", create=True)
    orphan = publish(store, [2])
    Location(store.location).delete("trials", orphan)
    assert examine(store, repair=True, grace_seconds=0.0).findings == ()


@pytest.mark.parametrize("seconds", [-400 * 24 * HOUR, -60.0, 0.0, 23 * HOUR])
def test_what_a_writer_may_still_be_writing_stays(
    store: Store, location: Location, publish: Publish, seconds: float
) -> None:
    """A time in the future is not old: the clock may have been put back."""
    aside = Path(location.path("tmp", "0123-p-a.parquet"))
    aside.write_bytes(b"half")
    _grow_old(location, "tmp", aside.name, seconds)
    orphan = publish(store, [1])
    location.delete("trials", orphan)
    _grow_old(location, "curves", orphan, min(seconds, 0.9 * HOUR))
    assert examine(store, repair=True).findings == ()
    assert aside.exists()
    assert orphan in location.list("curves")


def test_files_that_dead_writers_left_are_deleted_after_a_day(
    store: Store, location: Location
) -> None:
    for folder, name in (("tmp", "0123-p-a.parquet"), ("trials", ".writable-12")):
        Path(location.path(folder, name)).write_bytes(b"half")
        _grow_old(location, folder, name, 25 * HOUR)
    found = {"tmp/0123-p-a.parquet", "trials/.writable-12"}
    assert set(_kinds(examine(store))) == found
    assert _kinds(examine(store, repair=True)) == dict.fromkeys(found, ("left over", "deleted"))
    assert location.entries("tmp") == location.entries("trials") == {}


@pytest.mark.parametrize("days", [-400, 400])
def test_this_machines_clock_decides_nothing_in_a_repair(
    store: Store,
    location: Location,
    publish: Publish,
    monkeypatch: pytest.MonkeyPatch,
    days: int,
) -> None:
    """The files' times come from the file system, and so does the present that they are held to."""
    young, old = publish(store, [1]), publish(store, [2])
    for name in (young, old):
        location.delete("trials", name)
    _grow_old(location, "curves", old, 2 * HOUR)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + days * 24 * HOUR)
    assert _kinds(examine(store, repair=True)) == {f"curves/{old}": ("orphan", "deleted")}
    assert list(location.list("curves")) == [young]


def test_trials_that_appear_while_their_curves_are_deleted_keep_them(
    store: Store, location: Location, publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A writer that slept for hours between its two files wakes at the worst moment."""
    name = publish(store, [1])
    trials = Path(location.path("trials", name)).read_bytes()
    location.delete("trials", name)
    deleting = Location.delete

    def wake(self: Location, folder: str, file: str) -> None:
        if folder == "curves":
            location.publish("trials", name, pa.py_buffer(trials))
        deleting(self, folder, file)

    monkeypatch.setattr(Location, "delete", wake)
    report = examine(store, repair=True, grace_seconds=0.0)
    assert _kinds(report) == {f"curves/{name}": ("orphan", "left")}
    assert len(store.curves()) == 2


def test_a_writer_whose_curves_were_taken_for_orphans_publishes_them_again(
    store: Store, location: Location, publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    publishing = Location.publish

    def interrupted(self: Location, folder: str, name: str, content: pa.Buffer) -> None:
        if folder == "trials":
            examine(Store(store.location), repair=True, grace_seconds=0.0)
            assert location.list("curves") == {}
        publishing(self, folder, name, content)

    monkeypatch.setattr(Location, "publish", interrupted)
    publish(store, [1])
    assert len(store.curves()) == 2


def test_curves_whose_whole_folder_of_trials_is_gone_are_kept(
    store: Store,
    location: Location,
    publish: Publish,
    configuration: Callable[[int], Configuration],
) -> None:
    """Somebody moved it away by mistake, and may put it back."""
    store.write_plan(Plan("one", plan_table([configuration(1)]), "a.py", ""))
    name = publish(store, [1])
    _grow_old(location, "curves", name, 9 * HOUR)
    os.rename(location.path("trials"), f"{store.location}-trials")
    report = examine(store, repair=True)
    assert _kinds(report) == {"trials/": ("missing", "left")}
    os.rename(f"{store.location}-trials", location.path("trials"))
    assert examine(store).findings == ()
    assert len(store.curves()) == 2
