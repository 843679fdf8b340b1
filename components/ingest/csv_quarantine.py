# SPDX-License-Identifier: Apache-2.0
"""Puts the faulty records of a CSV file aside, and copies the others.

The copy is then read the fast way, so that a record that is good is treated exactly as in a
file without faults. Slow, and used only for files in which fast reading met a fault.

A record is what strict parsing finds. Where quotes do not match, it is the one line at
which parsing went wrong, and parsing goes on at the next: one missing quote must not take
the rest of the file with it.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.csv

from ...utils.errors import DataError
from .csv_faults import unlimited_cells
from .csv_source import CsvDialect, text_lines
from .marked_text import MARK, first_mark, shown
from .rejected_rows import RejectedRow, Rejects, RejectWriter

#: Records whose values are checked together.
_CHECKED_ROWS = 8_192


@dataclass(frozen=True)
class Cleaned:
    """What came of a file.

    Attributes:
        rows: Number of records that were copied.
        rejects: Those that were not.
    """

    rows: int
    rejects: Rejects


@dataclass(frozen=True)
class _Record:
    """One record: where it begins, its cells, its text with line ends."""

    line: int
    cells: list[str]
    text: str


def clean_file(
    path: str,
    dialect: CsvDialect,
    header: list[str],
    types: Mapping[str, pa.DataType],
    longest: int,
    target: str,
    rejected: str,
    source: str,
) -> Cleaned:
    """Copies the good records of a file as UTF-8 text.

    Args:
        path: The file.
        dialect: How to read it.
        header: Names of its columns, as they stand in it.
        types: Types that were asked for, by column name.
        longest: Most bytes in a record.
        target: Where to write the copy.
        rejected: Where to write the records left out.
        source: Where the file came from, as users know it.

    Raises:
        DataError: A line was lost, which is a defect of this program.
        EOFError, gzip.BadGzipFile, zlib.error: The file is compressed and damaged.
    """
    checks = {header.index(name): _Values(kind, dialect) for name, kind in types.items()}
    lines = _Lines(text_lines(path, dialect.encoding, MARK))
    rows = 0
    with (
        unlimited_cells(),
        open(target, "w", encoding="utf-8", newline="") as copy,
        RejectWriter(rejected, source) as writer,
    ):
        if dialect.column_names is None:
            copy.write(_ended(lines.record(dialect, longest, is_header=True).text))
        batch: list[_Record] = []
        faults: list[RejectedRow] = []
        for record in lines.records(dialect, longest):
            if isinstance(record, RejectedRow):
                faults.append(record)
                continue
            fault = _fault(record, dialect, header)
            if fault is not None:
                faults.append(fault)
                continue
            batch.append(record)
            if len(batch) == _CHECKED_ROWS:
                rows += _flush(batch, faults, checks, header, copy, writer)
        rows += _flush(batch, faults, checks, header, copy, writer)
    if lines.read != lines.used:
        raise DataError(
            "lines were lost in taking faulty records out",
            expected=f"{lines.read} lines",
            got=f"{lines.used}",
            location=path,
            fix="please report this, with the file if you can; meanwhile set row_faults='fail'",
        )
    return Cleaned(rows, writer.rejects)


class _Lines:
    """Lines of a file, cut into records; lines can be put back.

    Attributes:
        read: Number of lines taken from the file.
        used: Number of lines that became part of a record, a rejected one, or were blank.
    """

    def __init__(self, source: Iterator[str]) -> None:
        self._source = source
        self._again: list[str] = []
        self.read = 0
        self.used = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if self._again:
            return self._again.pop()
        line = next(self._source)
        self.read += 1
        return line

    def records(self, dialect: CsvDialect, longest: int) -> Iterator[_Record | RejectedRow]:
        """All records from here on."""
        for line in self:
            if line.strip("\r\n") == "":
                self.used += 1
                continue
            yield self._cut(line, dialect, longest)

    def record(self, dialect: CsvDialect, longest: int, *, is_header: bool) -> _Record:
        """The next record, which is known to be sound."""
        found = next(self.records(dialect, longest))
        if isinstance(found, RejectedRow):
            raise DataError(
                "the header line cannot be read" if is_header else "a record cannot be read",
                got=found.detail,
                fix="correct its quotes and its encoding",
            )
        return found

    def _cut(self, first: str, dialect: CsvDialect, longest: int) -> _Record | RejectedRow:
        begins = self.used + 1
        if '"' not in first:
            self.used += 1
            if _size(first) > longest:
                return _too_long(begins, first, longest)
            return _Record(begins, first.rstrip("\r\n").split(dialect.delimiter), first)
        taken: list[str] = []
        reader = csv.reader(
            self._feed(first, taken, longest), delimiter=dialect.delimiter, strict=True
        )
        try:
            cells = next(reader)
        except csv.Error as error:
            self._again.extend(reversed(taken[1:]))
            self.used += 1
            if _size(first) > longest:
                return _too_long(begins, first, longest)
            closed = "unexpected end of data" not in str(error)
            detail = (
                "a quoted cell goes on after its closing quote"
                if closed
                else "a quoted cell is never closed"
            )
            return RejectedRow(begins, "bad_quoting", detail, shown(first.rstrip("\r\n")))
        self.used += len(taken)
        return _Record(begins, cells, "".join(taken))

    def _feed(self, first: str, taken: list[str], longest: int) -> Iterator[str]:
        """Lines for a reader, which are noted; no more than a record may have."""
        line: str | None = first
        size = 0
        while line is not None:
            taken.append(line)
            size += _size(line)
            if size > longest:
                return
            yield line
            line = next(self, None)


def _size(text: str) -> int:
    """Bytes of a text as UTF-8."""
    return len(text) if text.isascii() else len(text.encode(errors="surrogatepass"))


def _too_long(line: int, text: str, longest: int) -> RejectedRow:
    detail = f"{_size(text)} bytes in one record; at most {longest} can be read"
    return RejectedRow(line, "oversize_record", detail, shown(text.rstrip("\r\n")))


def _fault(record: _Record, dialect: CsvDialect, header: list[str]) -> RejectedRow | None:
    """What is wrong with a record by itself."""

    def rejected(reason: str, detail: str) -> RejectedRow:
        return RejectedRow(record.line, reason, detail, shown(record.text.rstrip("\r\n")))

    marked = first_mark(record.text)
    if marked is not None:
        byte = ord(record.text[marked]) - 0xDC00
        return rejected("bad_encoding", f"byte 0x{byte:02x} is not {dialect.encoding} text")
    count = len(record.cells)
    if count != len(header):
        reason = "too_few_cells" if count < len(header) else "too_many_cells"
        return rejected(reason, f"{count} cells instead of {len(header)}")
    limit = dialect.max_field_bytes
    if limit is not None and 4 * len(record.text) > limit:
        for name, cell in zip(header, record.cells, strict=True):
            size = len(cell.encode())
            if size > limit:
                detail = f"{size} bytes in column {name!r}; at most {limit} are allowed"
                return rejected("oversize_field", detail)
    return None


def _flush(
    batch: list[_Record],
    faults: list[RejectedRow],
    checks: Mapping[int, _Values],
    header: list[str],
    copy: io.TextIOBase,
    writer: RejectWriter,
) -> int:
    """Writes records that were checked, and empties both lists; the number copied."""
    bad: dict[int, RejectedRow] = {}
    for column, values in checks.items():
        for place in values.faults([record.cells[column] for record in batch]):
            record = batch[place]
            detail = f"{record.cells[column][:100]!r} in column {header[column]!r} is not "
            raw = record.text.rstrip("\r\n")
            bad.setdefault(
                place, RejectedRow(record.line, "bad_value", detail + str(values.kind), raw)
            )
    copy.writelines(_ended(r.text) for place, r in enumerate(batch) if place not in bad)
    for fault in sorted([*faults, *bad.values()], key=lambda row: row.line):
        writer.write(fault)
    copied = len(batch) - len(bad)
    batch.clear()
    faults.clear()
    return copied


def _ended(text: str) -> str:
    return text if text.endswith(("\n", "\r")) else text + "\n"


class _Values:
    """Tells which cells Arrow can convert: by having it convert them."""

    def __init__(self, kind: pa.DataType, dialect: CsvDialect) -> None:
        self.kind = kind
        self._nulls = list(dialect.null_values)
        self._known: dict[str, bool] = {}

    def faults(self, cells: list[str]) -> list[int]:
        """Places of cells that are not of the type."""
        if not cells or self._converts(cells):
            return []
        return [place for place, cell in enumerate(cells) if not self._is_good(cell)]

    def _is_good(self, cell: str) -> bool:
        if cell not in self._known:
            if len(self._known) > 100_000:
                self._known.clear()
            self._known[cell] = self._converts([cell])
        return self._known[cell]

    def _converts(self, cells: list[str]) -> bool:
        text = "".join('"' + cell.replace('"', '""') + '"\n' for cell in cells)
        data = text.encode()
        try:
            pyarrow.csv.read_csv(
                pa.py_buffer(data),
                read_options=pyarrow.csv.ReadOptions(
                    column_names=["x"], block_size=len(data) + 1, use_threads=False
                ),
                parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True),
                convert_options=pyarrow.csv.ConvertOptions(
                    column_types={"x": self.kind},
                    null_values=self._nulls,
                    strings_can_be_null=True,
                    quoted_strings_can_be_null=True,
                ),
            )
        except pa.ArrowInvalid:
            return False
        return True
