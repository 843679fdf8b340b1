# SPDX-License-Identifier: Apache-2.0
"""What differs between two `Examples` artifacts: schema, rows, distribution of each column.

Both are read once, in batches. Of texts the values are counted; of numbers a sample is kept,
every k-th one in the order of records, so that equal data always compares equal.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ..base.artifact_types import Examples
from .column_profile import ColumnProfile
from .examples_reader import count_rows, examples_schema, iter_record_batches

#: A document in the form of JSON.
Document = dict[str, Any]

_SHOWN_VALUES = 5


def diff_examples(before: Examples, after: Examples, splits: Sequence[str] = ()) -> Document:
    """Compares two artifacts.

    The distance of a column is between 0 and 1. Of numbers it is the largest difference of
    the cumulative shares (Kolmogorov and Smirnov's), of texts the largest difference of a
    value's share (L-infinity, as TFDV's drift comparator takes it), and never less than the
    difference of the shares of missing values.

    Args:
        before: One of them.
        after: The other.
        splits: Splits to compare; all by default.

    Returns:
        `rows` (totals and by split), `schema` (`added`, `removed`, `changed`), and `columns`,
        those both have, the most different first.

    Raises:
        DataError: An artifact has no such split, or cannot be read.
    """
    sides = [_Side(examples, splits) for examples in (before, after)]
    return {
        "before": before.uri,
        "after": after.uri,
        "same_content": bool(before.content_digest)
        and before.content_digest == after.content_digest,
        "rows": _rows(*sides),
        "schema": _schema(sides[0].types, sides[1].types),
        "columns": _columns(sides[0].profiles, sides[1].profiles),
    }


class _Side:
    """One of the two artifacts."""

    def __init__(self, examples: Examples, splits: Sequence[str]) -> None:
        names = list(splits) or examples.splits
        self.types = {field.name: str(field.type) for field in examples_schema(examples)}
        self.rows = {split: count_rows(examples, split) for split in names}
        self.profiles = {name: ColumnProfile() for name in self.types}
        for split in names:
            for batch in iter_record_batches(examples, split):
                for name, column in zip(batch.schema.names, batch.columns, strict=True):
                    self.profiles[name].add(column)


def _rows(before: _Side, after: _Side) -> Document:
    splits = dict.fromkeys([*before.rows, *after.rows])
    return {
        "before": sum(before.rows.values()),
        "after": sum(after.rows.values()),
        "splits": {
            split: {"before": before.rows.get(split), "after": after.rows.get(split)}
            for split in splits
        },
    }


def _schema(before: Mapping[str, str], after: Mapping[str, str]) -> Document:
    return {
        "added": [{"name": n, "type": kind} for n, kind in after.items() if n not in before],
        "removed": [{"name": n, "type": kind} for n, kind in before.items() if n not in after],
        "changed": [
            {"name": name, "before": kind, "after": after[name]}
            for name, kind in before.items()
            if after.get(name, kind) != kind
        ],
    }


def _columns(
    before: Mapping[str, ColumnProfile], after: Mapping[str, ColumnProfile]
) -> list[Document]:
    compared = [
        _compare(name, profile, after[name]) for name, profile in before.items() if name in after
    ]
    return sorted(compared, key=lambda column: (-column["distance"], column["name"]))


def _compare(name: str, before: ColumnProfile, after: ColumnProfile) -> Document:
    found: Document = {
        "name": name,
        "kind": before.kind if before.kind == after.kind else f"{before.kind}, {after.kind}",
        "distance": 0.0,
        "before": before.summary(),
        "after": after.summary(),
    }
    missing = abs(before.missing_share - after.missing_share)
    distance = 0.0
    if before.kind != after.kind:
        distance = 1.0 if "empty" not in (before.kind, after.kind) else missing
    elif before.kind == "number":
        distance = cumulative_distance(before.sample, after.sample)
    elif before.kind == "text":
        shares = _share_changes(before, after)
        distance = max((abs(change) for _, change in shares), default=0.0)
        found["shares"] = [
            {"value": value, "before": before.share(value), "after": after.share(value)}
            for value, change in shares[:_SHOWN_VALUES]
            if change
        ]
        found["new_values"] = [v for v, _ in shares if not before.counts.get(v)][:_SHOWN_VALUES]
        found["lost_values"] = [v for v, _ in shares if not after.counts.get(v)][:_SHOWN_VALUES]
    found["distance"] = round(max(distance, missing), 6)
    found["approximate"] = before.approximate or after.approximate
    return found


def _share_changes(before: ColumnProfile, after: ColumnProfile) -> list[tuple[str, float]]:
    """Values with the change of their share, the greatest first."""
    values: Iterable[str] = dict.fromkeys([*before.counts, *after.counts])
    changes = [(value, after.share(value) - before.share(value)) for value in values]
    return sorted(changes, key=lambda pair: (-abs(pair[1]), pair[0]))


def cumulative_distance(before: Any, after: Any) -> float:
    """The largest difference between the cumulative shares of two samples of numbers."""
    one, two = np.sort(before), np.sort(after)
    if not len(one) or not len(two):
        return 0.0 if len(one) == len(two) else 1.0
    points = np.concatenate([one, two])
    shares = [np.searchsorted(side, points, side="right") / len(side) for side in (one, two)]
    return float(np.abs(shares[0] - shares[1]).max())
