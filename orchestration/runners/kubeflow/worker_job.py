# SPDX-License-Identifier: Apache-2.0
"""The indexed Job in which a node's workers run, as far as it is known at compile time.

It is written out whole rather than made by an operator, so that a cluster needs none: what
`PyTorchJob`, `TFJob` or `TrainJob` would add, namely who is who, Penstock tells the workers
itself. Names, the number of pods and the execution's folder are added when it is started
(`launch/workers/kubernetes_job`).
"""

from __future__ import annotations

from typing import Any

from ...ir import NodeIR
from ...launch.workers.kubernetes_job import PORT
from ...launch.workers.process_start import worker_variables
from .pod_settings import PodSettings

COMMAND = ("python", "-m", "penstock.orchestration.launch.workers.job_member")

#: Variables by which a pod knows itself, with where Kubernetes has them.
OWNER_ENV = {"PENSTOCK_POD_NAME": "metadata.name", "PENSTOCK_POD_UID": "metadata.uid"}

#: For so long, in seconds, a Job that nobody deleted can be looked at.
_KEPT = 3600


def launching_pod(pod: PodSettings, general: PodSettings) -> PodSettings:
    """Settings of the pod that starts the Job: it needs its own name, but no special machine.

    Args:
        pod: Settings of the node's pods.
        general: Settings of all pods.
    """
    return pod.model_copy(
        update={
            "field_env": {**pod.field_env, **OWNER_ENV},
            "node_selector": general.node_selector,
            "tolerations": general.tolerations,
        }
    )


def worker_job(node: NodeIR, pod: PodSettings, image: str) -> dict[str, Any]:
    """The manifest of a node's Job, without names.

    Args:
        node: The node, whose policy has several workers.
        pod: Settings of its pods.
        image: Their image.
    """
    container: dict[str, Any] = {
        "name": "worker",
        "image": image,
        "command": list(COMMAND),
        "env": _env(pod),
        "ports": [{"name": "workers", "containerPort": PORT}],
        "resources": _resources(node, pod),
    }
    if mounts := [mount for mount, _ in _volumes(pod)]:
        container["volumeMounts"] = mounts
    if pod.image_pull_policy:
        container["imagePullPolicy"] = pod.image_pull_policy
    spec: dict[str, Any] = {
        "restartPolicy": "Never",
        "containers": [container],
        "volumes": [volume for _, volume in _volumes(pod)],
        "nodeSelector": dict(pod.node_selector),
        "tolerations": [
            _toleration(taint.model_dump(exclude_none=True)) for taint in pod.tolerations
        ],
        "imagePullSecrets": [{"name": name} for name in pod.image_pull_secrets],
    }
    meta = {
        "labels": dict(pod.labels),
        # A service mesh would hold the workers' connections up, and its pods never end.
        "annotations": {"sidecar.istio.io/inject": "false", **pod.annotations},
    }
    workers = node.policy.resources.workers
    # Should the launcher vanish, with its pod left behind.
    limit = node.policy.timeout_s
    deadline = {} if limit is None else {"activeDeadlineSeconds": max(1, round(limit))}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "spec": {
            "completionMode": "Indexed",
            "completions": workers,
            "parallelism": workers,
            # Workers live and die together; whoever tries again starts another Job.
            "backoffLimit": 0,
            **deadline,
            "ttlSecondsAfterFinished": _KEPT,
            "template": {"metadata": _filled(meta), "spec": _filled(spec)},
        },
    }


def _filled(parts: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in parts.items() if value}


def _env(pod: PodSettings) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {"name": name, "value": value}
        for name, value in sorted({**worker_variables(), **pod.env}.items())
    ]
    found += [
        {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}
        for name, path in sorted(pod.field_env.items())
    ]
    for source, kind in ((pod.secret_env, "secretKeyRef"), (pod.config_map_env, "configMapKeyRef")):
        found += [
            {"name": variable, "valueFrom": {kind: {"name": each.name, "key": key}}}
            for each in source
            for key, variable in sorted(each.keys.items())
        ]
    return found


def _resources(node: NodeIR, pod: PodSettings) -> dict[str, Any]:
    wanted = node.policy.resources
    requests = {"cpu": f"{round(wanted.cpu * 1000)}m"}
    limits: dict[str, str] = {}
    if wanted.memory_gb:
        requests["memory"] = limits["memory"] = f"{round(wanted.memory_gb * 1024)}Mi"
    if wanted.gpu:
        requests[pod.gpu_type] = limits[pod.gpu_type] = str(wanted.gpu)
    return _filled({"requests": requests, "limits": limits})


def _volumes(pod: PodSettings) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Each volume with its place in the container."""
    sources: list[tuple[str, dict[str, Any]]] = [
        (each.mount_path, {"persistentVolumeClaim": {"claimName": each.claim}})
        for each in pod.volumes
    ]
    for each in pod.secret_volumes:
        secret = {"secretName": each.name, "optional": each.optional}
        sources.append((each.mount_path, {"secret": secret}))
    for each in pod.config_map_volumes:
        config = {"name": each.name, "optional": each.optional}
        sources.append((each.mount_path, {"configMap": config}))
    for folder in pod.empty_dirs:
        empty = {"medium": folder.medium, "sizeLimit": folder.size_limit}
        sources.append((folder.mount_path, {"emptyDir": _filled(empty)}))
    # Not named after what they are: a claim's name may be no name for a volume.
    return [
        ({"name": f"v{number}", "mountPath": path}, {"name": f"v{number}", **source})
        for number, (path, source) in enumerate(sources)
    ]


def _toleration(taint: dict[str, Any]) -> dict[str, Any]:
    seconds = taint.pop("seconds", None)
    return {**taint, **({"tolerationSeconds": seconds} if seconds is not None else {})}
