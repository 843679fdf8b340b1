# SPDX-License-Identifier: Apache-2.0
"""Ingesting files whose records have typed values: two passes, whatever the format.

The first pass finds each file's records and types, the second writes. A format says how a
file is scanned, what schema follows from all scans, and how records are read.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import pyarrow as pa

from ...utils.errors import DataError, nearest
from ...utils.hashing import digest_file
from ...utils.storage_errors import storage_errors
from ..base.artifact import PropertyValue
from ..base.executor import Task
from .ingestion import Ingestion, LocalFile, naming
from .list_columns import value_type
from .output_config import SplitPlan
from .record_hash import split_indices
from .rejected_rows import Rejects
from .shard_writing import Indices
from .source_files import pinned_sources
from .unchanged_file import check_unchanged
from .value_hash import value_hashes
from .work_engine import ReportRows

#: Records in a batch that a format reads.
BATCH_ROWS = 8_192


@dataclass(frozen=True)
class Found:
    """What a format finds in a file.

    Attributes:
        rows: Number of records.
        evidence: What they say about types; the format's own kind of value.
        rejects: Records that were put aside; not among `rows`.
    """

    rows: int
    evidence: Any
    rejects: Rejects = field(default_factory=Rejects)


@dataclass(frozen=True)
class TypedScan:
    """What is known of one file after the first pass.

    Attributes:
        path: The file, on this machine.
        source: Where it came from, as users know it.
        rows: Number of records that are not rejected.
        size: Bytes on disk.
        sha256: Digest of the bytes on disk.
        changed_ns: When it was last changed, in nanoseconds since 1970.
        evidence: What its records say about types.
        rejects: Records that were put aside.
    """

    path: str
    source: str
    rows: int
    size: int
    sha256: str
    changed_ns: int
    evidence: Any
    rejects: Rejects


class RecordFormat(Protocol):
    """How files of one format are read; can be sent to other processes."""

    def scan(self, path: str, source: str, rejected: str | None, report: ReportRows) -> Found:
        """Reads a file for the first time.

        Args:
            path: The file.
            source: Where it came from.
            rejected: Where to write faulty records; None: the first one is an error.
            report: Told of records done.

        Raises:
            DataError: The file is not what it should be.
        """

    def schema(self, scans: Sequence[TypedScan]) -> pa.Schema:
        """The schema of the records of all files.

        Raises:
            DataError: They cannot be read as one table.
        """

    def batches(self, path: str, schema: pa.Schema, quarantine: bool) -> Iterator[pa.RecordBatch]:
        """Records of a scanned file, with the columns of `schema`; faulty ones left out."""


@dataclass(frozen=True)
class _ScanJob:
    """One file to read for the first time."""

    format: RecordFormat
    file: LocalFile
    rejected: str | None


def _do_scan(job: _ScanJob, report: ReportRows) -> TypedScan:
    file = job.file
    with naming(file.source, file.path), storage_errors(file.source, "read"):
        status = os.stat(file.path)
        found = job.format.scan(file.path, file.source, job.rejected, report)
        digest = digest_file(file.path)
    return TypedScan(
        path=file.path,
        source=file.source,
        rows=found.rows,
        size=status.st_size,
        sha256=digest,
        changed_ns=status.st_mtime_ns,
        evidence=found.evidence,
        rejects=found.rejects,
    )


@dataclass(frozen=True)
class TypedPart:
    """A scanned file, to be read again."""

    format: RecordFormat
    scan: TypedScan
    split: str
    quarantine: bool

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return self.scan.size

    def batches(
        self, schema: pa.Schema, plan: SplitPlan
    ) -> Iterator[tuple[pa.RecordBatch, Indices | None]]:
        """Batches of the file's records, with their splits.

        Raises:
            DataError: The file is damaged, or was changed.
        """
        scan, rows = self.scan, 0
        with naming(scan.source, scan.path):
            for batch in self.format.batches(scan.path, schema, self.quarantine):
                rows += batch.num_rows
                yield batch, assign(batch, plan)
        check_unchanged(scan, rows)


def assign(batch: pa.RecordBatch, plan: SplitPlan) -> Indices | None:
    """Splits of records by their values, where the plan distributes them by hash."""
    if not plan.by_hash:
        return None
    wanted = plan.partition_feature_name
    columns = batch.schema.names if wanted is None else [wanted]
    return split_indices(value_hashes(batch, columns), plan.bounds)


def ingest_files(task: Task, format: RecordFormat) -> Mapping[str, PropertyValue]:
    """Does the work of an example generator for files of a format.

    Raises:
        DataError: A file is not what it should be.
        ParameterError: A parameter is not acceptable.
        StorageError: The disk is full, or a folder cannot be written.
    """
    ingestion = Ingestion(task, pinned_sources(task.parameters))
    quarantine = ingestion.quarantine
    jobs = [
        _ScanJob(format, file, f"{ingestion.scratch(n)}.rejected" if quarantine else None)
        for n, file in enumerate(ingestion.files)
    ]
    scans = ingestion.engine.map(_do_scan, jobs, ingestion.progress.scanned)
    ingestion.check_found(scans)
    schema = format.schema(scans)
    check_schema(schema, ingestion.plan, scans[0].source)
    parts = [
        TypedPart(format, scan, ingestion.split_of(file), quarantine)
        for scan, file in zip(scans, ingestion.files, strict=True)
    ]
    ingestion.write_rejects(scans)
    rows = ingestion.write(parts, schema)
    return ingestion.record(scans, rows)


def check_schema(schema: pa.Schema, plan: SplitPlan, location: str) -> None:
    """Checks that records of a schema can be examples.

    Raises:
        DataError: A column's type has no form as a feature, a name stands twice, or the
            column that decides on splits is none.
    """
    names = schema.names
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice or not names or not all(names):
        raise DataError(
            "the columns are missing or ambiguous",
            expected="one name, used once, for each column",
            got=f"{twice[0]!r} twice" if twice else "a column without a name or none at all",
            location=location,
        )
    for column in schema:
        try:
            value_type(column.type)
        except DataError as error:
            raise DataError(
                f"column {column.name!r} has a type that cannot become a feature",
                expected=error.expected,
                got=str(column.type),
                location=location,
                fix="convert it, flatten it, or leave it out before ingesting",
            ) from None
    plan.check_feature(names, location)


def kept_type(kind: pa.DataType) -> pa.DataType:
    """The type that a column's values are kept in.

    No dictionaries; durations as whole numbers, in their own unit; moments of a time zone that
    Arrow does not know (`+02:00`) in UTC; texts where there are no values.
    """
    if pa.types.is_dictionary(kind):
        return kept_type(kind.value_type)
    if pa.types.is_duration(kind):
        return pa.int64()
    if pa.types.is_timestamp(kind) and kind.tz is not None and not _has_text(kind):
        return pa.timestamp(kind.unit, "UTC")
    return pa.string() if pa.types.is_null(kind) else kind


def _has_text(kind: pa.DataType) -> bool:
    """Whether Arrow can say a moment of this type, for which it needs to know the time zone."""
    try:
        pa.array([0], kind).cast(pa.string())
    except pa.ArrowInvalid:
        return False
    return True


def same_schema(scans: Sequence[TypedScan]) -> pa.Schema:
    """The schema that all files have, where a scan's evidence is its schema.

    Raises:
        DataError: One has other columns, or other types, than the first.
    """
    first = scans[0]
    wanted = {column.name: column.type for column in first.evidence}
    for scan in scans[1:]:
        found = {column.name: column.type for column in scan.evidence}
        if found == wanted:
            continue
        name = sorted({name for name in {*wanted, *found} if wanted.get(name) != found.get(name)})[
            0
        ]
        raise DataError(
            f"files have different schemas: column {name!r}",
            expected=f"{wanted.get(name, 'no such column')} (as in {first.source})",
            got=str(found.get(name, "no such column")),
            suggestion=nearest(name, wanted) if name not in wanted else None,
            location=scan.source,
            fix="make the schemas agree, or exclude the file by input_config",
        )
    return first.evidence
