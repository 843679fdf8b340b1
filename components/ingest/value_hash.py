# SPDX-License-Identifier: Apache-2.0
"""Which split a record of typed values belongs to, by the hash of `record_hash`.

Each value counts as a text, so that a record counts alike whether it comes from Parquet,
Avro, JSON, a database or `tf.Example`s, which know fewer types:

    text, bytes           themselves
    whole number          its digits (`-5`)
    truth value           `1` or `0`, as features of TensorFlow have it
    other number          as a float of 32 bits: the digits if it is whole and below 2**24,
                          else its four bytes, little-endian (one form for all NaNs)
    date, time            the text that Arrow makes of it
    missing value         nothing: of JSON and `tf.Example`s nobody knows which columns there
                          are but did not have a value (CSV, whose header tells, counts it)
    list                  of one value, as that value; of none, as a missing one; else a cell
                          with h = (number of values) * C, then h = step(h, value) for each
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .list_columns import is_list
from .record_hash import Hashes, cell_hashes, fold, length_hashes, missing_hashes, mixed_hashes

#: Whole numbers below this have one form as floats of 32 bits.
_EXACT = 2**24


def value_hashes(batch: pa.RecordBatch, columns: Sequence[str]) -> Hashes:
    """Hashes of records, of some of their columns.

    Args:
        batch: The records.
        columns: Names of the columns that count; their order does not matter.
    """
    cells = [_column_hashes(batch.column(batch.schema.names.index(n))) for n in sorted(columns)]
    return mixed_hashes(cells, batch.num_rows, skip_missing=True)


def _column_hashes(column: pa.Array) -> Hashes:
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if is_list(column.type):
        return _list_hashes(column)
    return cell_hashes(_texts(column))


def _list_hashes(column: pa.Array) -> Hashes:
    lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy().astype(np.int64)
    starts = np.cumsum(lengths) - lengths
    values = cell_hashes(_texts(pc.list_flatten(column)))
    hashes = missing_hashes(len(column))
    single = np.flatnonzero(lengths == 1)
    hashes[single] = values[starts[single]]
    active = np.flatnonzero(lengths > 1)
    folded = length_hashes(lengths[active])
    for place in range(int(lengths.max()) if len(lengths) else 0):
        longer = lengths[active] > place
        if not longer.any():
            break
        part = folded[longer]
        fold(part, values[starts[active[longer]] + place])
        folded[longer] = part
    hashes[active] = folded
    return hashes


def _texts(column: pa.Array) -> pa.Array:
    """The values as an array of texts or bytes."""
    types, kind = pa.types, column.type
    if types.is_null(kind):
        return pa.nulls(len(column), pa.binary())
    if types.is_boolean(kind):
        return column.cast(pa.int8()).cast(pa.string())
    if types.is_decimal(kind):
        return _float_texts(column.cast(pa.float64()))
    if types.is_floating(kind):
        return _float_texts(column)
    if types.is_fixed_size_binary(kind) or types.is_large_binary(kind):
        return column.cast(pa.binary())
    if types.is_string(kind) or types.is_binary(kind):
        return column
    return column.cast(pa.string())


def _float_texts(column: pa.Array) -> pa.Array:
    missing = column.is_null().to_numpy(zero_copy_only=False)
    with np.errstate(over="ignore"):
        values = column.to_numpy(zero_copy_only=False).astype("<f4")
    values[np.isnan(values)] = np.float32("nan")
    whole = (np.abs(values) < _EXACT) & (values == np.floor(values))
    raw = pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(4), len(values), [None, pa.py_buffer(values.tobytes())]
    ).cast(pa.binary())
    digits = pa.array(np.where(whole, values, 0).astype(np.int64)).cast(pa.string())
    texts = pc.if_else(pa.array(whole), digits.cast(pa.binary()), raw)
    return pc.if_else(pa.array(missing), pa.scalar(None, pa.binary()), texts)
