# SPDX-License-Identifier: Apache-2.0
"""How a BulkInferrer's work is divided into shards: by files and row groups alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa

from ...utils.errors import DataError
from ..base.artifact_types import Examples
from ..ingest.examples_reader import examples_schema, row_group_sizes, split_files

#: Records after which the row groups of a file begin another shard.
SHARD_ROWS = 131_072


@dataclass(frozen=True)
class Shard:
    """Records that become one file.

    Attributes:
        split: Name of their split.
        path: The file that they come from.
        row_groups: Which of its row groups; None for all of a TFRecord file.
        rows: How many they are, where that is known without reading them.
        number: Number of the shard in its split.
        of: How many shards the split has.
        place: Number of the shard among those of all splits.
    """

    split: str
    path: str
    row_groups: tuple[int, ...] | None
    rows: int | None
    number: int = 0
    of: int = 1
    place: int = 0


def plan_shards(examples: Sequence[Examples], splits: Sequence[str]) -> list[Shard]:
    """Shards of the records of some splits, in order.

    Raises:
        DataError: A split is not there, or a file is damaged.
    """
    found: list[Shard] = []
    for split in splits:
        parts = [
            Shard(split, path, groups, rows)
            for each in examples
            if split in each.splits
            for path in split_files(each, split)
            for groups, rows in _parts(path)
        ]
        for number, part in enumerate(parts):
            found.append(replace(part, number=number, of=len(parts), place=len(found)))
    return found


def common_schema(examples: Sequence[Examples]) -> pa.Schema:
    """The schema of all artifacts.

    Raises:
        DataError: They have different ones.
    """
    first = examples_schema(examples[0])
    for each in examples[1:]:
        other = examples_schema(each)
        if not other.equals(first):
            raise DataError(
                "the examples have different columns",
                expected=", ".join(f"{field.name} ({field.type})" for field in first),
                got=", ".join(f"{field.name} ({field.type})" for field in other),
                location=each.uri,
                fix="predict for them in a node each",
            )
    return first


def chosen_splits(examples: Sequence[Examples], wanted: Sequence[str]) -> list[str]:
    """Names of the splits to predict for, in order.

    Raises:
        DataError: One of them is nowhere.
    """
    there = list(dict.fromkeys(split for each in examples for split in each.splits))
    for split in wanted:
        if split not in there:
            examples[0].split_uri(split)  # says what splits there are
    return [split for split in there if not wanted or split in wanted]


def _parts(path: str) -> Iterator[tuple[tuple[int, ...] | None, int | None]]:
    sizes = row_group_sizes(path)
    if sizes is None:
        yield None, None
        return
    groups: list[int] = []
    rows = 0
    for number, size in enumerate(sizes):
        if groups and rows + size > SHARD_ROWS:
            yield tuple(groups), rows
            groups, rows = [], 0
        groups.append(number)
        rows += size
    yield tuple(groups), rows
