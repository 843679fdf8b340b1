# SPDX-License-Identifier: Apache-2.0
"""A candidate in TensorFlow Serving, in a pod of a Kubernetes cluster.

The pod must be able to read the model: by a URL (`gs://`, `s3://`) with the rights of its
service account, or from a volume that is mounted at the same path here and there. It is
reached by its own address, so this works from inside the cluster, as TFX's does.
"""

from __future__ import annotations

import os
import time
import uuid
from typing import Any

from ...utils import storage
from ...utils.errors import ParameterError
from .candidate_server import Loaded
from .infra_specs import Kubernetes
from .server_process import NotReady, ServerFailed
from .tensorflow_serving_client import REST_PORT, ServedSavedModel, wait_until_loaded

_POLL_S = 0.5
_IN_CLUSTER = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"


def pod_manifest(
    pod: str, image: str, models: str, model_name: str, settings: Kubernetes
) -> dict[str, Any]:
    """The pod that serves a model.

    Args:
        pod: Its name.
        image: The image of TensorFlow Serving.
        models: Folder with `<model_name>/<version>/` in it, as the pod sees it.
        model_name: The model's name in the server.
        settings: The rest.
    """
    overrides = settings.serving_pod_overrides
    container: dict[str, Any] = {
        "name": "model-server",
        "image": image,
        "ports": [{"containerPort": REST_PORT}],
        # What the image's own start script reads.
        "env": [
            {"name": "MODEL_NAME", "value": model_name},
            {"name": "MODEL_BASE_PATH", "value": models},
            *(_variable(each.name, each.value, each.value_from) for each in overrides.env),
        ],
    }
    specification: dict[str, Any] = {
        "containers": [container],
        "restartPolicy": "Never",
        "activeDeadlineSeconds": settings.active_deadline_seconds,
    }
    if settings.service_account_name:
        specification["serviceAccountName"] = settings.service_account_name
    if settings.model_volume_claim:
        container["volumeMounts"] = [
            {"name": "model", "mountPath": settings.model_mount_path, "readOnly": True}
        ]
        claim = {"claimName": settings.model_volume_claim, "readOnly": True}
        specification["volumes"] = [{"name": "model", "persistentVolumeClaim": claim}]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": pod,
            "labels": {"app": "penstock-infra-validator"},
            "annotations": dict(overrides.annotations),
        },
        "spec": specification,
    }


class PodCandidate(ServedSavedModel):
    """Serves one SavedModel in a pod.

    Args:
        folder: The model's folder.
        models: A folder that the pod can read: a URL, or a path below `model_mount_path`.
            The model is copied below it as long as the pod lives.
        model_name: Its name in the server.
        image: The image.
        settings: The cluster.
        node: Id of the node, for messages.

    Raises:
        ParameterError: A pod could not read the model.
    """

    def __init__(
        self,
        folder: str,
        models: str,
        model_name: str,
        image: str,
        settings: Kubernetes,
        node: str,
    ) -> None:
        self.name = f"{image} on Kubernetes"
        check_reachable(models, settings, node)
        super().__init__(folder, model_name)
        self._pod = f"penstock-infra-{uuid.uuid4().hex[:12]}"
        self._manifest = pod_manifest(self._pod, image, models, model_name, settings)
        self._folder = folder
        self._models = models
        self._namespace = settings.namespace
        self._api: Any = None
        self._began = 0.0

    def start(self) -> None:
        """See `CandidateServer`."""
        target = storage.join(self._models, self._model_name, "1")
        storage.copy_tree(self._folder, target)
        self._began = time.monotonic()
        self._api, own = _connect()
        self._namespace = self._namespace or own
        self._call(self._api.create_namespaced_pod, self._namespace, self._manifest)

    def wait_ready(self, timeout_s: float) -> Loaded:
        """See `CandidateServer`."""
        deadline = self._began + timeout_s
        address = self._address(deadline)
        shown = f"[{address}]" if ":" in address else address
        url = f"http://{shown}:{REST_PORT}"
        self._client = wait_until_loaded(url, self._model_name, deadline, self._ended)
        return Loaded(time.monotonic() - self._began, None)

    def memory_bytes(self) -> int | None:
        """Unknown: only a cluster with a metrics server could tell."""
        return None

    def stop(self) -> None:
        """See `CandidateServer`."""
        self.hang_up()
        storage.remove_tree(self._models)
        if self._api is None:
            return
        from kubernetes.client.exceptions import ApiException

        try:
            self._api.delete_namespaced_pod(self._pod, self._namespace, grace_period_seconds=0)
        except ApiException as error:
            if error.status != 404:
                raise

    def _address(self, deadline: float) -> str:
        while True:
            ended = self._ended()
            if ended:
                raise ServerFailed("the pod ended", got=ended, location=self._pod)
            pod = self._call(self._api.read_namespaced_pod, self._pod, self._namespace)
            if pod.status.phase == "Running" and pod.status.pod_ip:
                return str(pod.status.pod_ip)
            if time.monotonic() >= deadline:
                raise NotReady(
                    "the pod is not running in time", got=pod.status.phase, location=self._pod
                )
            time.sleep(_POLL_S)

    def _ended(self) -> str:
        status = self._call(self._api.read_namespaced_pod, self._pod, self._namespace).status
        if status.phase not in ("Failed", "Succeeded"):
            return ""
        return f"{status.phase}: {status.reason or ''} {status.message or ''}".strip()

    def _call(self, function: Any, *arguments: Any) -> Any:
        from kubernetes.client.exceptions import ApiException
        from urllib3.exceptions import HTTPError

        try:
            return function(*arguments)
        except (ApiException, HTTPError) as error:
            raise ServerFailed(
                "the cluster refuses or does not answer",
                got=str(error)[:500],
                location=f"pod {self._pod}",
            ) from error


def check_reachable(location: str, settings: Kubernetes, node: str) -> None:
    """Refuses a model that a pod could not read.

    Raises:
        ParameterError: It lies in a folder of this machine that is on no named volume.
    """
    if not storage.is_local(location):
        return
    mounted = settings.model_mount_path.rstrip("/")
    if settings.model_volume_claim and mounted and location.startswith(mounted + "/"):
        return
    raise ParameterError(
        "a pod cannot read the model",
        node=node,
        expected="a pipeline root at a URL (gs://, s3://), or on a volume that "
        "serving_spec.kubernetes names by model_volume_claim and model_mount_path",
        got=location,
        fix="put the pipeline root where the cluster can read it",
    )


def _connect() -> tuple[Any, str]:
    """(API client, namespace of the current context)."""
    from kubernetes import client, config

    try:
        config.load_incluster_config()
        with open(_IN_CLUSTER, encoding="utf-8") as file:
            return client.CoreV1Api(), file.read().strip()
    except (config.ConfigException, OSError):
        # The library looks at the environment only once, when it is imported.
        path = os.environ.get("KUBECONFIG") or None
        try:
            config.load_kube_config(path)
            _, active = config.list_kube_config_contexts(path)
        except config.ConfigException as error:
            raise ServerFailed(
                "there is no connection to a Kubernetes cluster",
                expected="to run in one, or a kubeconfig",
                got=str(error),
                fix="set KUBECONFIG, or leave serving_spec out to validate in KServe's server",
            ) from None
    return client.CoreV1Api(), str(active["context"].get("namespace", "default"))


def _variable(name: str, value: str, value_from: dict[str, Any] | None) -> dict[str, Any]:
    if value_from is None:
        return {"name": name, "value": value}
    # The manifest's names are in camel case, those of the parameter as TFX has them.
    return {"name": name, "valueFrom": {_camel(key): each for key, each in value_from.items()}}


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)
