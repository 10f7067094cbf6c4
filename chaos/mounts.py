"""Small file systems for a scenario, mounted where this process may mount."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

from chaos.skipping import CannotRun


def mount(*arguments: object) -> None:
    """Call mount.

    Raises:
        CannotRun: this process may not, or there is no mount here.
    """
    try:
        subprocess.run(["mount", *map(str, arguments)], check=True, capture_output=True, text=True)
    except FileNotFoundError as error:
        raise CannotRun("there is no mount here") from error
    except subprocess.CalledProcessError as error:
        raise CannotRun(f"file systems cannot be mounted here: {error.stderr.strip()}") from error


def unmount(folder: Path) -> None:
    """Detach what is mounted at a folder, although files in it may be open."""
    subprocess.run(["umount", "-l", str(folder)], check=False, capture_output=True)


@contextlib.contextmanager
def tmpfs(folder: Path, size: str) -> Iterator[Path]:
    """A file system in memory, of so many bytes (`600k`), at a folder that is made."""
    folder.mkdir()
    mount("-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder)
    try:
        yield folder
    finally:
        unmount(folder)


def resize(folder: Path, size: str) -> None:
    """Give a tmpfs another size."""
    mount("-o", f"remount,size={size}", folder)


@contextlib.contextmanager
def read_only_over(folder: Path) -> Iterator[None]:
    """Lay a read-only view of a folder over itself: files that are open stay writable."""
    mount("--bind", folder, folder)
    try:
        mount("-o", "remount,bind,ro", folder)
        yield
    finally:
        unmount(folder)
