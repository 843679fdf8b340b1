# SPDX-License-Identifier: Apache-2.0
"""How far a server's answers are from what the model itself predicts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Difference:
    """The largest difference that was found.

    Attributes:
        size: Of numbers, relative to the expected one where that is above 1; infinite where
            texts, lengths or kinds differ.
        record: Number of the record.
        answered: What the server says of it.
        expected: What the model says of it.
    """

    size: float
    record: int
    answered: Any
    expected: Any


def largest_difference(answered: Sequence[Any], expected: Sequence[Any]) -> Difference:
    """Compares answers record by record.

    Args:
        answered: Predictions as the server gives them (V1).
        expected: Predictions of the model, in the same form.
    """
    if len(answered) != len(expected):
        return Difference(
            math.inf, 0, f"{len(answered)} predictions", f"{len(expected)} predictions"
        )
    found = Difference(0.0, 0, None, None)
    for record, (one, other) in enumerate(zip(answered, expected, strict=True)):
        size = _distance(one, other)
        if size > found.size:
            found = Difference(size, record, one, other)
    return found


def _distance(one: Any, other: Any) -> float:
    one, other = _single(one), _single(other)
    if isinstance(other, dict) and isinstance(one, dict):
        if one.keys() != other.keys():
            return math.inf
        return max((_distance(one[key], other[key]) for key in other), default=0.0)
    if isinstance(other, list) and isinstance(one, list):
        if len(one) != len(other):
            return math.inf
        return max(map(_distance, one, other), default=0.0)
    if _is_number(one) and _is_number(other):
        return _gap(float(one), float(other))
    # JSON has no NaN: servers write null.
    if one is None or other is None:
        return 0.0 if _is_nothing(one) and _is_nothing(other) else math.inf
    return 0.0 if one == other else math.inf


def _single(value: Any) -> Any:
    """A vector of one is that one: TensorFlow Serving keeps the dimension."""
    while isinstance(value, list) and len(value) == 1:
        value = value[0]
    if isinstance(value, dict) and len(value) == 1 and "b64" not in value:
        return _single(next(iter(value.values())))
    return value


def _gap(one: float, other: float) -> float:
    if math.isnan(one) or math.isnan(other):
        return 0.0 if math.isnan(one) and math.isnan(other) else math.inf
    if one == other:
        return 0.0
    return abs(one - other) / max(1.0, abs(other))


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float))


def _is_nothing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))
