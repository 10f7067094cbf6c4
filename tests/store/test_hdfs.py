"""HDFS, as far as it can be tested without one: the local disk behind an answer like its."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pyarrow import fs

from explorer.errors import EnvironmentFailure
from explorer.store import Store
from explorer.store.address import opened, renames_files
from explorer.store.location import Location

Publish = Callable[..., str]

pytestmark = pytest.mark.usefixtures("hadoop")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def store(place: Path) -> Store:
    return Store.open(f"hdfs://namenode{place}", create=True)


def _refuse(monkeypatch: pytest.MonkeyPatch, store: Store, act: str) -> None:
    handler = type(Location(store.location).filesystem.handler)

    def refuse(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(handler, act, refuse)


@pytest.mark.parametrize("act", ["open_output_stream", "move"])
def test_what_cannot_be_written_or_renamed_leaves_nothing(
    store: Store, place: Path, publish: Publish, monkeypatch: pytest.MonkeyPatch, act: str
) -> None:
    with monkeypatch.context() as patch:
        _refuse(patch, store, act)
        with pytest.raises(EnvironmentFailure, match="cannot be written: No space left on device"):
            publish(store, [1])
        with pytest.raises(EnvironmentFailure, match="cannot be written: No space left on device"):
            store.check_writable()
    assert [path for path in place.rglob("*") if path.is_file()] == []
    publish(store, [1])
    assert len(store.statuses()) == 1


def test_a_file_has_its_name_only_when_it_is_whole(
    store: Store, place: Path, publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    handler = type(Location(store.location).filesystem.handler)
    renaming, seen = handler.move, []

    def move(self: fs.FileSystemHandler, source: str, target: str) -> None:
        seen.append((Path(source).parent, Path(target).exists(), Path(source).stat().st_size))
        renaming(self, source, target)
        assert Path(target).stat().st_size == seen[-1][2] > 1000

    monkeypatch.setattr(handler, "move", move)
    publish(store, [1])
    assert [(folder, there) for folder, there, _ in seen] == [(place / "tmp", False)] * 2


def test_a_store_that_is_gone_does_not_come_back(
    store: Store, place: Path, publish: Publish
) -> None:
    os.rename(place, f"{place}-elsewhere")
    for act in (lambda: publish(store, [1]), store.check_writable):
        with pytest.raises(EnvironmentFailure, match="cannot be written: No such file"):
            act()
    with pytest.raises(EnvironmentFailure, match=r"cannot be read: .*No such file"):
        store.statuses()
    assert not place.exists()
    (place / "plans").mkdir(parents=True)  # as far as a first run came that was killed
    assert not Store.exists(store.location)


def test_a_file_that_is_not_there_is_told_from_a_server_in_trouble(
    store: Store, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """HDFS says "Input/output error" to both."""
    location = Location(store.location)
    location.delete("trials", "none")
    with pytest.raises(FileNotFoundError):
        location.move("trials", "none", "quarantine/trials", "none")
    (place / "trials" / "one").write_text("")
    _refuse(monkeypatch, store, "delete_file")
    with pytest.raises(EnvironmentFailure, match="No space left"):
        location.delete("trials", "one")


def test_both_of_its_schemes_rename() -> None:
    for scheme in ("hdfs", "viewfs", "HDFS"):
        assert renames_files(f"{scheme}://cluster/store")
        assert Location(f"{scheme}://cluster/store").renames


def test_without_hadoops_library_the_sentence_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for said in ("Unable to load libjvm", "Prior attempt to load libhdfs failed"):

        def refuse(_: str, said: str = said) -> None:
            raise OSError(f"{said}\ndlopen(/usr/lib/libjvm.so) failed: no such file")

        with monkeypatch.context() as patch:
            system = SimpleNamespace(FileSystem=SimpleNamespace(from_uri=refuse))
            patch.setattr("explorer.store.address.fs", system)
            with pytest.raises(EnvironmentFailure, match="HADOOP_HOME, JAVA_HOME and CLASSPATH"):
                opened("viewfs://cluster/store")
