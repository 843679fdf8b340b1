# SPDX-License-Identifier: Apache-2.0
"""Predictions as answers of KServe's V1 and V2 protocols."""

from __future__ import annotations

import base64
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ..ingest.list_columns import is_list

_DATATYPES = [
    (pa.bool_(), "BOOL"),
    (pa.float16(), "FP16"),
    (pa.float32(), "FP32"),
    (pa.float64(), "FP64"),
    *[
        (getattr(pa, f"{sign}int{bits}")(), f"{sign}int{bits}".upper())
        for sign in ("", "u")
        for bits in (8, 16, 32, 64)
    ],
]


def write_v1(batch: pa.RecordBatch) -> list[Any]:
    """One prediction for each record: a value, or an object where there are several outputs."""
    columns = [plain_values(column) for column in batch.columns]
    if len(columns) == 1:
        return columns[0]
    names = batch.schema.names
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def write_v2(batch: pa.RecordBatch) -> list[tuple[str, list[int], str, list[Any]]]:
    """(name, shape, datatype, data in row-major order) of each output.

    Raises:
        ValueError: Lists of different lengths, which a tensor cannot hold.
    """
    return [
        (name, *_tensor(name, column))
        for name, column in zip(batch.schema.names, batch.columns, strict=True)
    ]


def plain_values(column: pa.Array) -> list[Any]:
    """Values as JSON has them; bytes that are no text as `{"b64": …}`."""
    values: list[Any] = column.to_pylist()
    return _texts(values) if _holds_bytes(column.type) else values


def datatype_of(kind: pa.DataType) -> str:
    """The V2 datatype of values of an Arrow type (or of the values of its lists)."""
    while is_list(kind):
        kind = kind.value_type
    return next((name for known, name in _DATATYPES if known == kind), "BYTES")


def _tensor(name: str, column: pa.Array) -> tuple[list[int], str, list[Any]]:
    shape = [len(column)]
    flat = column
    while is_list(flat.type):
        sizes = set(pc.list_value_length(flat).to_pylist()) or {0}
        if len(sizes) > 1 or None in sizes:
            raise ValueError(
                f"the output {name!r} has lists of different lengths; ask by the V1 protocol"
            )
        shape.append(sizes.pop())
        flat = flat.flatten()
    return shape, datatype_of(flat.type), plain_values(flat)


def _holds_bytes(kind: pa.DataType) -> bool:
    while is_list(kind):
        kind = kind.value_type
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _texts(value: Any) -> Any:
    if isinstance(value, list):
        return [_texts(each) for each in value]
    if not isinstance(value, bytes):
        return value
    try:
        return value.decode()
    except UnicodeDecodeError:
        return {"b64": base64.b64encode(value).decode()}
