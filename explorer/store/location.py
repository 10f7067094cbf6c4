"""Where a store lies: one address, its file system, and the atomic publishing of one file."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import pyarrow as pa
from pyarrow import fs

from explorer.errors import EnvironmentFailure, InputError
from explorer.store.local_publish import make_durable, publish_by_renaming

#: In the order in which they are made: where `trials` is there, the others are too.
FOLDERS = ("tmp", "curves", "plans", "trials")
#: Made when they are needed: a store of an earlier version has none.
OPTIONAL_FOLDERS = ("notes", "checkpoints")
#: Where a repair moves damaged files to, in folders named as those that they come from.
QUARANTINE = "quarantine"
#: Begins the hidden files by which `check_writable` tries the folders.
TRIAL_WRITE = ".writable-"

#: Schemes whose files become visible only when complete, so that a plain put is atomic.
_ATOMIC_PUT = ("s3", "gs", "gcs", "abfs", "abfss", "fsspec+", "mock")

#: Files up to this size are fetched whole: one request, and no error of the disk while decoding.
_WHOLE_FILE_BYTES = 32 * 2**20


@dataclass(frozen=True, slots=True)
class Entry:
    """What a listing says of a file.

    Attributes:
        size: bytes.
        modified: seconds since 1970 by the file system's own clock; None where it does not say.
    """

    size: int
    modified: float | None


class Location:
    """A folder or an object-store prefix that holds a store.

    Pickles as its address: the file system is built again where it arrives.

    Args:
        address: a local path, a `file://` URI, or a URI that `pyarrow.fs` understands (`s3://...`).
    """

    def __init__(self, address: str) -> None:
        if not address:
            raise InputError("The store's location is empty.")
        try:
            address.encode()
        except UnicodeEncodeError:
            raise InputError(f"The store's location {address!a} is no UTF-8 text.") from None
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
        return without_credentials(self.address)

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
        trials, plans = (info.type == fs.FileType.Directory for info in infos[1:])
        # A store whose making was interrupted has no plan yet: making it again completes it.
        return trials or (plans and bool(not self.is_local or self.list("plans")))

    def make(self) -> None:
        """Make the store's folders, where they are missing."""
        with self._io("made"):
            for folder in FOLDERS:
                self.filesystem.create_dir(self.path(folder), recursive=True)

    def make_folder(self, folder: str) -> None:
        """Make one of the folders of a store that is there, if it is missing.

        Raises:
            EnvironmentFailure: it cannot be made, or the store is gone.
        """
        if not self.is_local:  # an object store has no folders
            return
        with self._io("written"):
            # A store that is gone must not come back as an empty one.
            if not any(os.path.isdir(self.path(name)) for name in ("trials", "curves")):
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
            made = ""
            for part in folder.split("/"):
                made = f"{made}/{part}" if made else part
                with contextlib.suppress(FileExistsError):
                    os.mkdir(self.path(made))

    def has_folder(self, folder: str) -> bool:
        """Whether a folder is there; on an object store every folder is."""
        if not self.is_local:
            return True
        with self._io("read"):
            info = self.filesystem.get_file_info(self.path(folder))
        return bool(info.type == fs.FileType.Directory)

    def list(self, folder: str) -> dict[str, int]:
        """The files of a folder, by name in alphabetical order, with their sizes in bytes.

        Hidden files (`.nfs*`, `.DS_Store`) are left out.
        """
        # An object store has no empty folders; a local folder that is missing is a lost store.
        optional = folder in OPTIONAL_FOLDERS or not self.is_local
        selector = fs.FileSelector(self.path(folder), allow_not_found=optional)
        with self._io("read"):
            infos = self._infos(selector)
        files = ((i.base_name, i.size) for i in infos if i.type == fs.FileType.File)
        return dict(sorted((name, size) for name, size in files if not name.startswith(".")))

    def _infos(self, selector: fs.FileSelector) -> Iterator[fs.FileInfo]:
        """What lies in a folder; names that are no UTF-8, as none of the store's is, left out."""
        return filter(_has_text_path, self.filesystem.get_file_info(selector))

    def entries(self, folder: str) -> dict[str, Entry]:
        """All files below a folder, hidden ones too, by their path below it; none if it is missing.

        Raises:
            EnvironmentFailure: the folder cannot be read.
        """
        root = self.path(folder)
        selector = fs.FileSelector(root, allow_not_found=True, recursive=True)
        with self._io("read"):
            infos = self._infos(selector)
        found: dict[str, Entry] = {}
        for info in sorted(infos, key=lambda info: str(info.path)):
            if info.type == fs.FileType.File:
                name = info.path.lstrip("/").removeprefix(root.lstrip("/")).lstrip("/")
                seconds = None if info.mtime_ns is None else info.mtime_ns / 1e9
                found[name] = Entry(info.size, seconds)
        return found

    def entry(self, folder: str, name: str) -> Entry | None:
        """What is known of one file, or None where it is not there."""
        with self._io("read"):
            info = self.filesystem.get_file_info(self.path(folder, name))
        if info.type != fs.FileType.File:
            return None
        return Entry(info.size, None if info.mtime_ns is None else info.mtime_ns / 1e9)

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
        with self._io("read", vanishing=True), self._vanishing(path):
            if size > _WHOLE_FILE_BYTES:
                return self.filesystem.open_input_file(path)
            with self.filesystem.open_input_stream(path) as stream:
                return pa.BufferReader(stream.read())

    def publish(self, folder: str, name: str, content: pa.Buffer) -> None:
        """Make a complete file visible under its name in one atomic, durable act.

        Raises:
            EnvironmentFailure: the file cannot be written: nothing became visible, unless only
                making it durable failed.
        """
        with self._io("written"):
            if self.is_local:
                aside = self.path("tmp", f"{uuid.uuid4().hex}-{name.lstrip('.')}")
                publish_by_renaming(aside, self.path(folder, name), content)
                return
            # One write of finished bytes: an error while encoding cannot leave half an object.
            with self.filesystem.open_output_stream(self.path(folder, name)) as stream:
                stream.write(content)

    def delete(self, folder: str, name: str) -> None:
        """Delete a file; one that is already gone is well."""
        with self._io("written"), contextlib.suppress(FileNotFoundError):
            self.filesystem.delete_file(self.path(folder, name))

    def move(self, folder: str, name: str, to_folder: str, to_name: str) -> None:
        """Move a file to another folder of the store; it is never in neither of the two.

        Raises:
            FileNotFoundError: the file is gone.
            EnvironmentFailure: the file cannot be moved.
        """
        source, target = self.path(folder, name), self.path(to_folder, to_name)
        self.make_folder(to_folder)
        with self._io("written", vanishing=True), self._vanishing(source):
            if self.is_local:
                os.rename(source, target)
                make_durable(os.path.dirname(target))
                return
            self.filesystem.copy_file(source, target)
            self.filesystem.delete_file(source)

    @contextlib.contextmanager
    def _vanishing(self, path: str) -> Iterator[None]:
        """Tell a file that vanishes while it is being opened: S3 has an error of its own for it."""
        try:
            yield
        except FileNotFoundError:
            raise
        except OSError as error:
            if self.filesystem.get_file_info(path).type == fs.FileType.NotFound:
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT)) from error
            raise

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
        shown = without_credentials(uri)
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


def without_credentials(address: str) -> str:
    """An address as it may be shown: without the key and secret of a URI, and its options."""
    scheme, separator, rest = address.partition("://")
    if not separator:
        return address
    # Up to the last @: a secret whose /, @ or ? was not escaped must not be shown either.
    credentials, at, place = rest.rpartition("@")
    if at and (":" in credentials or "/" not in credentials):
        return f"{scheme}://***@{place.split('?', 1)[0]}"
    return f"{scheme}://{rest.split('?', 1)[0]}"  # an @ may be part of the path


def _has_text_path(info: fs.FileInfo) -> bool:
    try:
        return bool(info.path)
    except UnicodeDecodeError:
        return False


def _first_line(error: BaseException) -> str:
    text = str(getattr(error, "strerror", None) or error or type(error).__name__)
    line = re.sub(r"\.? Detail: \[errno \d+\] ", ": ", text.splitlines()[0]).rstrip(".")
    return re.sub(r"://.*@", "://***@", line)  # parsers repeat what they cannot parse
