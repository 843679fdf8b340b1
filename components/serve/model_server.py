# SPDX-License-Identifier: Apache-2.0
"""The web application of a model server: KServe's routes, and those that KServe lacks.

GET  /                                        lives
GET  /v2/health/live, /v2/health/ready        for probes; need no token
GET  /metrics                                 for Prometheus
GET  /v1/models/NAME[/versions/V|/labels/L]   what is served, in TensorFlow Serving's words
POST /v1/models/NAME[/versions/V|/labels/L]:predict
GET  /v2/models/NAME[/versions/V|/labels/L]   features and outputs
POST /v2/models/NAME[/versions/V|/labels/L]/infer
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from kserve.errors import InvalidInput, ModelNotFound, ModelNotReady, UnsupportedProtocol
from kserve.protocol.model_repository_extension import ModelRepositoryExtension
from kserve.protocol.rest.v1_endpoints import V1Endpoints, register_v1_endpoints
from kserve.protocol.rest.v2_endpoints import V2Endpoints, register_v2_endpoints
from prometheus_client import REGISTRY, exposition
from starlette.exceptions import HTTPException

from ...utils.errors import PenstockError
from ...utils.logs import get_logger
from .feature_columns import RequestError
from .kserve_model import ModelTable, ServingDataPlane, as_json
from .version_follower import Table

_log = get_logger(__name__)

#: How a URL goes on after a model's name, to name a version.
_KINDS = ("versions", "labels")


class OrJson(JSONResponse):
    """JSON, fast, and with null for NaN."""

    def render(self, content: Any) -> bytes:
        """The content as bytes."""
        return as_json(content)


def make_app(models: ModelTable, table: Callable[[], Table]) -> FastAPI:
    """The application.

    Args:
        models: The versions, as KServe looks them up.
        table: Gives what is served now.
    """
    app = FastAPI(
        title="Penstock model server",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        default_response_class=OrJson,
    )
    plane = ServingDataPlane(model_registry=models)
    extension = _FixedRepository(model_registry=models)
    _add_health(app, models.name, table)
    _add_versions(app, models, table, plane)
    register_v1_endpoints(app, plane, extension)
    register_v2_endpoints(app, plane, extension)
    _add_handlers(app)
    return app


class _FixedRepository(ModelRepositoryExtension):  # type: ignore[misc]  # KServe has no types
    """Loading and unloading by request is refused."""

    def __init__(self, model_registry: ModelTable) -> None:
        super().__init__(model_registry=model_registry)
        self._models = model_registry

    async def load(self, model_name: str) -> None:
        """Refuses."""
        self._models.load(model_name)

    async def unload(self, model_name: str) -> None:
        """Refuses."""
        self._models.unload(model_name)


def _add_health(app: FastAPI, name: str, table: Callable[[], Table]) -> None:
    async def live() -> dict[str, str]:
        return {"status": "alive"}

    async def ready() -> Response:
        now = table()
        told: dict[str, Any] = {"ready": now.default is not None}
        if now.default is not None:
            told["version"] = now.default.name
        if now.failures:
            told["failed_versions"] = list(now.failures)
        if now.trouble:
            told["trouble"] = "what to serve is not known; see the server's log"
        return OrJson(told, status_code=200 if now.default is not None else 503)

    async def metrics(request: Request) -> Response:
        encoder, kind = exposition.choose_encoder(request.headers.get("accept", ""))
        return Response(encoder(REGISTRY), headers={"content-type": kind})

    app.add_api_route("/", live, methods=["GET"])
    app.add_api_route("/v2/health/ready", ready, methods=["GET"], response_model=None)
    app.add_api_route("/metrics", metrics, methods=["GET"], response_model=None)

    async def status(model_name: str) -> Response:
        now = table()
        if model_name == f"{name}:predict":
            raise RequestError("a prediction is asked for by POST, with the records as JSON", 405)
        if model_name != name:
            raise RequestError(f"there is no model {model_name!r}; this server has {name!r}", 404)
        ready = now.default is not None
        told = {"name": name, "ready": ready, "model_version_status": _statuses(now)}
        return OrJson(told, status_code=200 if ready else 503)

    app.add_api_route("/v1/models/{model_name}", status, methods=["GET"], response_model=None)


def _statuses(table: Table) -> list[dict[str, Any]]:
    """As TensorFlow Serving tells the state of versions, newest first, with labels."""
    found = []
    for name in reversed(list(table.versions)):
        labels = [label for label, version in table.labels.items() if version == name]
        status = {"error_code": "OK", "error_message": ""}
        found.append({"version": name, "state": "AVAILABLE", "labels": labels, "status": status})
    for name, failure in table.failures.items():
        status = {"error_code": "UNKNOWN", "error_message": failure.reason}
        found.append({"version": name, "state": "END", "labels": [], "status": status})
    return found


def _add_versions(
    app: FastAPI, models: ModelTable, table: Callable[[], Table], plane: ServingDataPlane
) -> None:
    """Routes that name a version or a label; KServe has none that work."""
    v1, v2 = V1Endpoints(plane), V2Endpoints(plane)

    # Before KServe's own, which takes NaN for JSON and says of mistakes what pydantic says.
    async def infer(request: Request, response: Response, model_name: str) -> Any:
        return await v2.infer(request, response, model_name, await request.body())

    app.add_api_route("/v2/models/{model_name}/infer", infer, methods=["POST"], response_model=None)
    for kind in _KINDS:
        _add_version_routes(app, models, table, v1, v2, kind)


def _add_version_routes(
    app: FastAPI, models: ModelTable, table: Callable[[], Table], v1: Any, v2: Any, kind: str
) -> None:
    def named(model_name: str, key: str) -> str:
        return f"{model_name}/{kind}/{key}"

    async def predict(model_name: str, key: str, request: Request) -> Any:
        return await v1.predict(named(model_name, key), request)

    async def status(model_name: str, key: str) -> Any:
        version = models.get_model(named(model_name, key)).version
        every = _statuses(table())
        told = [each for each in every if each["version"] == version.name]
        return {"name": model_name, "ready": True, "model_version_status": told}

    async def infer(request: Request, response: Response, model_name: str, key: str) -> Any:
        return await v2.infer(request, response, named(model_name, key), await request.body())

    async def metadata(model_name: str, key: str) -> Any:
        found = await v2.model_metadata(named(model_name, key))
        version = models.get_model(named(model_name, key)).version
        return {**found.model_dump(), "name": model_name, "versions": [version.name]}

    async def ready(model_name: str, key: str) -> Any:
        models.get_model(named(model_name, key))
        return {"name": model_name, "ready": True}

    place = f"/models/{{model_name}}/{kind}/{{key}}"

    def add(path: str, function: Callable[..., Any], method: str) -> None:
        app.add_api_route(path, function, methods=[method], response_model=None)

    # `:predict` first: a version's name would swallow it.
    add(f"/v1{place}:predict", predict, "POST")
    add(f"/v1{place}", status, "GET")
    add(f"/v2{place}", metadata, "GET")
    add(f"/v2{place}/ready", ready, "GET")
    add(f"/v2{place}/infer", infer, "POST")


def _add_handlers(app: FastAPI) -> None:
    """Every refusal is a JSON object with the reason; none fills the log."""
    app.add_exception_handler(RequestError, _refused)
    app.add_exception_handler(InvalidInput, _invalid)
    app.add_exception_handler(UnsupportedProtocol, _invalid)
    app.add_exception_handler(ModelNotFound, _not_found)
    app.add_exception_handler(ModelNotReady, _not_ready)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(PenstockError, _failed)
    app.add_exception_handler(Exception, _failed)


def _error(status: int, reason: str) -> Response:
    return OrJson({"error": reason}, status_code=status)


async def _refused(request: Request, error: Any) -> Response:
    del request
    return _error(error.status, error.reason)


async def _invalid(request: Request, error: Exception) -> Response:
    del request
    text = str(error)
    if text.startswith("Unrecognized request format"):
        text = "the body is not JSON" + text.removeprefix("Unrecognized request format")
    return _error(400, text)


async def _not_found(request: Request, error: Exception) -> Response:
    del request
    return _error(404, str(error))


async def _not_ready(request: Request, error: Exception) -> Response:
    del request
    return _error(503, str(error))


async def _http(request: Request, error: Any) -> Response:
    reason = str(error.detail)
    if error.status_code == 404:
        reason = f"there is nothing at {request.url.path}"
    elif error.status_code == 405:
        reason = f"{request.method} does not go with {request.url.path}"
    return OrJson({"error": reason}, status_code=error.status_code, headers=error.headers)


async def _failed(request: Request, error: Exception) -> Response:
    _log.error("a request to %s failed: %s", request.url.path, error, exc_info=error)
    if isinstance(error, PenstockError):
        return _error(500, error.what + (f": {error.got}" if error.got else ""))
    return _error(500, f"the model failed: {type(error).__name__}; the server's log has more")
