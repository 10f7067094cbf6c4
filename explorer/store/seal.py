"""A seal in every file: hashes by which a changed byte is found, wherever in the file it lies.

Parquet's page checksums cover the values, but neither the pages' headers nor the footer, where
names, types, positions and the texts of the metadata stand. The seal covers all of it, and is
looked at before anything is decoded. It lies between the last page and the footer, a place that no
reader of Parquet looks at, so that the file stays an ordinary Parquet file:

    PAR1, pages | seal: 8 bytes of mark, SHA-256 of what is before, SHA-256 of what follows | footer
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

_MARK = b"\x89seal1\r\n"
_DIGEST = 32
SEAL_BYTES = len(_MARK) + 2 * _DIGEST
#: A Parquet file ends with the footer's length, 4 bytes, and these 4.
_END = b"PAR1"
_END_BYTES = 8


def sealed(content: memoryview) -> bytes:
    """The bytes of a Parquet file with a seal between its pages and its footer.

    Raises:
        ValueError: the bytes are no Parquet file.
    """
    footer = footer_bytes(bytes(content[-_END_BYTES:]), len(content))
    if footer is None:
        raise ValueError("These bytes are no Parquet file.")
    before, after = content[: len(content) - footer], content[len(content) - footer :]
    return b"".join((before, _MARK, _sha256(before), _sha256(after), after))


def footer_bytes(end: bytes, size: int) -> int | None:
    """Length of the footer with the file's end, as its last 8 bytes tell; None where they do not.

    Args:
        end: the file's last 8 bytes.
        size: the file's size in bytes.
    """
    if len(end) != _END_BYTES or not end.endswith(_END):
        return None
    length = int.from_bytes(end[:4], "little") + _END_BYTES
    return length if length + len(_END) <= size else None


def is_sealed(before_footer: bytes) -> bool:
    """Whether the bytes before a footer are a seal; files of earlier versions have none."""
    return len(before_footer) == SEAL_BYTES and before_footer.startswith(_MARK)


def footer_is_whole(seal: bytes, footer: memoryview) -> bool:
    """Whether the footer, the file's end included, is as it was when the file was sealed."""
    return seal[-_DIGEST:] == _sha256(footer)


def pages_are_whole(seal: bytes, pages: Iterable[memoryview]) -> bool:
    """Whether all that lies before the seal, given in pieces, is as it was."""
    digest = hashlib.sha256()
    for piece in pages:
        digest.update(piece)
    return seal[len(_MARK) : -_DIGEST] == digest.digest()


def _sha256(content: memoryview) -> bytes:
    return hashlib.sha256(content).digest()
