# SPDX-License-Identifier: Apache-2.0
"""The first pass over a CSV file: how many records, of which types, in which splits.

The second pass needs all of this before it can write its first record. What a file's scan
says does not depend on other files, so files can be scanned apart.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ...utils.errors import DataError, nearest
from ...utils.hashing import digest_file
from ...utils.storage_errors import storage_errors
from .column_types import ColumnEvidence
from .csv_faults import explain, find_fault
from .csv_quarantine import Cleaned, clean_file
from .csv_source import (
    BLOCK_SIZES,
    READ_ERRORS,
    CsvBatches,
    CsvDialect,
    ends_properly,
    read_header,
    transcode,
)
from .marked_text import MARK
from .output_config import SplitPlan
from .quote_check import quotes_match
from .record_hash import record_hashes, split_indices
from .rejected_rows import Rejects


@dataclass(frozen=True)
class FileScan:
    """What is known of one file after the first pass.

    Attributes:
        path: The file.
        text: The file that holds its text as UTF-8: itself, or a copy.
        header: Names of its columns, as they stand in the file.
        rows: Number of records.
        evidence: What its cells say about types, by column name.
        size: Bytes on disk.
        sha256: Digest of the bytes on disk.
        changed_ns: When it was last changed, in nanoseconds since 1970.
        block_size: Bytes of text parsed at a time.
        assignment: File with the split of every record: little-endian 16-bit indices
            into the plan's names. Empty where splits do not depend on records.
        source: Where the file came from: its path or URL as users know it.
        rejects: Records that were put aside; not among `rows`.
    """

    path: str
    text: str
    header: tuple[str, ...]
    rows: int
    evidence: Mapping[str, ColumnEvidence]
    size: int
    sha256: str
    changed_ns: int
    block_size: int
    assignment: str
    source: str
    rejects: Rejects


def scan_file(
    path: str,
    dialect: CsvDialect,
    plan: SplitPlan,
    scratch: str,
    report_rows: Callable[[int], None],
    *,
    source: str = "",
    quarantine: Mapping[str, pa.DataType] | None = None,
) -> FileScan:
    """Reads a file once, from end to end.

    Args:
        path: The file.
        dialect: How to read it.
        plan: How records are distributed.
        scratch: Beginning of the names of files that the second pass needs.
        report_rows: Called with the number of records of each batch.
        source: Where the file came from, if `path` is a copy.
        quarantine: Put faulty records aside, those among them whose cells are not of these
            types (by column name). None: the first one is an error.

    Raises:
        DataError: The file is not what it should be.
    """
    with storage_errors(path, "read"):
        status = os.stat(path)
    text = path if dialect.is_utf8 else f"{scratch}.csv"
    rejects = Rejects()
    errors = "strict" if quarantine is None else MARK
    with ThreadPoolExecutor(1) as beside:
        digest = beside.submit(digest_file, path)
        try:
            header, has_records = read_header(path, dialect, errors)
        except READ_ERRORS as error:
            raise explain(path, dialect, (), error) from None
        types = {name: kind for name, kind in (quarantine or {}).items() if name in header}
        try:
            if text != path:
                _transcode(path, dialect, text, header)
            scan = _TextScan(path, text, dialect, header, plan, f"{scratch}.splits", report_rows)
            if has_records:
                matching = beside.submit(quotes_match, text, dialect.delimiter)
                scan.run(types, matching.result)
        except DataError as fault:
            if quarantine is None:
                raise
            text = f"{scratch}.clean.csv"
            cleaned = _clean(
                path, dialect, header, types, text, f"{scratch}.rejected", source or path, fault
            )
            rejects = cleaned.rejects
            scan = _TextScan(path, text, dialect, header, plan, f"{scratch}.splits", report_rows)
            if cleaned.rows:
                scan.run(types)
            _check_kept(path, cleaned.rows, scan.rows)
    return scan.found(status, digest.result(), source or path, rejects)


def _transcode(path: str, dialect: CsvDialect, text: str, header: Sequence[str]) -> None:
    try:
        transcode(path, dialect.encoding, text)
    except READ_ERRORS as error:
        raise explain(path, dialect, header, error) from None


def _clean(
    path: str,
    dialect: CsvDialect,
    header: list[str],
    types: Mapping[str, pa.DataType],
    target: str,
    rejected: str,
    source: str,
    fault: DataError,
) -> Cleaned:
    """Puts faulty records aside; raises `fault` if it is none of a record."""
    try:
        cleaned = clean_file(
            path, dialect, header, types, BLOCK_SIZES[-1], target, rejected, source
        )
    except READ_ERRORS as error:
        raise explain(path, dialect, header, error) from None
    if not cleaned.rejects.rows:
        raise fault
    return cleaned


def _check_kept(path: str, copied: int, read: int) -> None:
    if copied != read:
        raise DataError(
            "not every record that was kept could be read again",
            expected=f"{copied} records",
            got=f"{read}",
            location=path,
            fix="please report this, with the file if you can; meanwhile set row_faults='fail'",
        )


class _TextScan:
    """The first pass over the text of one file."""

    def __init__(
        self,
        path: str,
        text: str,
        dialect: CsvDialect,
        header: list[str],
        plan: SplitPlan,
        assignment: str,
        report_rows: Callable[[int], None],
    ) -> None:
        self.path = path
        self.text = text
        self.dialect = dialect
        self.header = header
        self.plan = plan
        self.assignment = assignment
        self.report_rows = report_rows
        self.hashed = _hashed_columns(path, header, plan)
        self.block_size = BLOCK_SIZES[0]
        self.rows = 0
        self.evidence = {name: ColumnEvidence() for name in header}

    def run(
        self,
        types: Mapping[str, pa.DataType],
        quotes_match: Callable[[], bool] = lambda: True,
    ) -> None:
        """Reads the text, with larger blocks if a record does not fit into one.

        Args:
            types: Types that cells must be of, by column name.
            quotes_match: Tells whether the text's quotes look right.
        """
        for self.block_size in BLOCK_SIZES:
            try:
                last = self._read()
                break
            except RecordTooLong:
                self.report_rows(-self.rows)
                self.rows = 0
                self.evidence = {name: ColumnEvidence() for name in self.header}
        last_cells = [last] if last is not None else self.dialect.null_values
        if not (quotes_match() and ends_properly(self.text, last_cells, self.dialect.delimiter)):
            self._raise_fault()
        if types:
            checked = CsvBatches(self.text, self.dialect, types, self.header, self.block_size)
            for _ in explained(checked, self.path, self.dialect, self.header):
                pass

    def found(self, status: os.stat_result, digest: str, source: str, rejects: Rejects) -> FileScan:
        """What is known of the file, once its text was read.

        Args:
            status: Of the file, before anything was read.
            digest: Of its bytes.
            source: Where it came from.
            rejects: Records that are not in the text.
        """
        return FileScan(
            path=self.path,
            text=self.text,
            header=tuple(self.header),
            rows=self.rows,
            evidence=self.evidence,
            size=status.st_size,
            sha256=digest,
            changed_ns=status.st_mtime_ns,
            block_size=self.block_size,
            assignment=self.assignment if self.plan.by_hash and self.rows else "",
            source=source,
            rejects=rejects,
        )

    def _raise_fault(self) -> None:
        fault = find_fault(self.path, self.dialect, self.header)
        if fault is not None:
            raise fault

    def _check_sizes(self, batch: pa.RecordBatch) -> None:
        limit = self.dialect.max_field_bytes
        if limit is None:
            return
        for cells in batch.columns:
            longest = pc.max(pc.binary_length(cells)).as_py()
            if longest is not None and longest > limit:
                self._raise_fault()

    def _read(self) -> str | None:
        """Reads the text once; returns its last cell."""
        types = {name: pa.string() for name in self.header}
        batches = CsvBatches(self.text, self.dialect, types, self.header, self.block_size)
        last: str | None = None
        with open(self.assignment, "wb") as file:
            for batch in explained(batches, self.path, self.dialect, self.header):
                self._check_sizes(batch)
                for name, cells in zip(self.header, batch.columns, strict=True):
                    self.evidence[name].add(cells)
                if self.plan.by_hash:
                    chosen = [batch.column(self.header.index(name)) for name in self.hashed]
                    hashes = record_hashes(chosen, batch.num_rows)
                    splits = split_indices(hashes, self.plan.bounds)
                    file.write(splits.astype("<u2").tobytes())
                self.rows += batch.num_rows
                self.report_rows(batch.num_rows)
                if batch.num_rows:
                    last = batch.columns[-1][-1].as_py()
        return last


def explained(
    batches: CsvBatches, path: str, dialect: CsvDialect, header: Sequence[str]
) -> Iterator[pa.RecordBatch]:
    """The batches of a file, with what goes wrong in reading them explained.

    Raises:
        DataError: The file is not what it should be.
        RecordTooLong: A record is longer than a block, and larger blocks are allowed.
    """
    try:
        yield from batches
    except READ_ERRORS as error:
        if "straddles two block boundaries" in str(error) and batches.block_size < BLOCK_SIZES[-1]:
            raise RecordTooLong from None
        raise explain(path, dialect, header, error) from None


class RecordTooLong(Exception):
    """A record does not fit into one block of text."""


def _hashed_columns(path: str, header: Sequence[str], plan: SplitPlan) -> list[str]:
    plan.check_feature(header, path)
    wanted = plan.partition_feature_name
    return sorted(header) if wanted is None else [wanted]


def read_assignment(scan: FileScan, start: int, rows: int) -> npt.NDArray[np.uint16]:
    """Splits of some records of a scanned file, by index."""
    return np.fromfile(scan.assignment, dtype="<u2", count=rows, offset=start * 2)


def check_headers(scans: Sequence[FileScan]) -> None:
    """Checks that files can be read as one table: columns may stand in any order.

    Raises:
        DataError: One has other columns than the first.
    """
    first = scans[0]
    for scan in scans[1:]:
        missing = [name for name in first.header if name not in scan.header]
        added = [name for name in scan.header if name not in first.header]
        if missing or added:
            lacks = f"lacks {', '.join(map(repr, missing))}" if missing else ""
            has = f"has {', '.join(map(repr, added))}" if added else ""
            raise DataError(
                "files have different headers",
                expected=f"{', '.join(first.header)} (as in {first.path})",
                got=f"{scan.path} {' and '.join(part for part in (lacks, has) if part)}",
                suggestion=nearest(added[0], missing) if added and missing else None,
                location=f"{scan.path}:1",
                fix="make the headers agree, or exclude the file by input_config",
            )


def merge_evidence(scans: Sequence[FileScan]) -> dict[str, ColumnEvidence]:
    """What the cells of all files say, by column name, in the first file's order."""
    merged = {name: ColumnEvidence() for name in scans[0].header}
    for scan in scans:
        for name, evidence in scan.evidence.items():
            merged[name].merge(evidence)
    return merged
