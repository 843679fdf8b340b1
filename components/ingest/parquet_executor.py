# SPDX-License-Identifier: Apache-2.0
"""Does the work of `ParquetExampleGen`."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ...utils.errors import DataError
from ..base.artifact import PropertyValue
from ..base.executor import Task
from .typed_files import Found, TypedScan, ingest_files, kept_type, same_schema
from .work_engine import ReportRows

_BATCH_ROWS = 32_768
_LARGEST_INT64 = 2**63 - 1


class ParquetExecutor:
    """Reads Parquet files, writes `Examples`."""

    def execute(self, task: Task) -> Mapping[str, PropertyValue]:
        """Writes the output `examples`.

        Raises:
            DataError: A file is not what it should be.
            StorageError: The disk is full, or a folder cannot be written.
        """
        return ingest_files(task, ParquetFormat())


@dataclass(frozen=True)
class ParquetFormat:
    """Parquet: counts and types stand in the footer (but for how wide unsigned numbers are)."""

    def scan(self, path: str, source: str, rejected: str | None, report: ReportRows) -> Found:
        """Reads the footer."""
        with _explained(path), pq.ParquetFile(path) as file:
            schema = pa.schema([(c.name, _type(file, c)) for c in file.schema_arrow])
            report(file.metadata.num_rows)
            return Found(file.metadata.num_rows, schema)

    def schema(self, scans: Sequence[TypedScan]) -> pa.Schema:
        """The schema that all files have; whole numbers too wide in one are texts in all."""
        kinds = [{column.name: column.type for column in scan.evidence} for scan in scans]
        wide = {
            name
            for name in kinds[0]
            if {kind.get(name) for kind in kinds} == {pa.uint64(), pa.string()}
        }
        agreed = [replace(scan, evidence=_as_texts(scan.evidence, wide)) for scan in scans]
        return same_schema(agreed)

    def batches(self, path: str, schema: pa.Schema, quarantine: bool) -> Iterator[pa.RecordBatch]:
        """Records of a file."""
        with _explained(path), pq.ParquetFile(path, memory_map=True) as file:
            for batch in file.iter_batches(_BATCH_ROWS, columns=schema.names):
                columns = []
                for field in schema:
                    column = batch.column(batch.schema.get_field_index(field.name))
                    columns.append(column if column.type == field.type else column.cast(field.type))
                yield pa.RecordBatch.from_arrays(columns, schema=schema)


def _type(file: pq.ParquetFile, column: pa.Field) -> pa.DataType:
    """The type that a column is kept in: texts, if a whole number needs more than `int64`."""
    kind = kept_type(column.type)
    if kind == pa.uint64() and not _fits(file, column.name):
        return pa.string()
    return kind


def _fits(file: pq.ParquetFile, name: str) -> bool:
    largest = (pc.max(batch.column(0)).as_py() for batch in file.iter_batches(columns=[name]))
    return all(found is None or found <= _LARGEST_INT64 for found in largest)


def _as_texts(schema: pa.Schema, names: Collection[str]) -> pa.Schema:
    return pa.schema([(c.name, pa.string() if c.name in names else c.type) for c in schema])


@contextmanager
def _explained(path: str) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        if "Expected all lists to be of size" in str(error):
            raise DataError(
                "a list is missing in a column of lists of fixed size, which Arrow cannot read",
                got=str(error),
                location=path,
                fix="write the column as lists of any size",
            ) from error
        raise DataError(
            "the file is no Parquet file, or is damaged",
            expected="a complete Parquet file",
            got=str(error).split("\n", 1)[0][:300],
            location=path,
            fix="write or copy the file again, or exclude it by the pattern in input_config",
        ) from error
