# SPDX-License-Identifier: Apache-2.0
"""A made-up record with a model's own features: to show how to ask, and to warm up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from .feature_columns import FeatureColumn


def example_record(columns: Mapping[str, FeatureColumn]) -> dict[str, Any]:
    """A value that would be taken for each feature, as JSON has it."""
    return {name: _example(column) for name, column in columns.items()}


def _example(column: FeatureColumn) -> Any:
    if column.example is not None:
        return column.example
    value = _value(column.type)
    if not column.depth:
        return value
    value = [value] * (1 if column.length is None else column.length)
    return [value] if column.depth == 2 else value


def _value(kind: pa.DataType | None) -> Any:
    types = pa.types
    if kind is None or types.is_integer(kind):
        return 1
    if types.is_boolean(kind):
        return True
    if types.is_floating(kind):
        return 0.5
    return {"b64": ""} if types.is_binary(kind) else "text"
