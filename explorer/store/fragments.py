"""The file format of the store: one Parquet file, its kind and schema version in its metadata."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping

import pyarrow as pa
import pyarrow.parquet as pq

from explorer.errors import EnvironmentFailure, InputError
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
        self._location = location
        self._source = location.source(folder, name, size)
        with self._decoding("torn or not a Parquet file"):
            self._file = pq.ParquetFile(self._source, page_checksum_verification=True)
            self.schema = self._file.schema_arrow
        self.metadata: dict[bytes, bytes] = self.schema.metadata or {}
        self.version = self._checked_version(location)

    @property
    def rows(self) -> int:
        """Rows in the file, from its footer."""
        return int(self._file.metadata.num_rows)

    def read(self, schema: pa.Schema) -> pa.Table:
        """The columns of `schema`, in its types; null where an older file lacks a nullable one."""
        present = set(self.schema.names)
        older = self.version < SCHEMA_VERSION
        for field in schema:
            if field.name not in present and not (older and field.nullable):
                raise UnreadableFile(self.folder, self.name, f"without the column {field.name}")
        wanted = [name for name in schema.names if name in present]
        with self._decoding("torn content"):
            table = self._file.read(columns=wanted, use_threads=self._large)
            if table.schema.equals(schema):
                return table.replace_schema_metadata(schema.metadata)
            columns = dict(zip(table.column_names, table.columns, strict=True))
            arrays = [
                columns[field.name].cast(field.type)
                if field.name in columns
                else pa.nulls(table.num_rows, field.type)
                for field in schema
            ]
            return pa.Table.from_arrays(arrays, schema=schema)

    @contextlib.contextmanager
    def _decoding(self, reason: str) -> Iterator[None]:
        """Tell a torn file from a file system that fails while a large file is decoded."""
        try:
            yield
        except pa.ArrowException as error:
            raise UnreadableFile(self.folder, self.name, reason) from error
        except OSError as error:
            # Arrow reports damage as OSError too; only a remote source can still fail by itself.
            if self._location.size(self.folder, self.name) is None:
                raise FileNotFoundError(self.name) from error
            if isinstance(self._source, pa.BufferReader) or self._location.is_local:
                raise UnreadableFile(self.folder, self.name, reason) from error
            name = self._location.shown(self.folder, self.name)
            text = str(error).splitlines()[0]
            raise EnvironmentFailure(f"The file {name} cannot be read: {text}.") from error

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
