# SPDX-License-Identifier: Apache-2.0
"""The raw columns that a transform was fitted to, and how other batches are made to fit them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from ....utils.errors import DataError, nearest
from ...ingest.arrow_schema_json import schema_from_json, schema_to_json
from ...ingest.list_columns import is_list, is_text, to_plain_batch
from ...train.flavors.predictor import InputFeature


@dataclass(frozen=True)
class RawColumn:
    """One raw column.

    Attributes:
        name: Its name.
        type: Its Arrow type.
        required: Whether a batch must have it. One that had gaps in the data that the
            transform was fitted to may be absent, which means the same; so may one that
            the transform takes no notice of.
        had_nulls: Whether it had gaps there.
    """

    name: str
    type: pa.DataType
    required: bool
    had_nulls: bool

    def feature(self) -> InputFeature:
        """How it is told to whoever asks for predictions."""
        kind = self.type
        length = kind.list_size if pa.types.is_fixed_size_list(kind) else None
        return InputFeature(self.name, _type_text(kind), self.required, length)


def _type_text(kind: pa.DataType) -> str:
    """The type in the words of `InputFeature`; moments are sent as texts, as in JSON."""
    if is_list(kind):
        return f"list<{_type_text(kind.value_type)}>"
    if pa.types.is_decimal(kind):
        return "double"
    return "string" if _is_moment(kind) else str(kind)


class RawColumns:
    """All raw columns of a transform, in the order in which it was given them."""

    def __init__(self, columns: Sequence[RawColumn]) -> None:
        self.columns = list(columns)
        self.schema = pa.schema([(column.name, column.type) for column in columns])
        self.had_nulls = {column.name: column.had_nulls for column in columns}

    def fit(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """A batch with exactly these columns, in their order and types.

        Columns may be plain or hold a list for each row, as those of TensorFlow's data
        libraries do. Other columns are left out.

        Raises:
            DataError: A column that is required is absent, or one has another type.
        """
        arrays = []
        for column in self.columns:
            index = batch.schema.get_field_index(column.name)
            if index >= 0:
                arrays.append(_typed(batch.column(index), column))
            elif column.required:
                raise self._absent(column, batch.schema.names)
            else:
                arrays.append(pa.nulls(batch.num_rows, column.type))
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)

    def to_dicts(self) -> list[dict[str, Any]]:
        """A JSON-compatible form."""
        types = json.loads(schema_to_json(self.schema))
        return [
            {**kind, "required": column.required, "had_nulls": column.had_nulls}
            for column, kind in zip(self.columns, types, strict=True)
        ]

    @classmethod
    def from_dicts(cls, raw: Sequence[dict[str, Any]]) -> RawColumns:
        """Reads the form that `to_dicts` wrote."""
        schema = schema_from_json(json.dumps(list(raw)))
        return cls(
            [
                RawColumn(field.name, field.type, bool(one["required"]), bool(one["had_nulls"]))
                for field, one in zip(schema, raw, strict=True)
            ]
        )

    def _absent(self, column: RawColumn, names: Sequence[str]) -> DataError:
        return DataError(
            f"the transform needs the column {column.name!r}",
            expected=", ".join(one.name for one in self.columns if one.required),
            got=", ".join(names) or "no columns",
            suggestion=nearest(column.name, names),
            fix=f"send {column.name!r}: every row had it that the transform was fitted to",
        )


def _typed(array: pa.Array, column: RawColumn) -> pa.Array:
    wanted = column.type
    if array.type == wanted:
        return array
    if pa.types.is_null(array.type):
        return pa.nulls(len(array), wanted)
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if is_list(array.type):
        return _from_lists(array, column)
    if not _akin(array.type, wanted):
        raise _wrong_type(array.type, column)
    try:
        if _is_moment(wanted) and is_text(array.type):
            array = array.cast(pa.string())
            # Arrow reads no dates from text, but moments.
            array = array.cast(pa.timestamp("s")) if pa.types.is_date(wanted) else array
        return array.cast(wanted, safe=not pa.types.is_floating(wanted))
    except pa.ArrowInvalid as error:
        raise _wrong_type(array.type, column, str(error)) from None


def _from_lists(array: pa.Array, column: RawColumn) -> pa.Array:
    """List columns as tfx_bsl makes them: what is plain here is each list's first value."""
    value = array.type.value_type
    inner = column.type.value_type if is_list(column.type) else column.type
    if not pa.types.is_null(value) and not _akin(value, inner):
        raise _wrong_type(array.type, column)
    batch = pa.RecordBatch.from_arrays([array], names=[column.name])
    if _is_moment(column.type) and is_text(value):
        texts = to_plain_batch(batch, pa.schema([(column.name, pa.string())])).column(0)
        return _typed(texts, column)
    try:
        return to_plain_batch(batch, pa.schema([(column.name, column.type)])).column(0)
    except pa.ArrowInvalid as error:
        raise _wrong_type(array.type, column, str(error)) from None


def _akin(kind: pa.DataType, wanted: pa.DataType) -> bool:
    """Whether values of one type can stand for the other's: only moments are read from text."""
    if is_text(wanted):
        return is_text(kind)
    if _is_moment(wanted) and is_text(kind):
        return True
    if pa.types.is_temporal(wanted):
        return bool(pa.types.is_temporal(kind))
    return bool(_is_number(kind) and _is_number(wanted))


def _is_moment(kind: pa.DataType) -> bool:
    return bool(pa.types.is_timestamp(kind) or pa.types.is_date(kind))


def _is_number(kind: pa.DataType) -> bool:
    types = pa.types
    plain = types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind)
    return bool(plain or types.is_decimal(kind))


def _wrong_type(kind: pa.DataType, column: RawColumn, why: str | None = None) -> DataError:
    return DataError(
        f"column {column.name!r} has another type than the transform was fitted to",
        expected=str(column.type),
        got=why or str(kind),
        fix="send the column as it was ingested",
    )
