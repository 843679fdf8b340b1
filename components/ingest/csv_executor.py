# SPDX-License-Identifier: Apache-2.0
"""Does the work of `CsvExampleGen`, in two passes over the files.

The first finds each column's type and each record's split; the second writes. Memory does
not grow with the data: each pass holds a few blocks of text and one row group per split.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence

import pyarrow as pa

from ...utils.errors import DataError, nearest
from ...utils.storage_errors import storage_errors
from ..base.artifact import PropertyValue
from ..base.artifact_types import Examples
from ..base.executor import Task
from .column_types import ARROW_TYPES
from .csv_scan import (
    FileScan,
    check_headers,
    explained,
    merge_evidence,
    read_assignment,
    scan_file,
    sources_digest,
)
from .csv_source import CsvBatches, CsvDialect
from .examples_writer import SplitWriters, describe
from .output_config import OutputConfig, SplitPlan, plan_splits
from .payload import SOURCE_FILES, SPANS, PayloadFormat
from .source_files import ResolvedInput, pinned_sources

#: Files are written in one shard for each group of files of about this many bytes.
SHARD_BYTES = 1 << 30
#: More source files than this are recorded by their number and common digest alone.
_MOST_FILES_NAMED = 100


class CsvExecutor:
    """Reads CSV files, writes `Examples`."""

    def execute(self, task: Task) -> Mapping[str, PropertyValue]:
        """Writes the output `examples`.

        Raises:
            DataError: A file is not what it should be.
            ParameterError: A parameter is not acceptable.
            StorageError: The disk is full, or a folder cannot be written.
        """
        dialect = _dialect(task)
        payload = task.parameter("payload_format", PayloadFormat)
        sources = pinned_sources(task.parameters)
        plan = plan_splits(
            list(sources.splits), task.parameter("output_config", OutputConfig | None)
        )
        progress = _Progress(task)
        scans = _scan(sources, dialect, plan, task.work_dir, progress)
        types = _column_types(task.parameter("column_types", dict[str, str]), scans)
        examples = task.output("examples", Examples)
        examples.splits = list(plan.names)
        rows = dict.fromkeys(plan.names, 0)
        shards = _shards(scans)
        with storage_errors(examples.uri, "write"):
            for number, shard in enumerate(shards):
                with SplitWriters(
                    examples, pa.schema(types), payload, number, len(shards)
                ) as writers:
                    for scan in shard:
                        fixed = None if plan.buckets else _split_of(sources, scan.path)
                        _write_file(scan, dialect, types, plan, fixed, writers, progress)
                for split, written in writers.rows.items():
                    rows[split] += written
        _check_rows(progress.rows, rows)
        describe(examples, pa.schema(types), payload, rows)
        _record_sources(examples, sources, scans)
        return {"rows": progress.rows, **{f"rows_{split}": n for split, n in rows.items()}}


class _Progress:
    """Tells how many records each pass has done."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._scanned = 0
        self._written = 0
        self.rows = 0

    def scanned(self, rows: int) -> None:
        self._scanned += rows
        self._task.report_progress(self._scanned, None, "records read")

    def written(self, rows: int) -> None:
        self._written += rows
        self._task.report_progress(self._written, self.rows, "records written")


def _dialect(task: Task) -> CsvDialect:
    names = task.parameter("column_names", list[str] | None)
    nulls = task.parameter("null_values", list[str])
    dialect = CsvDialect(
        delimiter=task.parameter("delimiter", str),
        encoding=task.parameter("encoding", str),
        null_values=("", *nulls),
        column_names=None if names is None else tuple(names),
    )
    dialect.check()
    return dialect


def _scan(
    sources: ResolvedInput, dialect: CsvDialect, plan: SplitPlan, folder: str, progress: _Progress
) -> list[FileScan]:
    """The first pass over all files."""
    with storage_errors(folder, "write"):
        scans = [
            scan_file(path, dialect, plan, os.path.join(folder, str(at)), progress.scanned)
            for at, path in enumerate(sources.files)
        ]
    check_headers(scans)
    progress.rows = sum(scan.rows for scan in scans)
    if progress.rows == 0:
        raise DataError(
            "the files hold no records",
            expected="at least one record after the header",
            location=", ".join(sources.files[:3]),
        )
    return scans


def _column_types(asked: Mapping[str, str], scans: Sequence[FileScan]) -> dict[str, pa.DataType]:
    """Arrow types by column name, in the first file's order."""
    evidence = merge_evidence(scans)
    for name in asked:
        if name not in evidence:
            raise DataError(
                f"column_types names {name!r}, which is no column",
                expected=", ".join(evidence),
                got=name,
                suggestion=nearest(name, evidence),
                location=scans[0].path,
            )
    return {
        name: ARROW_TYPES[asked.get(name) or found.type_name] for name, found in evidence.items()
    }


def _shards(scans: Sequence[FileScan]) -> list[list[FileScan]]:
    """Consecutive files in groups of about equal size."""
    shards: list[list[FileScan]] = [[]]
    size = 0
    for scan in scans:
        if shards[-1] and size + scan.size > SHARD_BYTES:
            shards.append([])
            size = 0
        shards[-1].append(scan)
        size += scan.size
    return shards


def _split_of(sources: ResolvedInput, path: str) -> str:
    return next(split for split, files in sources.splits.items() if path in files)


def _write_file(
    scan: FileScan,
    dialect: CsvDialect,
    types: Mapping[str, pa.DataType],
    plan: SplitPlan,
    fixed: str | None,
    writers: SplitWriters,
    progress: _Progress,
) -> None:
    """Reads a scanned file again and hands its records to their splits."""
    if not scan.rows:
        return
    batches = CsvBatches(scan.text, dialect, types, scan.header, scan.block_size)
    done = 0
    for batch in explained(batches, scan.path, dialect, scan.header):
        rows = batch.num_rows
        if scan.assignment:
            assigned = read_assignment(scan, done, rows)
            for index, split in enumerate(plan.names):
                writers.write(split, batch.filter(pa.array(assigned == index)))
        else:
            writers.write(fixed or plan.names[0], batch)
        done += rows
        progress.written(rows)
    if done != scan.rows or scan.changed():
        raise DataError(
            "the file was changed while it was read",
            expected=f"{scan.rows} records in {scan.size} bytes, as a moment before",
            got=f"{done} records in {os.path.getsize(scan.path)} bytes",
            location=scan.path,
            fix="run again once the file is complete",
        )


def _check_rows(rows: int, counts: Mapping[str, int]) -> None:
    written = sum(counts.values())
    if written != rows:
        raise DataError(
            "not every record that was read was written",
            expected=f"{rows} records",
            got=f"{written}: " + ", ".join(f"{s} {n}" for s, n in counts.items()),
        )


def _record_sources(examples: Examples, sources: ResolvedInput, scans: Sequence[FileScan]) -> None:
    examples.span = sources.span
    examples.version = sources.version
    properties = examples.custom_properties
    if len(sources.spans) > 1:
        properties[SPANS] = json.dumps([list(pair) for pair in sources.spans])
    files = [{"path": s.path, "sha256": s.sha256, "bytes": s.size, "rows": s.rows} for s in scans]
    named = files if len(files) <= _MOST_FILES_NAMED else []
    properties[SOURCE_FILES] = json.dumps(
        {"count": len(files), "sha256": sources_digest(scans), "files": named}
    )
