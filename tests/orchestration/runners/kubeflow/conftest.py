# SPDX-License-Identifier: Apache-2.0
"""Running compiled pipelines by Kubeflow's own local orchestrator."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from penstock.orchestration.runners.kubeflow.kubeflow_dag_runner import KubeflowDagRunner
from penstock.orchestration.runners.kubeflow.pod_settings import ClaimVolume, PodSettings

pytest.importorskip("kfp")

IMAGE = "penstock:test"


@dataclass
class LocalKubeflow:
    """KFP's local orchestrator. A container's command runs as a process, without its image.

    Attributes:
        folder: Where it keeps what tasks tell it.
        go_on: It stops at the first task that fails, where Argo goes on with those that do
            not depend on it, and with the exit task. If set, it is told that all went well,
            so that those that do depend on it have to see by themselves that they cannot run.
        commands: What ran.
        failed: What of it failed.
    """

    folder: Path
    patch: pytest.MonkeyPatch
    go_on: bool = False
    commands: list[list[str]] = field(default_factory=list)
    failed: list[list[str]] = field(default_factory=list)

    def start(self) -> None:
        from kfp import local
        from kfp.local import config, status, subprocess_task_handler

        seen = self

        class ContainerAsProcess(subprocess_task_handler.SubprocessTaskHandler):  # type: ignore[misc]
            def __init__(self, image: str, full_command: list[str], **_: Any) -> None:
                assert (image, full_command[0]) == (IMAGE, "python")
                self.command = [sys.executable, *full_command[1:]]

            def run(self) -> Any:
                seen.commands.append(self.command)
                if subprocess.run(self.command, cwd=seen.folder).returncode:
                    seen.failed.append(self.command)
                    if not seen.go_on:
                        return status.Status.FAILURE
                return status.Status.SUCCESS

        self.patch.setattr(subprocess_task_handler, "SubprocessTaskHandler", ContainerAsProcess)
        self.patch.setattr(config.LocalExecutionConfig, "instance", None)
        self.folder.mkdir(exist_ok=True)
        local.init(local.SubprocessRunner(use_venv=False), pipeline_root=str(self.folder))

    def run(self, path: str, parameters: dict[str, Any], run_id: str) -> Any:
        """Runs a compiled pipeline; returns the pipeline's task, with its outputs.

        Raises:
            RuntimeError: A task failed.
        """
        from kfp import components
        from kfp.local import placeholder_utils

        self.patch.setattr(placeholder_utils, "make_random_id", lambda: run_id)
        return components.load_component_from_file(path)(**parameters)


@pytest.fixture
def kubeflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalKubeflow:
    """KFP's local orchestrator."""
    made = LocalKubeflow(tmp_path / "kfp", monkeypatch)
    made.start()
    return made


@pytest.fixture
def deploy(tmp_path: Path) -> Callable[..., KubeflowDagRunner]:
    """Makes runners whose pods share the test's folder."""

    def make(**settings: Any) -> KubeflowDagRunner:
        shared = PodSettings(volumes=[ClaimVolume(claim="shared", mount_path=str(tmp_path))])
        pod = settings.pop("pod", PodSettings()).over(shared)
        given = {"image": IMAGE, "metadata": str(tmp_path / "metadata.sqlite"), **settings}
        return KubeflowDagRunner(pod=pod, **given)

    return make


def container_command(path: str, task: str, run_id: str, outputs: Path) -> list[str]:
    """The command of one task's container, with what Kubeflow would tell it."""
    import yaml

    spec = next(iter(yaml.safe_load_all(Path(path).read_text(encoding="utf-8"))))
    container = spec["deploymentSpec"]["executors"][f"exec-{task}"]["container"]
    declared = spec["components"][f"comp-{task}"].get("outputDefinitions", {}).get("artifacts", {})
    told = {
        "inputs": {"parameterValues": {"penstock_run_id": run_id}},
        "outputs": {
            "outputFile": str(outputs / "output.json"),
            "artifacts": {
                name: {"artifacts": [{"name": name, "uri": f"s3://kfp/{run_id}/{name}"}]}
                for name in declared
            },
        },
    }
    arguments = [json.dumps(told) if word == "{{$}}" else word for word in container["args"]]
    return [sys.executable, *container["command"][1:], *arguments]


@pytest.fixture
def command_of(tmp_path: Path) -> Callable[[str, str, str], list[str]]:
    """Makes the command of one task's container."""
    return lambda path, task, run_id: container_command(path, task, run_id, tmp_path)
