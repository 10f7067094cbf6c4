"""Locations that cannot hold a store, and file systems that fail."""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from explorer.errors import EnvironmentFailure, InputError
from explorer.store import Plan, Store, plan_table
from explorer.store.location import Location
from explorer.trial import Configuration

ROOT = Path(__file__).parents[2]


def test_a_relative_path_becomes_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    store = Store.open("here/../store", create=True)
    assert store.location == str(tmp_path / "store")
    monkeypatch.chdir("/")
    assert store.statuses() == {}
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Store.open("~/store").location == store.location
    assert Store.open(f"file://{store.location}").location == store.location


def test_a_file_is_not_a_store(tmp_path: Path) -> None:
    path = tmp_path / "results.csv"
    path.write_text("a,b\n")
    for create in (False, True):
        with pytest.raises(InputError, match=r"results\.csv is a file, not a folder"):
            Store.open(str(path), create=create)


def test_a_folder_that_is_no_store_is_not_taken_for_an_empty_one(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no store"):
        Store.open(str(tmp_path))


def test_a_store_below_a_file_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EnvironmentFailure, match="cannot be"):
        Store.open(str(tmp_path / "file" / "store"), create=True)


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("", "empty"),
        ("s3://key:secret@bucket/p?bogus=1", r"s3://\*\*\*@bucket/p is not a location"),
    ],
)
def test_an_address_that_means_nothing_is_named_without_its_credentials(
    address: str, message: str
) -> None:
    with pytest.raises(InputError, match=message) as caught:
        Store.open(address)
    assert "secret" not in str(caught.value)


def test_what_names_the_root_of_the_disk_is_not_the_folder_at_hand() -> None:
    assert Location("file:///").address == "/"
    with pytest.raises(InputError, match="is not a location that can be opened"):
        Location("file://elsewhere/store")


@pytest.mark.parametrize(
    ("address", "secret"),
    [
        ("s3://key:secret@bucket/p?scheme=http", True),
        ("abfs://box@account.dfs.core.windows.net/p?tenant_id=a&client_secret=b", True),
        ("abfs://box@account.dfs.core.windows.net/p?sv=2024&sig=b", True),
        ("abfs://box@account.dfs.core.windows.net/p", False),
        ("hdfs://me@namenode:8020/p", False),
        ("s3://bucket/secret?region=us-east-1", False),
        ("/home/secret/store", False),
    ],
)
def test_a_store_knows_whether_its_address_carries_a_secret(address: str, secret: bool) -> None:
    assert Store(address).has_secret is secret


def test_credentials_are_kept_for_reopening_and_never_shown() -> None:
    store = Store("s3://key:secret@bucket/p?endpoint_override=127.0.0.1:1&scheme=http")
    assert "secret" in store.location
    assert "secret" not in repr(store)


def test_an_unwritable_store_says_so(
    store: Store, publish: Callable[..., str], configuration: Callable[[int], Configuration]
) -> None:
    """Root may write anywhere: a file in the place of the folder stands for a read-only one."""
    publish(store, [1])
    tmp = Path(store.location) / "tmp"
    tmp.rmdir()
    tmp.write_text("")
    with pytest.raises(EnvironmentFailure, match=r"store .* cannot be written: Not a directory"):
        store.check_writable()
    with pytest.raises(EnvironmentFailure, match="cannot be written"):
        publish(store, [2])
    with pytest.raises(EnvironmentFailure, match="cannot be written"):
        store.write_plan(Plan("a", plan_table([configuration(1)]), "a.py", ""))
    assert len(store.statuses()) == 1


def test_a_store_that_was_deleted_is_not_taken_for_an_empty_one(
    store: Store, publish: Callable[..., str]
) -> None:
    (Path(store.location) / "trials").rmdir()
    with pytest.raises(EnvironmentFailure, match="cannot be read"):
        store.statuses()
    with pytest.raises(EnvironmentFailure, match="cannot be written"):
        publish(store, [1])


def test_an_unfinished_write_leaves_nothing(store: Store, tmp_path: Path) -> None:
    """The operating system refuses files above a size, as a full disk does."""
    code = f"""
import resource, signal
from explorer.errors import EnvironmentFailure
from explorer.store.location import Location
import pyarrow as pa
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, {resource.RLIM_INFINITY}))
location = Location({store.location!r})
location.publish("trials", "small", pa.py_buffer(b"x" * 999))
try:
    location.publish("trials", "large", pa.py_buffer(b"x" * 2000))
except EnvironmentFailure as failure:
    print(failure)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "cannot be written: File too large." in done.stdout
    location = Location(store.location)
    assert list(location.list("trials")) == ["small"]
    assert location.list("tmp") == {}


def test_the_store_needs_neither_ray_nor_torch() -> None:
    code = "import sys, explorer.store; print({'ray', 'torch', 'pandas'} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"
