# SPDX-License-Identifier: Apache-2.0
"""A node's workers as pods, in a cluster whose pods are processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("kubernetes")

from support.golden import check_golden
from support.kubernetes_cluster import NAMESPACE, Cluster, kubernetes_cluster

from penstock.orchestration.launch.workers import kubernetes_job
from penstock.orchestration.launch.workers.kubernetes_api import KubernetesApi
from penstock.orchestration.launch.workers.kubernetes_job import KubernetesJobWorker
from penstock.orchestration.launch.workers.messages import WorkSpec
from penstock.utils.errors import (
    Cancelled,
    DataError,
    ExecutionError,
    NodeTimeout,
    WorkerDied,
)

pytestmark = pytest.mark.kubeflow

Make = Callable[..., WorkSpec]

TEMPLATE = {
    "apiVersion": "batch/v1",
    "kind": "Job",
    "spec": {
        "completionMode": "Indexed",
        "backoffLimit": 0,
        "template": {
            "metadata": {"labels": {"team": "forecasts"}},
            "spec": {
                "restartPolicy": "Never",
                "containers": [
                    {
                        "name": "worker",
                        "image": "project:1",
                        "command": [
                            "python", "-m", "penstock.orchestration.launch.workers.job_member"
                        ],
                    }
                ],
            },
        },
    },
}  # fmt: skip


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """A cluster whose pods find the tests' executors."""
    with kubernetes_cluster(PYTHONPATH=os.pathsep.join(sys.path)) as found:
        yield found


@pytest.fixture
def worker(cluster: Cluster) -> KubernetesJobWorker:
    """Starts jobs there."""
    api = KubernetesApi(cluster.url, NAMESPACE)
    return KubernetesJobWorker(TEMPLATE, api=api, poll_s=0.05)


@pytest.fixture
def group_spec(make_spec: Make, tmp_path: Path) -> Make:
    """Makes the spec of a group's execution."""

    def make(workers: int, **do: str) -> WorkSpec:
        ranks = {name.removeprefix("w"): what for name, what in do.items()}
        spec = make_spec(
            "Writer", output=True, parameters={"do": ranks}, work_dir=str(tmp_path / "work")
        )
        changes: dict[str, Any] = {"node_id": "My.Trainer", "execution_id": 7}
        return replace(spec, executor="support.group_executors:Group", workers=workers, **changes)

    return make


def test_pods_do_the_work_together(
    worker: KubernetesJobWorker, cluster: Cluster, group_spec: Make, tmp_path: Path
) -> None:
    """If it fails, pods do not find each other, or the wrong one's outputs are published."""
    spec = group_spec(2, w0="meet", w1="meet")
    heard: list[str] = []
    result = worker.execute(spec, on_progress=lambda done, total, note: heard.append(note))
    assert result.properties["rank"] == 0 and result.properties["size"] == 2
    (out,) = result.output_artifacts()["out"]
    assert Path(out.uri, "rank.txt").read_text() == "0" and out.content_digest
    assert "rank 0 was here" in (tmp_path / "logs" / "node.log").read_text()
    assert "rank 1 was here" in (tmp_path / "logs" / "node.worker-1.log").read_text()
    assert not cluster.jobs and not cluster.services, "they outlived their execution"


def test_manifests_are_what_was_looked_at(
    group_spec: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If it fails, what Kubernetes is given has changed: read the difference."""
    monkeypatch.setenv("PENSTOCK_POD_NAME", "churn-trainer-1")
    monkeypatch.setenv("PENSTOCK_POD_UID", "0f3c")
    spec = group_spec(2)
    name = kubernetes_job.job_name(spec)
    made = kubernetes_job.manifests(TEMPLATE, name, spec, "/mnt/work/7/job")
    text = json.dumps(made, indent=1, sort_keys=True) + "\n"
    check_golden(Path(__file__).parent / "golden" / "worker_job.json", text)
    assert "metadata" not in TEMPLATE, "the template was changed"
    # With the index behind it, a host name of at most 63 letters.
    long = replace(spec, node_id="An.Inner.Pipeline." + "Trainer" * 9)
    assert len(kubernetes_job.job_name(long)) <= 55
    assert kubernetes_job.job_name(replace(spec, execution_id=8)) != name


@pytest.mark.kill
def test_a_dead_pod_is_blamed_and_ends_the_job(
    worker: KubernetesJobWorker, cluster: Cluster, group_spec: Make,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """If it fails, a pod out of memory is told as another's lost connection, or not at all."""
    monkeypatch.setattr(kubernetes_job, "_LAST_ANSWER", 1.0)
    with pytest.raises(WorkerDied, match=r"worker 1 of 2: its pod died \(OOMKilled") as caught:
        worker.execute(group_spec(2, w0="miss", w1="die"))
    assert "rank 1 was here" in str(caught.value.got)
    assert "memory_gb" in str(caught.value.fix)
    assert not cluster.jobs and not cluster.pods


def test_errors_come_back_as_they_were(
    worker: KubernetesJobWorker, group_spec: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If it fails, what a user reads is that some pod failed."""
    monkeypatch.setattr(kubernetes_job, "_LAST_ANSWER", 0.5)
    with pytest.raises(DataError) as caught:
        worker.execute(group_spec(2, w0="serve", w1="fail"))
    assert caught.value.what == "worker 1 of 2: the data are bad"


def test_a_job_left_by_a_killed_launcher_is_ended_first(
    worker: KubernetesJobWorker, cluster: Cluster, group_spec: Make
) -> None:
    """If it fails, pods of an evicted attempt write checkpoints beside those of the next."""
    spec = group_spec(2, w0="serve", w1="serve")
    folder = kubernetes_job.JobFolder(os.path.join(spec.work_dir, "old"))
    folder.give(spec, [f"old-{rank}.old:2222" for rank in range(2)])
    for manifest in kubernetes_job.manifests(TEMPLATE, "old", spec, folder.path):
        cluster.create(manifest)
    left = cluster.pods["old"]
    worker.execute(replace(spec, parameters={}, execution_id=8))
    assert all(process is not None and process.poll() is not None for process in left)


def test_stopping_and_timeouts_end_the_job(
    worker: KubernetesJobWorker, cluster: Cluster, group_spec: Make
) -> None:
    """If it fails, a terminated run goes on using the cluster's GPUs."""
    cancel = threading.Event()
    threading.Timer(0.5, cancel.set).start()
    with pytest.raises(Cancelled):
        worker.execute(group_spec(2, w0="serve"), cancel=cancel)
    with pytest.raises(NodeTimeout, match=r"0\.5 seconds"):
        worker.execute(group_spec(2, w0="serve"), timeout=0.5)
    assert not cluster.jobs and not cluster.services


def test_what_pods_wait_for_is_told(
    worker: KubernetesJobWorker, cluster: Cluster, group_spec: Make,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """If it fails, asking for more GPUs than the cluster has hangs without a word."""
    cluster.full = True
    monkeypatch.setattr(kubernetes_job, "_LONGEST_WAIT", 0.3)
    heard: list[str] = []
    with pytest.raises(ExecutionError, match="2 of 2 workers cannot start") as caught:
        worker.execute(group_spec(2), on_progress=lambda done, total, note: heard.append(note))
    assert "Insufficient nvidia.com/gpu" in str(caught.value.got)
    assert "Insufficient nvidia.com/gpu" in heard[0]


def test_work_goes_on_while_the_api_is_away(
    worker: KubernetesJobWorker, cluster: Cluster, group_spec: Make
) -> None:
    """If it fails, an upgrade of the control plane ends hours of training."""
    cluster.away_after_creation = 3
    assert worker.execute(group_spec(2, w0="meet", w1="meet")).properties["size"] == 2
    assert cluster.away_after_creation == 0, "it was never away"


def test_workers_end_when_the_launcher_is_gone(tmp_path: Path) -> None:
    """If it fails, pods train on for nobody once the launcher's machine is lost."""
    code = (
        "import sys, time, threading\n"
        "from penstock.orchestration.launch.workers import job_member\n"
        "from penstock.orchestration.launch.workers.job_folder import JobFolder\n"
        "job_member._LONGEST_SILENCE, job_member._LOOK_EVERY = 0.6, 0.05\n"
        "folder = JobFolder(sys.argv[1])\n"
        "folder.beat(0)\n"
        "threading.Thread(target=job_member._watch_launcher, args=(folder,), daemon=True).start()\n"
        "for number in range(10):\n"
        "    time.sleep(0.1)\n"
        "    folder.beat(number)\n"
        "print('heard', flush=True)\n"
        "time.sleep(60)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)
    assert (done.returncode, done.stdout) == (1, "heard\n"), done.stderr
    assert "the launcher is gone" in done.stderr


def test_missing_rights_are_named(
    worker: KubernetesJobWorker, cluster: Cluster, group_spec: Make,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """If it fails, a newcomer meets a bare HTTP error."""
    cluster.refuse = True
    with pytest.raises(ExecutionError, match="refused to let worker jobs be started") as caught:
        worker.execute(group_spec(2))
    assert caught.value.node == "My.Trainer" and "forbidden" in str(caught.value.got)
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(ExecutionError, match="from inside a cluster"):
        KubernetesJobWorker(TEMPLATE).execute(group_spec(2))
