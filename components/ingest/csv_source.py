# SPDX-License-Identifier: Apache-2.0
"""Reading one CSV file, plain or gzip, in batches of Arrow records."""

from __future__ import annotations

import codecs
import csv
import gzip
import hashlib
import io
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, cast

import pyarrow as pa
import pyarrow.csv

from ...utils.errors import DataError, ParameterError, nearest
from ...utils.storage_errors import storage_errors

#: Bytes of text parsed at a time. Records longer than the first are read with the second.
BLOCK_SIZES = (4 << 20, 128 << 20)

#: What reading may raise when the file is not what it should be.
READ_ERRORS = (pa.ArrowInvalid, UnicodeError, EOFError, OSError, csv.Error)

#: Beginnings of files that are something else.
_MAGIC = {
    b"PAR1": "a Parquet file",
    b"PK\x03\x04": "a ZIP archive or an Excel workbook",
    b"Obj\x01": "an Avro file",
    b"%PDF": "a PDF document",
    b"BZh": "compressed by bzip2",
    b"\xfd7zXZ": "compressed by xz",
    b"\x28\xb5\x2f\xfd": "compressed by zstd",
}


@dataclass(frozen=True)
class CsvDialect:
    """How the text of a CSV file is to be read.

    Attributes:
        delimiter: The character between cells.
        encoding: Name of the text encoding.
        null_values: Texts that mean a missing value, the empty one among them.
        column_names: Names of the columns where files have no header line.
    """

    delimiter: str = ","
    encoding: str = "utf-8"
    null_values: tuple[str, ...] = ("",)
    column_names: tuple[str, ...] | None = None

    def check(self) -> None:
        """Checks the settings.

        Raises:
            ParameterError: One is not acceptable.
        """
        if len(self.delimiter) != 1 or self.delimiter in '\r\n"' or not self.delimiter.isascii():
            raise ParameterError(
                "parameter 'delimiter' is not acceptable",
                expected="one ASCII character, not a quote or a line end",
                got=repr(self.delimiter),
            )
        try:
            codecs.lookup(self.encoding)
        except LookupError:
            common = ("utf-8", "utf-16", "cp1252", "latin-1")
            raise ParameterError(
                "parameter 'encoding' names no text encoding",
                expected=f"one that Python knows, such as {', '.join(common)}",
                got=repr(self.encoding),
                suggestion=nearest(self.encoding, common),
            ) from None

    @property
    def is_utf8(self) -> bool:
        """Whether the bytes are UTF-8 already."""
        return codecs.lookup(self.encoding).name in ("utf-8", "utf-8-sig", "ascii")


class _Tap(io.RawIOBase):
    """A file whose bytes are digested and counted as they are read."""

    def __init__(self, path: str) -> None:
        self._file = open(path, "rb")  # noqa: SIM115 - closed by `close`
        self._digest = hashlib.sha256()
        self.size = 0

    def read(self, size: int = -1) -> bytes:
        chunk = self._file.read(size)
        self._digest.update(chunk)
        self.size += len(chunk)
        return chunk

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        self._file.close()
        super().close()

    @property
    def sha256(self) -> str:
        """Digest of what was read."""
        return self._digest.hexdigest()


class TextBytes(io.RawIOBase):
    """The text of a file as UTF-8: decompressed, transcoded, ended by a line end.

    Attributes:
        quotes: Number of quote characters read so far.
    """

    def __init__(self, path: str, encoding: str) -> None:
        self._tap = _Tap(path)
        with open(path, "rb") as file:
            gzipped = file.read(2) == b"\x1f\x8b"
        plain = gzip.GzipFile(fileobj=cast("IO[bytes]", self._tap)) if gzipped else self._tap
        self._plain = cast("IO[bytes]", plain)
        utf8 = CsvDialect(encoding=encoding).is_utf8
        self._decoder = None if utf8 else codecs.getincrementaldecoder(encoding)()
        self._ended = False
        self._last = b"\n"
        self.quotes = 0

    def read(self, size: int = -1) -> bytes:
        """At most about `size` bytes; none at the end."""
        while not self._ended:
            chunk = self._plain.read(size)
            self._ended = not chunk
            if self._decoder:
                # A decoder may swallow a few bytes and give nothing yet.
                chunk = self._decoder.decode(chunk, final=self._ended).encode()
            if chunk:
                self.quotes += chunk.count(b'"')
                self._last = chunk[-1:]
                return chunk
        if self._last not in (b"\n", b"\r"):
            self._last = b"\n"
            return b"\n"
        return b""

    def readable(self) -> bool:
        """Always true."""
        return True

    def close(self) -> None:
        """Closes the file."""
        self._plain.close()
        self._tap.close()
        super().close()

    @property
    def source(self) -> tuple[int, str]:
        """(number, SHA-256) of the bytes on disk read so far."""
        return self._tap.size, self._tap.sha256


def text_lines(stream: TextBytes) -> Iterator[str]:
    """Lines of a file with their ends, of any of the three kinds.

    Raises:
        UnicodeDecodeError: The file is not text of its encoding.
    """
    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    rest = ""
    while True:
        chunk = stream.read(1 << 20)
        text = rest + decoder.decode(chunk, final=not chunk)
        if not chunk:
            yield from _split_lines(text)
            return
        # A line end may be cut in two between chunks: keep the last line back.
        lines = _split_lines(text)
        rest = lines.pop() if lines else ""
        yield from lines


def _split_lines(text: str) -> list[str]:
    return re.findall(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+", text)


def read_header(path: str, dialect: CsvDialect) -> list[str]:
    """Names of the columns of a file, checked.

    Raises:
        DataError: The file is empty, no CSV file, or its header is missing or ambiguous.
        StorageError: The file cannot be opened.
    """
    with storage_errors(path, "read"), open(path, "rb") as file:
        start = file.read(8)
    for magic, what in _MAGIC.items():
        if start.startswith(magic):
            raise DataError(
                f"the file is {what}",
                expected="CSV text, plain or compressed by gzip",
                location=path,
                fix="convert it, or exclude it by the pattern in input_config",
            )
    if start[:2] in (b"\xff\xfe", b"\xfe\xff") and dialect.is_utf8:
        raise DataError(
            "the file is UTF-16 text",
            expected=dialect.encoding,
            location=path,
            fix="set encoding='utf-16'",
        )
    if dialect.column_names is not None:
        return list(dialect.column_names)
    with TextBytes(path, dialect.encoding) as stream:
        records = csv.reader(text_lines(stream), delimiter=dialect.delimiter)
        header = next((record for record in records if record), None)
        line = records.line_num
    if header is None:
        raise DataError(
            "the file is empty",
            expected="a header line and records",
            got=f"{os.path.getsize(path)} bytes",
            location=path,
            fix="remove the file, or write it again",
        )
    _check_header(header, f"{path}:{line}")
    return header


def _check_header(names: Sequence[str], location: str) -> None:
    problem = ""
    twice = sorted({name for name in names if names.count(name) > 1 and name})
    if not all(name.strip() for name in names):
        blank = [name.strip() for name in names].index("") + 1
        problem = f"column {blank} has no name"
    elif twice:
        places = [str(place) for place, name in enumerate(names, 1) if name == twice[0]]
        problem = f"the name {twice[0]!r} stands at columns {' and '.join(places)}"
    elif all(_is_number(name) for name in names) or any(_is_measure(name) for name in names):
        problem = "it holds numbers, so it seems to be a record"
    if problem:
        shown = ", ".join(names)
        raise DataError(
            "the header line is missing or ambiguous",
            expected="one name, used once, for each column",
            got=f"{problem}: {shown[:120] + '…' if len(shown) > 120 else shown}",
            location=location,
            fix="correct the header, or name the columns by column_names if there is none",
        )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _is_measure(text: str) -> bool:
    """Whether a text is a number that nobody would name a column by (a year one might)."""
    return _is_number(text) and not text.isdigit() and any(c.isdigit() for c in text)


class CsvBatches:
    """Batches of one file's records; iterate once.

    Args:
        path: The file.
        dialect: How to read it.
        types: Arrow types by column name; columns come in this order.
        header: Names of the columns as they stand in the file.
        block_size: Bytes of text parsed at a time.
    """

    def __init__(
        self,
        path: str,
        dialect: CsvDialect,
        types: Mapping[str, pa.DataType],
        header: Sequence[str],
        block_size: int,
    ) -> None:
        self.path = path
        self.block_size = block_size
        self.stream = TextBytes(path, dialect.encoding)
        self._read = pyarrow.csv.ReadOptions(
            block_size=block_size, column_names=header if dialect.column_names else None
        )
        self._parse = pyarrow.csv.ParseOptions(delimiter=dialect.delimiter, newlines_in_values=True)
        self._convert = pyarrow.csv.ConvertOptions(
            column_types=dict(types),
            include_columns=list(types),
            null_values=list(dialect.null_values),
            strings_can_be_null=True,
            quoted_strings_can_be_null=True,
        )

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        with self.stream:
            reader = pyarrow.csv.open_csv(
                pa.PythonFile(self.stream, mode="r"),
                read_options=self._read,
                parse_options=self._parse,
                convert_options=self._convert,
            )
            yield from reader
