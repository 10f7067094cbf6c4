"""Where a store lies: one address, its file system, and the atomic publishing of one file."""

from __future__ import annotations

import contextlib
import errno
import os
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import pyarrow as pa
from pyarrow import fs

from explorer.errors import EnvironmentFailure, InputError
from explorer.store.address import cause, no_bucket, opened, renames_files, without_credentials
from explorer.store.local_publish import make_durable, publish_by_renaming

#: In the order in which they are made: where `trials` is there, the others are too.
FOLDERS = ("tmp", "curves", "plans", "trials")
#: Made when they are needed: a store of an earlier version has none.
OPTIONAL_FOLDERS = ("notes", "checkpoints")
#: Where a repair moves damaged files to, in folders named as those that they come from.
QUARANTINE = "quarantine"
#: Logs of runs, in a local store.
LOGS = "logs"
#: Begins the hidden files by which `check_writable` tries the folders.
TRIAL_WRITE = ".writable-"

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
            address = opened(address)[1]
        scheme, separator, rest = address.partition("://")
        if separator:
            self.address = f"{scheme}://{rest.rstrip('/')}"
        else:
            self.address = os.path.abspath(os.path.expanduser(address))

    def __reduce__(self) -> tuple[type[Location], tuple[str]]:
        return Location, (self.address,)

    def __str__(self) -> str:
        """The address without the credentials that a URI may carry."""
        return without_credentials(self.address)

    @property
    def is_local(self) -> bool:
        """Whether it is a folder of this machine, or one that is mounted here."""
        return "://" not in self.address

    @property
    def renames(self) -> bool:
        """Whether files are published by renaming (folders, HDFS) or by one put (object stores).

        Where there are renames there are folders, which can be missing.
        """
        return self.is_local or renames_files(self.address)

    @cached_property
    def _resolved(self) -> tuple[fs.FileSystem, str]:
        if self.is_local:
            return fs.LocalFileSystem(), self.address
        return opened(self.address)

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
            InputError: a file lies at the address, or its bucket does not exist.
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
        there = trials or (plans and bool(not self.renames or self.list("plans")))
        made = "allow_bucket_creation=true" in self.address
        if not there and self.address.startswith("s3://") and not made:
            bucket = self._resolved[1].partition("/")[0]
            with contextlib.suppress(OSError):  # who may not look at it may yet write below it
                if self.filesystem.get_file_info(bucket).type == fs.FileType.NotFound:
                    raise no_bucket(self.address)
        return there

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
        if not self.renames:  # an object store has no folders
            return
        with self._io("written"):
            # A store that is gone must not come back as an empty one.
            if not any(map(self.has_folder, ("trials", "curves"))):
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
            if not self.is_local:
                self.filesystem.create_dir(self.path(folder), recursive=True)
                return
            made = ""
            for part in folder.split("/"):
                made = f"{made}/{part}" if made else part
                with contextlib.suppress(FileExistsError):
                    os.mkdir(self.path(made))

    def has_folder(self, folder: str) -> bool:
        """Whether a folder is there; on an object store every folder is."""
        if not self.renames:
            return True
        with self._io("read"):
            info = self.filesystem.get_file_info(self.path(folder))
        return bool(info.type == fs.FileType.Directory)

    def list(self, folder: str) -> dict[str, int]:
        """The files of a folder, by name in alphabetical order, with their sizes in bytes.

        Hidden files (`.nfs*`, `.DS_Store`) are left out.
        """
        # An object store has no empty folders; elsewhere a folder that is missing is a lost store.
        optional = folder in OPTIONAL_FOLDERS or not self.renames
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

        What lies behind a symbolic link to a folder is left out: it is somebody else's.

        Raises:
            EnvironmentFailure: the folder cannot be read.
        """
        root = self.path(folder)
        with self._io("read"):
            if self.is_local:
                return _below(root)
            selector = fs.FileSelector(root, allow_not_found=True, recursive=True)
            infos = list(self._infos(selector))
        found: dict[str, Entry] = {}
        for info in sorted(infos, key=lambda info: str(info.path)):
            if info.type == fs.FileType.File:
                name = info.path.lstrip("/").removeprefix(root.lstrip("/")).lstrip("/")
                seconds = None if info.mtime_ns is None else info.mtime_ns / 1e9
                found[name] = Entry(info.size, seconds)
        return found

    def beside(self) -> tuple[str, ...]:
        """What lies beside the store's own folders, by name; hidden files and folders left out.

        Raises:
            EnvironmentFailure: the store cannot be read.
        """
        own = {*FOLDERS, *OPTIONAL_FOLDERS, QUARANTINE, LOGS}
        with self._io("read"):
            infos = list(self._infos(fs.FileSelector(self._resolved[1], allow_not_found=True)))
        names = (
            f"{info.base_name}/" if info.type == fs.FileType.Directory else info.base_name
            for info in infos
            if info.base_name not in own and not info.base_name.startswith(".")
        )
        return tuple(sorted(names))

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
        aside = self.path("tmp", f"{uuid.uuid4().hex}-{name.lstrip('.')}")
        target = self.path(folder, name)
        with self._io("written"):
            if self.is_local:
                publish_by_renaming(aside, target, content)
            elif self.renames:
                self.make_folder("tmp")  # HDFS makes missing parents, also those of a store gone
                try:
                    self._put(aside, content)
                    self.filesystem.move(aside, target)
                except BaseException:
                    with contextlib.suppress(OSError):
                        self.filesystem.delete_file(aside)
                    raise
            else:
                self._put(target, content)

    def _put(self, path: str, content: pa.Buffer) -> None:
        # One write of finished bytes: an error while encoding cannot leave half an object.
        with self.filesystem.open_output_stream(path) as stream:
            stream.write(content)

    def delete(self, folder: str, name: str) -> None:
        """Delete a file; one that is already gone is well."""
        path = self.path(folder, name)
        with (
            self._io("written"),
            contextlib.suppress(FileNotFoundError),
            self._vanishing(path),
        ):
            self.filesystem.delete_file(path)

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
            if self.renames:
                self.filesystem.move(source, target)
                return
            self.filesystem.copy_file(source, target)
            self.filesystem.delete_file(source)

    @contextlib.contextmanager
    def _vanishing(self, path: str) -> Iterator[None]:
        """Tell a file that is not there: S3 and HDFS have errors of their own for it."""
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
        except (OSError, pa.ArrowException) as error:
            if vanishing and isinstance(error, FileNotFoundError):
                raise
            raise EnvironmentFailure(
                f"The store {self} cannot be {done}: {cause(error, self.address)}."
            ) from error


def _below(root: str) -> dict[str, Entry]:
    """All files below a local folder; unlike Arrow's listing it follows no links to folders."""

    def failed(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):
            raise error

    found: dict[str, Entry] = {}
    for folder, _, names in os.walk(root, onerror=failed):
        for path in (os.path.join(folder, name) for name in names):
            with contextlib.suppress(FileNotFoundError, UnicodeEncodeError):
                path.encode()  # names that are no UTF-8 are none of the store's
                if os.path.isfile(path):
                    status = os.stat(path)
                    name = os.path.relpath(path, root)
                    found[name] = Entry(status.st_size, status.st_mtime_ns / 1e9)
    return dict(sorted(found.items()))


def _has_text_path(info: fs.FileInfo) -> bool:
    try:
        return bool(info.path)
    except UnicodeDecodeError:
        return False
