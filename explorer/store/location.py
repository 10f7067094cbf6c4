"""Where a store lies: one address, its file system, and the atomic publishing of one file."""

from __future__ import annotations

import contextlib
import os
import re
import uuid
from collections.abc import Iterator
from functools import cached_property

import pyarrow as pa
from pyarrow import fs

from explorer.errors import EnvironmentFailure, InputError

FOLDERS = ("plans", "trials", "curves", "tmp")
#: Made when they are needed: a store of an earlier version has none.
OPTIONAL_FOLDERS = ("notes", "checkpoints")

#: Schemes whose files become visible only when complete, so that a plain put is atomic.
_ATOMIC_PUT = ("s3", "gs", "gcs", "abfs", "abfss", "fsspec+", "mock")

#: Files up to this size are fetched whole: one request, and no error of the disk while decoding.
_WHOLE_FILE_BYTES = 32 * 2**20


class Location:
    """A folder or an object-store prefix that holds a store.

    Pickles as its address: the file system is built again where it arrives.

    Args:
        address: a local path, a `file://` URI, or a URI that `pyarrow.fs` understands (`s3://...`).
    """

    def __init__(self, address: str) -> None:
        if not address:
            raise InputError("The store's location is empty.")
        if address.startswith("file://"):
            address = self._resolved_uri(address)[1]
        if "://" in address:
            self.address = address.rstrip("/")
        else:
            self.address = os.path.abspath(os.path.expanduser(address))

    def __reduce__(self) -> tuple[type[Location], tuple[str]]:
        return Location, (self.address,)

    def __str__(self) -> str:
        """The address without the credentials that a URI may carry."""
        return re.sub(r"://[^/@]*@", "://***@", self.address).split("?", 1)[0]

    @property
    def is_local(self) -> bool:
        """Whether files are published by renaming (local) or by one atomic put (object stores)."""
        return "://" not in self.address

    @cached_property
    def _resolved(self) -> tuple[fs.FileSystem, str]:
        if self.is_local:
            return fs.LocalFileSystem(), self.address
        return self._resolved_uri(self.address)

    @property
    def filesystem(self) -> fs.FileSystem:
        """The file system, built at first use."""
        return self._resolved[0]

    def path(self, folder: str, name: str = "") -> str:
        """The path on the file system of a folder, or of a file in it."""
        return "/".join(part for part in (self._resolved[1], folder, name) if part)

    def shown(self, folder: str, name: str) -> str:
        """The name of a file for messages."""
        return f"{self}/{folder}/{name}"

    def exists(self) -> bool:
        """Whether a store has been made here.

        Raises:
            InputError: a file lies at the address.
            EnvironmentFailure: the file system cannot be read.
        """
        with self._io("read"):
            infos = self.filesystem.get_file_info(
                [self._resolved[1], self.path("trials"), self.path("plans")]
            )
        if infos[0].type == fs.FileType.File:
            raise InputError(f"The store {self} is a file, not a folder.")
        return any(info.type == fs.FileType.Directory for info in infos[1:])

    def make(self) -> None:
        """Make the store's folders, where they are missing."""
        with self._io("made"):
            for folder in FOLDERS:
                self.filesystem.create_dir(self.path(folder), recursive=True)

    def make_folder(self, folder: str) -> None:
        """Make one of the optional folders of a store that is there."""
        if self.is_local:
            # Not makedirs: a store that is gone must not come back as an empty one.
            with self._io("written"), contextlib.suppress(FileExistsError):
                os.mkdir(self.path(folder))

    def list(self, folder: str) -> dict[str, int]:
        """The files of a folder, by name in alphabetical order, with their sizes in bytes.

        Hidden files (`.nfs*`, `.DS_Store`) are left out.
        """
        # An object store has no empty folders; a local folder that is missing is a lost store.
        optional = folder in OPTIONAL_FOLDERS or not self.is_local
        selector = fs.FileSelector(self.path(folder), allow_not_found=optional)
        with self._io("read"):
            infos = self.filesystem.get_file_info(selector)
        files = ((i.base_name, i.size) for i in infos if i.type == fs.FileType.File)
        return dict(sorted((name, size) for name, size in files if not name.startswith(".")))

    def size(self, folder: str, name: str) -> int | None:
        """The size of a file in bytes, or None where it is not there."""
        with self._io("read"):
            info = self.filesystem.get_file_info(self.path(folder, name))
        return info.size if info.type == fs.FileType.File else None

    def source(self, folder: str, name: str, size: int) -> pa.NativeFile:
        """A seekable source of one file's bytes; small files are already in memory.

        Raises:
            FileNotFoundError: the file has vanished since it was listed.
            EnvironmentFailure: the file cannot be read.
        """
        path = self.path(folder, name)
        with self._io("read", vanishing=True):
            if size > _WHOLE_FILE_BYTES:
                return self.filesystem.open_input_file(path)
            with self.filesystem.open_input_stream(path) as stream:
                return pa.BufferReader(stream.read())

    def publish(self, folder: str, name: str, content: pa.Buffer) -> None:
        """Make a complete file visible under its name in one atomic, durable act.

        Raises:
            EnvironmentFailure: the file cannot be written; nothing became visible.
        """
        with self._io("written"):
            if self.is_local:
                self._publish_by_renaming(folder, name, content)
                return
            # One write of finished bytes: an error while encoding cannot leave half an object.
            with self.filesystem.open_output_stream(self.path(folder, name)) as stream:
                stream.write(content)

    def delete(self, folder: str, name: str) -> None:
        """Delete a file; one that is already gone is well."""
        with self._io("written"), contextlib.suppress(FileNotFoundError):
            self.filesystem.delete_file(self.path(folder, name))

    def _publish_by_renaming(self, folder: str, name: str, content: pa.Buffer) -> None:
        aside = self.path("tmp", f"{uuid.uuid4().hex}-{name}")
        try:
            with open(aside, "xb") as file:
                file.write(memoryview(content))
                file.flush()
                os.fsync(file.fileno())
            os.replace(aside, self.path(folder, name))
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(aside)
            raise
        if os.name == "posix":  # elsewhere folders cannot be opened, and need not be
            descriptor = os.open(self.path(folder), os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    @contextlib.contextmanager
    def _io(self, done: str, vanishing: bool = False) -> Iterator[None]:
        """Turn the file system's errors into one sentence."""
        try:
            yield
        except FileNotFoundError as error:
            if vanishing:
                raise
            raise EnvironmentFailure(
                f"The store {self} cannot be {done}: {_first_line(error)}."
            ) from error
        except (OSError, pa.ArrowException) as error:
            raise EnvironmentFailure(
                f"The store {self} cannot be {done}: {_first_line(error)}."
            ) from error

    def _resolved_uri(self, uri: str) -> tuple[fs.FileSystem, str]:
        shown = re.sub(r"://[^/@]*@", "://***@", uri).split("?", 1)[0]
        scheme = uri.split("://", 1)[0].lower()
        if scheme != "file" and not scheme.startswith(_ATOMIC_PUT):
            raise InputError(
                f"The store {shown} lies on {scheme}://, where unfinished files can be seen: "
                "use a folder, s3://, gs:// or abfs://."
            )
        try:
            filesystem, root = fs.FileSystem.from_uri(uri)
        except (pa.ArrowException, ImportError, ValueError) as error:
            raise InputError(
                f"The store {shown} is not a location that can be opened: {_first_line(error)}."
            ) from error
        except OSError as error:
            raise EnvironmentFailure(
                f"The store {shown} cannot be reached: {_first_line(error)}."
            ) from error
        return filesystem, root.rstrip("/")


def _first_line(error: BaseException) -> str:
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return str(text).splitlines()[0].rstrip(".")
