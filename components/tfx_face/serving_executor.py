# SPDX-License-Identifier: Apache-2.0
"""Validates a model's serving where the server that a pipeline asks for cannot be had."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ...utils.logs import get_logger
from ..base.artifact import PropertyValue
from ..base.executor import Task
from ..serve.infra_validator_executor import InfraValidatorExecutor

_log = get_logger(__name__)


class TfxInfraValidatorExecutor(InfraValidatorExecutor):
    """Starts KServe's server where Docker is asked for, and there is none."""

    def execute(self, task: Task) -> Mapping[str, PropertyValue]:
        """See the native one."""
        spec = task.parameters.get("serving_spec") or {}
        docker = spec.get("local_docker")
        if docker is None or _answers(docker):
            return super().execute(task)
        _log.warning(
            "%s: no Docker answers here, to run TensorFlow Serving; "
            "the model is validated in KServe's server instead",
            task.node_id,
        )
        name = spec.get("model_name")
        changed = {"model_name": name} if name else {}
        return super().execute(
            replace(task, parameters={**task.parameters, "serving_spec": changed})
        )


def _answers(settings: Mapping[str, Any]) -> bool:
    """Whether there is a Docker whose daemon answers."""
    program = shutil.which("docker")
    if program is None:
        return False
    where = settings.get("client_base_url")
    command = [program, *(["--host", where] if where else []), "version"]
    limit = settings.get("client_timeout_seconds") or 60
    try:
        asked = subprocess.run(command, capture_output=True, timeout=limit, check=False)
    except subprocess.TimeoutExpired:
        return False
    return asked.returncode == 0
