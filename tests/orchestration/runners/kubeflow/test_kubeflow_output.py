# SPDX-License-Identifier: Apache-2.0
"""What Kubeflow is told of what a node put out."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support import pipelines, soundness
from support.interruptible import invent

from penstock import MetadataStore, Pipeline
from penstock.components.analyze.evaluation_summary import SliceMetrics, Verdict, write_summary
from penstock.orchestration.metadata.records import ArtifactState, RunState
from penstock.orchestration.runners.kubeflow.executor_output import executor_output
from penstock.orchestration.runners.kubeflow.kfp_names import KfpArtifact

pytestmark = pytest.mark.kubeflow

pytest.importorskip("kfp")

Commands = Callable[[str, str, str], list[str]]


def _document(node: str, state: str = "complete", **outputs: Any) -> dict[str, Any]:
    return {"node": node, "state": state, "reason": "why", "execution": 7, "outputs": outputs}


def _artifact(uri: str, type_name: str = "Model", **properties: Any) -> dict[str, Any]:
    return {"type": type_name, "uri": uri, "id": 3, "name": "", "properties": {},
            "custom_properties": properties}  # fmt: skip


def _expected(*keys: str) -> dict[str, Any]:
    found = {key: {"artifacts": [{"name": key, "uri": f"s3://kfp/run/{key}"}]} for key in keys}
    return {"outputs": {"artifacts": found}}


def _told(output: dict[str, Any], key: str) -> Any:
    """What Kubeflow's own message says of an artifact."""
    from google.protobuf import json_format
    from kfp.pipeline_spec import pipeline_spec_pb2

    message = json_format.ParseDict(output, pipeline_spec_pb2.ExecutorOutput())
    return json_format.MessageToDict(message)["artifacts"][key]["artifacts"][0]


def test_artifacts_are_told_with_place_and_properties() -> None:
    """If it fails, Kubeflow's pages show artifacts without where they are and what they are."""
    declared = [KfpArtifact("model", "Trainer", "model", "system.Model")]
    documents = {"Trainer": _document("Trainer", model=[_artifact("/mnt/m/1", flavor="keras")])}
    told = _told(executor_output(documents, declared, _expected("model")), "model")
    assert told["uri"] == "/mnt/m/1"
    assert told["metadata"]["flavor"] == "keras"
    assert told["metadata"]["uri"] == "/mnt/m/1"
    assert (told["metadata"]["type"], told["metadata"]["execution_id"]) == ("Model", 7)


def test_artifacts_in_object_stores_keep_the_place_kubeflow_allots() -> None:
    """If it fails, Kubeflow fails every task whose root is on S3 or Google's storage."""
    declared = [KfpArtifact("model", "T", "model", "system.Model")]
    documents = {"T": _document("T", model=[_artifact("gs://b/m/1"), _artifact("gs://b/m/2")])}
    told = _told(executor_output(documents, declared, _expected("model")), "model")
    assert told["uri"] == "s3://kfp/run/model"
    assert told["metadata"]["uri"] == "gs://b/m/1"
    assert told["metadata"]["uris"] == ["gs://b/m/1", "gs://b/m/2"]


def test_skipped_nodes_say_so() -> None:
    """If it fails, a node that was skipped looks in Kubeflow as if it had put something out."""
    declared = [KfpArtifact("model", "T", "model", "system.Model")]
    output = executor_output({"T": _document("T", "skipped")}, declared, _expected("model"))
    assert _told(output, "model")["metadata"] == {"node": "T", "state": "skipped", "reason": "why"}


def test_evaluations_are_told_as_metrics(tmp_path: Path) -> None:
    """If it fails, Kubeflow's run comparison has no numbers."""
    write_summary(
        str(tmp_path),
        10,
        {},
        [
            SliceMetrics({}, "all rows", {"auc": 0.7, "loss": None}, {"auc": 0.6}, {"auc": 0.1}),
            SliceMetrics({"p": "x"}, "p: x", {"auc": 0.8}),
        ],
        Verdict(True, True),
    )
    declared = [KfpArtifact("evaluation_metrics", "E", "evaluation", "system.Metrics")]
    documents = {"E": _document("E", evaluation=[_artifact(str(tmp_path), "ModelEvaluation")])}
    output = executor_output(documents, declared, _expected("evaluation_metrics"))
    assert _told(output, "evaluation_metrics")["metadata"] == {
        "auc": 0.7,
        "baseline auc": 0.6,
        "change auc": 0.1,
        "auc (p: x)": 0.8,
    }


def test_evaluation_that_cannot_be_read_fails_no_task(tmp_path: Path) -> None:
    """If it fails, a published evaluation is followed by a failed task."""
    declared = [KfpArtifact("m", "E", "evaluation", "system.Metrics")]
    gone = _artifact(str(tmp_path / "gone"), "ModelEvaluation")
    output = executor_output({"E": _document("E", evaluation=[gone])}, declared, _expected("m"))
    assert not _told(output, "m")["metadata"]


def test_kubeflow_shows_what_the_store_has(
    tmp_path: Path, kubeflow: Any, deploy: Callable[..., Any]
) -> None:
    """If it fails, Kubeflow and the metadata store tell different stories of a run."""
    pipeline = Pipeline("one", str(tmp_path / "root"), [pipelines.start(word="w")])
    told: dict[str, Any] = {}
    path = deploy().compile(pipeline, str(tmp_path / "p.yaml"))
    kubeflow.run(path, {}, "run1")
    (file,) = (tmp_path / "kfp").glob("*/start/executor_output.json")
    for name, found in json.loads(file.read_text())["artifacts"].items():
        told[name] = found["artifacts"][0]
    with MetadataStore(str(tmp_path / "metadata.sqlite")) as store:
        (execution,) = store.run_executions("run1", with_artifacts=True)
        run = store.get_run("run1")
    assert run.state is RunState.COMPLETE
    for name, (artifact,) in execution.outputs.items():
        assert told[name]["uri"] == artifact.uri
        assert told[name]["metadata"]["content_digest"] == artifact.content_digest
    assert told["length"]["metadata"]["state"] == "complete"


def test_failed_container_fails_the_run(
    tmp_path: Path, kubeflow: Any, deploy: Callable[..., Any], command_of: Commands
) -> None:
    """If it fails, Kubeflow takes a failed node for a good one, or its run is never ended."""
    pipeline = pipelines.unreliable(tmp_path / "root", tmp_path / "marker", 9, 0)
    path = deploy().compile(pipeline, str(tmp_path / "p.yaml"))
    with pytest.raises(RuntimeError, match="fail-until"):
        kubeflow.run(path, {}, "run1")
    with MetadataStore(str(tmp_path / "metadata.sqlite")) as store:
        assert store.get_run("run1").state is RunState.RUNNING
    # What Argo runs when the others have ended, and the local orchestrator leaves out.
    subprocess.run(command_of(path, "run-end", "run1"), check=True)
    with MetadataStore(str(tmp_path / "metadata.sqlite")) as store:
        run = store.get_run("run1")
    assert run.state is RunState.FAILED
    assert "fail_until: " in run.error


@pytest.mark.kill
def test_killed_container_is_made_good(
    tmp_path: Path, deploy: Callable[..., Any], command_of: Commands
) -> None:
    """If it fails, a pod that is evicted leaves half an artifact, or two where one belongs."""
    root = tmp_path / "root"
    pipeline = Pipeline("killed", str(root), [invent(seed=1)])
    path = deploy().compile(pipeline, str(tmp_path / "p.yaml"))
    command = command_of(path, "invent", "run1")
    first = subprocess.Popen(command, start_new_session=True)
    deadline = time.monotonic() + 60
    while not list(root.glob("invent/pieces/*/*")):
        assert first.poll() is None and time.monotonic() < deadline
        time.sleep(0.005)
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    # Kubeflow starts the container again.
    subprocess.run(command, check=True)
    subprocess.run(command_of(path, "run-end", "run1"), check=True)
    setting = tmp_path / "metadata.sqlite"
    assert soundness.incomplete_artifacts(root, setting) == []
    assert soundness.remains(root, setting) == []
    with MetadataStore(str(setting)) as store:
        live = [a for a in store.list_artifacts(limit=None) if a.state is ArtifactState.LIVE]
        assert store.get_run("run1").state is RunState.COMPLETE
    assert len(live) == 1


@pytest.mark.kill
def test_stopped_container_says_so(
    tmp_path: Path, deploy: Callable[..., Any], command_of: Commands
) -> None:
    """If it fails, terminating a run in Kubeflow leaves nodes that seem to run for ever."""
    root = tmp_path / "root"
    pipeline = Pipeline("stopped", str(root), [invent(seed=2)])
    path = deploy().compile(pipeline, str(tmp_path / "p.yaml"))
    container = subprocess.Popen(command_of(path, "invent", "run1"))
    deadline = time.monotonic() + 60
    while not list(root.glob("invent/pieces/*/*")):
        assert container.poll() is None and time.monotonic() < deadline
        time.sleep(0.005)
    container.terminate()
    assert container.wait(60) != 0
    with MetadataStore(str(tmp_path / "metadata.sqlite")) as store:
        (execution,) = store.run_executions("run1")
    assert execution.state.value == "canceled"
