"""A local store's folder for another program, which must not bring back a store that has gone."""

from __future__ import annotations

import os
from typing import Any

from pyarrow import fs


class GuardedFolder(fs.FileSystemHandler):
    """The local file system, with one difference: nothing is made below a store that is not there.

    A folder that was renamed or unmounted would otherwise come back, almost empty, wherever a
    program makes the missing parents of its files. Wrap it in `pyarrow.fs.PyFileSystem`; pickles.

    Args:
        store: the store's folder.
    """

    def __init__(self, store: str) -> None:
        self._store = store
        self._local = fs.LocalFileSystem()

    def __reduce__(self) -> tuple[type[GuardedFolder], tuple[str]]:
        return GuardedFolder, (self._store,)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, GuardedFolder) and other._store == self._store

    def __hash__(self) -> int:
        return hash(self._store)

    def _guard(self) -> None:
        if not os.path.isdir(os.path.join(self._store, "trials")):
            raise FileNotFoundError(2, "The store is gone", self._store)

    def get_type_name(self) -> str:
        """What pyarrow calls the file system."""
        return "guarded"

    def normalize_path(self, path: str) -> str:
        """As the local file system writes it."""
        return str(self._local.normalize_path(path))

    def get_file_info(self, paths: list[str]) -> list[fs.FileInfo]:
        """What lies at these paths."""
        return list(self._local.get_file_info(paths))

    def get_file_info_selector(self, selector: fs.FileSelector) -> list[fs.FileInfo]:
        """What lies in a folder."""
        return list(self._local.get_file_info(selector))

    def create_dir(self, path: str, recursive: bool) -> None:
        """Make a folder, if the store is there."""
        self._guard()
        self._local.create_dir(path, recursive=recursive)

    def delete_dir(self, path: str) -> None:
        """Delete a folder."""
        self._local.delete_dir(path)

    def delete_dir_contents(self, path: str, missing_dir_ok: bool = False) -> None:
        """Empty a folder."""
        self._local.delete_dir_contents(path, missing_dir_ok=missing_dir_ok)

    def delete_root_dir_contents(self) -> None:
        """Refuse: the root is not the store's."""
        raise OSError("The root of the file system is not a store's.")

    def delete_file(self, path: str) -> None:
        """Delete a file."""
        self._local.delete_file(path)

    def move(self, src: str, dest: str) -> None:
        """Rename, if the store is there."""
        self._guard()
        self._local.move(src, dest)

    def copy_file(self, src: str, dest: str) -> None:
        """Copy a file, if the store is there."""
        self._guard()
        self._local.copy_file(src, dest)

    def open_input_stream(self, path: str) -> Any:
        """Read a file from its beginning."""
        return self._local.open_input_stream(path)

    def open_input_file(self, path: str) -> Any:
        """Read a file anywhere."""
        return self._local.open_input_file(path)

    def open_output_stream(self, path: str, metadata: Any) -> Any:
        """Write a file, whose folder must be there."""
        return self._local.open_output_stream(path, metadata=metadata)

    def open_append_stream(self, path: str, metadata: Any) -> Any:
        """Refuse: files are written once."""
        raise OSError(f"{path}: files in a store are written once.")
