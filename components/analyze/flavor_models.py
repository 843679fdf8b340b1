# SPDX-License-Identifier: Apache-2.0
"""Predictions of models that are no SavedModels, in the form that TFMA's metrics take."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ...utils.errors import DataError, PenstockError, nearest
from ..base.artifact_types import Model
from ..ingest.list_columns import is_list
from ..train.flavors.model_artifact import load_model
from ..train.flavors.predictor import CLASSES_KEY, Predictor

_Array = npt.NDArray[Any]

#: Outputs of a classifier, of which metrics want the second.
_CLASSIFIER = {"prediction", "probabilities"}


class FlavorModel:
    """A model of any flavor.

    Args:
        artifact: The model.
        spec: Its ModelSpec.
        node: Id of the node, for messages.

    Raises:
        ModelError: It cannot be loaded.
    """

    def __init__(self, artifact: Model, spec: Any, node: str | None) -> None:
        self._spec = spec
        self._node = node
        self._classes: list[Any] | None = None
        self._model: Predictor = _with_node(node, lambda: load_model(artifact))

    def predict(self, rows: pa.RecordBatch) -> Any:
        """An array of predictions, or arrays by output where there are several.

        Of a classifier's outputs it is the probabilities: of the second class where there
        are two, of all of them elsewhere. `model_specs.prediction_key` chooses another.

        Raises:
            InputError: The examples lack what the model takes.
            ExecutionError: The model failed.
        """
        found: pa.RecordBatch = _with_node(self._node, lambda: self._model.predict(rows))
        outputs = {name: _to_array(found.column(i)) for i, name in enumerate(found.schema.names)}
        self._note_classes(found.schema)
        key = self._spec.prediction_key
        if key:
            if key not in outputs:
                raise DataError(
                    f"the model has no output {key!r}",
                    node=self._node,
                    expected=", ".join(outputs),
                    got=f"model_specs.prediction_key {key!r}",
                    suggestion=nearest(key, outputs),
                )
            return outputs[key]
        if set(outputs) == _CLASSIFIER:
            chances = outputs["probabilities"]
            return chances[:, 1:] if chances.ndim == 2 and chances.shape[1] == 2 else chances
        return next(iter(outputs.values())) if len(outputs) == 1 else outputs

    def class_numbers(self, labels: Any) -> Any:
        """Labels as numbers of the classes that the model tells probabilities of.

        A label that the model knows nothing of becomes -1, which to TFMA is none of them.
        """
        if self._classes is None or isinstance(labels, Mapping):
            return labels
        if self._spec.prediction_key not in ("", "probabilities"):
            return labels
        if self._classes == list(range(len(self._classes))):
            return labels
        numbers = {_plain(each): number for number, each in enumerate(self._classes)}
        flat = [numbers.get(_plain(each), -1) for each in np.ravel(labels).tolist()]
        return np.asarray(flat, np.int64).reshape(np.shape(labels))

    def _note_classes(self, schema: pa.Schema) -> None:
        index = schema.get_field_index("probabilities")
        metadata = schema.field(index).metadata if index >= 0 else None
        if metadata and CLASSES_KEY in metadata:
            self._classes = json.loads(metadata[CLASSES_KEY])


def _with_node(node: str | None, action: Any) -> Any:
    """What `action` returns; its errors name the node."""
    try:
        return action()
    except PenstockError as error:
        error.node = error.node or node
        raise


def _to_array(column: pa.Array) -> _Array:
    if not is_list(column.type):
        plain: _Array = column.to_numpy(zero_copy_only=False)
        return plain
    width = len(column.values) // len(column) if len(column) else 0
    values: _Array = column.flatten().to_numpy(zero_copy_only=False)
    return values.reshape(len(column), width)


def _plain(value: Any) -> Any:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
