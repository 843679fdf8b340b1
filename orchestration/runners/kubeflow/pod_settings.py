# SPDX-License-Identifier: Apache-2.0
"""What the pods of a pipeline get from the cluster: variables, secrets, volumes, machines.

Names are those of Kubernetes. Nothing here holds a secret's value, only its name.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class KeysAsEnv(_Model):
    """Keys of a Secret or ConfigMap as environment variables.

    Attributes:
        name: Name of the Secret or ConfigMap.
        keys: Environment variable by key.
    """

    name: str
    keys: dict[str, str]


class KeysAsVolume(_Model):
    """A Secret or ConfigMap as files.

    Attributes:
        name: Name of the Secret or ConfigMap.
        mount_path: Folder in the container.
        optional: Whether the pod starts without it.
    """

    name: str
    mount_path: str
    optional: bool = False


class ClaimVolume(_Model):
    """A persistent volume.

    Attributes:
        claim: Name of the PersistentVolumeClaim; it has to exist.
        mount_path: Folder in the container.
    """

    claim: str
    mount_path: str


class EmptyDir(_Model):
    """A folder that lives as long as the pod.

    Attributes:
        name: Name of the volume.
        mount_path: Folder in the container.
        medium: `Memory` for one in memory, such as `/dev/shm`.
        size_limit: Such as `2Gi`.
    """

    name: str
    mount_path: str
    medium: str | None = None
    size_limit: str | None = None


class Toleration(_Model):
    """Lets a pod onto machines with a taint; see Kubernetes' page on taints and tolerations."""

    key: str | None = None
    operator: Literal["Equal", "Exists"] | None = None
    value: str | None = None
    effect: Literal["NoExecute", "NoSchedule", "PreferNoSchedule"] | None = None
    seconds: int | None = None


class PodSettings(_Model):
    """Settings of a node's pod, beyond the resources that its policy names.

    Attributes:
        image: Another image than the pipeline's.
        env: Environment variables.
        field_env: Environment variables from fields of the pod, such as `metadata.name`.
        secret_env: Secrets as environment variables.
        config_map_env: ConfigMaps as environment variables.
        volumes: Persistent volumes.
        secret_volumes: Secrets as files.
        config_map_volumes: ConfigMaps as files.
        empty_dirs: Folders that live as long as the pod.
        node_selector: Labels that the machine must have.
        tolerations: Taints that the machine may have.
        labels: Labels of the pod.
        annotations: Annotations of the pod.
        image_pull_policy: When the image is pulled.
        image_pull_secrets: Names of Secrets that open the image's registry.
        gpu_type: Which resource the GPUs of a node's policy are.
    """

    image: str = ""
    env: dict[str, str] = Field(default_factory=dict)
    field_env: dict[str, str] = Field(default_factory=dict)
    secret_env: list[KeysAsEnv] = Field(default_factory=list)
    config_map_env: list[KeysAsEnv] = Field(default_factory=list)
    volumes: list[ClaimVolume] = Field(default_factory=list)
    secret_volumes: list[KeysAsVolume] = Field(default_factory=list)
    config_map_volumes: list[KeysAsVolume] = Field(default_factory=list)
    empty_dirs: list[EmptyDir] = Field(default_factory=list)
    node_selector: dict[str, str] = Field(default_factory=dict)
    tolerations: list[Toleration] = Field(default_factory=list)
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)
    image_pull_policy: Literal["", "Always", "Never", "IfNotPresent"] = ""
    image_pull_secrets: list[str] = Field(default_factory=list)
    gpu_type: str = "nvidia.com/gpu"

    def over(self, general: PodSettings) -> PodSettings:
        """These settings, and of `general` what they leave open.

        Mappings are merged, lists are joined, and a single value replaces the general one.
        """
        merged: dict[str, Any] = {}
        for name in type(self).model_fields:
            own, other = getattr(self, name), getattr(general, name)
            if isinstance(own, dict):
                merged[name] = {**other, **own}
            elif isinstance(own, list):
                merged[name] = [*other, *(found for found in own if found not in other)]
            else:
                merged[name] = own if name in self.model_fields_set else other
        return PodSettings(**merged)

    def mounts(self, path: str) -> bool:
        """Whether `path` lies on a persistent volume."""
        folder = path.rstrip("/") + "/"
        return any(folder.startswith(each.mount_path.rstrip("/") + "/") for each in self.volumes)
