# SPDX-License-Identifier: Apache-2.0
"""TensorFlow Serving in Docker and on Kubernetes.

Neither runs here. In Docker's place is a command of its name that checks what it is asked
and starts Penstock's own server, which answers as TensorFlow Serving does, on the port that
it then tells; in the cluster's place is an API server that keeps pods and gives each the
address of such a server. So all but the image itself is real.
"""

from __future__ import annotations

import base64
import json
import os
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from support.model_servers import Served

from penstock.components.serve import pod_candidate
from penstock.components.serve.candidate_server import Requests
from penstock.components.serve.docker_candidate import DockerCandidate, docker_run_command
from penstock.components.serve.infra_specs import Kubernetes, LocalDocker
from penstock.components.serve.pod_candidate import PodCandidate, pod_manifest
from penstock.components.serve.server_process import ServerFailed
from penstock.components.serve.tensorflow_serving_client import SavedModelRequests
from penstock.utils.errors import ParameterError

DOCKER = """#!{python}
import json, os, sys
with open({record!r}, "a") as file:
    file.write(json.dumps([sys.argv[1:], os.environ.get("DOCKER_HOST")]) + chr(10))
command = sys.argv[1]
if command == "run":
    if not sys.argv[-1].endswith(":2.16.1"):
        sys.exit("Unable to find image")
    print("0123456789ab")
elif command == "port":
    print({address!r})
elif command == "inspect":
    print("running")
elif command == "stats":
    print("123.5MiB / 7.6GiB")
"""


@pytest.fixture(scope="module")
def saved_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SavedModel with a signature that takes examples, and one that takes features."""
    import tensorflow as tf

    class Doubles(tf.Module):  # type: ignore[misc]
        @tf.function(  # type: ignore[untyped-decorator]
            input_signature=[tf.TensorSpec([None], tf.string, "examples")]
        )
        def parse(self, examples: Any) -> dict[str, Any]:
            spec = {"amount": tf.io.FixedLenFeature([], tf.float32)}
            return {"total": 2 * tf.io.parse_example(examples, spec)["amount"]}

        @tf.function(  # type: ignore[untyped-decorator]
            input_signature=[tf.TensorSpec([None], tf.float32, "amount")]
        )
        def serve(self, amount: Any) -> dict[str, Any]:
            return {"total": 2 * amount}

    folder = tmp_path_factory.mktemp("saved") / "model"
    module = Doubles()
    signatures = {"serving_default": module.serve, "parse": module.parse}
    tf.saved_model.save(module, str(folder), signatures=signatures)
    return folder


@pytest.fixture(scope="module")
def served(serve: Callable[..., Served], saved_model: Path) -> Served:
    """A server with that model, that answers as TensorFlow Serving does."""
    return serve(saved_model, name="candidate")


def requests(signature: str | None) -> Requests:
    """Two records."""
    batch = pa.RecordBatch.from_arrays([pa.array([1.5, 4.0], pa.float32())], names=["amount"])
    return Requests(batch, batch.to_pylist(), signature)


@pytest.mark.heavy
@pytest.mark.slow
def test_a_container_is_started_asked_measured_and_removed(
    tmp_path: Path, saved_model: Path, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If it fails, validation in Docker does not work, or leaves containers behind."""
    record = tmp_path / "record"
    command = tmp_path / "bin" / "docker"
    command.parent.mkdir()
    address = served.process.url.removeprefix("http://")
    command.write_text(DOCKER.format(python=sys.executable, record=str(record), address=address))
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{command.parent}{os.pathsep}{os.environ['PATH']}")
    docker = LocalDocker(client_base_url="unix:///run/other.sock")
    candidate = DockerCandidate(str(saved_model), "candidate", "tensorflow/serving:2.16.1", docker)
    candidate.start()
    loaded = candidate.wait_ready(60)
    assert loaded.load_seconds > 0
    body = candidate.encode(requests(None))
    asked = json.loads(body)
    assert asked == {
        "signature_name": "serving_default",
        "instances": [{"amount": 1.5}, {"amount": 4.0}],
    }
    assert candidate.ask(body) == [3.0, 8.0]
    assert candidate.memory_bytes() == int(123.5 * 2**20)
    candidate.stop()
    calls = [json.loads(line) for line in record.read_text().splitlines()]
    assert {host for _, host in calls} == {"unix:///run/other.sock"}
    container = calls[0][0][calls[0][0].index("--name") + 1]
    assert ["docker", *calls[0][0]] == docker_run_command(
        "tensorflow/serving:2.16.1", container, str(saved_model), "candidate"
    )
    assert calls[-1][0] == ["rm", "--force", container]
    missing = DockerCandidate(str(saved_model), "candidate", "tensorflow/serving:0.1", docker)
    with pytest.raises(ServerFailed, match="Unable to find image") as failure:
        missing.start()
    assert failure.value.loaded is None


@pytest.mark.heavy
def test_examples_are_sent_to_a_signature_that_parses_them(saved_model: Path) -> None:
    """If it fails, TensorFlow Serving gets features where it wants whole examples."""
    import tensorflow as tf

    body = json.loads(SavedModelRequests(str(saved_model)).encode(requests("parse")))
    assert body["signature_name"] == "parse"
    example = tf.train.Example.FromString(base64.b64decode(body["instances"][0]["b64"]))
    assert example.features.feature["amount"].float_list.value[:] == [1.5]


def test_the_docker_command_serves_on_loopback_and_changes_nothing() -> None:
    """If it fails, a candidate is reachable from outside, or can change its own files."""
    command = " ".join(docker_run_command("tensorflow/serving:2.16.1", "c1", "/data/m", "taxi"))
    assert command == (
        "docker run --rm --detach --name c1 --publish 127.0.0.1::8501 "
        "--mount type=bind,source=/data/m,target=/models/taxi/1,readonly "
        "--env MODEL_NAME=taxi tensorflow/serving:2.16.1"
    )


SETTINGS = Kubernetes.model_validate(
    {
        "service_account_name": "reader",
        "active_deadline_seconds": 600,
        "serving_pod_overrides": {
            "annotations": {"a": "b"},
            "env": [
                {"name": "X", "value": "1"},
                {"name": "Y", "value_from": {"secret_key_ref": {"name": "s", "key": "k"}}},
            ],
        },
        "namespace": "ml",
        "model_volume_claim": "models",
        "model_mount_path": "/mnt/models",
    }
)


def test_the_pod_manifest() -> None:
    """If it fails, the pod does not find the model, or gets rights it should not have."""
    found = pod_manifest("p1", "tensorflow/serving:2.16.1", "/mnt/models/x", "taxi", SETTINGS)
    assert found["metadata"]["annotations"] == {"a": "b"}
    (container,) = found["spec"].pop("containers")
    assert container["env"] == [
        {"name": "MODEL_NAME", "value": "taxi"},
        {"name": "MODEL_BASE_PATH", "value": "/mnt/models/x"},
        {"name": "X", "value": "1"},
        {"name": "Y", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
    ]
    assert container["volumeMounts"] == [
        {"name": "model", "mountPath": "/mnt/models", "readOnly": True}
    ]
    assert found["spec"] == {
        "restartPolicy": "Never",
        "activeDeadlineSeconds": 600,
        "serviceAccountName": "reader",
        "volumes": [
            {
                "name": "model",
                "persistentVolumeClaim": {"claimName": "models", "readOnly": True},
            }
        ],
    }


def test_a_model_that_a_pod_cannot_read_is_told_beforehand() -> None:
    """If it fails, a pod is started that waits for a model in vain."""
    for settings in (Kubernetes(), SETTINGS):
        with pytest.raises(ParameterError, match="a pod cannot read the model"):
            pod_candidate.check_reachable("/home/me/pipeline/blessing/.models", settings, "node")
    pod_candidate.check_reachable("/mnt/models/pipeline/.models", SETTINGS, "node")
    pod_candidate.check_reachable("s3://bucket/pipeline/.models", Kubernetes(), "node")


class Cluster(BaseHTTPRequestHandler):
    """Keeps pods; each runs at once, at 127.0.0.1."""

    pods: dict[str, Any] = {}
    seen: list[str] = []

    def do_POST(self) -> None:
        pod = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        pod["status"] = {"phase": "Running", "podIP": "127.0.0.1"}
        self.pods[pod["metadata"]["name"]] = pod
        self._answer(201, pod)

    def do_GET(self) -> None:
        pod = self.pods.get(self.path.rpartition("/")[2])
        self._answer(200 if pod else 404, pod or {"kind": "Status", "code": 404})

    def do_DELETE(self) -> None:
        pod = self.pods.pop(self.path.rpartition("/")[2].partition("?")[0], None)
        self._answer(200 if pod else 404, pod or {"kind": "Status", "code": 404})

    def _answer(self, status: int, body: Any) -> None:
        self.seen.append(f"{self.command} {self.path}")
        sent = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(sent)))
        self.end_headers()
        self.wfile.write(sent)

    def log_message(self, *arguments: Any) -> None:
        """Says nothing."""


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Cluster]]:
    """A cluster that the environment's kubeconfig leads to."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Cluster)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_address[1]}"
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "clusters": [{"name": "c", "cluster": {"server": url}}],
        "users": [{"name": "u", "user": {}}],
        "contexts": [{"name": "test", "context": {"cluster": "c", "user": "u"}}],
    }
    (tmp_path / "kubeconfig").write_text(json.dumps(config))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    yield Cluster
    server.shutdown()
    server.server_close()


@pytest.mark.heavy
@pytest.mark.slow
def test_a_pod_is_started_asked_and_deleted(
    tmp_path: Path,
    saved_model: Path,
    served: Served,
    cluster: type[Cluster],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """If it fails, validation on Kubernetes does not work, or leaves pods behind."""
    port = int(served.process.url.rpartition(":")[2])
    monkeypatch.setattr(pod_candidate, "REST_PORT", port)
    settings = SETTINGS.model_copy(update={"model_mount_path": str(tmp_path)})
    models = tmp_path / "blessing" / ".models"
    candidate = PodCandidate(
        str(saved_model), str(models), "candidate", "tensorflow/serving:2.16.1", settings, "node"
    )
    candidate.start()
    assert (models / "candidate" / "1" / "saved_model.pb").exists()
    (pod,) = cluster.pods.values()
    assert pod["spec"]["containers"][0]["image"] == "tensorflow/serving:2.16.1"
    candidate.wait_ready(60)
    assert candidate.ask(candidate.encode(requests(None))) == [3.0, 8.0]
    assert candidate.memory_bytes() is None
    candidate.stop()
    assert cluster.pods == {}
    assert not models.exists()
    assert cluster.seen[0] == "POST /api/v1/namespaces/ml/pods"
    candidate.stop()
