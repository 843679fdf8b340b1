# SPDX-License-Identifier: Apache-2.0
"""The little of Kubernetes's API that starting worker jobs takes, from inside a pod.

Plain HTTP: an image for training needs no client library for it.
"""

from __future__ import annotations

import json
import os
import ssl
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from typing import Any

from ....utils.errors import ExecutionError

#: Address of the API where it is not that of the cluster, such as that of `kubectl proxy`.
API_VARIABLE = "PENSTOCK_KUBERNETES_API"
NAMESPACE_VARIABLE = "PENSTOCK_KUBERNETES_NAMESPACE"

_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
_TIMEOUT = 30.0


class KubernetesApi:
    """Talks to the API of one cluster, in one namespace.

    Args:
        address: URL of the API.
        namespace: The namespace.
        account: Folder with the service account's `token` and `ca.crt`; empty for none.
    """

    def __init__(self, address: str, namespace: str, account: str = "") -> None:
        self.address = address.rstrip("/")
        self.namespace = namespace
        self._account = account
        self._context = (
            ssl.create_default_context(cafile=os.path.join(account, "ca.crt")) if account else None
        )

    @classmethod
    def from_pod(cls) -> KubernetesApi:
        """As the pod that this process runs in sees it.

        Raises:
            ExecutionError: It runs in no pod, or its pod has no service account.
        """
        proxy = os.environ.get(API_VARIABLE)
        if proxy:
            return cls(proxy, os.environ.get(NAMESPACE_VARIABLE, "default"))
        host = os.environ.get("KUBERNETES_SERVICE_HOST")
        try:
            with open(os.path.join(_ACCOUNT, "namespace"), encoding="utf-8") as file:
                namespace = file.read().strip()
        except OSError:
            namespace = ""
        if not host or not namespace:
            raise ExecutionError(
                "worker jobs are started from inside a cluster",
                expected="a pod with a service account",
                got="no KUBERNETES_SERVICE_HOST" if not host else f"nothing in {_ACCOUNT}",
                fix=f"elsewhere: kubectl proxy, and {API_VARIABLE}=http://localhost:8001",
            )
        name = f"[{host}]" if ":" in host else host
        port = os.environ.get("KUBERNETES_SERVICE_PORT", "443")
        return cls(f"https://{name}:{port}", namespace, _ACCOUNT)

    def create(self, manifest: Mapping[str, Any]) -> dict[str, Any]:
        """Creates a Job or a Service; the object as the cluster has it."""
        return self._send("POST", self._path(str(manifest["kind"])), manifest)

    def job(self, name: str) -> dict[str, Any]:
        """A Job."""
        return self._send("GET", f"{self._path('Job')}/{name}")

    def listed(self, kind: str, selector: str) -> list[dict[str, Any]]:
        """Jobs, Services or Pods with labels."""
        path = f"{self._path(kind)}?{urllib.parse.urlencode({'labelSelector': selector})}"
        return list(self._send("GET", path).get("items", ()))

    def delete(self, kind: str, name: str) -> None:
        """Deletes a Job with its pods, or a Service; one that is not there, too."""
        options = {
            "kind": "DeleteOptions",
            "apiVersion": "v1",
            "propagationPolicy": "Foreground",
            "gracePeriodSeconds": 0,
        }
        self._send("DELETE", f"{self._path(kind)}/{name}", options, absent={})

    def _path(self, kind: str) -> str:
        group = "apis/batch/v1" if kind == "Job" else "api/v1"
        return f"/{group}/namespaces/{self.namespace}/{kind.lower()}s"

    def _send(
        self, method: str, path: str, body: Any = None, *, absent: Any = None
    ) -> dict[str, Any]:
        request = urllib.request.Request(self.address + path, method=method)
        request.add_header("Accept", "application/json")
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            request.add_header("Content-Type", "application/json")
        if self._account:
            # Read each time: the cluster replaces it every hour.
            with open(os.path.join(self._account, "token"), encoding="utf-8") as file:
                request.add_header("Authorization", f"Bearer {file.read().strip()}")
        try:
            with urllib.request.urlopen(
                request, data, timeout=_TIMEOUT, context=self._context
            ) as answer:
                return dict(json.load(answer))
        except urllib.error.HTTPError as error:
            if error.code == 404 and absent is not None:
                return dict(absent)
            raise self._refused(method, path, error) from None
        except (urllib.error.URLError, OSError, ValueError) as error:
            raise ExecutionError(
                "Kubernetes does not answer",
                expected=f"its API at {self.address}",
                got=f"{method} {path}: {error}",
            ) from None

    def _refused(self, method: str, path: str, error: urllib.error.HTTPError) -> ExecutionError:
        said = error.read().decode(errors="replace")
        try:
            said = str(json.loads(said)["message"])
        except (ValueError, KeyError, TypeError):
            said = said[:500]
        rights = error.code in (401, 403)
        return ExecutionError(
            f"Kubernetes refused to {'let worker jobs be started' if rights else 'obey'}",
            expected="a service account that may create, get, list and delete jobs, services "
            "and pods" if rights else None,
            got=f"{method} {path}: {error.code} {said}",
            fix="kubectl apply -f the Role in docs/kubeflow.md" if rights else None,
        )  # fmt: skip
