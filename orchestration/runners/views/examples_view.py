# SPDX-License-Identifier: Apache-2.0
"""Examples: the first records of each split, transformed ones below the raw ones."""

from __future__ import annotations

import json
from typing import Any

from ....components.base.artifact import Artifact
from ....components.base.artifact_types import Examples
from ....utils.readable import counted
from .splits import as_type, chosen_splits
from .view import Block, Cell, Fold, Table, View, Wanted, Words

_MOST_COLUMNS = 60
_LONGEST_TEXT, _LONGEST_LIST = 200, 12


def examples_view(artifact: Artifact, wanted: Wanted) -> View:
    """The first records of an artifact, and of others with the same records below them.

    Raises:
        DataError: There is no such split or column, or a file is damaged.
    """
    from ....components.ingest.examples_reader import count_rows

    examples = as_type(artifact, Examples)
    others = {name: as_type(each, Examples) for name, each in wanted.beside.items()}
    splits = chosen_splits(examples, wanted)
    blocks: list[Block] = []
    for number, split in enumerate(splits):
        inner: list[Block] = []
        for name, each in {**others, wanted.name if others else "": examples}.items():
            if split in each.splits:
                inner += _table(each, split, name, wanted)
        rows = count_rows(examples, split)
        blocks.append(Fold(f"split {split}: {counted(rows, 'record')}", inner, is_open=number == 0))
    if not splits:
        blocks.append(Words("The artifact has no splits.", "warning"))
    about = [f"span {examples.span}" if examples.span else ""]
    about += [str(examples.custom_properties.get("payload_format", "")), examples.uri]
    return View("Examples", blocks, ", ".join(part for part in about if part))


def _table(examples: Examples, split: str, name: str, wanted: Wanted) -> list[Block]:
    table = first_rows(examples, split, wanted.limit, list(wanted.features) or None)
    names = table.column_names[:_MOST_COLUMNS]
    columns = [table.column(each).to_pylist() for each in names]
    rows: list[list[Cell]] = [
        [index + 1, *(plain_cell(column[index]) for column in columns)]
        for index in range(table.num_rows)
    ]
    note = f"the first {table.num_rows:,} records, {table.num_columns:,} columns"
    if len(names) < table.num_columns:
        note += f", of which {len(names)} are shown (features=[…] chooses others)"
    return [Table(("record", *names), rows, name, note)]


def first_rows(
    examples: Examples, split: str, limit: int | None, columns: list[str] | None = None
) -> Any:
    """The first records of a split as a `pyarrow.Table`; all of them where `limit` is None.

    Raises:
        DataError: There is no such split or column, or a file is damaged.
    """
    import pyarrow as pa

    from ....components.ingest.examples_reader import iter_record_batches, read_table

    if limit is None:
        return read_table(examples, split, columns)
    batches, left, schema = [], limit, None
    for batch in iter_record_batches(
        examples, split, batch_size=max(1, min(limit, 32_768)), columns=columns
    ):
        schema = batch.schema
        batches.append(batch.slice(0, left))
        left -= batches[-1].num_rows
        if left <= 0:
            break
    if schema is None:
        return read_table(examples, split, columns)
    return pa.Table.from_batches(batches, schema=schema)


def plain_cell(value: Any) -> Cell:
    """A record's value as a table's cell: texts shortened, bytes readable."""
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, bytes):
        try:
            value = value.decode()
        except UnicodeDecodeError:
            return f"{len(value):,} bytes: {value[:16].hex(' ')}" + (
                " …" if len(value) > 16 else ""
            )
    if isinstance(value, list):
        shown = [plain_cell(item) for item in value[:_LONGEST_LIST]]
        more = f", … ({len(value):,} values)" if len(value) > _LONGEST_LIST else ""
        return "[" + ", ".join(_inside(item) for item in shown) + more + "]"
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False, default=str)[:_LONGEST_TEXT]
    text = str(value)
    return text if len(text) <= _LONGEST_TEXT else text[: _LONGEST_TEXT - 1] + "…"


def _inside(item: Cell) -> str:
    return f"{item:.5g}" if isinstance(item, float) else "–" if item is None else str(item)
