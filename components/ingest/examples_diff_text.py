# SPDX-License-Identifier: Apache-2.0
"""What differs between two `Examples` artifacts, as lines of text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

#: Headings of `column_rows`.
COLUMNS = ("distance", "column", "kind", "missing", "what changed")


def summary_lines(diff: Mapping[str, Any]) -> Iterator[str]:
    """Rows and schema; nothing on columns."""
    if diff["same_content"]:
        yield "The contents are equal."
    rows = diff["rows"]
    yield f"rows: {rows['before']} -> {rows['after']}"
    for split, counts in rows["splits"].items():
        yield f"  {split}: {_count(counts['before'])} -> {_count(counts['after'])}"
    schema = diff["schema"]
    for column in schema["added"]:
        yield f"column added: {column['name']} ({column['type']})"
    for column in schema["removed"]:
        yield f"column removed: {column['name']} ({column['type']})"
    for column in schema["changed"]:
        yield f"column changed: {column['name']} ({column['before']} -> {column['after']})"


def column_rows(
    columns: Sequence[Mapping[str, Any]], limit: int | None = None
) -> list[tuple[str, ...]]:
    """A table of the columns, the most different first; headings are `COLUMNS`."""
    return [
        (
            f"{'~' if column['approximate'] else ''}{column['distance']:.4f}",
            column["name"],
            column["kind"],
            f"{_missing(column['before'])} -> {_missing(column['after'])}",
            "; ".join(_changes(column)) or "-",
        )
        for column in columns[:limit]
    ]


def _count(rows: int | None) -> str:
    return "no such split" if rows is None else str(rows)


def _missing(side: Mapping[str, Any]) -> str:
    return f"{side['missing'] / side['records']:.1%}" if side["records"] else "-"


def _changes(column: Mapping[str, Any]) -> Iterator[str]:
    before, after = column["before"], column["after"]
    for name in ("mean", "median"):
        if name in before and name in after and before[name] != after[name]:
            yield f"{name} {before[name]:g} -> {after[name]:g}"
    for side in column.get("shares", [])[:2]:
        yield f"{_shown(side['value'])} {side['before']:.1%} -> {side['after']:.1%}"
    if column.get("new_values"):
        yield "new: " + ", ".join(_shown(value) for value in column["new_values"][:3])
    if column.get("lost_values"):
        yield "lost: " + ", ".join(_shown(value) for value in column["lost_values"][:3])


def _shown(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:39] + "…")
