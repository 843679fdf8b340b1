# SPDX-License-Identifier: Apache-2.0
"""Nodes with several workers on Kubeflow: the Job that is compiled, and one that runs."""

from __future__ import annotations

import csv
import json
import os
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from support import shared_training
from support.golden import check_golden

from penstock import CsvExampleGen, MetadataStore, Pipeline, Resources, Trainer
from penstock.orchestration.runners.kubeflow.kubeflow_dag_runner import KubeflowDagRunner
from penstock.orchestration.runners.kubeflow.pod_settings import (
    ClaimVolume,
    EmptyDir,
    KeysAsEnv,
    KeysAsVolume,
    PodSettings,
    Toleration,
)
from penstock.utils.errors import ParameterError

pytestmark = pytest.mark.kubeflow

pytest.importorskip("kfp")

from support.kubernetes_cluster import (  # noqa: E402
    NAMESPACE,
    kubernetes_cluster,
    strictly_read,
)

HERE = Path(__file__).parent
STORE = "postgresql://penstock@metadata:5432/metadata"

GENERAL = PodSettings(
    env={"LANG": "C.UTF-8"},
    secret_env=[KeysAsEnv(name="metadata", keys={"password": "PENSTOCK_METADATA_PASSWORD"})],
    config_map_env=[KeysAsEnv(name="proxies", keys={"http": "HTTP_PROXY"})],
    volumes=[ClaimVolume(claim="penstock", mount_path="/mnt/penstock")],
    config_map_volumes=[KeysAsVolume(name="settings", mount_path="/settings")],
    secret_volumes=[KeysAsVolume(name="s3", mount_path="/secrets/s3", optional=True)],
    node_selector={"pool": "cpu"},
    image_pull_policy="IfNotPresent",
    image_pull_secrets=["registry"],
)
OWN = PodSettings(
    empty_dirs=[EmptyDir(name="shm", mount_path="/dev/shm", medium="Memory", size_limit="2Gi")],
    node_selector={"pool": "gpu"},
    tolerations=[Toleration(key="nvidia.com/gpu", operator="Exists", seconds=60)],
    labels={"team": "forecasts"},
    annotations={"note": "made by Penstock"},
    field_env={"POD_IP": "status.podIP"},
)


def training(root: str, data: str, **settings: Any) -> Pipeline:
    """Ingest, and a Trainer with two workers."""
    examples = CsvExampleGen(input_base=data)
    trainer = Trainer(
        examples=examples.outputs["examples"],
        run_fn=shared_training.run_plain,
        distribution="multi_worker_mirrored",
        train_args={"num_steps": 6},
        custom_config=settings.pop("custom_config", {}),
    ).with_policy(resources=Resources(workers=2, **settings))
    return Pipeline("training", root, [examples, trainer])


def words_of(path: str, task: str) -> list[str]:
    """The arguments of a task's container."""
    spec = next(iter(yaml.safe_load_all(Path(path).read_text(encoding="utf-8"))))
    found: list[str] = spec["deploymentSpec"]["executors"][f"exec-{task}"]["container"]["args"]
    return found


def test_golden_worker_job(tmp_path: Path) -> None:
    """If it fails, the Job that trains has changed, or Kubernetes does not know what is in it."""
    runner = KubeflowDagRunner(
        image="project:1", metadata=STORE, pod=GENERAL, nodes={"Trainer": OWN}
    )
    pipeline = training("/mnt/penstock/churn", "/mnt/penstock/data", cpu=4, memory_gb=8, gpu=1)
    path = runner.compile(pipeline, str(tmp_path / "p.yaml"))
    words = words_of(path, "trainer")
    job = json.loads(words[words.index("--worker-job") + 1])
    check_golden(HERE / "golden" / "worker_job.yaml", yaml.safe_dump(job, sort_keys=True))
    read = strictly_read(job, "V1Job")
    (container,) = read.spec.template.spec.containers
    assert container.resources.limits == {"memory": "8192Mi", "nvidia.com/gpu": "1"}
    mounted = {mount.name for mount in container.volume_mounts}
    assert mounted == {volume.name for volume in read.spec.template.spec.volumes}
    assert "--worker-job" not in words_of(path, "csvexamplegen")


def test_the_launching_pod_takes_no_gpu(tmp_path: Path) -> None:
    """If it fails, a GPU idles beside each distributed training, or the Job has no owner."""
    runner = KubeflowDagRunner(
        image="project:1", metadata=STORE, pod=GENERAL, nodes={"Trainer": OWN}
    )
    pipeline = training("/mnt/penstock/churn", "/mnt/penstock/data", cpu=4, memory_gb=8, gpu=1)
    path = runner.compile(pipeline, str(tmp_path / "p.yaml"))
    spec, platform = yaml.safe_load_all(Path(path).read_text())
    container = spec["deploymentSpec"]["executors"]["exec-trainer"]["container"]
    assert "accelerator" not in container["resources"]
    assert container["resources"]["resourceCpuRequest"] == "250m"
    pod = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]["exec-trainer"]
    assert pod["nodeSelector"]["labels"] == {"pool": "cpu"} and "tolerations" not in pod
    fields = {each["name"]: each["fieldPath"] for each in pod["fieldPathAsEnv"]}
    assert fields["PENSTOCK_POD_UID"] == "metadata.uid"


def test_workers_need_a_file_system_in_common(tmp_path: Path) -> None:
    """If it fails, pods start and cannot find what they are to do."""
    runner = KubeflowDagRunner(image="project:1", metadata=STORE)
    with pytest.raises(ParameterError, match="2 workers of Trainer have to share"):
        runner.compile(training("s3://bucket/x", "s3://bucket/d"), str(tmp_path / "p.yaml"))


@pytest.mark.heavy
@pytest.mark.slow
def test_worker_job_trains(
    tmp_path: Path,
    kubeflow: Any,
    deploy: Callable[..., KubeflowDagRunner],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """If it fails, a distributed training does not run on Kubeflow though it does locally."""
    pytest.importorskip("tensorflow")
    data = tmp_path / "data"
    data.mkdir()
    numbers = random.Random(1)
    with open(data / "rows.csv", "w", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["a", "b", "c", "d", "y"])
        table.writerows([[numbers.random() for _ in range(4)] + [n % 2] for n in range(120)])
    curve = tmp_path / "curve.json"
    pipeline = training(
        str(tmp_path / "root"), str(data), custom_config={"curve": str(curve), "die": None}
    )
    path = deploy().compile(pipeline, str(tmp_path / "p.yaml"))
    with kubernetes_cluster(PYTHONPATH=os.pathsep.join(sys.path)) as cluster:
        monkeypatch.setenv("PENSTOCK_KUBERNETES_API", cluster.url)
        monkeypatch.setenv("PENSTOCK_KUBERNETES_NAMESPACE", NAMESPACE)
        monkeypatch.setenv("PENSTOCK_POD_NAME", "training-trainer-1")
        monkeypatch.setenv("PENSTOCK_POD_UID", "0f3c")
        kubeflow.run(path, {}, "r1")
        kinds = [each["kind"] for each in cluster.created]
        owners = [each["metadata"]["ownerReferences"][0]["uid"] for each in cluster.created]
        assert (kinds, owners) == (["Service", "Job"], ["0f3c", "0f3c"])
        assert not cluster.jobs and not cluster.services
    assert len(json.loads(curve.read_text())) == 6
    with MetadataStore(str(tmp_path / "metadata.sqlite")) as store:
        found = store.node_execution("r1", "Trainer")
        assert found is not None and found.succeeded
        assert found.results["steps"] == 6
        (model,) = store.outputs_of(found.id)["model"]
    assert Path(model.uri, "Format-Serving", "saved_model.pb").exists()
    assert Path(model.uri) == tmp_path / "root" / "Trainer" / "model" / str(found.id)
