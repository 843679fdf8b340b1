# SPDX-License-Identifier: Apache-2.0
"""What all example generators have in common: splits, shards, engines, and what is recorded."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa

from ...utils import storage
from ...utils.errors import DataError, PenstockError
from ...utils.storage_errors import storage_errors
from ..base.artifact import PropertyValue
from ..base.artifact_types import Examples, RejectedExamples
from ..base.executor import Task
from .examples_writer import describe
from .output_config import OutputConfig, SplitPlan, plan_splits
from .payload import SOURCE_FILES, SPANS, PayloadFormat
from .rejected_rows import Rejects, write_rejects
from .row_fault_policy import REJECTED
from .shard_writing import Part, ShardJob, group_parts, write_shard
from .source_files import ResolvedInput
from .work_engine import InProcessEngine, WorkEngine, choose_engine

#: Files are written in one shard for each group of files of about this many bytes.
SHARD_BYTES = 1 << 30
#: More source files than this are recorded by their number and common digest alone.
_MOST_FILES_NAMED = 100
#: The one input split of generators that read no files.
SINGLE_SPLIT = "single_split"


class ScannedSource(Protocol):
    """What is recorded of a source file."""

    @property
    def source(self) -> str:
        """Its path or URL."""

    @property
    def sha256(self) -> str:
        """Digest of its bytes."""

    @property
    def size(self) -> int:
        """Number of its bytes."""

    @property
    def rows(self) -> int:
        """Number of records that are not rejected."""

    @property
    def rejects(self) -> Rejects:
        """Records that are."""


@dataclass(frozen=True)
class LocalFile:
    """A source file where it can be read.

    Attributes:
        source: Its path or URL, as users know it.
        path: The file itself, or a copy on this machine.
        split: Its input split.
    """

    source: str
    path: str
    split: str


@contextmanager
def naming(source: str, path: str) -> Iterator[None]:
    """Errors within the block speak of the source, not of a copy of it."""
    try:
        yield
    except PenstockError as error:
        if source != path:
            for part in ("what", "got", "location"):
                text = getattr(error, part)
                if text:
                    setattr(error, part, text.replace(path, source))
            error.args = (error.what,)
        raise


class Progress:
    """Tells how many records each pass has done."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._scanned = 0
        self._written = 0
        self.rows: int | None = None

    def scanned(self, rows: int) -> None:
        """More records were read by the first pass; fewer than none where it starts again."""
        self._scanned += rows
        self._task.report_progress(self._scanned, None, "records read")

    def written(self, rows: int) -> None:
        """More records were written."""
        self._written += rows
        self._task.report_progress(self._written, self.rows, "records written")


class Ingestion:
    """One execution of an example generator.

    Args:
        task: The execution.
        sources: The files to read; None where records come from elsewhere.
    """

    def __init__(self, task: Task, sources: ResolvedInput | None = None) -> None:
        self.task = task
        self.sources = sources
        self.payload: PayloadFormat = task.parameter("payload_format", PayloadFormat)
        self.examples = task.output("examples", Examples)
        splits = list(sources.splits) if sources else [SINGLE_SPLIT]
        self.plan: SplitPlan = plan_splits(
            splits, task.parameter("output_config", OutputConfig | None)
        )
        self.progress = Progress(task)
        self.files = _local_files(sources, task.work_dir) if sources else []
        self._shared = os.path.join(self.examples.uri, "_scratch")
        size = sum(os.path.getsize(file.path) for file in self.files)
        # Records that come from no files come once, to this process.
        self.engine: WorkEngine = (
            choose_engine(task, size, len(self.files), self._shared)
            if sources
            else InProcessEngine(task.work_dir)
        )
        if self.engine.scratch == self._shared:
            os.makedirs(self._shared)

    @property
    def quarantine(self) -> bool:
        """Whether faulty records are put aside."""
        return bool(self.task.parameters.get("row_faults") == "quarantine")

    def scratch(self, number: int) -> str:
        """Beginning of the names of what is kept of one file between the passes."""
        return os.path.join(self.engine.scratch, str(number))

    def split_of(self, file: LocalFile) -> str:
        """The split of all of a file's records, where they are not distributed by hash."""
        return self.plan.names[0] if self.plan.buckets else file.split

    def check_found(self, scans: Sequence[ScannedSource]) -> None:
        """Notes how many records were found.

        Raises:
            DataError: There are none.
        """
        self.progress.rows = sum(scan.rows for scan in scans)
        if self.progress.rows:
            return
        rejected = sum(scan.rejects.rows for scan in scans)
        reasons = sorted({reason for scan in scans for reason in scan.rejects.reasons})
        raise DataError(
            "every record was rejected" if rejected else "the files hold no records",
            expected="at least one record that can be read",
            got=f"{rejected} rejected: {', '.join(reasons)}" if rejected else None,
            location=", ".join(scan.source for scan in scans[:3]),
        )

    def write(
        self, parts: Sequence[Part], schema: pa.Schema, shard_bytes: int = SHARD_BYTES
    ) -> dict[str, int]:
        """Writes all records and describes the artifact; the number of records by split.

        Raises:
            DataError: A record was lost, or a source is not what it was found to be.
            StorageError: The disk is full, or a folder cannot be written.
        """
        examples, plan = self.examples, self.plan
        examples.splits = list(plan.names)
        groups = group_parts(parts, shard_bytes)
        jobs = [
            ShardJob(examples.uri, plan, self.payload, schema, number, len(groups), group)
            for number, group in enumerate(groups)
        ]
        rows = dict.fromkeys(plan.names, 0)
        with storage_errors(examples.uri, "write"):
            for written in self.engine.map(write_shard, jobs, self.progress.written):
                for split, count in written.items():
                    rows[split] += count
        if self.progress.rows is not None:
            _check_rows(self.progress.rows, rows)
        shutil.rmtree(self._shared, ignore_errors=True)
        describe(examples, schema, self.payload, rows)
        return rows

    def record(
        self, scans: Sequence[ScannedSource], rows: Mapping[str, int]
    ) -> dict[str, PropertyValue]:
        """Records where the data came from; returns the execution's properties."""
        examples = self.examples
        properties: dict[str, PropertyValue] = {"rows": sum(rows.values())}
        properties.update({f"rows_{split}": count for split, count in rows.items()})
        if self.sources is not None:
            examples.span, examples.version = self.sources.span, self.sources.version
            if len(self.sources.spans) > 1:
                examples.custom_properties[SPANS] = json.dumps(
                    [list(pair) for pair in self.sources.spans]
                )
            examples.custom_properties[SOURCE_FILES] = _described(scans)
        rejected = sum(scan.rejects.rows for scan in scans)
        if REJECTED in self.task.outputs:
            properties["rows_rejected"] = rejected
        return properties

    def write_rejects(self, scans: Sequence[ScannedSource]) -> None:
        """Writes the output with rejected records, if there is one.

        Raises:
            DataError: Records were rejected without it: they would be lost.
        """
        if REJECTED in self.task.outputs:
            artifact = self.task.output(REJECTED, RejectedExamples)
            with storage_errors(artifact.uri, "write"):
                write_rejects(artifact, [scan.rejects for scan in scans])
            if self.sources is not None:
                artifact.span, artifact.version = self.sources.span, self.sources.version
            return
        rejected = sum(scan.rejects.rows for scan in scans)
        if rejected:
            raise DataError(
                f"{rejected} records were rejected, and there is no output for them",
                expected=f"an output {REJECTED!r}",
                fix="set row_faults='quarantine' when the node is declared",
            )


def _local_files(sources: ResolvedInput, work_dir: str) -> list[LocalFile]:
    """The files, remote ones as copies: Arrow must not read from a Python object."""
    files: list[LocalFile] = []
    for split, found in sources.splits.items():
        for source in found:
            path = source
            if "://" in source:
                name = source.rsplit("/", 1)[-1]
                path = os.path.join(work_dir, "fetched", str(len(files)), name)
                storage.copy_file(source, path)
            files.append(LocalFile(source, path, split))
    return files


def _check_rows(rows: int, counts: Mapping[str, int]) -> None:
    written = sum(counts.values())
    if written != rows:
        raise DataError(
            "not every record that was read was written",
            expected=f"{rows} records",
            got=f"{written}: " + ", ".join(f"{s} {n}" for s, n in counts.items()),
        )


def _described(scans: Sequence[ScannedSource]) -> str:
    files = [
        {"path": scan.source, "sha256": scan.sha256, "bytes": scan.size, "rows": scan.rows}
        for scan in scans
    ]
    for entry, scan in zip(files, scans, strict=True):
        if scan.rejects.rows:
            entry["rejected"] = scan.rejects.rows
    named = files if len(files) <= _MOST_FILES_NAMED else []
    return json.dumps(
        {
            "count": len(files),
            "sha256": sources_digest([scan.sha256 for scan in scans]),
            "files": named,
        }
    )


def sources_digest(digests: Sequence[str]) -> str:
    """One digest of the contents of all files, in any order."""
    whole = hashlib.sha256()
    for digest in sorted(digests):
        whole.update(digest.encode())
    return whole.hexdigest()
