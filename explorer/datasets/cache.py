"""Generated arrays kept in the user's cache folder; a torn file is generated again."""

from __future__ import annotations

import logging
import os
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from explorer.datasets.dataset import Array, hash_arrays

logger = logging.getLogger(__name__)

FOLDER_NAME = "hyperparameter-landscape-explorer"


def cache_folder() -> Path:
    """$EXPLORER_CACHE, or this program's folder in $XDG_CACHE_HOME or ~/.cache."""
    chosen = os.environ.get("EXPLORER_CACHE")
    if chosen:
        return Path(chosen).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / FOLDER_NAME


def cached_arrays(key: str, build: Callable[[], tuple[Array, ...]]) -> tuple[Array, ...]:
    """The arrays kept under `key`, or those that `build` makes, kept for the next time.

    Any number of processes may call this at once: each writes a file of its own and renames it,
    so that a reader sees a whole file or none. A file that does not hold what its own hash says
    is built again. A cache folder that cannot be written costs a warning and nothing else.

    Args:
        key: names the arrays and the versions of all that made them.
        build: makes the arrays.
    """
    path = cache_folder() / f"{key}.npz"
    arrays = _read(path)
    if arrays is None:
        arrays = build()
        _write(path, arrays)
    return arrays


def _read(path: Path) -> tuple[Array, ...] | None:
    try:
        # Opened here, because numpy leaves a file that is no whole archive open.
        with open(path, "rb") as stream, np.load(stream, allow_pickle=False) as file:
            count = len(file.files) - 1
            arrays = tuple(file[f"array_{i}"] for i in range(count))
            whole = hash_arrays(*arrays) == str(file["sha256"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        whole = False
    if not whole:
        logger.warning("The cache file %s is damaged; it is made again.", path)
        return None
    return arrays


def _write(path: Path, arrays: tuple[Array, ...]) -> None:
    named = {f"array_{i}": array for i, array in enumerate(arrays)}
    temporary: str | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-")
        with os.fdopen(handle, "wb") as file:
            np.savez(file, allow_pickle=False, **named, sha256=np.array(hash_arrays(*arrays)))
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        logger.warning("The cache file %s could not be written: %s.", path, error)
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)
