# SPDX-License-Identifier: Apache-2.0
"""Models of Keras 3 in a `.keras` file, on TensorFlow, JAX or PyTorch.

The file does not depend on the backend that a model was trained with. It is loaded with the
backend of this process: the one Keras was imported with, else that of the environment
variable `KERAS_BACKEND`, else the first that is installed. Loading is in safe mode: a model
that holds Python code (a Lambda layer) is refused.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import sys
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ....utils.errors import ExecutionError
from .input_columns import DenseInput, dense, output_batch
from .predictor import InputFeature, ModelError
from .registry import model_file

_Array = npt.NDArray[Any]

#: Rows that the model sees at once.
_ROWS = 4096
_BACKENDS = ("tensorflow", "jax", "torch")


def load(folder: str, signature: str | None, trusted: Sequence[str]) -> KerasPredictor:
    """Loads `model.keras` in `folder`.

    Raises:
        ModelError: It is damaged, holds code, or needs layers that are not here.
    """
    del signature, trusted
    path = model_file(folder, "keras")
    version = _keras_version(path)
    keras = importlib.import_module("tf_keras") if version.startswith("2.") else _keras()
    try:
        model = keras.models.load_model(path, compile=False, safe_mode=True)
    except (ImportError, MemoryError):
        raise
    except Exception as error:
        # Keras raises whatever the classes named in the file raise.
        raise _not_loaded(error, path) from error
    backend = "tensorflow" if version.startswith("2.") else str(keras.backend.backend())
    return KerasPredictor(model, backend, path)


class KerasPredictor:
    """Predicts with a functional or sequential model.

    Args:
        model: The model.
        backend: What Keras computes with.
        path: Where the model came from, for messages.
    """

    flavor = "keras"

    def __init__(self, model: Any, backend: str, path: str) -> None:
        self.backend = backend
        self._model = model
        self._struct = _input_struct(model)
        if self._struct is None:
            raise ModelError(
                "the Keras model does not say what it takes",
                expected="a functional or sequential model with named inputs",
                got=type(model).__name__,
                location=path,
                fix="build it from keras.Input(…, name=column), or model.export(folder)",
            )
        self._inputs = [_dense_input(name, tensor) for name, tensor in _leaves(self._struct)]

    def input_features(self) -> list[InputFeature]:
        """See `Predictor`."""
        return [each.feature() for each in self._inputs]

    def predict(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """See `Predictor`."""
        arrays = {each.name: dense(batch, each) for each in self._inputs}
        rows = batch.num_rows
        parts = [
            self._call({name: array[start : start + _ROWS] for name, array in arrays.items()})
            for start in range(0, max(rows, 1), _ROWS)
        ]
        joined = {
            name: np.concatenate([part[name] for part in parts]) if len(parts) > 1 else first
            for name, first in parts[0].items()
        }
        return output_batch(joined, rows)

    def dense_inputs(self) -> list[DenseInput]:
        """The arrays that `call` takes."""
        return list(self._inputs)

    def call(self, tensors: Mapping[str, Any]) -> dict[str, Any]:
        """Outputs by name, for tensors of the backend's: gradients flow through it."""
        return self._named(self._model(_shaped_like(self._struct, tensors), training=False))

    def _call(self, arrays: Mapping[str, _Array]) -> dict[str, _Array]:
        """Outputs by name. Few sizes of batches occur, since each is compiled anew."""
        rows = len(next(iter(arrays.values())))
        padded = 1 << max(rows - 1, 0).bit_length()
        filled = {name: self._tensor(_padded(array, padded)) for name, array in arrays.items()}
        try:
            found = self._model.predict_on_batch(_shaped_like(self._struct, filled))
        except Exception as error:
            # Each backend has errors of its own.
            lines = [line.strip() for line in str(error).splitlines() if line.strip()]
            raise ExecutionError(
                "the Keras model failed to predict",
                got=f"{type(error).__name__}: {lines[0][:300] if lines else ''}",
                fix="call model.predict on these rows to see what it wants",
            ) from error
        return {name: np.asarray(value)[:rows] for name, value in self._named(found).items()}

    def _tensor(self, array: _Array) -> Any:
        if array.dtype != object:
            return array
        import tensorflow as tf

        return tf.constant(array, tf.string)

    def _named(self, found: Any) -> dict[str, Any]:
        if isinstance(found, Mapping):
            return dict(found)
        if not isinstance(found, (list, tuple)):
            return {"prediction": found}
        names = getattr(self._model, "output_names", None) or ()
        if len(names) != len(found):
            names = [f"output_{i}" for i in range(len(found))]
        return dict(zip(names, found, strict=True))


def _keras() -> Any:
    """Keras 3, with a backend that is installed."""
    if "keras" not in sys.modules and "KERAS_BACKEND" not in os.environ:
        found = next((name for name in _BACKENDS if importlib.util.find_spec(name)), None)
        if found is not None:
            os.environ["KERAS_BACKEND"] = found
    return importlib.import_module("keras")


def _keras_version(path: str) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            metadata = json.loads(archive.read("metadata.json"))
            return str(metadata["keras_version"])
    except (OSError, KeyError, TypeError, ValueError, zipfile.BadZipFile) as error:
        raise ModelError(
            "the .keras file cannot be read",
            expected="what model.save('model.keras') writes",
            got=f"{type(error).__name__}: {error}",
            location=path,
        ) from error


def _not_loaded(error: Exception, path: str) -> ModelError:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    got = f"{type(error).__name__}: {' '.join(lines)[:400]}"
    if "lambda" in got.lower():
        return ModelError(
            "the Keras model holds Python code, which is not run",
            expected="layers of Keras",
            got=got,
            location=path,
            fix="write the Lambda as keras.ops between layers, or model.export(folder)",
        )
    return ModelError(
        "the Keras model cannot be loaded",
        expected="layers of Keras",
        got=got,
        location=path,
        fix="model.export(folder) writes a model that needs none of your classes",
    )


def _input_struct(model: Any) -> Any:
    """The inputs as the model takes them: a tensor, or a dict or list of tensors; or None."""
    for each in (model, getattr(model, "_functional", None)):
        found = getattr(each, "_inputs_struct", None)
        if found is not None:
            return found
    try:
        return model.input
    except (AttributeError, ValueError, RuntimeError):
        return None


def _leaves(struct: Any) -> list[tuple[str, Any]]:
    if isinstance(struct, Mapping):
        return [(str(name), tensor) for name, tensor in struct.items()]
    if isinstance(struct, (list, tuple)):
        return [(_name(tensor), tensor) for tensor in struct]
    return [(_name(struct), struct)]


def _shaped_like(struct: Any, arrays: Mapping[str, Any]) -> Any:
    if isinstance(struct, Mapping):
        return {name: arrays[str(name)] for name in struct}
    if isinstance(struct, (list, tuple)):
        return [arrays[_name(tensor)] for tensor in struct]
    return arrays[_name(struct)]


def _name(tensor: Any) -> str:
    return str(tensor.name).partition(":")[0]


def _dense_input(name: str, tensor: Any) -> DenseInput:
    dtype = getattr(tensor.dtype, "name", str(tensor.dtype))
    return DenseInput(name, "object" if dtype == "string" else dtype, tuple(list(tensor.shape)[1:]))


def _padded(array: _Array, rows: int) -> _Array:
    missing = rows - len(array)
    if not missing:
        return array
    if not len(array):
        filler = b"" if array.dtype == object else 0
        return np.full((rows, *array.shape[1:]), filler, dtype=array.dtype)
    return np.concatenate([array, np.repeat(array[-1:], missing, axis=0)])
