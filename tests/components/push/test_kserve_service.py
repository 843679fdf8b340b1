# SPDX-License-Identifier: Apache-2.0
"""InferenceServices: what is written, and what a cluster's API server is sent."""

from __future__ import annotations

import dataclasses
import http.server
import json
import re
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from penstock.components.base.artifact_types import Model, PushedModel
from penstock.components.base.channel import Channel
from penstock.components.base.executor import Task
from penstock.components.push import kserve_service
from penstock.components.push.kserve_service import Pushed, manifest, service_name, storage_uri
from penstock.components.push.push_destination import KServe
from penstock.components.push.pusher import Pusher
from penstock.components.push.pusher_executor import PusherExecutor
from penstock.utils import storage
from penstock.utils.errors import ExecutionError, ParameterError

PUSHED = Pushed("churn", "1.2.0", "1700000000", "d" * 64, "s3://b/m/1700000000", "s3://b/m", "r")


class Cluster(http.server.ThreadingHTTPServer):
    """As much of a Kubernetes API server as keeps InferenceServices."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Api)
        self.objects: dict[str, dict[str, Any]] = {}
        self.refuses = 0


class Api(http.server.BaseHTTPRequestHandler):
    server: Cluster

    def do_GET(self) -> None:
        found = self.server.objects.get(self.path)
        self.answer(200 if found else 404, found or {"message": "not found"})

    def do_POST(self) -> None:
        sent = self.sent()
        place = self.path.partition("?")[0] + "/" + sent["metadata"]["name"]
        self.server.objects[place] = sent
        self.answer(201, sent)

    def do_PATCH(self) -> None:
        place = self.path.partition("?")[0]
        self.server.objects[place] = {**self.server.objects[place], **self.sent()}
        self.answer(200, self.server.objects[place])

    def sent(self) -> Any:
        return json.loads(self.rfile.read(int(self.headers["Content-Length"])))

    def answer(self, code: int, body: Any) -> None:
        data = json.dumps(body).encode()
        self.send_response(self.server.refuses or code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *arguments: Any) -> None:
        del arguments


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """A cluster that this process is configured for."""
    with Cluster() as found:
        thread = threading.Thread(target=found.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        configuration = {
            "apiVersion": "v1", "kind": "Config", "current-context": "here",
            "clusters": [
                {"name": "c", "cluster": {"server": f"http://127.0.0.1:{found.server_port}"}}
            ],
            "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u"}}],
            "users": [{"name": "u", "user": {}}],
        }  # fmt: skip
        path = tmp_path / "kubeconfig"
        path.write_text(yaml.safe_dump(configuration))
        # Read when the library is imported, which another test may have done.
        import kubernetes.config.kube_config as kube_config

        monkeypatch.setattr(kube_config, "KUBE_CONFIG_DEFAULT_LOCATION", str(path))
        yield found
        found.shutdown()
        thread.join(10)


def push(tmp_path: Path, destination: dict[str, Any], text: str = "m", **parameters: Any) -> Any:
    """Pushes a small model; gives the pushed artifact."""
    folder = tmp_path / uuid.uuid4().hex
    (folder / "model" / "Format-Serving").mkdir(parents=True)
    (folder / "model" / "Format-Serving" / "saved_model.pb").write_text(text)
    (folder / "pushed").mkdir()
    task = Task(
        inputs={"model": [Model(str(folder / "model"), id=7)]},
        outputs={"pushed_model": [PushedModel(str(folder / "pushed"))]},
        parameters={"push_destination": destination, **parameters},
        pipeline_name="churn",
    )
    PusherExecutor().execute(task)
    return task.outputs["pushed_model"][0]


@pytest.mark.heavy
def test_manifest_is_what_kserves_own_client_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cluster would refuse it, or ignore a field that is spelt otherwise."""
    import kserve.models
    from kubernetes.client import ApiClient, models

    settings = KServe(
        runtime="r", protocol="v2", service_account="s", min_replicas=1, max_replicas=3,
        resources={"limits": {"cpu": "1"}},
    )  # fmt: skip
    made = manifest(settings, PUSHED, "xgboost", "s3://b/m")

    class Answer:
        data = json.dumps(made)

    # The client looks for classes among Kubernetes' own, to which KServe's do not belong.
    for name in dir(kserve.models):
        if name.startswith("V1") and not hasattr(models, name):
            monkeypatch.setattr(models, name, getattr(kserve.models, name), raising=False)
    client = ApiClient()
    read = client.deserialize(Answer, "V1beta1InferenceService")
    assert isinstance(read, kserve.V1beta1InferenceService)
    # What it does not know, it drops; and it sets a container's name, empty where there is none.
    written = client.sanitize_for_serialization(read)
    assert written["spec"]["predictor"]["model"].pop("name") == ""
    assert written == made
    unknown = json.loads(json.dumps(made).replace("storageUri", "storageURI"))
    Answer.data = json.dumps(unknown)
    again = client.sanitize_for_serialization(client.deserialize(Answer, "V1beta1InferenceService"))
    assert "storageURI" not in again["spec"]["predictor"]["model"]


def test_manifest_names_model_version_and_place() -> None:
    """Nobody could tell from the cluster which model it serves."""
    made = manifest(KServe(), PUSHED, "tensorflow", "s3://b/m")
    assert made["apiVersion"] == "serving.kserve.io/v1beta1"
    assert made["metadata"]["name"] == "churn"
    assert made["metadata"]["labels"]["penstock.dev/version"] == "1.2.0"
    assert made["metadata"]["annotations"]["penstock.dev/number"] == "1700000000"
    assert made["spec"]["predictor"]["model"] == {
        "modelFormat": {"name": "tensorflow"}, "storageUri": "s3://b/m",
    }  # fmt: skip


#: Fields of `serving.kserve.io/v1beta1` that a manifest may have, with their types, as the
#: CustomResourceDefinition has them; `*` stands for names that are the user's.
_CRD = {
    "apiVersion": str,
    "kind": str,
    "metadata.name": str,
    "metadata.namespace": str,
    "metadata.labels.*": str,
    "metadata.annotations.*": str,
    "spec.predictor.minReplicas": int,
    "spec.predictor.maxReplicas": int,
    "spec.predictor.serviceAccountName": str,
    "spec.predictor.model.modelFormat.name": str,
    "spec.predictor.model.protocolVersion": str,
    "spec.predictor.model.runtime": str,
    "spec.predictor.model.storageUri": str,
    "spec.predictor.model.resources.limits.*": str,
    "spec.predictor.model.resources.requests.*": str,
}
_OPEN = ("metadata.labels", "metadata.annotations", "spec.predictor.model.resources.limits",
         "spec.predictor.model.resources.requests")  # fmt: skip


def fields(value: Any, place: str = "") -> dict[str, Any]:
    """Values by where they stand in a manifest."""
    if not isinstance(value, dict):
        return {place: value}
    found: dict[str, Any] = {}
    for name, each in value.items():
        found.update(fields(each, f"{place}.{'*' if place in _OPEN else name}".lstrip(".")))
    return found


def test_manifest_has_the_fields_of_the_resource_definition() -> None:
    """A cluster drops a field that it does not know, and nobody is told."""
    settings = KServe(
        runtime="r", protocol="v2", service_account="s", min_replicas=0, max_replicas=3,
        resources={"limits": {"nvidia.com/gpu": "1"}, "requests": {"memory": "2Gi"}},
        annotations={"team": "a"},
    )  # fmt: skip
    odd = dataclasses.replace(PUSHED, name="Churn_2_" + "x" * 53 + "__")
    for made in (manifest(settings, odd, "xgboost", "s3://b/m"),
                 manifest(KServe(), PUSHED, "tensorflow", "s3://b/m")):  # fmt: skip
        for place, value in fields(made).items():
            assert type(value) is _CRD[place], place
        assert set(made) == {"apiVersion", "kind", "metadata", "spec"}
        assert made["spec"]["predictor"]["model"]["modelFormat"]["name"]
        for label in made["metadata"]["labels"].values():
            assert re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?", label), label


def test_tensorflow_gets_a_folder_of_one_version(monkeypatch: pytest.MonkeyPatch) -> None:
    """TensorFlow Serving finds no version in a version's own folder, and would not start."""
    base = f"memory://kserve-{uuid.uuid4().hex}"
    storage.write_text_atomic(f"{base}/17/saved_model.pb", "m")
    pushed = Pushed("churn", "1.2.0", "17", "d", f"{base}/17", base, "r")
    with pytest.raises(ParameterError, match="cannot load a model from there"):
        storage_uri(KServe(), pushed, "tensorflow", "Pusher")
    # A bucket that is in this process stands for one that KServe reaches.
    monkeypatch.setattr(kserve_service, "_SCHEMES", ("memory://",))
    uri = storage_uri(KServe(), pushed, "tensorflow", "Pusher")
    monkeypatch.undo()
    assert [file.path for file in storage.list_files(uri)] == ["17/saved_model.pb"]
    asked = KServe(storage_uri="pvc://claim/{name}/{number}/{version}")
    assert storage_uri(asked, pushed, "x", "Pusher") == "pvc://claim/churn/17/1.2.0"


@pytest.mark.parametrize(
    ("model", "name"),
    [("Churn.Model_2", "churn-model-2"), ("2fast", "model-2fast"), ("x" * 90, "x" * 63)],
)
def test_service_is_named_as_kubernetes_wants(model: str, name: str) -> None:
    """The cluster would refuse the name of an ordinary pipeline."""
    assert service_name(KServe(), model) == name


def test_service_is_created_then_changed(cluster: Cluster, tmp_path: Path) -> None:
    """A second push would fail, or not reach the cluster."""
    destination = {
        "filesystem": {"base_directory": str(tmp_path / "serving")},
        "kserve": {"storage_uri": "pvc://claim/{number}", "apply": True, "namespace": "ml"},
    }
    first = push(tmp_path, destination)
    (place,) = cluster.objects
    assert place == "/apis/serving.kserve.io/v1beta1/namespaces/ml/inferenceservices/churn"
    second = push(tmp_path, destination, "other")
    model = cluster.objects[place]["spec"]["predictor"]["model"]
    assert model["storageUri"] == f"pvc://claim/{second.custom_properties['pushed_version']}"
    assert yaml.safe_load(second.custom_properties["kserve_manifest"]) == cluster.objects[place]
    assert first.custom_properties["kserve_manifest"] != second.custom_properties["kserve_manifest"]


def test_candidate_is_not_applied_but_written(cluster: Cluster, tmp_path: Path) -> None:
    """Real traffic would reach a model that nobody released."""
    place = tmp_path / "service.yaml"
    destination = {
        "filesystem": {"base_directory": str(tmp_path / "serving")},
        "kserve": {"storage_uri": "pvc://c", "apply": True, "manifest": str(place)},
    }
    push(tmp_path, destination, stage="candidate")
    assert cluster.objects == {}
    assert yaml.safe_load(place.read_text())["kind"] == "InferenceService"


def test_refusals_say_what_to_do(cluster: Cluster, tmp_path: Path) -> None:
    """A newcomer would get the Kubernetes client's traceback."""
    destination = {"kserve": {"storage_uri": "pvc://c", "apply": True}}
    cluster.refuses = 403
    with pytest.raises(
        ExecutionError, match="the cluster refused the InferenceService: 403"
    ) as caught:
        push(tmp_path, destination)
    assert "kubectl auth can-i" in str(caught.value)
    with pytest.raises(ParameterError, match="cannot load a model from there"):
        push(tmp_path, {"kserve": {}})
    cluster.refuses = 0
    with pytest.raises(ExecutionError, match="cannot be reached"):
        push(tmp_path, {"kserve": {"storage_uri": "pvc://c", "apply": True, "context": "nope"}})


@pytest.mark.parametrize(
    "settings", [{"name": "Has_Capitals"}, {"name": "1st"}, {"protocol": "v3"}, {"nmae": "x"}]
)
def test_wrong_settings_are_refused_when_declared(settings: dict[str, Any]) -> None:
    """The mistake would show only after the training."""
    with pytest.raises(ParameterError, match=r"kserve"):
        Pusher(model=Channel(Model, None, "model"), push_destination={"kserve": settings})


def test_unknown_files_need_a_runtime(tmp_path: Path) -> None:
    """KServe would start a server that cannot load the model."""
    folder = tmp_path / "model" / "Format-Serving"
    folder.mkdir(parents=True)
    (folder / "model.skops").write_text("m")
    (tmp_path / "pushed").mkdir()
    task = Task(
        inputs={"model": [Model(str(tmp_path / "model"))]},
        outputs={"pushed_model": [PushedModel(str(tmp_path / "pushed"))]},
        parameters={"push_destination": {"kserve": {"storage_uri": "pvc://c"}}},
    )
    with pytest.raises(ParameterError, match="no runtime of KServe"):
        PusherExecutor().execute(task)
