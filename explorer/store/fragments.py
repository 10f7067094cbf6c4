"""The file format of the store: one Parquet file, its kind and schema version in its metadata."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping

import pyarrow as pa
import pyarrow.parquet as pq

from explorer.errors import EnvironmentFailure, InputError
from explorer.store import seal
from explorer.store.address import cause
from explorer.store.location import Location
from explorer.store.schema import SCHEMA_VERSION

_KIND = b"explorer.kind"
_VERSION = b"explorer.schema_version"
#: Present in the metadata of files that have a seal, so that a lost seal is noticed.
_SEALED = b"explorer.sealed"
_LARGE_FILE_BYTES = 4 * 2**20

_TORN = "torn or not a Parquet file"
_CHANGED = "damaged, its bytes are not those that were written"

#: Begins the names of compacted fragments, and of nothing else.
COMPACTED = "c-"


#: Bytes read at once while a file is hashed that is too large to be held.
_PIECE = 8 * 2**20


class UnreadableFile(Exception):  # noqa: N818  (never leaves the store)
    """A torn or foreign file; readers skip it with a warning that names it.

    Attributes:
        folder: of the store.
        name: the file's.
        reason: what is wrong with it, after "it is" or as a phrase of its own.
        foreign: whether it never was one of the store's files of this folder.
    """

    def __init__(self, folder: str, name: str, reason: str, foreign: bool = False) -> None:
        super().__init__(f"{folder}/{name}: {reason}")
        self.folder = folder
        self.name = name
        self.reason = reason
        self.foreign = foreign


class Fragment:
    """One opened file of the store, checked for its seal, its kind and its version.

    Small files are checked whole before anything is decoded; of large ones the footer is, and each
    page by its checksum when it is read.

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
            raise UnreadableFile(folder, name, "not a Parquet file", foreign=True)
        self._location = location
        self._source = location.source(folder, name, size)
        with self._decoding(_TORN):
            self._sealed = self._has_whole_seal(
                everything=isinstance(self._source, pa.BufferReader)
            )
            self._file = pq.ParquetFile(self._source, page_checksum_verification=True)
            self.schema = self._file.schema_arrow
            self.metadata: dict[bytes, bytes] = self.schema.metadata or {}
        self.version = self._checked_version()
        if _SEALED in self.metadata and not self._sealed:
            raise UnreadableFile(folder, name, _CHANGED)

    @property
    def rows(self) -> int:
        """Rows in the file, from its footer."""
        return int(self._file.metadata.num_rows)

    def check_whole(self) -> None:
        """Look at every byte of a sealed file, also of a large one.

        Raises:
            UnreadableFile: a byte is not as it was written.
            EnvironmentFailure: the file cannot be read.
        """
        if self._sealed and not isinstance(self._source, pa.BufferReader):
            with self._decoding(_TORN):
                self._has_whole_seal(everything=True)

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
            if not self._sealed:
                table.validate(full=True)  # damage may be no UTF-8, or of unequal lengths
            if table.schema.equals(schema):
                return table.replace_schema_metadata(schema.metadata)
            columns = dict(zip(table.column_names, table.columns, strict=True))
            arrays = [
                columns[field.name].cast(field.type)
                if field.name in columns
                else pa.nulls(table.num_rows, field.type)
                for field in schema
            ]
            for field, array in zip(schema, arrays, strict=True):
                if array.null_count and not field.nullable:
                    raise UnreadableFile(self.folder, self.name, f"null in the column {field.name}")
            return pa.Table.from_arrays(arrays, schema=schema)

    def _has_whole_seal(self, everything: bool) -> bool:
        """Whether the file is sealed; files of earlier versions are not.

        Raises:
            UnreadableFile: a byte that was looked at is not as it was written.
        """
        source = self._source
        size = source.size()
        end = source.read_at(min(size, 8), max(size - 8, 0))
        footer = seal.footer_bytes(end, size)
        if footer is None:
            raise UnreadableFile(self.folder, self.name, _TORN)
        begin = size - footer - seal.SEAL_BYTES
        mark = source.read_at(seal.SEAL_BYTES, begin) if begin > 0 else b""
        if not seal.is_sealed(mark):
            return False
        whole = seal.footer_is_whole(mark, source.read_at(footer, size - footer))
        if whole and everything:
            starts = range(0, begin, _PIECE)
            pieces = (source.read_at(min(_PIECE, begin - start), start) for start in starts)
            whole = seal.pages_are_whole(mark, pieces)
        if not whole:
            raise UnreadableFile(self.folder, self.name, _CHANGED)
        return True

    @contextlib.contextmanager
    def _decoding(self, reason: str) -> Iterator[None]:
        """Tell a torn file from a file system, or a memory, that fails while it is decoded."""
        try:
            yield
        except UnreadableFile:
            raise
        except MemoryError as error:
            if getattr(self, "_sealed", False):  # damage can ask for any amount, this file does not
                raise EnvironmentFailure(
                    f"The file {self._shown} does not fit into memory."
                ) from error
            raise UnreadableFile(self.folder, self.name, reason) from error
        except OSError as error:
            # Arrow reports damage as OSError too.
            if not isinstance(self._source, pa.BufferReader):
                self._check_that_it_can_be_read()
            raise UnreadableFile(self.folder, self.name, reason) from error
        except (pa.ArrowException, ValueError, TypeError, KeyError, OverflowError) as error:
            raise UnreadableFile(self.folder, self.name, reason) from error

    def _check_that_it_can_be_read(self) -> None:
        """Read the bytes of a large file again, without decoding them.

        Raises:
            FileNotFoundError: the file has vanished since it was listed.
            EnvironmentFailure: the file system fails.
        """
        size = self._location.size(self.folder, self.name)
        if size is None:
            raise FileNotFoundError(self.name)
        try:
            source = self._location.source(self.folder, self.name, size)
            for start in range(0, size, _PIECE):
                source.read_at(_PIECE, start)
        except OSError as error:
            raise EnvironmentFailure(
                f"The file {self._shown} cannot be read: {cause(error, self._location.address)}."
            ) from error

    @property
    def _shown(self) -> str:
        return self._location.shown(self.folder, self.name)

    def _checked_version(self) -> tuple[int, int]:
        kind = self.metadata.get(_KIND, b"").decode(errors="replace")
        match = re.fullmatch(
            r"(\d{1,9})\.(\d{1,9})", self.metadata.get(_VERSION, b"").decode("latin-1")
        )
        if kind != self.folder or match is None:
            reason = f"not a file of the store's {self.folder}"
            raise UnreadableFile(self.folder, self.name, reason, foreign=True)
        version = int(match[1]), int(match[2])
        if version[0] > SCHEMA_VERSION[0]:
            raise InputError(
                f"The file {self._shown} has schema version "
                f"{version[0]}.{version[1]}, newer than {SCHEMA_VERSION[0]}.{SCHEMA_VERSION[1]}, "
                "the highest that this version of the explorer reads."
            )
        return version


def encoded(table: pa.Table, kind: str, metadata: Mapping[str, str] | None = None) -> pa.Buffer:
    """A table as the bytes of a sealed Parquet file of one kind.

    Args:
        table: the rows.
        kind: `trials`, `curves` or `plans`.
        metadata: further texts for the file's metadata.
    """
    version = ".".join(str(number) for number in SCHEMA_VERSION)
    texts = {_KIND: kind.encode(), _VERSION: version.encode(), _SEALED: b"1"}
    texts |= {key.encode(): value.encode() for key, value in (metadata or {}).items()}
    sink = pa.BufferOutputStream()
    pq.write_table(
        table.replace_schema_metadata(texts),
        sink,
        compression="zstd",
        write_statistics=False,  # no reader filters by them, and small files stay small
        write_page_checksum=True,
    )
    return pa.py_buffer(seal.sealed(memoryview(sink.getvalue())))
