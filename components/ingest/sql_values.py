# SPDX-License-Identifier: Apache-2.0
"""What type a column of a query's answer has, judged by all of its values."""

from __future__ import annotations

import datetime
import decimal
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from ...utils.errors import DataError
from .column_types import ARROW_TYPES
from .json_types import JsonEvidence, fits, to_array

_JSON = (bool, int, float, str, list, dict, type(None))
_SPECIAL = {
    bytes: pa.binary(),
    datetime.date: pa.date32(),
    datetime.time: pa.time64("us"),
    datetime.datetime: pa.timestamp("us"),
}
_ZONED = "datetime with time zone"


@dataclass
class SqlEvidence:
    """What the values seen so far say about a column's type.

    Attributes:
        json: What those say that JSON has, too.
        special: Names of the other types.
    """

    json: JsonEvidence = field(default_factory=JsonEvidence)
    special: set[str] = field(default_factory=set)

    def add(self, values: Sequence[Any]) -> None:
        """Adds values, as `plain_values` returns them."""
        rest = []
        for value in values:
            kind = type(value)
            if kind in _JSON:
                rest.append(value)
            elif kind is datetime.datetime and value.tzinfo is not None:
                self.special.add(_ZONED)
            else:
                self.special.add(kind.__name__)
        self.json.add(rest)

    @property
    def type(self) -> pa.DataType:
        """The column's type."""
        if not self.special:
            return self.json.type
        if len(self.special) > 1 or self.json.kinds or self.json.in_lists:
            return pa.string()
        if _ZONED in self.special:
            return pa.timestamp("us", "UTC")
        return next(t for kind, t in _SPECIAL.items() if kind.__name__ in self.special)


def plain_values(values: Sequence[Any], as_text: bool) -> list[Any]:
    """Values with the types of drivers replaced by plain ones; decimals by floats or texts."""
    kinds = set(map(type, values))
    if kinds.issubset(_JSON):
        return list(values)
    return [_plain(value, as_text) for value in values]


def _plain(value: Any, as_text: bool) -> Any:
    if type(value) in _JSON or type(value) in _SPECIAL:
        return value
    if isinstance(value, decimal.Decimal):
        return str(value) if as_text else float(value)
    if isinstance(value, (memoryview, bytearray)):
        return bytes(value)
    return str(value)


def column_array(values: Sequence[Any], name: str, found: pa.DataType, asked: str) -> pa.Array:
    """Values as the type found, or as the one asked for.

    Raises:
        DataError: A value is not of the type asked for.
    """
    if asked and asked != "string":
        for value in values:
            if not fits(value, asked):
                raise DataError(
                    f"a value in column {name!r} is not of the column's type",
                    expected=asked,
                    got=repr(value)[:200],
                    fix=f"correct it in the query, or set column_types={{{name!r}: 'string'}}",
                )
    kind = ARROW_TYPES[asked] if asked else found
    if any(kind == special for special in _SPECIAL.values()) or pa.types.is_timestamp(kind):
        return pa.array(values, kind)
    return to_array([_as_text(value) for value in values], kind)


def _as_text(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode(errors="backslashreplace")
    return value if type(value) in _JSON else str(value)
