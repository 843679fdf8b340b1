# SPDX-License-Identifier: Apache-2.0
"""Does the work of `JsonlExampleGen`."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from ...utils.errors import DataError
from ..base.artifact import PropertyValue
from ..base.executor import Task
from .column_types import ARROW_TYPES, check_named
from .csv_source import MAGIC, is_gzip
from .json_types import JsonEvidence, fits, json_text, to_array
from .rejected_rows import RejectedRow, RejectWriter
from .typed_files import BATCH_ROWS, Found, TypedScan, ingest_files
from .work_engine import ReportRows

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class JsonlExecutor:
    """Reads JSON Lines files, writes `Examples`."""

    def execute(self, task: Task) -> Mapping[str, PropertyValue]:
        """Writes the outputs `examples` and, if there is one, `rejected`.

        Raises:
            DataError: A file is not what it should be.
            StorageError: The disk is full, or a folder cannot be written.
        """
        types = task.parameter("column_types", dict[str, str])
        return ingest_files(task, JsonlFormat(types, task.parameter("max_field_bytes", int | None)))


class _Twice(ValueError):
    """An object names a key twice."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        raise _Twice(next(name for name in names if names.count(name) > 1))
    return found


_decode = json.JSONDecoder(object_pairs_hook=_object).decode


@dataclass(frozen=True)
class JsonlFormat:
    """JSON Lines: types follow from all values.

    Attributes:
        types: Types that were asked for, by column name.
        max_field_bytes: Most bytes of text in one value; None for no limit.
    """

    types: Mapping[str, str] = field(default_factory=dict)
    max_field_bytes: int | None = None

    def scan(self, path: str, source: str, rejected: str | None, report: ReportRows) -> Found:
        """Reads every line, and puts faulty ones aside."""
        evidence: dict[str, JsonEvidence] = {}
        rows = 0
        with nullcontext() if rejected is None else RejectWriter(rejected, source) as writer:
            for batch in self._batches(path, writer):
                rows += len(batch)
                report(len(batch))
                for name in {name: None for row in batch for name in row}:
                    column = evidence.setdefault(name, JsonEvidence())
                    column.add([row.get(name) for row in batch])
        if writer is None:
            return Found(rows, evidence)
        return Found(rows, evidence, writer.rejects)

    def schema(self, scans: Sequence[TypedScan]) -> pa.Schema:
        """All columns of all files, in the order in which they first appear."""
        merged: dict[str, JsonEvidence] = {}
        for scan in scans:
            for name, evidence in scan.evidence.items():
                merged.setdefault(name, JsonEvidence()).merge(evidence)
        check_named(self.types, merged, scans[0].source)
        return pa.schema([(name, self._type(name, found)) for name, found in merged.items()])

    def batches(self, path: str, schema: pa.Schema, quarantine: bool) -> Iterator[pa.RecordBatch]:
        """Records of a file."""
        ignored = _Ignored() if quarantine else None
        for rows in self._batches(path, ignored):
            columns = [to_array([row.get(c.name) for row in rows], c.type) for c in schema]
            yield pa.RecordBatch.from_arrays(columns, schema=schema)

    def _type(self, name: str, found: JsonEvidence) -> pa.DataType:
        if name not in self.types:
            return found.type
        kind = ARROW_TYPES[self.types[name]]
        return pa.list_(kind) if found.in_lists else kind

    def _batches(
        self, path: str, writer: RejectWriter | _Ignored | None
    ) -> Iterator[list[dict[str, Any]]]:
        rows: list[dict[str, Any]] = []
        for number, line in _lines(path):
            row = self._parse(number, line)
            if isinstance(row, RejectedRow):
                if writer is None:
                    raise _explained(path, row)
                writer.write(row)
                continue
            rows.append(row)
            if len(rows) == BATCH_ROWS:
                yield rows
                rows = []
        if rows:
            yield rows

    def _parse(self, number: int, line: bytes) -> dict[str, Any] | RejectedRow:
        """The object in a line, or what is wrong with it."""

        def rejected(reason: str, detail: str) -> RejectedRow:
            return RejectedRow(number, reason, detail, line.decode(errors="backslashreplace"))

        try:
            row = _decode(line.decode())
        except UnicodeDecodeError as error:
            return rejected("bad_encoding", f"byte 0x{line[error.start]:02x} is not UTF-8 text")
        except _Twice as error:
            return rejected("duplicate_key", f"the key {error.args[0]!r} stands twice")
        except (ValueError, RecursionError) as error:
            return rejected("not_json", str(error)[:200])
        if type(row) is not dict:
            return rejected("not_an_object", f"a JSON {type(row).__name__}, no object")
        for name, kind in self.types.items():
            if not fits(row.get(name), kind):
                shown = json_text(row[name])[:100]
                return rejected("bad_value", f"{shown} in column {name!r} is not {kind}")
        return self._check_texts(row, line, rejected)

    def _check_texts(
        self, row: dict[str, Any], line: bytes, rejected: Any
    ) -> dict[str, Any] | RejectedRow:
        limit = self.max_field_bytes
        if limit is not None and len(line) > limit:
            for name, value in row.items():
                size = len(
                    (value if isinstance(value, str) else json_text(value)).encode(
                        errors="surrogatepass"
                    )
                )
                if size > limit:
                    detail = f"{size} bytes in column {name!r}; at most {limit} are allowed"
                    return rejected("oversize_field", detail)  # type: ignore[no-any-return]
        if b"\\ud" in line or b"\\uD" in line:
            try:
                json_text(row).encode()
            except UnicodeEncodeError:
                detail = "half of a surrogate pair, which is no character"
                return rejected("bad_encoding", detail)  # type: ignore[no-any-return]
        return row


class _Ignored:
    """Takes faulty rows that the first pass has put aside."""

    def write(self, row: RejectedRow) -> None:
        """Does nothing."""


def _lines(path: str) -> Iterator[tuple[int, bytes]]:
    """Numbers and texts of the lines of a file that are not blank."""
    try:
        with gzip.open(path, "rb") if is_gzip(path) else open(path, "rb") as file:
            for number, line in enumerate(file, 1):
                if number == 1:
                    line = line.removeprefix(_BYTE_ORDER_MARK)
                    _check_kind(path, line)
                text = line.strip(b" \t\r\n")
                if text:
                    yield number, text
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(
            "the compressed file is cut off or damaged",
            expected="a complete gzip file",
            got=str(error),
            location=path,
            fix="copy or download the file again",
        ) from None


def _check_kind(path: str, start: bytes) -> None:
    """Checks by its first line that a file is not something else altogether."""
    what = next((what for magic, what in MAGIC.items() if start.startswith(magic)), "")
    fix = "write one object in each line (jq -c '.[]')"
    if start[:2] in (b"\xff\xfe", b"\xfe\xff"):
        what, fix = "UTF-16 text", "write it as UTF-8 (iconv -f utf-16 -t utf-8)"
    if start.lstrip().startswith(b"["):
        what = "a JSON array"
    if what:
        raise DataError(
            f"the file is {what}",
            expected="JSON Lines: one object in each line, UTF-8, plain or compressed by gzip",
            location=path,
            fix=f"{fix}, or exclude the file by input_config",
        )


def _explained(path: str, row: RejectedRow) -> DataError:
    return DataError(
        f"a line cannot be read as a record ({row.reason.replace('_', ' ')})",
        expected="one JSON object in each line",
        got=f"{row.detail}: {row.raw[:100]}{'…' if len(row.raw) > 100 else ''}",
        location=f"{path}:{row.line}",
        fix="correct or remove the line, or set row_faults='quarantine'",
    )
