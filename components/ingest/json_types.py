# SPDX-License-Identifier: Apache-2.0
"""What type a column of JSON values has, judged by all of them, and values as that type."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from .column_types import ARROW_TYPES

_EXACT_IN_FLOAT = 2**53
_KINDS = {bool: "bool", int: "int", float: "float", str: "string"}


@dataclass
class JsonEvidence:
    """What the values seen so far say about a column's type; mergeable in any order.

    Attributes:
        kinds: Which of `bool`, `int`, `float`, `string` and `other` there are.
        in_lists: Whether any value is a list.
        wide: Whether a whole number has more than 64 bits.
        inexact: Whether a whole number is so large that a float would lose a digit.
    """

    kinds: frozenset[str] = frozenset()
    in_lists: bool = False
    wide: bool = False
    inexact: bool = False

    def merge(self, other: JsonEvidence) -> None:
        """Adds what other values say."""
        self.kinds |= other.kinds
        self.in_lists |= other.in_lists
        self.wide |= other.wide
        self.inexact |= other.inexact

    def add(self, values: Sequence[Any]) -> None:
        """Adds values; None is a missing one."""
        types = set(map(type, values))
        if list in types:
            self.in_lists = True
            values = [
                item for value in values for item in (value if isinstance(value, list) else [value])
            ]
            types = set(map(type, values))
        types.discard(type(None))
        self.kinds |= {_KINDS.get(kind, "other") for kind in types}
        if int in types:
            numbers = [value for value in values if type(value) is int]
            largest = max(max(numbers), -min(numbers) - 1)
            self.wide |= largest >= 2**63
            self.inexact |= largest >= _EXACT_IN_FLOAT

    @property
    def type(self) -> pa.DataType:
        """The column's type."""
        kind = ARROW_TYPES[self._type_name]
        return pa.list_(kind) if self.in_lists else kind

    @property
    def _type_name(self) -> str:
        if self.kinds == {"bool"}:
            return "bool"
        if self.kinds == {"int"} and not self.wide:
            return "int"
        if self.kinds == {"float"} or (self.kinds == {"int", "float"} and not self.inexact):
            return "float"
        return "string"


def fits(value: Any, type_name: str) -> bool:
    """Whether a value, or each item of a list, is of a type that was asked for."""
    if isinstance(value, list):
        return all(not isinstance(item, list) and fits(item, type_name) for item in value)
    if value is None or type_name == "string":
        return True
    if type_name == "int":
        return type(value) is int and -(2**63) <= value < 2**63
    if type_name == "float":
        return type(value) is float or (type(value) is int and abs(value) <= _EXACT_IN_FLOAT)
    return type(value) is bool


def to_array(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    """Values as an array of a type that they fit."""
    if pa.types.is_list(kind):
        lists = [value if value is None or isinstance(value, list) else [value] for value in values]
        item = kind.value_type
        return pa.array(
            [value if value is None else [_plain(v, item) for v in value] for value in lists], kind
        )
    return pa.array([_plain(value, kind) for value in values], kind)


def _plain(value: Any, kind: pa.DataType) -> Any:
    if value is None or not pa.types.is_string(kind):
        return float(value) if value is not None and pa.types.is_floating(kind) else value
    return value if isinstance(value, str) else json_text(value)


def json_text(value: Any) -> str:
    """A value as JSON without spaces."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
