# SPDX-License-Identifier: Apache-2.0
"""The first pass over a CSV file: how many records, of which types, in which splits.

The second pass needs all of this before it can write its first record. What a file's scan
says does not depend on other files, so files can be scanned apart.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ...utils.errors import DataError, nearest
from .column_types import ColumnEvidence
from .csv_faults import explain, find_fault
from .csv_source import BLOCK_SIZES, READ_ERRORS, CsvBatches, CsvDialect, read_header
from .output_config import SplitPlan
from .record_hash import record_hashes, split_indices


@dataclass(frozen=True)
class FileScan:
    """What is known of one file after the first pass.

    Attributes:
        path: The file.
        header: Names of its columns, as they stand in the file.
        rows: Number of records.
        evidence: What its cells say about types, by column name.
        size: Bytes on disk.
        sha256: Digest of the bytes on disk.
        block_size: Bytes of text parsed at a time.
        assignment: File with the split of every record: little-endian 16-bit indices
            into the plan's names. Empty where splits do not depend on records.
    """

    path: str
    header: tuple[str, ...]
    rows: int
    evidence: Mapping[str, ColumnEvidence]
    size: int
    sha256: str
    block_size: int
    assignment: str


def scan_file(
    path: str,
    dialect: CsvDialect,
    plan: SplitPlan,
    assignment: str,
    report_rows: Callable[[int], None],
) -> FileScan:
    """Reads a file once, from end to end.

    Args:
        path: The file.
        dialect: How to read it.
        plan: How records are distributed.
        assignment: Where to write the split of every record.
        report_rows: Called with the number of records of each batch.

    Raises:
        DataError: The file is not what it should be.
    """
    try:
        header = read_header(path, dialect)
    except READ_ERRORS as error:
        raise explain(path, dialect, (), error) from None
    hashed = _hashed_columns(path, header, plan)
    for block_size in BLOCK_SIZES:
        batches = CsvBatches(path, dialect, {n: pa.string() for n in header}, header, block_size)
        evidence = {name: ColumnEvidence() for name in header}
        rows = 0
        try:
            with open(assignment, "wb") as file:
                for batch in explained(batches, dialect, header):
                    for name, cells in zip(header, batch.columns, strict=True):
                        evidence[name].add(cells)
                    if plan.by_hash:
                        chosen = [batch.column(header.index(name)) for name in hashed]
                        hashes = record_hashes(chosen, batch.num_rows)
                        file.write(split_indices(hashes, plan.bounds).astype("<u2").tobytes())
                    rows += batch.num_rows
                    report_rows(batch.num_rows)
            break
        except RecordTooLong:
            report_rows(-rows)
    if batches.stream.quotes % 2:
        # An unclosed quote in the last cell swallows records without an error.
        fault = find_fault(path, dialect, header)
        if fault is not None:
            raise fault
    size, digest = batches.stream.source
    return FileScan(
        path,
        tuple(header),
        rows,
        evidence,
        size,
        digest,
        block_size,
        assignment if plan.by_hash else "",
    )


def explained(
    batches: CsvBatches, dialect: CsvDialect, header: Sequence[str]
) -> Iterator[pa.RecordBatch]:
    """The batches, with what goes wrong in reading them explained.

    Raises:
        DataError: The file is not what it should be.
        RecordTooLong: A record is longer than a block, and larger blocks are allowed.
    """
    try:
        yield from batches
    except READ_ERRORS as error:
        if "straddles two block boundaries" in str(error) and batches.block_size < BLOCK_SIZES[-1]:
            raise RecordTooLong from None
        raise explain(batches.path, dialect, header, error) from None


class RecordTooLong(Exception):
    """A record does not fit into one block of text."""


def _hashed_columns(path: str, header: Sequence[str], plan: SplitPlan) -> list[str]:
    wanted = plan.partition_feature_name
    if wanted is None:
        return sorted(header)
    if wanted not in header:
        raise DataError(
            f"partition_feature_name {wanted!r} is no column",
            expected=", ".join(header),
            got=wanted,
            suggestion=nearest(wanted, header),
            location=path,
        )
    return [wanted]


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


def sources_digest(scans: Sequence[FileScan]) -> str:
    """One digest of the contents of all files."""
    whole = hashlib.sha256()
    for digest in sorted(scan.sha256 for scan in scans):
        whole.update(digest.encode())
    return whole.hexdigest()
