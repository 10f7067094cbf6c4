"""What is particular to S3: addresses, credentials, and servers that do not answer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from explorer.errors import EnvironmentFailure, ExplorerError
from explorer.store import Store
from explorer.store.address import without_credentials
from explorer.store.doctor import examine
from explorer.store.location import Location

ROOT = Path(__file__).parents[2]

Publish = Callable[..., str]

#: Opens a store by its address alone, and adds a pack that it has read from standard input.
OTHER_PROCESS = """
import json, pickle, sys
from explorer.store import Store

store = pickle.loads(pickle.dumps(Store.open(sys.argv[1])))
store.check_writable()
row = json.loads(sys.stdin.read())
store.publish(pack_id="p", attempt="other", trials=[row], curves=[])
print(json.dumps([sorted(store.statuses()), repr(store), str(store), store.location]))
"""


def _in_another_process(address: str, row: dict[str, Any], **environment: str) -> list[Any]:
    done = subprocess.run(
        [sys.executable, "-c", OTHER_PROCESS, address], cwd=ROOT, input=json.dumps(row),
        env=os.environ | environment, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    answer: list[Any] = json.loads(done.stdout)
    return answer


@pytest.mark.parametrize("variable", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"])
def test_endpoint_and_credentials_come_from_the_usual_environment(
    s3: Any, publish: Publish, trial_row: Callable[..., Any], variable: str
) -> None:
    path = uuid.uuid4().hex
    store = Store.open(s3.address(path), create=True)
    publish(store, [1])
    plain = s3.address_without_credentials(path)
    environment = {
        variable: f"http://{s3.endpoint}",
        "AWS_ACCESS_KEY_ID": s3.access_key,
        "AWS_SECRET_ACCESS_KEY": s3.secret_key,
    }
    ids, shown, text, location = _in_another_process(plain, trial_row(2), **environment)
    assert ids == sorted(store.statuses())
    assert len(ids) == 2
    assert (shown, text, location) == (f"Store('{plain}')", plain, plain)


@pytest.mark.everywhere
def test_a_store_opens_in_another_process_by_its_address_alone(
    store: Store, address: str, publish: Publish, trial_row: Callable[..., Any]
) -> None:
    if address.startswith(("fsspec+memory", "hdfs")):
        return  # it lives and dies with its process
    publish(store, [1])
    ids, shown, text, location = _in_another_process(store.location, trial_row(2))
    assert ids == sorted(store.statuses())
    assert len(ids) == 2
    assert location == store.location
    assert str(store) == text
    assert "?" not in shown + text


def test_credentials_are_in_no_message_and_no_file(
    s3: Any, publish: Publish, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(ExplorerError) as missing:
        Store.open(s3.address("none"))
    store = Store.open(s3.address(uuid.uuid4().hex), create=True)
    location = Location(store.location)
    name = publish(store, [1])
    location.delete("curves", name)
    store.snapshot()
    report = examine(store, repair=True)
    wrong = s3.address("x").replace(s3.secret_key, f"{s3.secret_key}0")
    with pytest.raises(EnvironmentFailure) as refused:
        Store.open(wrong)
    said = [str(missing.value), str(refused.value), caplog.text, repr(report), repr(store)]
    for folder in ("trials", "quarantine"):
        for file, entry in location.entries(folder).items():
            said.append(location.source(folder, file, entry.size).read().decode("latin-1"))
    assert len(said) > 6
    for text in said:
        assert s3.secret_key not in text
        assert s3.access_key not in text


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("s3://key:secret@bucket/a/b?scheme=http", "s3://***@bucket/a/b"),
        ("s3://key:se/cret@bucket/a", "s3://***@bucket/a"),
        ("s3://key:se?cret@bucket/a", "s3://***@bucket/a"),
        ("s3://key:se@cret@bucket/a", "s3://***@bucket/a"),
        ("s3://bucket/user@host/a?region=x", "s3://bucket/user@host/a"),
        ("s3://bucket/a", "s3://bucket/a"),
        ("/home/me@work/a?b", "/home/me@work/a?b"),
        ("hdfs://user@namenode:8020/p/a@b", "hdfs://user@namenode:8020/p/a@b"),
        ("abfs://container@account/p", "abfs://container@account/p"),
        ("abfs://container:secret@account/p", "abfs://***@account/p"),
    ],
)
def test_an_address_is_shown_without_credentials(address: str, shown: str) -> None:
    assert without_credentials(address) == shown


@pytest.mark.parametrize("secret", ["se qzx", "se/qzx", "se%zzqzx", "se#qzx", "se@qzx"])
def test_an_address_that_cannot_be_parsed_is_not_repeated(secret: str) -> None:
    address = f"s3://key:{secret}@bucket/p?endpoint_override=127.0.0.1:1&scheme=http&bogus=1"
    with pytest.raises(ExplorerError) as caught:
        Store.open(address)
    assert "qzx" not in str(caught.value)


def test_an_object_deleted_between_its_opening_and_its_reading_has_vanished(
    s3: Any, publish: Publish
) -> None:
    """Readers start again then; S3's own error for it is not the one of a missing file."""
    store = Store.open(s3.address(uuid.uuid4().hex), create=True)
    name = publish(store, [1])
    location = Location(store.location)
    real, root = location.filesystem, location.path("")

    class Deleting:
        def __getattr__(self, attribute: str) -> Any:
            return getattr(real, attribute)

        def open_input_stream(self, path: str) -> Any:
            stream = real.open_input_stream(path)
            real.delete_file(path)
            return stream

    location.__dict__["_resolved"] = (Deleting(), root)
    size = location.size("trials", name)
    assert size
    with pytest.raises(FileNotFoundError):
        location.source("trials", name, size)
