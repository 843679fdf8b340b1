# SPDX-License-Identifier: Apache-2.0
"""Does the work of `CsvExampleGen`, in two passes over the files.

The first finds each column's type and each record's split; the second writes. Memory does
not grow with the data: each pass holds a few blocks of text and one row group per split.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from ...utils.errors import ParameterError
from ...utils.storage_errors import storage_errors
from ..base.artifact import PropertyValue
from ..base.executor import Task
from .column_types import ARROW_TYPES, check_named
from .csv_scan import (
    FileScan,
    check_headers,
    explained,
    merge_evidence,
    read_assignment,
    scan_file,
)
from .csv_source import CsvBatches, CsvDialect
from .ingestion import SHARD_BYTES, Ingestion, LocalFile, naming
from .output_config import SplitPlan
from .shard_writing import Indices
from .source_files import pinned_sources
from .unchanged_file import check_unchanged
from .work_engine import ReportRows


class CsvExecutor:
    """Reads CSV files, writes `Examples`."""

    def execute(self, task: Task) -> Mapping[str, PropertyValue]:
        """Writes the outputs `examples` and, if there is one, `rejected`.

        Raises:
            DataError: A file is not what it should be.
            ParameterError: A parameter is not acceptable.
            StorageError: The disk is full, or a folder cannot be written.
        """
        dialect = _dialect(task)
        ingestion = Ingestion(task, pinned_sources(task.parameters))
        asked = task.parameter("column_types", dict[str, str])
        scans = _scan(ingestion, dialect, asked)
        ingestion.check_found(scans)
        types = _column_types(asked, scans)
        parts = [
            CsvPart(scan, dialect, ingestion.split_of(file))
            for scan, file in zip(scans, ingestion.files, strict=True)
        ]
        ingestion.write_rejects(scans)
        rows = ingestion.write(parts, pa.schema(types), SHARD_BYTES)
        return ingestion.record(scans, rows)


def _dialect(task: Task) -> CsvDialect:
    names = task.parameter("column_names", list[str] | None)
    nulls = task.parameter("null_values", list[str])
    limit = task.parameter("max_field_bytes", int | None)
    if limit is not None and limit < 1:
        raise ParameterError(
            "parameter 'max_field_bytes' is not acceptable", expected="1 or more", got=limit
        )
    dialect = CsvDialect(
        delimiter=task.parameter("delimiter", str),
        encoding=task.parameter("encoding", str),
        null_values=("", *nulls),
        column_names=None if names is None else tuple(names),
        max_field_bytes=limit,
    )
    dialect.check()
    return dialect


@dataclass(frozen=True)
class _ScanJob:
    """One file to read for the first time."""

    file: LocalFile
    dialect: CsvDialect
    plan: SplitPlan
    scratch: str
    quarantine: Mapping[str, pa.DataType] | None


def _do_scan(job: _ScanJob, report: ReportRows) -> FileScan:
    with naming(job.file.source, job.file.path), storage_errors(job.scratch, "write"):
        return scan_file(
            job.file.path,
            job.dialect,
            job.plan,
            job.scratch,
            report,
            source=job.file.source,
            quarantine=job.quarantine,
        )


def _scan(ingestion: Ingestion, dialect: CsvDialect, asked: Mapping[str, str]) -> list[FileScan]:
    """The first pass over all files."""
    types = {name: ARROW_TYPES[kind] for name, kind in asked.items()}
    jobs = [
        _ScanJob(
            file,
            dialect,
            ingestion.plan,
            ingestion.scratch(number),
            types if ingestion.quarantine else None,
        )
        for number, file in enumerate(ingestion.files)
    ]
    scans = ingestion.engine.map(_do_scan, jobs, ingestion.progress.scanned)
    check_headers(scans)
    return scans


def _column_types(asked: Mapping[str, str], scans: Sequence[FileScan]) -> dict[str, pa.DataType]:
    """Arrow types by column name, in the first file's order."""
    evidence = merge_evidence(scans)
    check_named(asked, evidence, scans[0].source)
    return {
        name: ARROW_TYPES[asked.get(name) or found.type_name] for name, found in evidence.items()
    }


@dataclass(frozen=True)
class CsvPart:
    """A scanned file, to be read again.

    Attributes:
        scan: What the first pass found.
        dialect: How to read it.
        split: The split of all its records, where records are not distributed by hash.
    """

    scan: FileScan
    dialect: CsvDialect
    split: str

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return self.scan.size

    def batches(
        self, schema: pa.Schema, plan: SplitPlan
    ) -> Iterator[tuple[pa.RecordBatch, Indices | None]]:
        """Batches of the file's records, with their splits.

        Raises:
            DataError: A value is not of its column's type, or the file was changed.
        """
        scan = self.scan
        types = {field.name: field.type for field in schema}
        done = 0
        if scan.rows:
            batches = CsvBatches(scan.text, self.dialect, types, scan.header, scan.block_size)
            with naming(scan.source, scan.path):
                for batch in explained(batches, scan.path, self.dialect, scan.header):
                    by_hash = bool(scan.assignment)
                    yield batch, read_assignment(scan, done, batch.num_rows) if by_hash else None
                    done += batch.num_rows
        check_unchanged(scan, done)
