# SPDX-License-Identifier: Apache-2.0
"""Records of examples as the JSON that a model server is asked with."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ...utils.errors import DataError
from ..base.artifact_types import Examples
from ..ingest.examples_reader import examples_schema, iter_record_batches
from ..ingest.list_columns import is_list, is_text
from .feature_columns import FeatureColumn


def first_records(
    examples: Examples, split: str, columns: Mapping[str, FeatureColumn], rows: int
) -> pa.RecordBatch:
    """The first records of a split, with the columns that a model takes.

    Args:
        examples: The artifact.
        split: Name of the split; the first where empty.
        columns: The model's features; those that the data lacks are left out.
        rows: How many at most.

    Raises:
        DataError: There is no such split, it is empty, or has none of the features.
    """
    there = examples_schema(examples).names
    names = [name for name in columns if name in there]
    if not names:
        raise DataError(
            "the examples have none of the model's features",
            expected=", ".join(columns),
            got=", ".join(there),
            location=examples.uri,
        )
    found = _joined(iter_record_batches(examples, split or examples.splits[0], rows, names), rows)
    if found is None:
        raise DataError(
            "the split has no records to ask about", got=split or examples.splits[0],
            location=examples.uri,
        )  # fmt: skip
    return found


def to_records(batch: pa.RecordBatch, columns: Mapping[str, FeatureColumn]) -> list[dict[str, Any]]:
    """Records as JSON values of the types that a model takes; missing values are left out.

    Args:
        batch: The records.
        columns: The model's features; further columns of the batch are left out.
    """
    named = []
    for name, column in columns.items():
        index = batch.schema.get_field_index(name)
        if index >= 0:
            named.append((column, _values(batch.column(index), column)))
    records: list[dict[str, Any]] = [{} for _ in range(batch.num_rows)]
    for column, values in named:
        # A feature that must be there without a type of its own may still lack a value.
        keep_null = column.type is None and column.required
        for record, value in zip(records, values, strict=True):
            if value is not None or keep_null:
                record[column.name] = value
    return records


def _joined(batches: Iterator[pa.RecordBatch], rows: int) -> pa.RecordBatch | None:
    parts: list[pa.RecordBatch] = []
    missing = rows
    for batch in batches:
        parts.append(batch.slice(0, missing))
        missing -= parts[-1].num_rows
        if not missing:
            break
    table = pa.Table.from_batches(parts).combine_chunks() if parts else None
    if table is None or not table.num_rows:
        return None
    return table.to_batches()[0]


def _values(values: pa.Array, column: FeatureColumn) -> list[Any]:
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    plain = [_json(each) for each in _fitted(values, column).to_pylist()]
    if not column.depth:
        return [_only(each) for each in plain]
    return [each if each is None or isinstance(each, list) else [each] for each in plain]


def _fitted(values: pa.Array, column: FeatureColumn) -> pa.Array:
    """Values in the type that the model names, where nothing is lost by that."""
    kind = values.type.value_type if is_list(values.type) else values.type
    if pa.types.is_temporal(kind):
        kind = pa.string()
        return pc.cast(values, pa.list_(kind) if is_list(values.type) else kind)
    if column.type is None or kind == column.type or column.depth > 1:
        return values
    if is_text(kind) != is_text(column.type):
        return values
    try:
        return pc.cast(values, pa.list_(column.type) if is_list(values.type) else column.type)
    except pa.ArrowInvalid:
        return values  # The server refuses them, and says why.


def _only(value: Any) -> Any:
    """The one value where there is a list of one; longer lists are for the server to judge."""
    if isinstance(value, list) and len(value) <= 1:
        return value[0] if value else None
    return value


def _json(value: Any) -> Any:
    if isinstance(value, list):
        return [_json(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return {"b64": base64.b64encode(value).decode()}
    return value if isinstance(value, (int, float, str, bool, type(None))) else str(value)
