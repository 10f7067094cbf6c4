"""Small JSON documents beside the results: what runs tell each other, and what was measured."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from explorer.store.fragments import UnreadableFile
from explorer.store.location import Location
from explorer.store.read import warn_skipped

_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.]{0,99}")
_FOLDER = "notes"
#: A note is small; a larger file is not one of ours.
_LARGEST = 16 * 2**20


def write_note(location: Location, kind: str, name: str, values: Mapping[str, Any]) -> None:
    """Write a note, in the place of an earlier one of this kind and name, in one atomic act.

    Args:
        location: the store.
        kind: what sort of note; letters, digits and `_`.
        name: which one; letters, digits, `_` and `.`.
        values: what JSON can hold.

    Raises:
        ValueError: kind or name cannot be part of a file's name.
        EnvironmentFailure: the store cannot be written.
    """
    text = json.dumps(values, separators=(",", ":"), allow_nan=False)
    location.make_folder(_FOLDER)
    location.publish(_FOLDER, _file_name(kind, name), pa.py_buffer(text.encode()))


def read_notes(location: Location, kind: str) -> dict[str, dict[str, Any]]:
    """All notes of a kind, by name; torn and foreign files are skipped with a warning.

    Raises:
        EnvironmentFailure: the store cannot be read.
    """
    notes: dict[str, dict[str, Any]] = {}
    skipped: list[UnreadableFile] = []
    beginning = f"{kind}-"
    for file, size in location.list(_FOLDER).items():
        if not (file.startswith(beginning) and file.endswith(".json")):
            continue
        try:
            if size > _LARGEST:
                raise ValueError(f"it has {size} bytes")
            content = location.source(_FOLDER, file, size).read()
            values = json.loads(content.decode(), parse_constant=_no_number)
            if not isinstance(values, dict):
                raise ValueError("it holds no object")
        except FileNotFoundError:
            continue
        except (ValueError, RecursionError) as error:
            skipped.append(UnreadableFile(_FOLDER, file, f"not a note: {error}"))
            continue
        notes[file[len(beginning) : -len(".json")]] = values
    warn_skipped(location, skipped)
    return notes


def delete_note(location: Location, kind: str, name: str) -> None:
    """Delete a note; one that is already gone is well.

    Raises:
        EnvironmentFailure: the store cannot be written.
    """
    location.delete(_FOLDER, _file_name(kind, name))


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is no number")


def _file_name(kind: str, name: str) -> str:
    for text in (kind, name):
        if not _SAFE.fullmatch(text):
            raise ValueError(f"{text!r} cannot be part of a note's name.")
    return f"{kind}-{name}.json"
