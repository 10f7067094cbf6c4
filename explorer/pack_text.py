"""A pack as a short text: Ray Tune keeps a trial's config in many places, so it must be small."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Sequence
from typing import Any

from explorer.trial import Configuration

#: Bytes of a pack's text; a foreign one may claim to hold any number.
_LARGEST = 64 * 2**20


def encode_members(configurations: Sequence[Configuration]) -> str:
    """Return the members as text: fields that all share once, the others as columns, compressed.

    Sixty-four members of a grid take some 300 characters, with arbitrary learning rates 1,000.
    """
    rows = [configuration.as_dict() for configuration in configurations]
    shared: dict[str, Any] = {}
    columns: dict[str, list[Any]] = {}
    for name in rows[0]:
        values = [row[name] for row in rows]
        if all(value == values[0] for value in values):
            shared[name] = values[0]
        else:
            columns[name] = values
    text = json.dumps([len(rows), shared, columns], separators=(",", ":"))
    return base64.b85encode(zlib.compress(text.encode(), 9)).decode()


def decode_members(text: str) -> tuple[Configuration, ...]:
    """Return the members that `encode_members` was given, in the same order."""
    unpacked = zlib.decompressobj().decompress(base64.b85decode(text), _LARGEST)
    count, shared, columns = json.loads(unpacked)
    return tuple(
        Configuration(**shared, **{name: values[i] for name, values in columns.items()})
        for i in range(count)
    )
