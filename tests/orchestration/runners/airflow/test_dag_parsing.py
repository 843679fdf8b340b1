# SPDX-License-Identifier: Apache-2.0
"""DAG files as Airflow reads them, in its own environments, where Penstock is not installed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.airflow_engine import AirflowHome, environment
from support.pipelines import chain, diamond

from penstock import Pipeline
from penstock.components.base.node import Resources
from penstock.orchestration.runners.airflow.airflow_dag_runner import AirflowDagRunner

pytestmark = [pytest.mark.airflow, pytest.mark.slow]

#: What the judges of an import allow, in seconds.
ALLOWED = 0.5

#: Reads a DAG file as Airflow's DAG processor does, which has Airflow's own modules loaded.
READ = """
import importlib.util, json, sys, time
assert importlib.util.find_spec("penstock") is None
try:
    from airflow.dag_processing.dagbag import DagBag
except ImportError:
    from airflow.models import DagBag
    import airflow.models.baseoperator
began = time.perf_counter()
bag = DagBag(sys.argv[1])
took = time.perf_counter() - began
print("ANSWER" + json.dumps({"errors": bag.import_errors, "dags": list(bag.dags), "took": took}))
"""


#: A cluster that does not exist: nothing is sent to it.
NO_CLUSTER = {
    "current-context": "none",
    "contexts": [{"name": "none", "context": {"cluster": "none", "user": "none"}}],
    "clusters": [{"name": "none", "cluster": {"server": "http://127.0.0.1:1"}}],
    "users": [{"name": "none", "user": {}}],
}


def read(home: AirflowHome, dag: str) -> dict[str, Any]:
    """What Airflow makes of a DAG file."""
    said = home.python(READ, dag)
    found: dict[str, Any] = json.loads(said[said.index("ANSWER") + 6 :].splitlines()[0])
    return found


@pytest.fixture(scope="module")
def airflow_3_alone(tmp_path_factory: pytest.TempPathFactory) -> AirflowHome:
    """Airflow 3 without anything running."""
    return AirflowHome(environment("3"), tmp_path_factory.mktemp("airflow-3") / "home")


def long_pipeline(root: Path) -> Pipeline:
    """As many nodes as anybody has."""
    return chain(root, 200)


@pytest.mark.parametrize("release", ["3", "2"])
def test_a_dag_file_is_read_at_once(
    request: pytest.FixtureRequest, tmp_path: Path, release: str
) -> None:
    """If it fails, Airflow's DAG processor is kept busy by reading pipelines."""
    name = "airflow_3_alone" if release == "3" else "airflow_2"
    home: AirflowHome = request.getfixturevalue(name)
    for pipeline in (diamond(tmp_path), long_pipeline(tmp_path)):
        dag = AirflowDagRunner().compile(pipeline, str(tmp_path))
        found = read(home, dag)
        assert (found["errors"], found["dags"]) == ({}, [pipeline.name])
        assert found["took"] < ALLOWED


def containers(place: dict[str, Any], **settings: Any) -> AirflowDagRunner:
    """A runner whose tasks are containers."""
    return AirflowDagRunner(tasks_run_in={"image": "example/penstock:1", **place}, **settings)


def test_docker_tasks_are_what_dockers_provider_runs(
    airflow_3_alone: AirflowHome, tmp_path: Path
) -> None:
    """If it fails, a DAG with Docker tasks cannot be read or starts the wrong container."""
    pipeline = diamond(Path("/data/root"))
    pipeline.find("join").with_policy(resources=Resources(gpu=1))
    runner = containers({"kind": "docker", "mounts": {"/data": "/srv/data"}}, env={"A": "b"})
    dag = runner.compile(pipeline, str(tmp_path))
    assert read(airflow_3_alone, dag)["errors"] == {}
    script = """
import json, sys
from airflow.dag_processing.dagbag import DagBag
task = DagBag(sys.argv[1]).dags["diamond"].get_task("join")
print("ANSWER" + json.dumps([task.entrypoint, task.command, task.environment,
    [dict(m) for m in task.mounts], [dict(d) for d in task.device_requests]]))
"""
    said = airflow_3_alone.python(script, dag)
    entrypoint, command, env, mounts, devices = json.loads(said[said.index("ANSWER") + 6 :])
    assert entrypoint == ["sh", "-c"]
    assert command[0].startswith("penstock node run --node join --ir /penstock/pipeline.json ")
    assert env == {"A": "b"}
    assert [(m["Source"], m["Target"], m["ReadOnly"]) for m in mounts] == [
        ("/srv/data", "/data", False),
        (str(tmp_path / "diamond.json"), "/penstock/pipeline.json", True),
    ]
    assert devices[0]["Count"] == 1


def test_pods_are_what_the_kubernetes_provider_makes(
    airflow_3_alone: AirflowHome, tmp_path: Path
) -> None:
    """If it fails, a DAG with pods cannot be read or asks the cluster for the wrong pod."""
    pipeline = diamond(Path("/data/root"))
    pipeline.find("join").with_policy(resources=Resources(cpu=2, memory_gb=4, gpu=1))
    place = {
        "kind": "kubernetes",
        "namespace": "ml",
        "volume_claims": {"/data": "pipelines"},
        "env_from_secrets": ["store"],
        "node_selector": {"pool": "gpu"},
        "tolerations": [{"key": "gpu", "operator": "Exists", "tolerationSeconds": 5}],
    }
    runner = containers(place, ir="/data/ir/diamond.json", env={"A": "b"})
    dag = runner.compile(pipeline, str(tmp_path))
    assert read(airflow_3_alone, dag)["errors"] == {}
    script = """
import json, sys
from airflow.dag_processing.dagbag import DagBag
from kubernetes.client import ApiClient
task = DagBag(sys.argv[1]).dags["diamond"].get_task("join")
task.kubernetes_conn_id, task.in_cluster, task.config_file = None, False, sys.argv[2]
pod = task.build_pod_request_obj()
print("ANSWER" + json.dumps(ApiClient().sanitize_for_serialization(pod)))
"""
    nobody = tmp_path / "kubeconfig"
    nobody.write_text(json.dumps(NO_CLUSTER))
    said = airflow_3_alone.python(script, dag, str(nobody))
    pod = json.loads(said[said.index("ANSWER") + 6 :].splitlines()[0])
    (container, _sidecar) = pod["spec"]["containers"]
    assert pod["metadata"]["namespace"] == "ml"
    assert container["image"] == "example/penstock:1"
    assert container["command"] == ["sh", "-c"]
    assert "node run --node join --ir /data/ir/diamond.json" in container["args"][0]
    assert {"name": "A", "value": "b"} in container["env"]
    assert container["envFrom"] == [{"secretRef": {"name": "store"}}]
    assert container["resources"] == {
        "requests": {"cpu": "2", "memory": "4096Mi"},
        "limits": {"nvidia.com/gpu": "1"},
    }
    assert container["terminationMessagePolicy"] == "FallbackToLogsOnError"
    mounted = {each["mountPath"]: each["name"] for each in container["volumeMounts"]}
    volumes = {each["name"]: each for each in pod["spec"]["volumes"]}
    assert volumes[mounted["/data"]]["persistentVolumeClaim"] == {"claimName": "pipelines"}
    assert pod["spec"]["nodeSelector"] == {"pool": "gpu"}
    assert pod["spec"]["tolerations"][0]["tolerationSeconds"] == 5
