# SPDX-License-Identifier: Apache-2.0
# mypy: ignore-errors
# ruff: noqa: F821
"""The part of a DAG file, as text, by which tasks are pods."""

from __future__ import annotations

# --- imports ---
from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from kubernetes.client import models as k8s

# --- code ---


class NodeTask(Approvable, KubernetesPodOperator):
    """Runs one node by `penstock node run`, in a pod that holds Penstock."""

    operator_extra_links = LINKS

    def __init__(self, *, node_retries=0, resources_of_node=None, **settings):
        if resources_of_node:
            settings["container_resources"] = k8s.V1ResourceRequirements(**resources_of_node)
        super().__init__(**settings)
        self.node_retries = node_retries
        self.artifact_uri = None

    def execute(self, context):
        """Waits for the pod, then ends as the node ended."""
        # Where the pod itself fails, the message ends with the last lines that it printed.
        return conclude(self, context, find_outcome(super().execute(context)), None)


def node_command(command):
    """The arguments by which an operator runs a node; its outcome goes to the sidecar."""
    path = "/airflow/xcom/return.json"
    # A node that says how it failed has ended; a pod that fails has been killed, or the like.
    wrapped = f"mkdir -p /airflow/xcom; {command} > {path} || test -s {path}"
    return {**plain_command(wrapped), "do_xcom_push": True}


def plain_command(command):
    """The arguments by which an operator runs any command."""
    volumes = [
        k8s.V1Volume(
            name=f"volume-{number}",
            persistent_volume_claim=k8s.V1PersistentVolumeClaimVolumeSource(claim_name=claim),
        )
        for number, claim in enumerate(CLAIMS.values())
    ]
    mounts = [
        k8s.V1VolumeMount(name=f"volume-{number}", mount_path=path)
        for number, path in enumerate(CLAIMS)
    ]
    return {
        "cmds": ["sh", "-c"],
        "arguments": [command],
        "env_vars": ENV,
        "env_from": [
            k8s.V1EnvFromSource(secret_ref=k8s.V1SecretEnvSource(name=name)) for name in SECRETS
        ],
        "volumes": volumes,
        "volume_mounts": mounts,
        "termination_message_policy": "FallbackToLogsOnError",
        **PLACE,
    }


PlainTask = KubernetesPodOperator
