# SPDX-License-Identifier: Apache-2.0
"""Warm-up requests for TensorFlow Serving, written into a copy of a SavedModel.

See https://www.tensorflow.org/tfx/serving/saved_model_warmup.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

from ...utils import storage
from ..ingest.tfrecord_files import TFRecordWriter
from ..train.flavors.input_columns import DenseInput, dense
from ..train.flavors.signature_features import read_saved_model
from .candidate_server import Requests
from .tensorflow_serving_client import (
    SERVING_SIGNATURE,
    SavedModelRequests,
    serialized_examples,
)

#: Where TensorFlow Serving looks, below a version's folder.
WARMUP_FILE = os.path.join("assets.extra", "tf_serving_warmup_requests")
#: TensorFlow Serving refuses more.
MOST_REQUESTS = 1_000


def write_warm_model(
    folder: str, target: str, requests: Sequence[Requests], model_name: str
) -> int:
    """Copies a SavedModel, and writes warm-up requests into the copy.

    Args:
        folder: The model's folder.
        target: Folder of the copy.
        requests: Records by signature; each record becomes one request.
        model_name: The model's name in requests; TensorFlow Serving ignores it.

    Returns:
        Number of requests.

    Raises:
        ModelError: It is no SavedModel.
        InputError: The records do not fit it.
    """
    storage.copy_tree(folder, target)
    path = os.path.join(storage.local_path(target), WARMUP_FILE)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    saved = SavedModelRequests(folder)
    logs = [
        _log_of(saved, folder, each.single(row), model_name)
        for each in requests
        for row in range(each.batch.num_rows)
    ][:MOST_REQUESTS]
    writer = TFRecordWriter(path)
    try:
        writer.write(pa.array(logs, pa.binary()))
    finally:
        writer.close()
    return len(logs)


def _log_of(saved: SavedModelRequests, folder: str, one: Requests, model_name: str) -> bytes:
    signature = one.signature or SERVING_SIGNATURE
    request = predict_pb2.PredictRequest()
    request.model_spec.name = model_name
    request.model_spec.signature_name = signature
    for name, tensor in _tensors(saved, folder, signature, one).items():
        request.inputs[name].CopyFrom(tensor)
    log = prediction_log_pb2.PredictionLog(
        predict_log=prediction_log_pb2.PredictLog(request=request)
    )
    found: bytes = log.SerializeToString(deterministic=True)
    return found


def _tensors(
    saved: SavedModelRequests, folder: str, signature: str, requests: Requests
) -> Mapping[str, Any]:
    if saved.takes_examples(signature):
        return {
            saved.input_of(signature): tf.make_tensor_proto(
                serialized_examples(requests.batch), tf.string
            )
        }
    found = {}
    for name, info in read_saved_model(folder).signature_def[signature].inputs.items():
        kind = tf.as_dtype(info.dtype)
        shape = [None if each.size < 0 else each.size for each in info.tensor_shape.dim][1:]
        dtype = "object" if kind == tf.string else kind.as_numpy_dtype.__name__
        value = dense(requests.batch, DenseInput(name, dtype, tuple(shape)))
        found[name] = tf.make_tensor_proto(value, kind)
    return found
