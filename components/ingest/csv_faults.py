# SPDX-License-Identifier: Apache-2.0
"""What is wrong with a CSV file, and at which line.

Fast reading stops at a fault without saying where it is. Only then is the file read again
here, slowly, by Python's `csv` module, to find the first fault and explain it.
"""

from __future__ import annotations

import csv
import gzip
import re
import sys
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from ...utils.errors import DataError
from .csv_source import CsvDialect, is_gzip, text_lines

_BAD_VALUE = re.compile(r"In CSV column #(\d+).*conversion error to (\w+).*?: (.*)", re.DOTALL)


def explain(
    path: str, dialect: CsvDialect, header: Sequence[str], error: BaseException
) -> DataError:
    """An error that says what is wrong with a file.

    Args:
        path: The file.
        dialect: How it was read.
        header: Names of its columns, as they stand in the file; none if not known yet.
        error: What reading it raised.
    """
    found = find_fault(path, dialect, header)
    if found is not None:
        return found
    if "straddles two block boundaries" in str(error):
        return _too_long(path, dialect)
    return _bad_value(path, dialect, header, str(error)) or DataError(
        "the file cannot be read as CSV",
        got=str(error).split("\n", 1)[0][:300],
        location=path,
        fix="check the file, and the parameters delimiter and encoding",
    )


def find_fault(path: str, dialect: CsvDialect, header: Sequence[str]) -> DataError | None:
    """The first fault of a file's form, if it has one."""
    begins, expected = 1, len(header)
    try:
        with _records(path, dialect) as records:
            while True:
                begins = records.line_num + 1
                record = next(records, None)
                if record is None:
                    return None
                if record and expected and len(record) != expected:
                    return _ragged(path, begins, record, expected, dialect.delimiter)
                if record and dialect.max_field_bytes is not None:
                    fault = _oversize(path, begins, record, header, dialect.max_field_bytes)
                    if fault is not None:
                        return fault
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        return DataError(
            "the compressed file is cut off or damaged",
            expected="a complete gzip file",
            got=str(error),
            location=path,
            fix="copy or download the file again",
        )
    except UnicodeDecodeError:
        return _undecodable(path, dialect)
    except csv.Error as error:
        if "unexpected end of data" in str(error):
            return DataError(
                "a quoted cell is never closed",
                expected='a closing quote (") before the end of the file',
                got=f"a record that begins at line {begins} and takes up the rest of the file",
                location=f"{path}:{begins}",
                fix="close the quote, or write a quote inside a cell twice",
            )
        return DataError(
            "a quoted cell goes on after its closing quote",
            expected=f"{dialect.delimiter!r} or the end of the line after a closing quote",
            got=str(error),
            location=f"{path}:{begins}",
            fix="write a quote inside a quoted cell twice",
        )


class _CsvReader(Protocol):
    """Python's CSV reader."""

    @property
    def line_num(self) -> int: ...

    def __iter__(self) -> Iterator[list[str]]: ...

    def __next__(self) -> list[str]: ...


@contextmanager
def _records(path: str, dialect: CsvDialect) -> Iterator[_CsvReader]:
    """Records of a file, read strictly."""
    with unlimited_cells():
        lines = text_lines(path, dialect.encoding)
        yield csv.reader(lines, delimiter=dialect.delimiter, strict=True)


@contextmanager
def unlimited_cells() -> Iterator[None]:
    """Within the block, Python's CSV reader takes cells of any length."""
    limit = csv.field_size_limit(sys.maxsize)
    try:
        yield
    finally:
        csv.field_size_limit(limit)


def _ragged(path: str, line: int, record: list[str], expected: int, delimiter: str) -> DataError:
    shown = delimiter.join(record).replace("\n", "\\n")
    more = len(record) > expected
    return DataError(
        f"a record has too {'many' if more else 'few'} cells",
        expected=f"{expected} cells, as in the header",
        got=f"{len(record)} cells: {shown[:100] + '…' if len(shown) > 100 else shown}",
        location=f"{path}:{line}",
        fix=(
            f"put cells that contain {delimiter!r} in quotes"
            if more
            else "complete the record, or remove it"
        ),
    )


def _oversize(
    path: str, line: int, record: list[str], header: Sequence[str], limit: int
) -> DataError | None:
    for column, cell in enumerate(record):
        size = len(cell.encode()) if 4 * len(cell) > limit else 0
        if size > limit:
            name = repr(header[column]) if column < len(header) else str(column + 1)
            return DataError(
                f"a cell in column {name} is too large",
                expected=f"at most {limit} bytes (the parameter max_field_bytes)",
                got=f"{size} bytes: {cell[:60]!r}…",
                location=f"{path}:{line}",
                fix="shorten it, raise max_field_bytes, or set row_faults='quarantine'",
            )
    return None


def _too_long(path: str, dialect: CsvDialect) -> DataError:
    """The fault behind a record that does not fit into the largest block of text."""
    longest, place = 0, 1
    with _records(path, dialect) as records:
        while True:
            begins = records.line_num + 1
            record = next(records, None)
            if record is None:
                break
            size = sum(len(cell.encode()) for cell in record)
            if size > longest:
                longest, place = size, begins
    return DataError(
        "a record is too long to be read",
        got=f"{longest} bytes in one record",
        location=f"{path}:{place}",
        fix="shorten it, close a quote before it, or set row_faults='quarantine'",
    )


def _undecodable(path: str, dialect: CsvDialect) -> DataError:
    opened = gzip.open if is_gzip(path) else open
    with opened(path, "rb") as file:
        for line, text in enumerate(file, 1):
            try:
                text.decode(dialect.encoding)
            except UnicodeDecodeError as error:
                around = text[max(0, error.start - 20) : error.end + 20]
                return DataError(
                    f"a line is not {dialect.encoding} text",
                    expected=f"text encoded as {dialect.encoding}",
                    got=f"{around!r} ({error.reason})",
                    location=f"{path}:{line}",
                    fix="set the parameter encoding (files from Windows are often 'cp1252'), "
                    "or write the file again as UTF-8",
                )
    return DataError(
        f"the file is not {dialect.encoding} text",
        location=path,
        fix="set the parameter encoding",
    )


def _bad_value(
    path: str, dialect: CsvDialect, header: Sequence[str], message: str
) -> DataError | None:
    """The fault behind a value that is not of its column's type."""
    matched = _BAD_VALUE.match(message)
    if matched is None:
        return None
    column, kind = int(matched.group(1)), matched.group(2)
    quoted = re.search(r"invalid value '(.*)'", matched.group(3), re.DOTALL)
    value = quoted.group(1) if quoted else None
    line = _line_of(path, dialect, column, value) if value is not None else None
    return DataError(
        f"a value in column {header[column]!r} is not of the column's type",
        expected=kind,
        got=repr(value) if value is not None else matched.group(3),
        location=f"{path}:{line}" if line else path,
        fix=f"correct it, add {value!r} to null_values, "
        f"or set column_types={{{header[column]!r}: 'string'}}",
    )


def _line_of(path: str, dialect: CsvDialect, column: int, value: str) -> int | None:
    with _records(path, dialect) as records:
        while True:
            line = records.line_num + 1
            record = next(records, None)
            if record is None:
                return None
            if len(record) > column and record[column].strip(" \t") == value.strip(" \t"):
                return line
