# SPDX-License-Identifier: Apache-2.0
"""Between plain columns and the list columns of TensorFlow's data libraries.

TFDV, TFT, TFMA and tfx_bsl know a feature as a list of values for each record, of one of
three types: `large_list<int64>`, `large_list<float32>`, `large_list<large_binary>` (the
types that tfx_bsl decodes `tf.Example`s to). A missing value is a missing list.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ...utils.errors import DataError


def value_type(kind: pa.DataType) -> pa.DataType:
    """The type that values of `kind` have in a list column.

    Raises:
        DataError: There is none.
    """
    types = pa.types
    if types.is_dictionary(kind):
        return value_type(kind.value_type)
    if is_list(kind) and not is_list(kind.value_type):
        return value_type(kind.value_type)
    if types.is_integer(kind) or types.is_boolean(kind):
        return pa.int64()
    if types.is_floating(kind) or types.is_decimal(kind):
        return pa.float32()
    if is_text(kind) or (types.is_temporal(kind) and not types.is_duration(kind)):
        return pa.large_binary()
    raise DataError(
        f"values of Arrow type {kind} cannot become features",
        expected="numbers, texts, bytes, dates and times, truth values, or lists of these",
        got=str(kind),
        fix="convert the column before ingesting it",
    )


def is_list(kind: pa.DataType) -> bool:
    """Whether a type is a list, of any of the kinds that Arrow has."""
    types = pa.types
    return bool(types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind))


def is_text(kind: pa.DataType) -> bool:
    """Whether a type is text or bytes, of any of the kinds that Arrow has."""
    types = pa.types
    return bool(
        types.is_string(kind)
        or types.is_large_string(kind)
        or types.is_binary(kind)
        or types.is_large_binary(kind)
        or types.is_fixed_size_binary(kind)
    )


def to_list_batch(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch with every column as a list column. No loop over rows."""
    columns = [to_list_column(column) for column in batch.columns]
    return pa.RecordBatch.from_arrays(columns, names=batch.schema.names)


def to_list_column(column: pa.Array) -> pa.Array:
    """One column as a list column; a column of Arrow's null type stays as it is."""
    if pa.types.is_null(column.type):
        return column
    kind = value_type(column.type)
    if column.type == pa.large_list(kind) and not column.null_count:
        return column
    rows = len(column)
    offsets = np.zeros(rows + 1, dtype=np.int64)
    if is_list(column.type):
        np.cumsum(pc.fill_null(pc.list_value_length(column), 0).to_numpy(), out=offsets[1:])
        values = _cast(pc.list_flatten(column), kind)
    elif column.null_count:
        np.cumsum(column.is_valid().to_numpy(zero_copy_only=False), out=offsets[1:])
        values = _cast(column.drop_null(), kind)
    else:
        offsets[:] = np.arange(rows + 1)
        values = _cast(column, kind)
    # A freshly computed truth array starts at bit 0: its data is a validity bitmap.
    validity = column.is_valid().buffers()[1] if column.null_count else None
    return pa.Array.from_buffers(
        pa.large_list(kind), rows, [validity, pa.py_buffer(offsets)], children=[values]
    )


def to_plain_batch(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """The inverse: columns that are plain in `schema` hold each list's first value."""
    columns = []
    for field in schema:
        column = batch.column(batch.schema.get_field_index(field.name))
        columns.append(_to_column(column, field.type))
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _to_column(column: pa.Array, kind: pa.DataType) -> pa.Array:
    if pa.types.is_null(column.type):
        return pa.nulls(len(column), kind)
    if column.type == kind:
        return column
    if is_list(kind):
        values = _cast(column.flatten(), kind.value_type)
        lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy()
        offsets = np.zeros(len(column) + 1, dtype=np.int64)
        np.cumsum(lengths, out=offsets[1:])
        missing = column.is_null().to_numpy(zero_copy_only=False)
        marked = pa.array(offsets, mask=np.append(missing, False))
        if pa.types.is_large_list(kind):
            return pa.LargeListArray.from_arrays(marked, values)
        return pa.ListArray.from_arrays(marked.cast(pa.int32()), values)
    lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy()
    starts = np.cumsum(lengths) - lengths
    first = pa.array(starts, mask=lengths == 0)
    return _cast(column.flatten().take(first), kind)


def _cast(values: pa.Array, kind: pa.DataType) -> pa.Array:
    types = pa.types
    if types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if values.type == kind:
        return values
    if types.is_decimal(values.type):
        values = values.cast(pa.float64())
    if types.is_temporal(values.type):
        values = values.cast(pa.string())
    if types.is_string(values.type) and kind == pa.large_binary():
        values = values.cast(pa.large_string())
    try:
        # A float of 64 bits may lose digits, as features of TensorFlow do.
        return pc.cast(values, kind, safe=not types.is_floating(kind))
    except pa.ArrowInvalid as error:
        raise DataError(
            f"a value cannot become a feature of type {kind}",
            got=str(error),
            fix="make the column texts where the data is read: whole numbers of features have "
            "64 bits and a sign",
        ) from error
