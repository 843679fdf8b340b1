# SPDX-License-Identifier: Apache-2.0
"""Reading one CSV file, plain or gzip, in batches of Arrow records.

Arrow reads ahead in a thread of its own. What it reads from must not be a Python object:
giving up in the middle of a file would then wait for a thread that waits for the
interpreter. So only native streams are handed to it.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import os
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.csv

from ...utils.errors import DataError, ParameterError, nearest
from ...utils.storage_errors import storage_errors

#: Bytes of text parsed at a time. Records longer than the first are read with the second.
BLOCK_SIZES = (4 << 20, 128 << 20)

#: What reading may raise when the file is not what it should be.
READ_ERRORS = (pa.ArrowInvalid, UnicodeError, EOFError, OSError, csv.Error, zlib.error)

#: What separates cells in files that do not go by RFC 4180.
_OTHER_DELIMITERS = (";", "\t", "|", ",")

#: Beginnings of files that are something else.
MAGIC = {
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
        max_field_bytes: Most bytes of text (as UTF-8) in one cell; None for no limit.
    """

    delimiter: str = ","
    encoding: str = "utf-8"
    null_values: tuple[str, ...] = ("",)
    column_names: tuple[str, ...] | None = None
    max_field_bytes: int | None = None

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


def is_gzip(path: str) -> bool:
    """Whether a file is compressed by gzip, whatever its name."""
    with storage_errors(path, "read"), open(path, "rb") as file:
        return file.read(2) == b"\x1f\x8b"


def text_lines(path: str, encoding: str, errors: str = "strict") -> Iterator[str]:
    """Lines of a file with their ends, of any of the three kinds.

    Args:
        path: The file, plain or compressed by gzip.
        encoding: Name of its text encoding.
        errors: What to do with bytes that are no text: name of a handler of `codecs`.

    Raises:
        UnicodeDecodeError: The file is not text of its encoding.
        EOFError, gzip.BadGzipFile, zlib.error: The file is compressed and damaged.
    """
    decoder = codecs.getincrementaldecoder(_without_mark(encoding))(errors)
    rest = ""
    with gzip.open(path, "rb") if is_gzip(path) else open(path, "rb") as file:
        while True:
            chunk = file.read(1 << 20)
            lines = _split_lines(rest + decoder.decode(chunk, final=not chunk))
            if not chunk:
                yield from lines
                return
            # A line end may be cut in two between chunks: keep the last line back.
            rest = lines.pop() if lines else ""
            yield from lines


def _without_mark(encoding: str) -> str:
    """The same encoding, such that a byte order mark is no part of the text."""
    return "utf-8-sig" if codecs.lookup(encoding).name == "utf-8" else encoding


def _split_lines(text: str) -> list[str]:
    return re.findall(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+", text)


def transcode(path: str, encoding: str, target: str) -> None:
    """Writes the text of a file as UTF-8 to another.

    Raises:
        UnicodeDecodeError: The file is not text of its encoding.
    """
    with open(target, "w", encoding="utf-8", newline="") as file:
        file.writelines(text_lines(path, encoding))


def read_header(path: str, dialect: CsvDialect, errors: str = "strict") -> tuple[list[str], bool]:
    """(names of the columns of a file, whether anything follows), checked.

    Args:
        path: The file.
        dialect: How to read it.
        errors: What to do with bytes behind the header that are no text, as `text_lines`.

    Raises:
        DataError: The file is empty, no CSV file, or its header is missing or ambiguous.
        StorageError: The file cannot be opened.
        UnicodeDecodeError, EOFError, gzip.BadGzipFile, zlib.error: It is damaged.
    """
    with storage_errors(path, "read"), open(path, "rb") as file:
        start = file.read(8)
    _check_kind(path, start, dialect)
    lines = text_lines(path, dialect.encoding, errors)
    if dialect.column_names is not None:
        _check_header(dialect.column_names, path)
        return list(dialect.column_names), any(line.strip("\r\n") for line in lines)
    records = csv.reader(lines, delimiter=dialect.delimiter)
    header = next((record for record in records if record), None)
    if header is None:
        raise DataError(
            "the file is empty",
            expected="a header line and records",
            got=f"{os.path.getsize(path)} bytes",
            location=path,
            fix="remove the file, or write it again",
        )
    for name in header:
        # Raises where bytes that are no text were let through.
        name.encode("utf-8")
    _check_header(header, f"{path}:{records.line_num}")
    _check_delimiter(path, dialect, header, errors)
    return header, any(line.strip("\r\n") for line in lines)


def _check_kind(path: str, start: bytes, dialect: CsvDialect) -> None:
    """Checks by its first bytes that a file is not something else altogether."""
    for magic, what in MAGIC.items():
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


def _check_delimiter(path: str, dialect: CsvDialect, header: list[str], errors: str) -> None:
    """Checks that a header of one cell is not one of several, with another delimiter."""
    for other in _OTHER_DELIMITERS:
        if len(header) > 1 or other not in header[0]:
            continue
        records = csv.reader(text_lines(path, dialect.encoding, errors), delimiter=other)
        names, cells = next(filter(None, records)), next(filter(None, records), [])
        if len(names) == len(cells) > 1:
            raise DataError(
                f"the cells of the file seem to be separated by {other!r}",
                expected=repr(dialect.delimiter),
                got=f"a header of one cell: {header[0][:120]}",
                location=path,
                fix=f"set delimiter={other!r}",
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
    """Batches of the records of one file, UTF-8 text.

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
        stream = pa.OSFile(self.path, "rb")
        if is_gzip(self.path):
            stream = pa.CompressedInputStream(stream, "gzip")
        yield from pyarrow.csv.open_csv(
            stream,
            read_options=self._read,
            parse_options=self._parse,
            convert_options=self._convert,
        )


def ends_properly(path: str, last_cells: Sequence[str], delimiter: str) -> bool:
    """Whether a file's last cell is closed, if it is quoted.

    An unclosed quote in a last column takes up all that follows, without an error.

    Args:
        path: The file, UTF-8 text.
        last_cells: What the last cell of the last record may have been.
        delimiter: The character between cells.

    Returns:
        True if it is, or False if it may not be.
    """
    longest = max(len(cell.encode()) for cell in last_cells)
    if is_gzip(path):
        # Its end cannot be read without the rest; without a line end little is at stake.
        if not any("\n" in cell or "\r" in cell for cell in last_cells):
            return True
        with gzip.open(path, "rb") as zipped:
            end = _tail(zipped, 2 * longest + 4096)
    else:
        with open(path, "rb") as file:
            file.seek(max(0, os.path.getsize(path) - 2 * longest - 4096))
            end = file.read()
    text = end.decode(errors="replace").rstrip("\r\n")
    for cell in last_cells:
        quoted = '"' + cell.replace('"', '""') + '"'
        plain = [] if "\n" in cell or "\r" in cell else [cell]
        for form in [quoted, *plain]:
            if text == form or text.endswith(
                tuple(before + form for before in (delimiter, "\n", "\r"))
            ):
                return True
    return False


def _tail(file: gzip.GzipFile, size: int) -> bytes:
    """The last bytes of a stream."""
    end = b""
    while chunk := file.read(max(size, 1 << 20)):
        end = (end + chunk)[-size:]
    return end
