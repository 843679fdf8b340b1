# SPDX-License-Identifier: Apache-2.0
"""From JSON values to an Arrow column of one feature, with exact reasons where it fails."""

from __future__ import annotations

import base64
import binascii
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from ..train.flavors.predictor import InputFeature, ModelError

_NAMES = {
    "float": pa.float32(),
    "double": pa.float64(),
    "float16": pa.float16(),
    "float32": pa.float32(),
    "float64": pa.float64(),
    "halffloat": pa.float16(),
    "bool": pa.bool_(),
    "string": pa.string(),
    "large_string": pa.string(),
    "utf8": pa.string(),
    "binary": pa.binary(),
    "large_binary": pa.binary(),
    "bytes": pa.binary(),
    **{f"{sign}int{bits}": getattr(pa, f"{sign}int{bits}")() for sign in ("", "u")
       for bits in (8, 16, 32, 64)},
}  # fmt: skip

_Types = set[type]  # `FeatureColumn.type` would be meant inside the class.
_NUMBER: _Types = {int, float}


class RequestError(ValueError):
    """A request that cannot be answered; the text says why.

    Args:
        reason: For whoever sent it.
        status: HTTP status, 4xx.
    """

    def __init__(self, reason: str, status: int = 400) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status


@dataclass(frozen=True)
class FeatureColumn:
    """How one input feature looks in a request.

    Attributes:
        name: The feature.
        type: Arrow type of a value; None where the model does not say.
        depth: 0 where a record has one value, 1 for a list of them, 2 for a list of lists.
        length: Number of values that a list has; None where any will do.
        required: Whether a record must have it.
        example: A value for examples; None where the type makes one.
    """

    name: str
    type: pa.DataType | None
    depth: int
    length: int | None
    required: bool
    example: Any = None

    @property
    def column_type(self) -> pa.DataType | None:
        """Arrow type of the column; None where values decide."""
        if self.type is None:
            return None
        kind = self.type
        for _ in range(self.depth):
            kind = pa.list_(kind)
        return kind

    @property
    def wanted(self) -> str:
        """What a value must be, in words."""
        one = self._one
        if self.type is None:
            return "a number, a text or a truth value"
        if not self.depth:
            return f"a {one}"
        if self.depth == 2:
            return f"a list of lists of {one}s"
        count = f"{self.length} " if self.length is not None else ""
        return f"a list of {count}{one}s"

    @property
    def takes_one(self) -> bool:
        """Whether a value alone will do for a list of one, as in a `tf.Example`."""
        return self.depth == 1 and self.length in (None, 1)

    @property
    def _one(self) -> str:
        types = pa.types
        if self.type is None:
            return "value"
        if types.is_boolean(self.type):
            return "truth value"
        if types.is_integer(self.type):
            return "whole number"
        if types.is_floating(self.type):
            return "number"
        return 'base64 text as {"b64": "…"}' if types.is_binary(self.type) else "text"

    def array(self, values: Sequence[Any]) -> pa.Array:
        """The column of a batch.

        Args:
            values: One for each record; None where it has none.

        Raises:
            RequestError: A value is missing, or not what it should be.
        """
        if self.type is None:
            return self._inferred(values)
        if self.takes_one:
            values = self._listed(values)
        if None in values and self.required:
            row = next(i for i, value in enumerate(values) if value is None)
            raise RequestError(
                f"record {row}: the feature {self.name!r} is missing or null; "
                f"it must be {self.wanted}"
            )
        values, column_type = self._checked(values)
        try:
            return pa.array(values, column_type)
        except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError, TypeError) as error:
            text = str(error).split("\n", 1)[0]
            raise RequestError(
                f"feature {self.name!r}: {text}; each value must be {self.wanted}"
            ) from None

    def _listed(self, values: Sequence[Any]) -> Sequence[Any]:
        alone = self._accepted & {*map(type, values)}
        return [[each] if type(each) in alone else each for each in values] if alone else values

    def _checked(self, values: Sequence[Any]) -> tuple[Sequence[Any], pa.DataType | None]:
        """Values that fit, with base64 decoded, and the type of their column."""
        if pa.types.is_binary(self.type):
            self._check(values)
            return [self._decoded(value) for value in values], self.column_type
        try:
            self._check(values)
        except RequestError as refusal:
            # TensorFlow's strings are bytes: clients send those as base64.
            objects = list(_objects(values))
            if not pa.types.is_string(self.type) or not objects:
                raise
            if any(each.keys() != {"b64"} for each in objects):
                raise
            raw = replace(self, type=pa.binary())
            try:
                raw._check(values)
            except RequestError:
                raise refusal from None
            return [raw._decoded(value) for value in values], raw.column_type
        return values, self.column_type

    def _inferred(self, values: Sequence[Any]) -> pa.Array:
        for row, value in enumerate(values):
            flat = value if isinstance(value, list) else [value]
            if any(isinstance(each, (dict, list)) for each in flat):
                raise RequestError(
                    f"record {row}: the feature {self.name!r} must be {self.wanted}, "
                    f"got {_shown(value)}"
                )
        try:
            return pa.array(values)
        except (pa.ArrowException, OverflowError, TypeError, ValueError):
            kinds = sorted({_shown(each).partition(":")[0] for each in values})
            raise RequestError(
                f"the feature {self.name!r} must have values of one type, got {', '.join(kinds)}"
            ) from None

    def _check(self, values: Sequence[Any]) -> None:
        """Types of all values at once; only a fault is worth a second look for its place."""
        flat: Any = values
        for level in range(self.depth):
            if not {*map(type, flat)} <= {list, type(None)}:
                self._refuse(values)
            if level == self.depth - 1 and self.length is not None:
                sizes = {len(each) for each in flat if each is not None}
                if sizes - {self.length}:
                    self._refuse(values)
            flat = list(itertools.chain.from_iterable(each for each in flat if each is not None))
        if not {*map(type, flat)} <= self._accepted | {type(None)}:
            self._refuse(values)
        if self.depth and None in flat:
            self._refuse(values)

    def _refuse(self, values: Sequence[Any]) -> None:
        for row, value in enumerate(values):
            if value is not None and not self._fits(value, self.depth):
                raise RequestError(
                    f"record {row}: the feature {self.name!r} must be {self.wanted}, "
                    f"got {_shown(value)}"
                )

    def _fits(self, value: Any, depth: int) -> bool:
        if not depth:
            return type(value) in self._accepted
        if type(value) is not list:
            return False
        if depth == 1 and self.length is not None and len(value) != self.length:
            return False
        return all(self._fits(each, depth - 1) for each in value)

    @property
    def _accepted(self) -> _Types:
        types = pa.types
        if self.type is None:
            return {bool, int, float, str}
        if types.is_boolean(self.type):
            return {bool}
        if types.is_integer(self.type):
            return {int}
        if types.is_floating(self.type):
            return _NUMBER
        return {dict, str, bytes} if types.is_binary(self.type) else {str}

    def _decoded(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._decoded(each) for each in value]
        if isinstance(value, str):
            return value.encode()
        if not isinstance(value, dict):
            return value
        coded = value.get("b64")
        try:
            if len(value) != 1 or not isinstance(coded, str):
                raise binascii.Error("no object with the one key 'b64'")
            return base64.b64decode(coded, validate=True)
        except (binascii.Error, ValueError) as error:
            raise RequestError(f"feature {self.name!r}: a value is not base64: {error}") from None


def feature_columns(features: Sequence[InputFeature]) -> dict[str, FeatureColumn]:
    """The columns of a model's input features (`Predictor.input_features`), by name.

    Raises:
        ModelError: A feature has a type that requests cannot have.
    """
    return {each.name: _column(each) for each in features}


def _column(feature: InputFeature) -> FeatureColumn:
    text, depth = feature.type, 0
    while text.startswith("list<") and text.endswith(">"):
        text, depth = text[5:-1], depth + 1
    if text == "any":
        # A column must be there; whether a model can do with a missing value it says itself.
        return FeatureColumn(feature.name, None, 0, None, feature.required, feature.example)
    if text not in _NAMES:
        raise ModelError(
            f"the model's feature {feature.name!r} has a type that requests cannot have",
            expected=", ".join(sorted(_NAMES)),
            got=feature.type,
        )
    return FeatureColumn(feature.name, _NAMES[text], depth, feature.length, feature.required)


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
    elif isinstance(value, list):
        for each in value:
            yield from _objects(each)


def json_kind(value: Any) -> str:
    """What a JSON value is, in words."""
    words = {
        bool: "a truth value", int: "a whole number", float: "a number", str: "a text",
        list: "a list", bytes: "bytes", type(None): "null",
    }  # fmt: skip
    return words.get(type(value), "an object")


def _shown(value: Any) -> str:
    if isinstance(value, list):
        inner = sorted({json_kind(each) for each in value})
        return f"a list of {len(value)}" + (f" ({', '.join(inner)})" if inner else "")
    text = repr(value)
    return f"{json_kind(value)}: {text if len(text) <= 60 else text[:57] + '…'}"
