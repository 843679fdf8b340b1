# SPDX-License-Identifier: Apache-2.0
"""Writing one shard of every split: the job that engines hand out.

What a shard holds depends on its parts alone, so that shards can be written anywhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ..base.artifact_types import Examples
from .examples_writer import SplitWriters
from .output_config import SplitPlan
from .payload import PayloadFormat
from .work_engine import ReportRows

#: Index of each record's split in a plan's names.
Indices = npt.NDArray[np.uint16]


class Part(Protocol):
    """Records of one source, in order; can be sent to other processes."""

    @property
    def size(self) -> int:
        """Bytes of the source."""

    @property
    def split(self) -> str:
        """The split of all records, where records are not distributed by hash."""

    def batches(
        self, schema: pa.Schema, plan: SplitPlan
    ) -> Iterator[tuple[pa.RecordBatch, Indices | None]]:
        """Batches, with the splits of their records where these differ.

        Raises:
            DataError: The source is not what it was found to be.
        """


P = TypeVar("P", bound=Part)


@dataclass(frozen=True)
class ShardJob:
    """One shard of every split.

    Attributes:
        uri: Folder of the artifact.
        plan: How records are distributed.
        payload: Format of the files.
        schema: Schema of the records.
        number: Number of the shard.
        shards: How many there are.
        parts: What goes into this one.
    """

    uri: str
    plan: SplitPlan
    payload: PayloadFormat
    schema: pa.Schema
    number: int
    shards: int
    parts: tuple[Part, ...]


def write_shard(job: ShardJob, report: ReportRows) -> dict[str, int]:
    """Writes a shard; returns the number of records written, by split.

    Raises:
        DataError: A source is not what it was found to be.
        OSError: A file cannot be written.
    """
    examples = Examples(job.uri)
    examples.splits = list(job.plan.names)
    with SplitWriters(examples, job.schema, job.payload, job.number, job.shards) as writers:
        for part in job.parts:
            for batch, assigned in part.batches(job.schema, job.plan):
                if assigned is None:
                    writers.write(part.split, batch)
                else:
                    for index, split in enumerate(job.plan.names):
                        writers.write(split, batch.filter(pa.array(assigned == index)))
                report(batch.num_rows)
    return writers.rows


def group_parts(parts: Sequence[P], shard_bytes: int) -> list[tuple[P, ...]]:
    """Consecutive parts in groups of about equal size; at least one group."""
    groups: list[list[P]] = [[]]
    size = 0
    for part in parts:
        if groups[-1] and size + part.size > shard_bytes:
            groups.append([])
            size = 0
        groups[-1].append(part)
        size += part.size
    return [tuple(group) for group in groups]
