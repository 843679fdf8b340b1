# SPDX-License-Identifier: Apache-2.0
"""Does the work of `AvroExampleGen`."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import fastavro
import pyarrow as pa

from ...utils.errors import DataError, PenstockError
from ..base.artifact import PropertyValue
from ..base.executor import Task
from .typed_files import BATCH_ROWS, Found, TypedScan, ingest_files, same_schema
from .work_engine import ReportRows

_PRIMITIVES = {
    "boolean": pa.bool_(),
    "int": pa.int32(),
    "long": pa.int64(),
    "float": pa.float32(),
    "double": pa.float64(),
    "string": pa.string(),
    "enum": pa.string(),
    "bytes": pa.binary(),
    "fixed": pa.binary(),
    "null": pa.string(),
}
_LOGICAL = {
    "date": pa.date32(),
    "time-millis": pa.time32("ms"),
    "time-micros": pa.time64("us"),
    "timestamp-millis": pa.timestamp("ms", "UTC"),
    "timestamp-micros": pa.timestamp("us", "UTC"),
    "local-timestamp-millis": pa.timestamp("ms"),
    "local-timestamp-micros": pa.timestamp("us"),
    "uuid": pa.string(),
}


class AvroExecutor:
    """Reads Avro files, writes `Examples`."""

    def execute(self, task: Task) -> Mapping[str, PropertyValue]:
        """Writes the output `examples`.

        Raises:
            DataError: A file is not what it should be.
            StorageError: The disk is full, or a folder cannot be written.
        """
        return ingest_files(task, AvroFormat())


@dataclass(frozen=True)
class AvroFormat:
    """Avro: types stand in the header, counts at the head of every block."""

    def scan(self, path: str, source: str, rejected: str | None, report: ReportRows) -> Found:
        """Reads the header, and counts the records of all blocks."""
        rows = 0
        with _explained(path), open(path, "rb") as file:
            blocks = fastavro.block_reader(file)
            schema = _schema(blocks.writer_schema, path)
            for block in blocks:
                rows += block.num_records
                report(block.num_records)
        return Found(rows, schema)

    def schema(self, scans: Sequence[TypedScan]) -> pa.Schema:
        """The schema that all files have."""
        return same_schema(scans)

    def batches(self, path: str, schema: pa.Schema, quarantine: bool) -> Iterator[pa.RecordBatch]:
        """Records of a file."""
        with _explained(path), open(path, "rb") as file:
            records = iter(fastavro.reader(file))
            while rows := list(itertools.islice(records, BATCH_ROWS)):
                columns = [
                    pa.array([_plain(row[field.name]) for row in rows], field.type)  # type: ignore[index]
                    for field in schema
                ]
                yield pa.RecordBatch.from_arrays(columns, schema=schema)


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, uuid.UUID) else value


def _schema(written: Any, path: str) -> pa.Schema:
    if not isinstance(written, dict) or written.get("type") != "record":
        raise DataError(
            "the file holds no records",
            expected="an Avro schema of type record",
            got=str(written)[:200],
            location=path,
        )
    return pa.schema(
        [(field["name"], _type(field["type"], field["name"], path)) for field in written["fields"]]
    )


def _type(kind: Any, name: str, path: str) -> pa.DataType:
    """The Arrow type of an Avro type."""
    if isinstance(kind, list):
        others = [member for member in kind if member != "null"]
        if len(others) <= 1:
            return _type(others[0] if others else "null", name, path)
    if isinstance(kind, dict):
        logical = kind.get("logicalType")
        if logical == "decimal" and kind["precision"] <= 38:
            return pa.decimal128(kind["precision"], kind.get("scale", 0))
        if logical in _LOGICAL:
            return _LOGICAL[logical]
        if kind["type"] == "array":
            return pa.list_(_type(kind["items"], name, path))
        return _type(kind["type"], name, path)
    if isinstance(kind, str) and kind in _PRIMITIVES:
        return _PRIMITIVES[kind]
    raise DataError(
        f"field {name!r} has an Avro type that cannot become a feature",
        expected=f"{', '.join(_PRIMITIVES)}, an array of these, or a union of one with null",
        got=str(kind)[:200],
        location=path,
        fix="flatten it, or leave it out when writing the file",
    )


@contextmanager
def _explained(path: str) -> Iterator[None]:
    try:
        yield
    except (PenstockError, MemoryError):
        raise
    except Exception as error:
        # Damaged bytes surface as whatever they are taken for: fastavro checks little.
        raise DataError(
            "the file is no Avro file, or is damaged",
            expected="a complete Avro object container file",
            got=f"{type(error).__name__}: {error}"[:300],
            location=path,
            fix="write or copy the file again, or exclude it by the pattern in input_config",
        ) from error
