# SPDX-License-Identifier: Apache-2.0
"""The user's `preprocessing_fn`, called with checks around it."""

from __future__ import annotations

import inspect
import re
import secrets
from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from ...utils.errors import DataError, PenstockError, UserCodeError, nearest
from ...utils.user_code.call_check import check_call
from ...utils.user_code.tracebacks import function_location

#: What `tf.Example`s, and so transformed examples, can hold.
_DTYPES = (tf.float32, tf.int64, tf.string)

_INVALID_SHAPE = re.compile(r"Feature (?P<name>.+) \(.*\) had invalid shape (?P<shape>\(.*?\))")

_registered: dict[str, Preprocessing] = {}


class MissingFeature(DataError, KeyError):
    """A feature was asked for that the schema does not have; a `KeyError` too."""


class RawFeatures(dict[str, Any]):
    """The inputs of a `preprocessing_fn`; asking for a missing one names the nearest."""

    node_id: str = ""

    def __missing__(self, name: str) -> Any:
        raise MissingFeature(
            f"preprocessing_fn asks for a feature {name!r} that the schema does not have",
            node=self.node_id,
            expected=", ".join(sorted(self)),
            got=repr(name),
            suggestion=nearest(str(name), self),
            fix="correct the name, or add the feature to the data and the schema",
        )

    def copy(self) -> dict[str, Any]:
        """A plain dict."""
        return dict(self)


class Preprocessing:
    """Calls `preprocessing_fn(inputs)`, or with `custom_config` where it takes that.

    Beam copies the functions of a pipeline by pickling them, but user code need not be
    picklable: while this process runs the pipeline, copies lead back to the original.

    Args:
        function: The user's function.
        custom_config: What to pass as `custom_config`.
        node_id: Id of the node, for messages.
        shared: Whether the pipeline runs in this process.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        custom_config: Mapping[str, Any] | None,
        node_id: str,
        shared: bool,
    ) -> None:
        self.function = function
        self.node_id = node_id
        self.error: BaseException | None = None
        self._arguments = _extra_arguments(function, custom_config)
        check_call(function, "preprocessing_fn", ["inputs"], node=node_id, named=self._arguments)
        self._token = secrets.token_hex(8) if shared else ""
        if shared:
            _registered[self._token] = self

    def __call__(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """The transformed features.

        Raises:
            UserCodeError: The function returned no tensors, or some that cannot be features.
        """
        features = RawFeatures(inputs)
        features.node_id = self.node_id
        try:
            return self._checked(self.function(features, **self._arguments))
        except Exception as error:
            # Beam turns exceptions into others on their way out; this is the first one.
            self.error = self.error or error
            raise

    def __reduce__(self) -> Any:
        if self._token:
            return _find, (self._token,)
        state = {**self.__dict__, "error": None}
        return _rebuild, (state,)

    def close(self) -> None:
        """Forgets the function: pickled copies end to work."""
        _registered.pop(self._token, None)

    def _checked(self, outputs: Any) -> dict[str, Any]:
        if not isinstance(outputs, Mapping) or not outputs:
            raise self._refuse(
                "returned no features by name",
                "a dict of tensors",
                repr(outputs),
                "end it with return {'name': tensor, …}",
            )
        for name, value in outputs.items():
            if not isinstance(value, (tf.Tensor, tf.SparseTensor, tf.RaggedTensor)):
                raise self._refuse(
                    f"returned something that is no tensor as {name!r}",
                    "a tf.Tensor, tf.SparseTensor or tf.RaggedTensor",
                    f"{value!r} ({type(value).__name__})",
                )
            if value.dtype not in _DTYPES:
                raise self._refuse(
                    f"returned {name!r} with a type that examples do not have",
                    "tf.float32, tf.int64 or tf.string",
                    repr(value.dtype),
                    f"return tf.cast({name}, tf.int64) or tf.cast({name}, tf.float32)",
                )
            if value.shape.rank == 0:
                raise self._refuse(
                    f"returned {name!r} without a dimension for the rows",
                    "a tensor whose first dimension is the batch",
                    "a single value",
                )
        return dict(outputs)

    def explained(self, error: BaseException) -> PenstockError | None:
        """What TensorFlow Transform complains of in the function's result, for its author."""
        found = _INVALID_SHAPE.search(str(error)) if isinstance(error, ValueError) else None
        if found is None:
            return None
        told = self._refuse(
            f"returns {found['name']!r} with a shape that may differ between batches",
            "a known size in every dimension but the first, or a sparse or ragged tensor",
            f"shape {found['shape']}",
            "fix the size with tf.ensure_shape, or return tf.sparse.from_dense of it",
        )
        told.__cause__ = error
        return told

    def _refuse(self, what: str, expected: str, got: str, fix: str | None = None) -> PenstockError:
        return UserCodeError(
            f"preprocessing_fn {what}",
            node=self.node_id,
            expected=expected,
            got=got,
            location=function_location(self.function),
            fix=fix,
        )


def _extra_arguments(
    function: Callable[..., Any], custom_config: Mapping[str, Any] | None
) -> dict[str, Any]:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return {}
    takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)
    named = any(parameter.name == "custom_config" for parameter in parameters)
    return {"custom_config": custom_config} if named or takes_any else {}


def _find(token: str) -> Preprocessing:
    return _registered[token]


def _rebuild(state: dict[str, Any]) -> Preprocessing:
    made = Preprocessing.__new__(Preprocessing)
    made.__dict__.update(state)
    return made
