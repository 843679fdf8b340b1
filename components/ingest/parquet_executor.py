# SPDX-License-Identifier: Apache-2.0
"""Does the work of `ParquetExampleGen`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq

from ...utils.errors import DataError
from ..base.artifact import PropertyValue
from ..base.executor import Task
from .typed_files import Found, TypedScan, ingest_files, kept_type, same_schema
from .work_engine import ReportRows

_BATCH_ROWS = 32_768


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
    """Parquet: types and counts stand in the footer."""

    def scan(self, path: str, source: str, rejected: str | None, report: ReportRows) -> Found:
        """Reads the footer."""
        with _explained(path), pq.ParquetFile(path) as file:
            schema = pa.schema([(c.name, kept_type(c.type)) for c in file.schema_arrow])
            report(file.metadata.num_rows)
            return Found(file.metadata.num_rows, schema)

    def schema(self, scans: Sequence[TypedScan]) -> pa.Schema:
        """The schema that all files have."""
        return same_schema(scans)

    def batches(self, path: str, schema: pa.Schema, quarantine: bool) -> Iterator[pa.RecordBatch]:
        """Records of a file."""
        with _explained(path), pq.ParquetFile(path, memory_map=True) as file:
            for batch in file.iter_batches(_BATCH_ROWS, columns=schema.names):
                columns = []
                for field in schema:
                    column = batch.column(batch.schema.get_field_index(field.name))
                    columns.append(column if column.type == field.type else column.cast(field.type))
                yield pa.RecordBatch.from_arrays(columns, schema=schema)


@contextmanager
def _explained(path: str) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        raise DataError(
            "the file is no Parquet file, or is damaged",
            expected="a complete Parquet file",
            got=str(error).split("\n", 1)[0][:300],
            location=path,
            fix="write or copy the file again, or exclude it by the pattern in input_config",
        ) from error
