# SPDX-License-Identifier: Apache-2.0
"""Between Arrow and pandas, so that a column's type never depends on the batch it comes in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa


def to_frame(batch: pa.RecordBatch | pa.Table, had_nulls: Mapping[str, bool]) -> pd.DataFrame:
    """A data frame with the batch's columns.

    Whole numbers are `float64` and truth values `object` where the column had gaps in the
    data that the transform was fitted to, whether this batch has any or not.

    Args:
        batch: Raw columns.
        had_nulls: Whether each column had gaps, by name.
    """
    columns = {}
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        if pa.types.is_integer(column.type) and had_nulls.get(name):
            column = column.cast(pa.float64(), safe=False)
        if pa.types.is_boolean(column.type) and had_nulls.get(name):
            columns[name] = pd.Series(column.to_pylist(), dtype=object)
        else:
            columns[name] = column.to_pandas()
    return pd.DataFrame(columns, index=pd.RangeIndex(batch.num_rows))


def from_frame(frame: pd.DataFrame) -> pa.RecordBatch:
    """A batch with the frame's columns; a float that is not a number stays one.

    Raises:
        pyarrow.ArrowException: A column holds what Arrow cannot.
    """
    names = [str(name) for name in frame.columns]
    columns = [_to_arrow(frame.iloc[:, place]) for place in range(len(names))]
    return pa.RecordBatch.from_arrays(columns, names=names)


def from_matrix(values: Any, names: list[str]) -> pa.RecordBatch:
    """A batch from a matrix, dense or sparse: one column for each of its own."""
    dense = values.toarray() if hasattr(values, "toarray") else np.asarray(values)
    columns = [_to_arrow(pd.Series(dense[:, place])) for place in range(dense.shape[1])]
    return pa.RecordBatch.from_arrays(columns, names=names)


def plain_batch(table: pa.Table | pa.RecordBatch) -> pa.RecordBatch:
    """The table in one batch, with columns of types that can be written and described."""
    columns = [_plain(_in_one(column)) for column in table.columns]
    return pa.RecordBatch.from_arrays(columns, names=table.schema.names)


def _to_arrow(series: pd.Series) -> pa.Array:
    if isinstance(series.dtype, pd.SparseDtype):
        series = series.sparse.to_dense()
    if isinstance(series.dtype, pd.CategoricalDtype):
        series = series.astype(series.cat.categories.dtype)
    if series.dtype == np.float16:
        series = series.astype(np.float32)
    missing_as_null = not isinstance(series.dtype, np.dtype) or series.dtype == object
    return _plain(_in_one(pa.array(series, from_pandas=missing_as_null)))


def _in_one(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    if not isinstance(column, pa.ChunkedArray):
        return column
    if column.num_chunks == 1:
        return column.chunk(0)
    return pa.concat_arrays(column.chunks) if column.chunks else pa.array([], column.type)


def _plain(column: pa.Array) -> pa.Array:
    types = pa.types
    if types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if types.is_decimal(column.type):
        return column.cast(pa.float64())
    if types.is_fixed_size_list(column.type):
        return column.cast(pa.list_(column.type.value_type))
    if types.is_large_string(column.type):
        return column.cast(pa.string())
    return column
