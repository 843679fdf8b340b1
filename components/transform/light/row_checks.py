# SPDX-License-Identifier: Apache-2.0
"""What must hold of a transform that training and serving share, found out by trying."""

from __future__ import annotations

import warnings

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ....utils.errors import UserCodeError
from .saved import FittedTransform

#: Rows to try things with.
SAMPLE_ROWS = 64


def check_rows_alone(transform: FittedTransform, batch: pa.RecordBatch) -> None:
    """Checks that a row's features do not depend on the rows it comes with.

    In serving a row mostly comes alone. A transform that computes a mean of its batch, say,
    gives it other features there than in training.

    Raises:
        UserCodeError: They do.
    """
    sample = batch.slice(0, SAMPLE_ROWS)
    if sample.num_rows < 2:
        return
    together = transform.transform(sample)
    for row in (0, sample.num_rows // 2, sample.num_rows - 1):
        alone = transform.transform(sample.slice(row, 1))
        differing = _differing(together.slice(row, 1), alone)
        if differing:
            raise UserCodeError(
                "the transform gives a row other features when it comes alone",
                expected="features that depend on the row and on what was fitted only",
                got=f"other values in {', '.join(differing[:5])}",
                fix="learn from the data in fit(), and use what was learnt to transform",
            )


def needed_columns(transform: FittedTransform, batch: pa.RecordBatch) -> set[str]:
    """Raw columns without which the transform fails, or gives other features."""
    sample = batch.slice(0, SAMPLE_ROWS)
    whole = transform.transform(sample)
    return {
        column.name
        for column in transform.input_features()
        if _matters(transform, sample, column.name, whole)
    }


def _matters(
    transform: FittedTransform, sample: pa.RecordBatch, name: str, whole: pa.RecordBatch
) -> bool:
    index = sample.schema.get_field_index(name)
    columns = sample.columns
    columns[index] = pa.nulls(sample.num_rows, columns[index].type)
    emptied = pa.RecordBatch.from_arrays(columns, schema=sample.schema)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return bool(_differing(whole, transform.transform(emptied)))
        except Exception:  # whatever the user's code raises for want of the column
            return True


def _differing(expected: pa.RecordBatch, got: pa.RecordBatch) -> list[str]:
    """Names of the columns that differ, apart from the rounding of sums in another order."""
    if expected.schema.names != got.schema.names:
        return sorted(set(expected.schema.names) ^ set(got.schema.names)) or ["their order"]
    return [
        name
        for name, one, other in zip(
            expected.schema.names, expected.columns, got.columns, strict=True
        )
        if not _same(one, other)
    ]


def _same(one: pa.Array, other: pa.Array) -> bool:
    if one.equals(other):
        return True
    if pa.types.is_null(one.type) or pa.types.is_null(other.type):
        return bool(one.null_count == len(one) and other.null_count == len(other))
    values, others = _numbers(one), _numbers(other)
    return (
        values is not None
        and others is not None
        and values.shape == others.shape
        and bool(np.allclose(values, others, rtol=1e-5, atol=1e-8, equal_nan=True))
    )


def _numbers(array: pa.Array) -> npt.NDArray[np.float64] | None:
    while pa.types.is_list(array.type) or pa.types.is_large_list(array.type):
        array = array.flatten()
    if not (
        pa.types.is_integer(array.type)
        or pa.types.is_floating(array.type)
        or pa.types.is_boolean(array.type)
    ):
        return None
    return np.asarray(array.cast(pa.float64(), safe=False), dtype=np.float64)
