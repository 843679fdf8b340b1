# SPDX-License-Identifier: Apache-2.0
"""What a model takes and gives, read from its files without loading it.

Only what a caller can notice counts: names, types and shapes of inputs and outputs. Formats
that do not say are left uncompared; so are the signatures by which TFX's Evaluator has a model
transform its examples, as they show the features inside.

====================  =================================================================
`saved_model.pb`      the signatures (`MetaGraphDef.signature_def`; field numbers from
                      tensorflow/core/protobuf/{saved_model,meta_graph}.proto)
`model.keras`         inputs and outputs of `config.json`, where it has them
`model.json`          feature names and types, objective and classes of an XGBoost model
====================  =================================================================
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from typing import Any

from ...utils import storage
from ...utils.errors import StorageError

#: Files above this size are not read for their signature, in bytes.
_LARGEST = 1 << 30

#: Signatures that are not for callers; see `preprocessing_function_names` of TFMA's ModelSpec.
_INSIDE = frozenset({"transform_features", "transformed_features", "transformed_labels"})

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def signature_of(folder: str) -> dict[str, Any] | None:
    """The signature of the model in a folder, as JSON-compatible data; None if unknown.

    A file that cannot be understood is one that does not say.
    """
    for name, read in _READERS.items():
        place = storage.join(folder, name)
        try:
            if storage.exists(place) and storage.file_size(place) <= _LARGEST:
                return read(place)
        except (StorageError, ValueError, KeyError, IndexError, TypeError, zipfile.BadZipFile):
            return None
    return None


def _fields(data: memoryview) -> Iterator[tuple[int, Any]]:
    """Numbers and values of a message's fields; texts and messages as memory views."""
    position = 0
    value: Any
    while position < len(data):
        key, position = _varint(data, position)
        kind = key & 7
        if kind == _VARINT:
            value, position = _varint(data, position)
        elif kind == _BYTES:
            size, position = _varint(data, position)
            value, position = data[position : position + size], position + size
        elif kind in (_FIXED64, _FIXED32):
            size = 8 if kind == _FIXED64 else 4
            value, position = data[position : position + size], position + size
        else:
            raise ValueError(f"no wire type {kind}")
        if position > len(data):
            raise ValueError("the message is cut short")
        yield key >> 3, value


def _varint(data: memoryview, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7


def _saved_model(place: str) -> dict[str, Any] | None:
    found: dict[str, Any] = {}
    for number, graph in _fields(memoryview(storage.read_bytes(place))):
        if number != 2:  # SavedModel.meta_graphs
            continue
        for field, entry in _fields(graph):
            if field != 5:  # MetaGraphDef.signature_def
                continue
            name, signature = _entry(entry)
            if not name.startswith("__") and name not in _INSIDE:
                found[name] = _signature(signature)
    return {"signatures": found} if found else None


def _entry(data: memoryview) -> tuple[str, memoryview]:
    """Key and value of one entry of a map whose values are messages."""
    parts = dict(_fields(data))
    return bytes(parts.get(1, b"")).decode(), memoryview(parts.get(2, b""))


def _signature(data: memoryview) -> dict[str, Any]:
    sides: dict[str, Any] = {"inputs": {}, "outputs": {}}
    for field, entry in _fields(data):
        if field in (1, 2):  # SignatureDef.inputs, .outputs
            name, tensor = _entry(entry)
            sides["inputs" if field == 1 else "outputs"][name] = _tensor(tensor)
    return sides


def _tensor(data: memoryview) -> dict[str, Any]:
    kind, shape = 0, None
    for field, value in _fields(data):
        if field == 2:  # TensorInfo.dtype
            kind = value
        elif field == 3:  # TensorInfo.tensor_shape
            shape = _shape(value)
    return {"dtype": kind, "shape": shape}


def _shape(data: memoryview) -> list[int] | None:
    sizes: list[int] = []
    for field, value in _fields(data):
        if field == 3 and value:  # TensorShapeProto.unknown_rank
            return None
        if field == 2:  # TensorShapeProto.dim
            size = dict(_fields(value)).get(1, 0)
            sizes.append(size - (1 << 64) if size >> 63 else size)
    return sizes


def _keras(place: str) -> dict[str, Any] | None:
    with storage.open_file(place) as file, zipfile.ZipFile(file) as archive:
        model = json.loads(archive.read("config.json"))
    config = model["config"]
    layers = {layer["config"]["name"]: layer for layer in config["layers"]}
    inputs = {
        name: {
            "dtype": _dtype(layer["config"].get("dtype")),
            "shape": layer["config"].get("batch_shape"),
        }
        for name, layer in layers.items()
        if layer["class_name"] == "InputLayer"
    }
    return {"inputs": inputs, "outputs": config.get("output_layers")} if inputs else None


def _dtype(value: Any) -> Any:
    return value["config"]["name"] if isinstance(value, dict) else value


def _xgboost(place: str) -> dict[str, Any] | None:
    learner = json.loads(storage.read_bytes(place))["learner"]
    return {
        "features": learner["feature_names"],
        "types": learner["feature_types"],
        "objective": learner["objective"]["name"],
        "classes": learner["learner_model_param"]["num_class"],
    }


_READERS = {"saved_model.pb": _saved_model, "model.keras": _keras, "model.json": _xgboost}
