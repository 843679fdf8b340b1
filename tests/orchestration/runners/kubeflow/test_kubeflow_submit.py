# SPDX-License-Identifier: Apache-2.0
"""Submitting, with the KFP client, to a server that answers as the KFP API does."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from support import pipelines

from penstock.orchestration.runners.kubeflow.kubeflow_dag_runner import KubeflowDagRunner
from penstock.utils.errors import ParameterError

pytestmark = pytest.mark.kubeflow

pytest.importorskip("kfp")

STORE = "grpc://metadata:8080"


class Api(BaseHTTPRequestHandler):
    """The few calls of the v2beta1 API that the client makes to start a run."""

    seen: list[tuple[str, dict[str, Any]]]

    def do_GET(self) -> None:
        path = self.path.partition("?")[0].rpartition("/")[2]
        self._answer({"experiments": []} if path == "experiments" else {"multi_user": False})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        kind = self.path.partition("?")[0].rpartition("/")[2]
        self.seen.append((kind, body))
        ids = {"experiments": {"experiment_id": "e1"}, "runs": {"run_id": "r1"}}
        self._answer({**body, **ids[kind]})

    def _answer(self, document: dict[str, Any]) -> None:
        data = json.dumps(document).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        """Keeps quiet."""


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[tuple[str, list[Any]]]:
    """Address of the server, and what it was sent."""
    # The client keeps its settings, and looks for those of a cluster, in the home folder.
    monkeypatch.setenv("HOME", str(tmp_path))
    handler = type("Handler", (Api,), {"seen": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", handler.seen
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_submit_starts_a_run(api: tuple[str, list[Any]]) -> None:
    """If it fails, the run that Kubeflow starts has another pipeline, or other parameters."""
    host, seen = api
    runner = KubeflowDagRunner(image="i:1", metadata=STORE, root="s3://bucket/p", host=host)
    run_id = runner.submit(
        pipelines.parametrised(Path("/x")),
        parameters={"word": "w", "times": 2},
        experiment="trials",
        run_name="first",
        service_account="runner",
    )
    assert run_id == "r1"
    sent = dict(seen)["runs"]
    assert (sent["display_name"], sent["experiment_id"]) == ("first", "e1")
    assert sent["service_account"] == "runner"
    values = {"word": "w", "times": 2, "loud": False, "share": 0.5}
    assert sent["runtime_config"]["parameters"] == values
    tasks = sent["pipeline_spec"]["components"]["comp-exit-handler-1"]["dag"]["tasks"]
    assert sorted(tasks) == ["repeat", "start"]


def test_wrong_parameters_are_refused_here(api: tuple[str, list[Any]]) -> None:
    """If it fails, a misspelt parameter is noticed minutes later, by every pod."""
    host, seen = api
    runner = KubeflowDagRunner(image="i:1", metadata=STORE, root="s3://bucket/p", host=host)
    with pytest.raises(ParameterError, match="no runtime parameter 'wrod'"):
        runner.submit(pipelines.parametrised(Path("/x")), parameters={"wrod": "w"})
    assert seen == []


def test_no_kubeflow_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """If it fails, whoever has a wrong address reads a stack of HTTP errors."""
    monkeypatch.setenv("HOME", str(tmp_path))
    runner = KubeflowDagRunner(
        image="i:1", metadata=STORE, root="s3://bucket/p", host="http://127.0.0.1:9"
    )
    with pytest.raises(ParameterError, match="did not take pipeline 'diamond'"):
        runner.submit(pipelines.diamond(Path("/x")))
