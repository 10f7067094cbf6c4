"""Addresses that lead nowhere: one plain sentence, no secret in it, and nothing written."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pyarrow import fs

from explorer.errors import EnvironmentFailure, ExplorerError, InputError
from explorer.store import Store
from explorer.store.address import cause
from explorer.store.location import Location

ROOT = Path(__file__).parents[2]


@pytest.fixture
def environment(s3: Any, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The usual environment of somebody who uses the tests' server; set, and returned."""
    variables = {
        "AWS_ENDPOINT_URL": f"http://{s3.endpoint}",
        "AWS_ACCESS_KEY_ID": s3.access_key,
        "AWS_SECRET_ACCESS_KEY": s3.secret_key,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_CONFIG_FILE": os.devnull,
    }
    for variable in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(variable)
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value)
    return variables


def _objects(s3: Any) -> list[str]:
    filesystem = Location(s3.address("any")).filesystem
    return [info.path for info in filesystem.get_file_info(fs.FileSelector("", recursive=True))]


@pytest.mark.parametrize(
    ("address", "changed", "failure", "sentence"),
    [
        ("s3://no-such-bucket/p", {}, InputError,
         "The store s3://no-such-bucket/p lies in a bucket that does not exist: "
         "make the bucket first, or mend its name."),
        ("s3://", {}, InputError,
         "The store s3:// names no bucket or folder: "
         "use a folder, s3://bucket/prefix, gs://, abfs:// or hdfs://."),
        ("s3:///p", {}, InputError, "The store s3:///p .*Missing bucket name.*"),
        ("s4://BUCKET/p", {}, InputError,
         "The store s4://BUCKET/p cannot lie on s4://: "
         "use a folder, s3://bucket/prefix, gs://, abfs:// or hdfs://."),
        ("http://host/store", {}, InputError,
         "The store http://host/store cannot lie on http://: .* for an S3 server set "
         "AWS_ENDPOINT_URL=http://HOST:PORT and use s3://bucket/prefix."),
        ("s3://a bucket/p", {}, InputError, "The store s3://a bucket/p .* it is no valid URI: .*"),
        ("s3://BUCKET/p", {"AWS_ENDPOINT_URL": "127.0.0.1:8333"}, InputError,
         "AWS_ENDPOINT_URL is '127.0.0.1:8333': it must begin with http:// or https://, .*"),
        ("s3://BUCKET/p", {"AWS_ENDPOINT_URL_S3": "ftp://host"}, InputError,
         "AWS_ENDPOINT_URL_S3 is 'ftp://host': it must begin with http:// or https://, .*"),
        ("s3://BUCKET/p", {"AWS_SECRET_ACCESS_KEY": "wrong"}, EnvironmentFailure,
         "The store s3://BUCKET/p cannot be read: the server refuses access .*: check "
         "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or .*"),
        ("s3://BUCKET/p", {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""},
         EnvironmentFailure, "The store s3://BUCKET/p .* refuses access .*: check AWS_ACCESS_.*"),
        ("s3://key:wrong@BUCKET/p", {}, EnvironmentFailure,
         r"The store s3://\*\*\*@BUCKET/p .* refuses access .*: check the key and secret in .*"),
    ],
)  # fmt: skip
def test_an_address_that_leads_nowhere_is_told_in_one_sentence(
    s3: Any,
    environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    address: str,
    changed: dict[str, str],
    failure: type[ExplorerError],
    sentence: str,
) -> None:
    before = _objects(s3)
    for variable, value in changed.items():
        monkeypatch.setenv(variable, value)
    said = set()
    for create in (False, True):
        with pytest.raises(failure) as caught:
            Store.open(address.replace("BUCKET", s3.bucket), create=create)
        said.add(str(caught.value))
    assert len(said) == 1
    assert re.fullmatch(sentence.replace("BUCKET", s3.bucket), said.pop())
    assert _objects(s3) == before


def test_a_server_that_does_not_answer_is_named() -> None:
    address = "s3://key:secret@bucket/p?endpoint_override=127.0.0.1:1&scheme=http&region=us-east-1"
    with pytest.raises(EnvironmentFailure) as caught:
        Store.open(address)  # after about eight seconds of trying
    assert re.fullmatch(
        r"The store s3://\*\*\*@bucket/p cannot be read: "
        r"no server answers at http://127\.0\.0\.1:1 \(.*\): "
        r"check endpoint_override and scheme in the address and the network\.",
        str(caught.value),
    )


def test_a_silent_server_of_the_environment_is_named_by_its_variable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    error = OSError(
        "When getting information for key 'p' in bucket 'b': AWS Error NETWORK_CONNECTION during "
        "HeadObject operation: curlCode: 7, Could not connect to server; Details: Failed to connect"
    )
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://user:secret@host:1")
    monkeypatch.delenv("AWS_ENDPOINT_URL_S3", raising=False)
    assert cause(error, "s3://b/p") == (
        "no server answers at http://***@host:1 (Could not connect to server): "
        "check AWS_ENDPOINT_URL and the network"
    )


def test_an_error_without_words_is_named() -> None:
    assert cause(OSError(""), "/folder") == "OSError"


def test_an_endpoint_is_named_without_its_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "user:secret@host:1")
    monkeypatch.delenv("AWS_ENDPOINT_URL_S3", raising=False)
    with pytest.raises(InputError, match=r"AWS_ENDPOINT_URL is '\*\*\*@host:1': it must begin"):
        Store.open("s3://bucket/p")


def test_the_command_ends_with_the_sentence_alone(
    s3: Any, environment: dict[str, str], tmp_path: Path
) -> None:
    place = f"s3://{s3.bucket}/none"
    for words, changed, code in [
        (["run", "quick_grid"], {"AWS_ACCESS_KEY_ID": "wrong"}, 3),
        (["export", "trials", "--out", str(tmp_path / "trials.csv")], {}, 2),
    ]:
        done = subprocess.run(
            [sys.executable, "-m", "explorer", *words, "--store", place], cwd=ROOT,
            env=os.environ | changed, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stdout) == (code, "")
        assert re.fullmatch(rf"explorer: .*{place}.*\.\n", done.stderr)
    assert list(tmp_path.iterdir()) == []


def test_a_bucket_alone_is_a_store(s3: Any) -> None:
    bare = s3.address("").replace(f"{s3.bucket}/", "a-bucket-alone")
    Store.open(bare + "&allow_bucket_creation=true", create=True)
    store = Store.open(bare)
    assert str(store) == "s3://***@a-bucket-alone"
    store.write_note("device", "a", {"n": 1})
    assert Store.open(bare).read_notes("device") == {"a": {"n": 1}}
