# SPDX-License-Identifier: Apache-2.0
"""Where a pushed model goes: the parameter that `Pusher` takes.

The field names of `filesystem` are those of TFX's `pusher_pb2.PushDestination`
(https://www.tensorflow.org/tfx/guide/pusher).
"""

from __future__ import annotations

import re
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

Versioning = Literal["AUTO", "UNIX_TIMESTAMP"]

_VERSIONING_BY_NUMBER: dict[int, Versioning] = {0: "AUTO", 1: "UNIX_TIMESTAMP"}

#: What Kubernetes accepts as the name of a service (RFC 1035, up to 63 characters).
_KUBERNETES_NAME = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Filesystem(_Settings):
    """A folder or bucket that a model server watches.

    Attributes:
        base_directory: The folder: a path, or a URL of any kind that fsspec knows (`s3://`,
            `gs://`, …). Each push adds `<base_directory>/<version>/`.
        versioning: How versions are numbered. `AUTO` chooses what suits the destination;
            `UNIX_TIMESTAMP`, the only other kind, is what it chooses for a folder.
    """

    base_directory: str = Field(min_length=1)
    versioning: Versioning = "AUTO"

    @field_validator("versioning", mode="before")
    @classmethod
    def _from_number(cls, value: Any) -> Any:
        # The enum's numbers are what a protocol buffer's text form may hold.
        return _VERSIONING_BY_NUMBER.get(value, value) if isinstance(value, int) else value


class KServe(_Settings):
    """An `InferenceService` of KServe (https://kserve.github.io/website/).

    Attributes:
        name: Name of the service; made from the registered name by default.
        namespace: Namespace it lives in.
        storage_uri: Where the cluster finds the model, with `{number}` for the number of the
            pushed version; by default the pushed folder itself, which must be a URL that
            KServe can load from.
        model_format: Name of KServe's model format; by default it follows from the files.
        runtime: The serving runtime; chosen by KServe by default.
        protocol: `v1` or `v2`, of requests.
        service_account: Service account of the pods, for credentials of the bucket.
        min_replicas: Pods at least; 0 lets it sleep.
        max_replicas: Pods at most.
        resources: Requests and limits of the container, as Kubernetes writes them.
        annotations: More annotations of the service.
        apply: Whether to apply the manifest to the cluster of the current Kubernetes
            configuration. Else it is only written.
        manifest: File to write the manifest to, besides the copy in the pushed artifact.
        context: Context of the Kubernetes configuration; the current one by default.
    """

    name: str | None = None
    namespace: str = "default"
    storage_uri: str | None = None
    model_format: str | None = None
    runtime: str | None = None
    protocol: Literal["v1", "v2"] | None = None
    service_account: str | None = None
    min_replicas: int | None = Field(default=None, ge=0)
    max_replicas: int | None = Field(default=None, ge=0)
    resources: dict[str, dict[str, str]] = {}
    annotations: dict[str, str] = {}
    apply: bool = False
    manifest: str | None = None
    context: str | None = None

    @field_validator("name", "namespace")
    @classmethod
    def _named_as_kubernetes_wants(cls, value: str | None) -> str | None:
        if value is not None and not _KUBERNETES_NAME.fullmatch(value):
            raise ValueError(
                "must be lower-case letters, digits and '-', beginning with a letter, "
                "63 characters at most"
            )
        return value


class Webhook(_Settings):
    """A web server that is told of each push by a POST of JSON.

    Attributes:
        url: Where to post to.
        secret_env: Name of the environment variable that holds the secret with which the
            body is signed; without it, nothing is signed.
        headers: More headers. Do not put secrets here: parameters are recorded.
        timeout_s: Seconds to wait for an answer.
        retries: How often to try again where there is no answer, or one that means "later"
            (408, 425, 429 and 5xx).
        retry_delay_s: Seconds before the first retry; doubled before each one after it.
    """

    url: str
    secret_env: str | None = None
    headers: dict[str, str] = {}
    timeout_s: float = Field(default=10.0, gt=0)
    retries: int = Field(default=4, ge=0, le=20)
    retry_delay_s: float = Field(default=0.5, ge=0)

    @field_validator("url")
    @classmethod
    def _is_http(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("must be an http:// or https:// URL")
        if parts.username or parts.password:
            raise ValueError("must hold no password: parameters are recorded; use secret_env")
        return value

    @field_validator("secret_env")
    @classmethod
    def _is_a_variable(cls, value: str | None) -> str | None:
        if value is not None and not _VARIABLE.fullmatch(value):
            raise ValueError("must be the name of an environment variable, not the secret")
        return value


class PushDestination(_Settings):
    """Where to push to: one place, or several, which are reached in this order.

    Attributes:
        filesystem: A folder or bucket in TensorFlow Serving's layout.
        kserve: A service on Kubernetes. It loads what was pushed to `filesystem`, or else the
            copy below the pipeline's root.
        webhook: A web server that is told when all else is done.
    """

    filesystem: Filesystem | None = None
    kserve: KServe | None = None
    webhook: Webhook | None = None

    @model_validator(mode="after")
    def _goes_somewhere(self) -> PushDestination:
        if not (self.filesystem or self.kserve or self.webhook):
            raise ValueError("needs filesystem, kserve or webhook")
        return self
