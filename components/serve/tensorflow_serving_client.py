# SPDX-License-Identifier: Apache-2.0
"""Speaks with TensorFlow Serving over its REST API.

See https://www.tensorflow.org/tfx/serving/api_rest.
"""

from __future__ import annotations

import base64
import json
import time
from typing import Any

from tensorflow.core.framework import types_pb2

from ..ingest.example_encoding import encode_examples
from ..train.flavors.signature_features import parsed_features, read_saved_model
from .candidate_server import Requests
from .server_client import RequestFailed, ServerClient
from .server_process import NotReady, ServerFailed

#: The port of TensorFlow Serving's REST API in its image.
REST_PORT = 8501
SERVING_SIGNATURE = "serving_default"
_POLL_S = 0.2


class SavedModelRequests:
    """Bodies of requests for one SavedModel.

    Args:
        folder: The model's folder.

    Raises:
        ModelError: It is no SavedModel.
    """

    def __init__(self, folder: str) -> None:
        self._graph = read_saved_model(folder)

    def encode(self, requests: Requests) -> bytes:
        """The body of a request: whole examples where the signature parses such, else features."""
        signature = requests.signature or SERVING_SIGNATURE
        if self.takes_examples(signature):
            serialized = serialized_examples(requests.batch)
            instances: list[Any] = [{"b64": base64.b64encode(e).decode()} for e in serialized]
        else:
            instances = list(requests.records)
        body = {"signature_name": signature, "instances": instances}
        return json.dumps(body, allow_nan=False).encode()

    def takes_examples(self, signature: str) -> bool:
        """Whether a signature takes serialized `tf.Example`s."""
        return bool(self.input_of(signature) and parsed_features(self._graph, signature))

    def input_of(self, signature: str) -> str:
        """Name of the one input of texts that a signature has; empty where it is another kind."""
        inputs = self._graph.signature_def[signature].inputs
        if len(inputs) != 1:
            return ""
        ((name, info),) = inputs.items()
        vector = info.tensor_shape.unknown_rank or len(info.tensor_shape.dim) <= 1
        return str(name) if info.dtype == types_pb2.DT_STRING and vector else ""


class ServedSavedModel:
    """How a candidate is asked that TensorFlow Serving serves, wherever that runs.

    Args:
        folder: The model's folder.
        model_name: Its name in the server.

    Raises:
        ModelError: It is no SavedModel.
    """

    def __init__(self, folder: str, model_name: str) -> None:
        self._model_name = model_name
        self._requests = SavedModelRequests(folder)
        self._client: ServerClient | None = None

    def encode(self, requests: Requests) -> bytes:
        """See `CandidateServer`."""
        return self._requests.encode(requests)

    def ask(self, body: bytes) -> list[Any]:
        """See `CandidateServer`."""
        assert self._client is not None
        place = f"/v1/models/{self._model_name}:predict"
        found: list[Any] = self._client.post(place, body)["predictions"]
        return found

    def hang_up(self) -> None:
        """Closes the connection to the server, where there is one."""
        if self._client is not None:
            self._client.close()


def serialized_examples(batch: Any) -> list[bytes]:
    """Records as serialized `tf.Example`s."""
    found: list[bytes] = encode_examples(batch).to_pylist()
    return found


def wait_until_loaded(
    url: str, model_name: str, deadline: float, still_running: Any
) -> ServerClient:
    """Waits until TensorFlow Serving has loaded a model; gives a client for it.

    Args:
        url: Of the REST API.
        model_name: The model's name in the server.
        deadline: By the monotonic clock.
        still_running: Gives an empty text while the server runs, else how it ended.

    Raises:
        ServerFailed: The model cannot be loaded, or the server ended.
    """
    client = ServerClient(url, timeout_s=10.0)
    try:
        _wait_until_loaded(client, model_name, deadline, still_running)
    except BaseException:
        client.close()
        raise
    return client


def _wait_until_loaded(
    client: ServerClient, model_name: str, deadline: float, still_running: Any
) -> None:
    while True:
        ended = still_running()
        if ended:
            raise ServerFailed("TensorFlow Serving ended", got=ended, location=client.url)
        try:
            statuses = client.get(f"/v1/models/{model_name}")["model_version_status"]
        except RequestFailed:
            statuses = []  # It is not listening yet, or does not know the model yet.
        for status in statuses:
            if status["state"] == "AVAILABLE":
                return
            message = status.get("status", {}).get("error_message", "")
            if status["state"] == "END" and message:
                raise ServerFailed(
                    "TensorFlow Serving cannot load the model", loaded=False, got=message
                )
        if time.monotonic() >= deadline:
            raise NotReady(
                "TensorFlow Serving has not loaded the model in time",
                loaded=False if statuses else None,
                got=json.dumps(statuses) if statuses else "no answer",
                location=client.url,
            )
        time.sleep(_POLL_S)
