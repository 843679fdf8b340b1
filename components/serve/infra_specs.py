# SPDX-License-Identifier: Apache-2.0
"""What an InfraValidator is told: which server, which requests, which limits.

Field names are those of TFX's `infra_validator_pb2`
(https://www.tensorflow.org/tfx/guide/infra_validator); what TFX lacks is said to be ours.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ...utils.errors import ParameterError


class _Spec(BaseModel):
    model_config = ConfigDict(extra="forbid")


class KServeServing(_Spec):
    """KServe's Python server, started on this machine's loopback. Ours; the default.

    Attributes:
        threads: Predictions computed at a time.
        env: Further environment variables of the server's process.
    """

    threads: int = Field(default=4, ge=1)
    env: dict[str, str] = Field(default_factory=dict)


class TensorFlowServing(_Spec):
    """TensorFlow Serving, from its image. A model must pass with each of the images.

    Attributes:
        tags: Tags of the image, such as `2.16.1`.
        digests: Digests of the image, such as `sha256:…`.
        image_name: The image; `tensorflow/serving` by default.
    """

    tags: list[str] = Field(default_factory=list)
    digests: list[str] = Field(default_factory=list)
    image_name: str = "tensorflow/serving"

    @property
    def images(self) -> list[str]:
        """The images to validate with."""
        named = [f"{self.image_name}:{tag}" for tag in self.tags]
        named += [f"{self.image_name}@{digest}" for digest in self.digests]
        return named or [f"{self.image_name}:latest"]


class LocalDocker(_Spec):
    """Docker on this machine, by its `docker` command.

    Attributes:
        client_base_url: Where its daemon listens; that of the environment by default.
        client_api_version: Version of its API to speak.
        client_timeout_seconds: How long a command of it may take.
    """

    client_base_url: str = ""
    client_api_version: str = ""
    client_timeout_seconds: int = Field(default=60, ge=1)


class EnvVar(_Spec):
    """An environment variable of a container.

    Attributes:
        name: Its name.
        value: Its value.
        value_from: Where the value comes from, as in a pod's manifest
            (`{"secret_key_ref": {"name": …, "key": …}}`).
    """

    name: str
    value: str = ""
    value_from: dict[str, Any] | None = None


class PodOverrides(_Spec):
    """Changes of the pod that serves.

    Attributes:
        annotations: Annotations of the pod.
        env: Environment variables of the container.
    """

    annotations: dict[str, str] = Field(default_factory=dict)
    env: list[EnvVar] = Field(default_factory=list)


class Kubernetes(_Spec):
    """A pod in a Kubernetes cluster. The model must lie where the pod can read it.

    Attributes:
        service_account_name: Service account of the pod.
        active_deadline_seconds: The cluster ends the pod after so long, whatever happens.
        serving_pod_overrides: Changes of the pod.
        namespace: Namespace; that of the current context by default. Ours.
        model_volume_claim: Claim of a volume that holds the model, which lies at
            `model_mount_path` here and in the pod. Ours.
        model_mount_path: Where the volume is mounted. Ours.
    """

    service_account_name: str = ""
    active_deadline_seconds: int = Field(default=86_400, ge=1)
    serving_pod_overrides: PodOverrides = Field(default_factory=PodOverrides)
    namespace: str = ""
    model_volume_claim: str = ""
    model_mount_path: str = ""


class ServingSpec(_Spec):
    """Which server, and where. KServe's on this machine unless told otherwise.

    Attributes:
        model_name: The model's name in the server.
        kserve: KServe's Python server.
        tensorflow_serving: TensorFlow Serving; needs one of the two that follow.
        local_docker: On this machine, in Docker.
        kubernetes: In a cluster.
    """

    model_name: str = "infra-validation-model"
    kserve: KServeServing | None = None
    tensorflow_serving: TensorFlowServing | None = None
    local_docker: LocalDocker | None = None
    kubernetes: Kubernetes | None = None

    @model_validator(mode="after")
    def _one_of_each(self) -> ServingSpec:
        if self.kserve and self.tensorflow_serving:
            raise ValueError("name either kserve or tensorflow_serving, not both")
        platforms = [each for each in (self.local_docker, self.kubernetes) if each is not None]
        if self.tensorflow_serving and len(platforms) != 1:
            raise ValueError("tensorflow_serving needs either local_docker or kubernetes")
        if not self.tensorflow_serving and platforms:
            raise ValueError("local_docker and kubernetes go with tensorflow_serving")
        return self


class ValidationSpec(_Spec):
    """What a model must hold to. A limit that is None is none; all but the first two are ours.

    Attributes:
        max_loading_time_seconds: From the start of the server until it can answer.
        num_tries: How often to try where the server, not the model, is at fault.
        max_model_load_seconds: Loading the model alone, without the server's own start.
        max_size_on_disk_mib: All files of the model together.
        max_memory_mib: Memory of the server's process with the model in it, at its peak.
        max_p50_latency_ms: Median time of a request with one record.
        max_p99_latency_ms: Time within which 99 of 100 such requests are answered.
        max_difference: How far an answer of the server may be from the one that the model
            gives in this process, relative to its size where that is above 1.
    """

    max_loading_time_seconds: int = Field(default=300, ge=1)
    num_tries: int = Field(default=5, ge=1)
    max_model_load_seconds: float | None = Field(default=None, gt=0)
    max_size_on_disk_mib: float | None = Field(default=None, gt=0)
    max_memory_mib: float | None = Field(default=None, gt=0)
    max_p50_latency_ms: float | None = Field(default=None, gt=0)
    max_p99_latency_ms: float | None = Field(default=None, gt=0)
    max_difference: float = Field(default=1e-4, ge=0)


class TensorFlowServingRequestSpec(_Spec):
    """How to ask a SavedModel.

    Attributes:
        tag_set: Tags of its graph; `["serve"]` by default.
        signature_names: Signatures to ask; `["serving_default"]` by default.
    """

    tag_set: list[str] = Field(default_factory=list)
    signature_names: list[str] = Field(default_factory=list)


class RequestSpec(_Spec):
    """Which requests to send.

    Attributes:
        tensorflow_serving: How to ask a SavedModel.
        split_name: Split of the examples to take records from; the first by default.
        num_examples: Records to compare answers for (TFX's default is 1).
        make_warmup: Whether to write these records into a copy of the SavedModel, as the
            requests that TensorFlow Serving warms up with; needs a SavedModel.
        num_latency_requests: Requests with one record each, to measure times with. Ours.
    """

    tensorflow_serving: TensorFlowServingRequestSpec | None = None
    split_name: str = ""
    num_examples: int = Field(default=50, ge=1, le=10_000)
    make_warmup: bool = False
    num_latency_requests: int = Field(default=200, ge=1, le=100_000)

    def signatures(self) -> list[str | None]:
        """Names of the signatures to ask; None for a model's own way."""
        named = self.tensorflow_serving.signature_names if self.tensorflow_serving else []
        return list(named) or [None]


def check_tags(spec: RequestSpec | None, node: str) -> None:
    """Refuses tags that the model would not be loaded with.

    Raises:
        ParameterError: Tags other than `serve` are asked for.
    """
    tags = spec.tensorflow_serving.tag_set if spec and spec.tensorflow_serving else []
    if tags and tags != ["serve"]:
        raise ParameterError(
            "request_spec.tensorflow_serving.tag_set names another graph than is served",
            node=node,
            expected="['serve']",
            got=str(tags),
        )


#: What happens to a model that is refused.
OnRefusal = Literal["error", "not_blessed"]
