# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from support.runner_contract import Ran, RunnerContract

from penstock import Pipeline
from penstock.components.base.container_executor import ENGINE_VARIABLE
from penstock.orchestration.runners.kubeflow.pod_settings import PodSettings

pytestmark = [pytest.mark.kubeflow, pytest.mark.slow]


class TestKubeflow(RunnerContract):
    """Compiled pipelines, run by KFP's own local orchestrator."""

    @pytest.fixture(autouse=True)
    def _engine(self, kubeflow: Any, deploy: Callable[..., Any], tmp_path: Path) -> None:
        kubeflow.go_on = True
        self._kubeflow, self._deploy, self._folder = kubeflow, deploy, tmp_path

    def run(
        self,
        pipeline: Pipeline,
        *,
        parameters: Mapping[str, Any] | None = None,
        resume: str | None = None,
    ) -> Ran:
        root = Path(str(pipeline.root))
        root.mkdir(parents=True, exist_ok=True)
        metadata = str(root / "metadata.sqlite")
        engine = os.environ.get(ENGINE_VARIABLE)
        pod = PodSettings(env={ENGINE_VARIABLE: engine} if engine else {})
        # The local orchestrator starts no failed container again.
        runner = self._deploy(metadata=metadata, pod=pod, retries_by="penstock")
        path = runner.compile(pipeline, str(self._folder / "pipeline.yaml"))
        # A run that is tried again keeps its id in Kubeflow.
        run_id = resume or secrets.token_hex(8)
        self._kubeflow.run(path, dict(parameters or {}), run_id)
        return Ran(run_id, metadata)
