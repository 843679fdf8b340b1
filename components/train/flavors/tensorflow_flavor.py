# SPDX-License-Identifier: Apache-2.0
"""SavedModels: of Keras 3, of tf-keras, of plain TensorFlow, of Keras on JAX.

A signature takes either serialized `tf.Example`s, which are made here of the columns, or
tensors by name, each of which is a column.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

# Before TensorFlow is used: else TensorFlow Transform decides that tf.keras is Keras 2.
os.environ.setdefault("TF_USE_LEGACY_KERAS", "0")

import numpy as np
import pyarrow as pa
import tensorflow as tf

from ....utils.errors import ExecutionError, nearest
from ...ingest.example_encoding import encode_examples
from .input_columns import DenseInput, column, dense, output_batch
from .predictor import InputError, InputFeature, ModelError
from .signature_features import parsed_features, read_saved_model, signature_names

#: The signature that TensorFlow Serving and the Evaluator call.
SERVING_SIGNATURE = "serving_default"

#: Where all a signature takes is called one of these and is a vector of texts, these texts
#: are serialized examples.
_EXAMPLES = ("examples", "input_example_tensor", "serialized", "serialized_examples")


def load(folder: str, signature: str | None, trusted: Sequence[str]) -> TensorFlowPredictor:
    """Loads the SavedModel in `folder`.

    Raises:
        ModelError: It is damaged, or has no such signature.
    """
    del trusted  # A SavedModel holds a graph of TensorFlow's operations, and no Python.
    graph = read_saved_model(folder)
    name = signature or SERVING_SIGNATURE
    there = signature_names(graph)
    if name not in there:
        raise ModelError(
            f"the model has no signature {name!r}",
            expected=", ".join(there) or "no signatures at all",
            got=name,
            suggestion=nearest(name, there),
            location=folder,
            fix="save it with signatures={'serving_default': …}, or name one that is there",
        )
    try:
        model = tf.saved_model.load(folder, tags=list(graph.meta_info_def.tags))
    except (OSError, ValueError, TypeError, RuntimeError, tf.errors.OpError) as error:
        raise ModelError(
            "the SavedModel cannot be loaded",
            got=_short(error),
            location=folder,
            fix="save it whole, with the resources (tables, vocabularies) its signatures use",
        ) from error
    return TensorFlowPredictor(model, name, parsed_features(graph, name))


class TensorFlowPredictor:
    """Calls one signature of a SavedModel.

    Args:
        model: The loaded model; kept, since its variables live with it.
        signature: Name of the signature.
        parsed: Features that the signature parses from examples.
    """

    flavor = "tensorflow"
    backend = "tensorflow"

    def __init__(self, model: Any, signature: str, parsed: Sequence[InputFeature]) -> None:
        self._model = model
        self._function = model.signatures[signature]
        specs: dict[str, Any] = self._function.structured_input_signature[1]
        self._parsed = list(parsed)
        self._examples = _examples_input(specs, bool(parsed))
        self._inputs = [_dense_input(name, spec) for name, spec in sorted(specs.items())]

    def input_features(self) -> list[InputFeature]:
        """See `Predictor`."""
        if self._examples is not None:
            return list(self._parsed)
        return [each.feature() for each in self._inputs]

    def predict(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """See `Predictor`."""
        if self._examples is not None:
            arguments = {self._examples: tf.constant(self._serialize(batch), tf.string)}
        else:
            arrays = {each.name: dense(batch, each) for each in self._inputs}
            # Graphs that were exported from JAX take no empty batch.
            arguments = {name: tf.constant(_not_empty(each)) for name, each in arrays.items()}
        try:
            outputs = self._function(**arguments)
        except (ValueError, TypeError, tf.errors.OpError) as error:
            # By TensorFlow's own meaning of this error the rows are at fault.
            refused = isinstance(error, tf.errors.InvalidArgumentError)
            raise (InputError if refused else ExecutionError)(
                "the model failed to predict",
                expected="rows as the model's signature takes them",
                got=_short(error),
                fix="call the saved model's signature on these rows to see what it wants",
            ) from error
        return output_batch(
            {name: value.numpy()[: batch.num_rows] for name, value in sorted(outputs.items())},
            batch.num_rows,
        )

    def dense_inputs(self) -> list[DenseInput]:
        """The arrays that `call` takes; none where the signature takes serialized examples."""
        return list(self._inputs) if self._examples is None else []

    def call(self, tensors: Mapping[str, Any]) -> dict[str, Any]:
        """Outputs by name, for tensors: gradients flow through it where operations have some."""
        return dict(self._function(**tensors))

    def _serialize(self, batch: pa.RecordBatch) -> Any:
        if self._parsed:
            for each in self._parsed:
                if each.required:
                    column(batch, each.name)
            # Others cost time, and the label has no business here.
            names = [f.name for f in self._parsed if f.name in batch.schema.names]
            batch = pa.RecordBatch.from_arrays([column(batch, name) for name in names], names)
        if not batch.num_columns:
            return np.full(batch.num_rows, b"", dtype=object)
        return encode_examples(batch).to_numpy(zero_copy_only=False)


def _examples_input(specs: dict[str, Any], parses: bool) -> str | None:
    """The one input that takes serialized examples, or None."""
    if len(specs) != 1:
        return None
    ((name, spec),) = specs.items()
    vector = spec.dtype == tf.string and spec.shape.rank in (None, 1)
    return name if vector and (parses or name in _EXAMPLES) else None


def _dense_input(name: str, spec: Any) -> DenseInput:
    dtype = "object" if spec.dtype == tf.string else spec.dtype.as_numpy_dtype.__name__
    sizes = spec.shape.as_list() if spec.shape.rank is not None else [None]
    return DenseInput(name, dtype, tuple(sizes[1:]))


def _not_empty(array: Any) -> Any:
    if len(array):
        return array
    return np.full((1, *array.shape[1:]), b"" if array.dtype == object else 0, array.dtype)


def _short(error: BaseException) -> str:
    text = str(error).replace("<stack traces unavailable>", "")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    # What TensorFlow says first of every error in a graph.
    told = [line for line in lines if not line.startswith(("Graph execution error", "Detected at"))]
    return f"{type(error).__name__}: {' '.join(told[:2])[:400]}"
