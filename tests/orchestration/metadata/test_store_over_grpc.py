# SPDX-License-Identifier: Apache-2.0
"""The same records through an ML Metadata server.

The server here is ML Metadata's own code behind gRPC, as in its `metadata_store_server`:
requests go unchanged to the library's C++ entry points.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from penstock.components.base.artifact_types import Model, ModelBlessing
from penstock.orchestration.metadata.lineage import Direction
from penstock.orchestration.metadata.records import ExecutionState, NodeKey, RunState
from penstock.orchestration.metadata.retry import RetryPolicy
from penstock.orchestration.metadata.store import MetadataStore
from penstock.utils.errors import MetadataError

grpc = pytest.importorskip("grpc")
entry_points = pytest.importorskip(
    "ml_metadata.metadata_store.pywrap.metadata_store_extension.metadata_store"
)
protos = pytest.importorskip("ml_metadata.proto.metadata_store_pb2")


class Server(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Passes every method of the service on to the library."""

    def __init__(self, path: str) -> None:
        config = protos.ConnectionConfig()
        config.sqlite.filename_uri = path
        config.sqlite.connection_mode = protos.SqliteMetadataSourceConfig.READWRITE_OPENCREATE
        options = protos.MigrationOptions()
        self._store = entry_points.CreateMetadataStore(
            config.SerializeToString(), options.SerializeToString()
        )
        self._lock = threading.Lock()
        self.calls: list[str] = []

    def service(self, details: Any) -> Any:
        method = details.method.rpartition("/")[2]

        def call(request: bytes, context: Any) -> bytes:
            self.calls.append(method)
            with self._lock:
                response, said, code = getattr(entry_points, method)(self._store, request)
            if code:
                codes = {status.value[0]: status for status in grpc.StatusCode}
                context.abort(codes[code], said.decode())
            return bytes(response)

        return grpc.unary_unary_rpc_method_handler(call)


@pytest.fixture
def served(store_path: str) -> Iterator[tuple[str, Server]]:
    """The setting of a running server, and the server."""
    handler = Server(store_path)
    server = grpc.server(ThreadPoolExecutor(4))
    server.add_generic_rpc_handlers((handler,))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"grpc://127.0.0.1:{port}", handler
    server.stop(None).wait()


def test_run_is_recorded_through_a_server(served: tuple[str, Server]) -> None:
    """Fails if a pipeline can be recorded in a file but not by a server."""
    setting, _ = served
    with MetadataStore(setting) as store, MetadataStore(setting) as other:
        store.begin_run("p", "r.1", properties={"rate": 1e-7})
        other.begin_run("p", "r.2")
        assert {run.id for run in other.open_runs("p")} == {"r.1", "r.2"}
        trainer = NodeKey("p", "r.1", "Trainer", "tfx.components.trainer.component.Trainer")
        found = store.register_execution(trainer, {}, {"steps": 3})
        model = Model("/m")
        store.publish_execution(trainer, found, {"model": [model]}, cache_key="k")
        judge = NodeKey("p", "r.2", "Evaluator", "tfx.components.evaluator.component.Evaluator")
        judged = other.register_execution(judge, {"model": [model]}, {})
        verdict = ModelBlessing("/b")
        verdict.custom_properties.update(blessed=1, current_model_id=model.id or 0)
        other.publish_execution(judge, judged, {"blessing": [verdict]})
        cached = store.lookup_cache("k")
        assert cached is not None and cached.outputs == {"model": [model]}
        assert store.latest_blessed_model("p") == (model, verdict)
        # Both stores number artifacts of one pipeline; the second to come takes the next number.
        for turn, writer in enumerate((store, other, store)):
            node = NodeKey("p", "r.1", f"n{turn}", "test.N")
            again = writer.register_execution(node, {}, {})
            writer.publish_execution(node, again, {"model": [Model(f"/{turn}")]})
        newest = store.latest_artifacts("Model", pipeline="p", limit=9)
        assert [artifact.uri for artifact in newest] == ["/2", "/1", "/0", "/m"]
        slow = store.register_execution(NodeKey("p", "r.1", "Slow", "test.N"), {}, {})
        assert [record.id for record in other.mark_stale("r.1")] == [slow]
        with pytest.raises(MetadataError, match="already ended"):
            store.publish_execution(NodeKey("p", "r.1", "Slow", "test.N"), slow, {})
        store.end_run("r.1", RunState.FAILED)
        assert [run.id for run in other.open_runs("p")] == ["r.2"]
        assert other.get_run("r.1").properties == {"rate": 1e-7}
        assert store.get_execution(slow).state is ExecutionState.FAILED
        assert len(store.lineage([model.id or 0], Direction.BOTH).executions) == 2


def test_server_that_goes_away_is_named(store_path: str) -> None:
    """Fails if a lost server blocks a run for ever, or ends in a gRPC traceback."""
    handler = Server(store_path)
    server = grpc.server(ThreadPoolExecutor(1))
    server.add_generic_rpc_handlers((handler,))
    setting = f"grpc://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    with MetadataStore(setting, retries=RetryPolicy(0.3)) as store:
        store.begin_run("p", "r")
        server.stop(None).wait()
        with pytest.raises(MetadataError, match=r"cannot be reached(?s:.*)resume"):
            store.end_run("r", RunState.COMPLETE)
