"""The file format of the store: one Parquet file, its kind and schema version in its metadata."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from explorer.errors import InputError
from explorer.store.location import Location
from explorer.store.schema import SCHEMA_VERSION

_KIND = b"explorer.kind"
_VERSION = b"explorer.schema_version"
_LARGE_FILE_BYTES = 4 * 2**20

#: Begins the names of compacted fragments, and of nothing else.
COMPACTED = "c-"


class UnreadableFile(Exception):  # noqa: N818  (never leaves the store)
    """A torn or foreign file; readers skip it with a warning that names it."""

    def __init__(self, folder: str, name: str, reason: str) -> None:
        super().__init__(f"{folder}/{name}: {reason}")
        self.folder = folder
        self.name = name
        self.reason = reason


class Fragment:
    """One opened file of the store, checked for its kind and version.

    Args:
        location: the store.
        folder: `trials`, `curves` or `plans`; also the kind that the file must be of.
        name: the file's name.
        size: its size in bytes, as listed.

    Raises:
        FileNotFoundError: the file has vanished since it was listed.
        UnreadableFile: the file is torn, or not one of the store's.
        InputError: the file was written under a newer major schema version.
        EnvironmentFailure: the file cannot be read.
    """

    def __init__(self, location: Location, folder: str, name: str, size: int) -> None:
        self.folder, self.name = folder, name
        self._large = size > _LARGE_FILE_BYTES
        if not name.endswith(".parquet"):
            raise UnreadableFile(folder, name, "not a Parquet file")
        source = location.source(folder, name, size)
        try:
            self._file = pq.ParquetFile(source, page_checksum_verification=True)
            self.schema = self._file.schema_arrow
        except (pa.ArrowException, OSError) as error:
            raise UnreadableFile(folder, name, "torn or not a Parquet file") from error
        self.metadata: dict[bytes, bytes] = self.schema.metadata or {}
        self.version = self._checked_version(location)

    @property
    def rows(self) -> int:
        """Rows in the file, from its footer."""
        return int(self._file.metadata.num_rows)

    def read(self, fields: Sequence[pa.Field]) -> pa.Table:
        """The named columns, in their present types; nullable ones that are missing are null."""
        present = set(self.schema.names)
        wanted = [field.name for field in fields if field.name in present]
        try:
            table = self._file.read(columns=wanted, use_threads=self._large)
            arrays = [self._column(table, field) for field in fields]
        except (pa.ArrowException, OSError) as error:
            raise UnreadableFile(self.folder, self.name, "torn content") from error
        return pa.Table.from_arrays(arrays, schema=pa.schema(fields))

    def _column(self, table: pa.Table, field: pa.Field) -> pa.ChunkedArray:
        if field.name in table.column_names:
            column = table[field.name]
            return column if column.type == field.type else column.cast(field.type)
        if not field.nullable:
            raise UnreadableFile(self.folder, self.name, f"without the column {field.name}")
        return pa.chunked_array([pa.nulls(table.num_rows, field.type)])

    def _checked_version(self, location: Location) -> tuple[int, int]:
        kind = self.metadata.get(_KIND, b"").decode(errors="replace")
        match = re.fullmatch(r"(\d+)\.(\d+)", self.metadata.get(_VERSION, b"").decode("latin-1"))
        if kind != self.folder or match is None:
            raise UnreadableFile(self.folder, self.name, f"not a file of the store's {self.folder}")
        version = int(match[1]), int(match[2])
        if version[0] > SCHEMA_VERSION[0]:
            raise InputError(
                f"The file {location.shown(self.folder, self.name)} has schema version "
                f"{version[0]}.{version[1]}, newer than {SCHEMA_VERSION[0]}.{SCHEMA_VERSION[1]}, "
                "the highest that this version of the explorer reads."
            )
        return version


def encoded(table: pa.Table, kind: str, metadata: Mapping[str, str] | None = None) -> pa.Buffer:
    """A table as the bytes of a Parquet file of one kind.

    Args:
        table: the rows.
        kind: `trials`, `curves` or `plans`.
        metadata: further texts for the file's metadata.
    """
    version = ".".join(str(number) for number in SCHEMA_VERSION)
    texts = {_KIND: kind.encode(), _VERSION: version.encode()}
    texts |= {key.encode(): value.encode() for key, value in (metadata or {}).items()}
    sink = pa.BufferOutputStream()
    pq.write_table(
        table.replace_schema_metadata(texts),
        sink,
        compression="zstd",
        write_statistics=False,  # no reader filters by them, and small files stay small
        write_page_checksum=True,
    )
    return sink.getvalue()
