# SPDX-License-Identifier: Apache-2.0
"""Columns of a record batch as the dense arrays that models take, and arrays as columns."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ....utils.errors import ExecutionError, nearest
from ...ingest.list_columns import is_list, is_text
from .predictor import CLASSES_KEY, InputError, InputFeature

_Array = npt.NDArray[Any]


@dataclass(frozen=True)
class DenseInput:
    """An array that a model takes.

    Attributes:
        name: Name of the column that it is made of.
        dtype: NumPy's name of the type of its values; `object` for texts as bytes.
        shape: Its shape without the rows; None for a length that is open.
    """

    name: str
    dtype: str
    shape: tuple[int | None, ...] = ()

    def feature(self) -> InputFeature:
        """The column, for people and for checks."""
        value = "string" if self.dtype == "object" else str(pa.from_numpy_dtype(self.dtype))
        if self.shape in ((), (1,)):
            return InputFeature(self.name, value)
        sizes = [size for size in self.shape if size is not None]
        length = int(np.prod(sizes)) if len(sizes) == len(self.shape) else None
        return InputFeature(self.name, f"list<{value}>", length=length)


def column(batch: pa.RecordBatch, name: str) -> pa.Array:
    """The column of a name.

    Raises:
        InputError: There is none.
    """
    index = batch.schema.get_field_index(name)
    if index < 0:
        raise InputError(
            f"the model's input {name!r} is missing",
            expected=f"a column {name!r}",
            got="columns " + (", ".join(batch.schema.names) or "none"),
            suggestion=nearest(name, batch.schema.names),
            fix="name what the model takes like the columns of the data: keras.Input(…, name=…), "
            "arguments of a torch module's forward, inputs of a signature",
        )
    return batch.column(index)


def plain(found: pa.Array, name: str) -> pa.Array:
    """A column with one value or none in each row, from one that may hold lists.

    Raises:
        InputError: A row has several values.
    """
    if pa.types.is_dictionary(found.type):
        found = found.dictionary_decode()
    if not is_list(found.type):
        return found
    lengths = pc.fill_null(pc.list_value_length(found), 0).to_numpy()
    if len(lengths) and lengths.max() > 1:
        row = int(np.argmax(lengths > 1))
        raise InputError(
            f"the model's input {name!r} takes one value in a row",
            expected="one value",
            got=f"{lengths[row]} values in row {row}",
        )
    if (lengths == 1).all():
        return pc.list_flatten(found)
    starts = np.cumsum(lengths) - lengths
    return pc.list_flatten(found).take(pa.array(starts, mask=lengths == 0))


def dense(batch: pa.RecordBatch, wanted: DenseInput) -> _Array:
    """A column as an array of the shape that a model takes.

    A missing number is NaN where the model takes floats, and an error elsewhere.

    Raises:
        InputError: The column is missing, or has another type or shape.
    """
    found = column(batch, wanted.name)
    if wanted.shape == ():
        return _values(plain(found, wanted.name), wanted)
    rows = len(found)
    if not is_list(found.type):
        values, lengths = _values(plain(found, wanted.name), wanted), np.ones(rows, dtype=np.int64)
    else:
        lengths = pc.fill_null(pc.list_value_length(found), 0).to_numpy()
        values = _values(pc.list_flatten(found), wanted)
    open_sizes = [i for i, size in enumerate(wanted.shape) if size is None]
    size = int(np.prod([each or 1 for each in wanted.shape]))
    if len(open_sizes) == 1 and rows and lengths[0] % size == 0:
        size = int(lengths[0])
    if rows and (lengths != size).any():
        row = int(np.argmax(lengths != size))
        if len(values) == 0 or (lengths[row] == 0 and size == 1):
            raise _missing(wanted, int((lengths == 0).sum()), rows)
        raise InputError(
            f"the model's input {wanted.name!r} has another shape",
            expected=f"{size} values in every row",
            got=f"{lengths[row]} in row {row}",
        )
    closed = [size for size in wanted.shape if size is not None]
    rest = size // int(np.prod(closed)) if closed else size
    return values.reshape([rows, *(rest if each is None else each for each in wanted.shape)])


def _values(found: pa.Array, wanted: DenseInput) -> _Array:
    """Values of a column without lists, in the type that is wanted."""
    kind = found.type
    if pa.types.is_decimal(kind):
        found = found.cast(pa.float64())
    elif pa.types.is_temporal(kind):
        found = found.cast(pa.string())
    elif pa.types.is_null(kind) and wanted.dtype in ("float32", "float64"):
        found = found.cast(pa.float64())
    kind = found.type
    target = np.dtype(wanted.dtype)
    text = target.kind == "O"
    numeric = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)
    if not pa.types.is_null(kind) and (
        is_text(kind) != text
        or (not text and not numeric)
        or (pa.types.is_floating(kind) and target.kind != "f")
    ):
        raise InputError(
            f"the model's input {wanted.name!r} has another type",
            expected="texts" if text else wanted.dtype,
            got=str(kind),
            fix="give it the values that the model was trained on",
        )
    if found.null_count and target.kind != "f":
        raise _missing(wanted, found.null_count, len(found))
    if text:
        texts: _Array = found.cast(pa.large_binary()).to_numpy(zero_copy_only=False)
        return texts
    if found.null_count:
        found = pc.fill_null(found.cast(pa.float64()), float("nan"))
    array = found.to_numpy(zero_copy_only=False)
    return np.ascontiguousarray(array, dtype=target)


def _missing(wanted: DenseInput, empty: int, rows: int) -> InputError:
    return InputError(
        f"the model's input {wanted.name!r} has no value in {empty} of {rows} rows",
        expected="a value in every row",
        fix="fill it in before, or in the model's signature",
    )


def output_batch(
    outputs: Mapping[str, _Array], rows: int, classes: Sequence[Any] | None = None
) -> pa.RecordBatch:
    """A model's outputs as columns.

    Args:
        outputs: Arrays by name, with one entry for each row.
        rows: How many rows there are.
        classes: Names of the classes that `probabilities` are of.
    """
    fields, columns = [], []
    for name, array in outputs.items():
        made = _as_column(name, np.asarray(array), rows)
        metadata = None
        if classes is not None and name == "probabilities":
            metadata = {CLASSES_KEY: json.dumps(list(classes)).encode()}
        fields.append(pa.field(name, made.type, metadata=metadata))
        columns.append(made)
    return pa.RecordBatch.from_arrays(columns, schema=pa.schema(fields))


def _as_column(name: str, array: _Array, rows: int) -> pa.Array:
    if array.ndim == 0 or len(array) != rows:
        raise ExecutionError(
            f"the model's output {name!r} does not have one entry for each row",
            expected=f"a shape that begins with {rows}",
            got=f"shape {list(array.shape)}",
            fix="let the model predict for each row by itself",
        )
    width = int(np.prod(array.shape[1:]))
    values = np.ascontiguousarray(array).reshape(-1)
    if values.dtype.kind in "SU":
        values = values.astype(object)
    elif values.dtype.name in ("float16", "bfloat16"):
        values = values.astype(np.float32)
    # Without rows nothing tells that objects are texts.
    made = pa.array(values) if rows or values.dtype != object else pa.array([], pa.string())
    if width == 1:
        return made
    offsets = np.arange(rows + 1, dtype=np.int32) * width
    return pa.ListArray.from_arrays(pa.array(offsets), made)
