"""Publishing on a file system: written aside, made durable, and renamed into place."""

from __future__ import annotations

import contextlib
import errno
import os
from functools import cache
from threading import Lock

import pyarrow as pa

#: What a rename fails with where tmp/ is on another file system, or the file system cannot rename.
_NO_RENAMES = frozenset(
    {errno.EXDEV, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EPERM, errno.EINVAL}
)
#: What some network file systems answer when a folder is to be made durable.
_NO_FOLDER_SYNC = frozenset({errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EBADF})

_umask_lock = Lock()


def publish_by_renaming(aside: str, target: str, content: pa.Buffer) -> None:
    """Write a file aside and give it its name when it is whole and on the disk.

    Args:
        aside: a path in `tmp/` that is not in use.
        target: where it shall appear.
        content: its bytes.

    Raises:
        OSError: the file cannot be written; nothing is left aside, nothing appeared.
    """
    try:
        _write_and_rename(aside, target, content)
    except FileNotFoundError:
        # A repair under a clock that had jumped may have taken it for an old leftover: once more.
        _write_and_rename(aside, target, content)
    make_durable(os.path.dirname(target))


def make_durable(folder: str) -> None:
    """Write a folder's entries to the disk."""
    if os.name != "posix":  # elsewhere folders cannot be opened, and need not be
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_FOLDER_SYNC:
            raise
    finally:
        os.close(descriptor)


def _write_and_rename(aside: str, target: str, content: pa.Buffer) -> None:
    try:
        # Nobody else's business until it is whole; then as readable as the user's files are.
        with open(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(memoryview(content))
            file.flush()
            if hasattr(os, "fchmod"):
                with contextlib.suppress(OSError):  # a file system without permissions
                    os.fchmod(file.fileno(), 0o666 & ~_umask())
            os.fsync(file.fileno())
        _rename(aside, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(aside)
        raise


def _rename(aside: str, target: str) -> None:
    try:
        os.replace(aside, target)
    except OSError as error:
        if error.errno not in _NO_RENAMES:
            raise
        folder = os.path.basename(os.path.dirname(target))
        raise OSError(
            error.errno,
            f"files cannot be renamed from its tmp/ into its {folder}/, which a store needs: "
            f"{error.strerror}",
        ) from error


@cache
def _umask() -> int:
    """The process's umask, which can only be read by setting it: once, and to the private side."""
    with _umask_lock:
        mask = os.umask(0o077)
        os.umask(mask)
    return mask
