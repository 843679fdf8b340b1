# SPDX-License-Identifier: Apache-2.0
"""KServe's side of a served model: its model, its repository and its data plane.

KServe (https://kserve.github.io/website/) speaks the protocols; what it knows by one name
is here a table of versions that changes while it answers. A name is `NAME`,
`NAME/versions/VERSION` or `NAME/labels/LABEL`.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import orjson
import pyarrow as pa
from kserve import InferOutput, InferRequest, InferResponse, Model, ModelRepository
from kserve.constants.constants import INFERENCE_CONTENT_LENGTH_HEADER, PredictorProtocol
from kserve.errors import InferenceError, InvalidInput, ModelNotFound, ModelNotReady
from kserve.protocol.dataplane import DataPlane

from ...utils.errors import PenstockError, nearest
from ...utils.logs import get_logger
from ..train.flavors.predictor import InputError
from .answer_writing import datatype_of, write_v1, write_v2
from .feature_columns import FeatureColumn, RequestError
from .prediction_log import PredictionLog
from .served_version import LoadedVersion
from .server_metrics import ServerMetrics
from .v2_body import read_v2_body
from .version_follower import Table

_log = get_logger(__name__)


class VersionModel(Model):  # type: ignore[misc]  # KServe has no types
    """One version, as KServe calls it.

    Args:
        name: The model's name.
        version: The version.
        server: What all versions share.
    """

    def __init__(self, name: str, version: LoadedVersion, server: ModelTable) -> None:
        super().__init__(name)
        self.version = version
        self._server = server
        self.enable_latency_logging = False
        self.ready = True

    async def predict(self, payload: Any, headers: Mapping[str, str] | None = None) -> Any:
        """Answers a request of either protocol, in a thread."""
        del headers
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._server.pool, self._answer, payload)

    async def explain(self, payload: Any, headers: Mapping[str, str] | None = None) -> Any:
        """Refuses."""
        raise RequestError("this server predicts; it explains nothing", 404)

    def validate(self, payload: Any) -> Any:
        """Leaves a payload to `predict`, which says more exactly what is wrong with it."""
        return payload

    def get_input_types(self) -> list[dict[str, Any]]:
        """The features, as V2 describes tensors."""
        return [_tensor_of(column) for column in self.version.columns.values()]

    def get_output_types(self) -> list[dict[str, Any]]:
        """The outputs, as V2 describes tensors; none before the first answer."""
        return [
            {"name": field.name, "datatype": datatype_of(field.type),
             "shape": [-1, -1] if pa.types.is_nested(field.type) else [-1]}
            for field in self.version.outputs or []
        ]  # fmt: skip

    def _answer(self, payload: Any) -> Any:
        server, version = self._server, self.version
        began = time.perf_counter()
        with version.busy():
            try:
                answer, rows = self._computed(payload)
            except RequestError:
                server.metrics.refused(version.name)
                raise
            except Exception:
                server.metrics.failed(version.name)
                raise
        server.metrics.answered(version.name, rows, time.perf_counter() - began)
        return answer

    def _computed(self, payload: Any) -> tuple[Any, int]:
        v2 = payload if isinstance(payload, InferRequest) else None
        reader = self.version.reader
        batch = reader.read_v1(payload) if v2 is None else reader.read_v2(v2.inputs)
        outputs = self._predicted(batch)
        if v2 is not None:
            return self._infer_response(v2, outputs), batch.num_rows
        return {
            "predictions": write_v1(outputs),
            "model_name": self.name,
            "model_version": self.version.name,
        }, batch.num_rows

    def _predicted(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        try:
            outputs = self.version.predict(batch)
        except InputError as error:
            raise RequestError(_told(error)) from error
        self._server.remember(batch)
        if self._server.log is not None:
            self._server.log.offer(batch, outputs, self.version.name, self.version.untyped)
        return outputs

    def _infer_response(self, request: Any, outputs: pa.RecordBatch) -> Any:
        try:
            tensors = write_v2(outputs)
        except ValueError as error:
            raise RequestError(str(error)) from None
        return InferResponse(
            response_id=request.id or str(uuid.uuid4()),
            model_name=self.name,
            model_version=self.version.name,
            infer_outputs=[InferOutput(name, shape, kind, data=data)
                           for name, shape, kind, data in tensors],
            requested_outputs=request.request_outputs,
            use_binary_outputs=request.use_binary_outputs,
        )  # fmt: skip


class ModelTable(ModelRepository):  # type: ignore[misc]  # KServe has no types
    """The versions of one model, as KServe looks them up.

    Args:
        name: The model's name.
        table: Gives what is served now.
        log: The prediction log, if there is one.
        threads: Predictions computed at a time.
    """

    def __init__(
        self,
        name: str,
        table: Callable[[], Table],
        log: PredictionLog | None,
        threads: int,
    ) -> None:
        super().__init__()
        self.name = name
        self.log = log
        self.metrics = ServerMetrics(name, table, log)
        self.pool = ThreadPoolExecutor(threads, thread_name_prefix="predict")
        self._table = table
        self._recent: pa.RecordBatch | None = None

    def remember(self, batch: pa.RecordBatch) -> None:
        """Keeps a few records that were answered, to warm up the next version with."""
        if self._recent is None or batch.schema != self._recent.schema:
            self._recent = batch.slice(0, 8)

    def recent(self) -> pa.RecordBatch | None:
        """Records that were answered; None before the first."""
        return self._recent

    def get_models(self) -> dict[str, VersionModel]:
        """The model, where a version of it answers by default."""
        default = self._table().default
        return {self.name: VersionModel(self.name, default, self)} if default else {}

    def get_model(self, name: str) -> VersionModel:
        """The version that a name means now.

        Raises:
            ModelNotFound: There is no such model, version or label.
            ModelNotReady: No version of the model answers by default now.
        """
        model, _, rest = name.partition("/")
        if model != self.name:
            raise _not_found(f"there is no model {model!r}; this server has {self.name!r}")
        table = self._table()
        version = table.default if not rest else self._chosen(table, rest)
        if version is None:
            reasons = [f"version {n}: {each.reason}" for n, each in table.failures.items()]
            raise ModelNotReady(self.name, "; ".join([table.trouble, *reasons]).strip("; "))
        return VersionModel(self.name, version, self)

    async def is_model_ready(self, name: str) -> bool:
        """Whether a name means a version that answers."""
        return bool(self.get_model(name).ready)

    def load(self, name: str) -> bool:
        """Refuses: what is served follows from the source."""
        raise RequestError(
            "this server follows its folder or registry: push, promote or roll back there", 403
        )

    def unload(self, name: str) -> None:
        """Refuses, as `load`."""
        self.load(name)

    def _chosen(self, table: Table, rest: str) -> LoadedVersion:
        kind, _, key = rest.partition("/")
        name = table.labels.get(key, "") if kind == "labels" else key
        found = table.versions.get(name)
        if found is not None:
            return found
        noun = "label" if kind == "labels" else "version"
        there = list(table.labels if kind == "labels" else table.versions)
        close = nearest(key, there)
        raise _not_found(
            f"{self.name!r} has no {noun} {key!r}"
            + (f"; did you mean {close!r}?" if close else "")
            + f" (there: {', '.join(there) or 'none'})"
        )


class ServingDataPlane(DataPlane):  # type: ignore[misc]  # KServe has no types
    """KServe's data plane, which blames requests that cannot be read on those who sent them."""

    def decode(
        self,
        body: Any,
        headers: Mapping[str, str],
        protocol_version: str = PredictorProtocol.REST_V1.value,
        model_name: str | None = None,
    ) -> Any:
        """Reads a body, whatever content type it is said to have.

        Raises:
            InvalidInput: It cannot be read.
            RequestError: It is not what it should be.
        """
        given = dict(headers)
        if protocol_version.lower() == PredictorProtocol.REST_V2.value:
            length = given.get(INFERENCE_CONTENT_LENGTH_HEADER)
            return read_v2_body(body, length, model_name or ""), {}
        try:
            if "ce-id" not in given:
                # curl says that what it sends is a form, unless it is told better.
                given["content-type"] = "application/json"
            return super().decode(body, given, protocol_version, model_name)
        except InvalidInput:
            raise
        except (InferenceError, ValueError, TypeError, KeyError, AttributeError) as error:
            text = f"{type(error).__name__}: {str(error)[:200]}"
            raise InvalidInput(f"the body cannot be read: {text}") from error


def as_json(content: Any) -> bytes:
    """JSON as bytes; numbers that JSON lacks become null."""
    return orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY)


def _not_found(reason: str) -> Exception:
    error = ModelNotFound()
    error.reason = reason
    found: Exception = error
    return found


def _told(error: PenstockError) -> str:
    return error.what + (f": {error.got}" if error.got else "")


def _tensor_of(column: FeatureColumn) -> dict[str, Any]:
    datatype = "BYTES" if column.type is None else datatype_of(column.type)
    inner = [-1] * column.depth
    if column.depth == 1 and column.length is not None:
        inner = [column.length]
    return {"name": column.name, "datatype": datatype, "shape": [-1, *inner]}
