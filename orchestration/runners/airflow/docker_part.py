# SPDX-License-Identifier: Apache-2.0
# mypy: ignore-errors
# ruff: noqa: F821
"""The part of a DAG file, as text, by which tasks are Docker containers."""

from __future__ import annotations

# --- imports ---
from airflow.providers.docker.operators.docker import DockerOperator
from docker.types import DeviceRequest, Mount

# --- code ---


class NodeTask(Approvable, DockerOperator):
    """Runs one node by `penstock node run`, in a container that holds Penstock."""

    operator_extra_links = LINKS

    def __init__(self, *, node_retries=0, gpus=0, **settings):
        if gpus:
            settings["device_requests"] = [DeviceRequest(count=gpus, capabilities=[["gpu"]])]
        super().__init__(**settings)
        self.node_retries = node_retries
        self.artifact_uri = None

    def execute(self, context):
        """Waits for the container, then ends as the node ended."""
        said, failure = None, None
        try:
            said = super().execute(context)
        except AirflowException as error:
            said, failure = getattr(error, "logs", None), error
        return conclude(self, context, find_outcome(said), failure)


def node_command(command):
    """The arguments by which an operator runs a node; all that it says is kept."""
    return {**plain_command(command), "xcom_all": True}


def plain_command(command):
    """The arguments by which an operator runs any command."""
    mounts = [
        Mount(target, source, type="bind", read_only=read_only)
        for target, source, read_only in MOUNTS
    ]
    settings = {"entrypoint": ["sh", "-c"], "command": [command], "environment": ENV}
    return {**settings, "mounts": mounts, "mount_tmp_dir": False, "auto_remove": "force", **PLACE}


PlainTask = DockerOperator
