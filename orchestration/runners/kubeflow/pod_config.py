# SPDX-License-Identifier: Apache-2.0
"""Puts a node's resources, retries and pod settings on its task of the KFP pipeline."""

from __future__ import annotations

from typing import Any

from ....utils.errors import ParameterError
from ...ir import NodeIR, PolicyIR
from .pod_settings import PodSettings

#: What a node without heavy libraries asks for, unless its policy says otherwise.
_LIGHT_CPU = 0.25
#: Kubeflow waits no longer than this between two attempts.
_LONGEST_DELAY_S = 3600


def configure_task(task: Any, node: NodeIR, pod: PodSettings, *, retried: bool) -> None:
    """Gives a task all that its node's policy and the settings of its pod ask for.

    Args:
        task: The `kfp.dsl.PipelineTask`.
        node: The node.
        pod: Settings of its pod.
        retried: Whether Kubeflow starts failed containers again.

    Raises:
        ParameterError: kfp-kubernetes is needed and not installed.
    """
    _ask_for(task, node, pod)
    if retried and node.policy.retries:
        _retry(task, node.policy)
    configure_pod(task, pod)


def configure_pod(task: Any, pod: PodSettings) -> None:
    """Gives a task the settings of its pod.

    Raises:
        ParameterError: kfp-kubernetes is needed and not installed.
    """
    # Kubeflow would skip a container whose arguments it has seen; what may be reused is the
    # launcher's to know.
    task.set_caching_options(False)
    for name, value in sorted(pod.env.items()):
        task.set_env_variable(name, value)
    if pod.model_dump(exclude={"image", "env", "gpu_type"}, exclude_defaults=True):
        _configure_platform(task, pod, _kfp_kubernetes())


def _ask_for(task: Any, node: NodeIR, pod: PodSettings) -> None:
    wanted = node.policy.resources
    light = wanted.workers > 1 or (not node.executor.preload and wanted.cpu == 1.0)
    cpu = _LIGHT_CPU if light else wanted.cpu
    # A request without a limit: a container may use cores that nobody else wants.
    task.set_cpu_request(f"{round(cpu * 1000)}m")
    if wanted.workers > 1:
        return  # it only waits: what its workers need, they ask for themselves
    if wanted.memory_gb:
        memory = f"{round(wanted.memory_gb * 1024)}Mi"
        task.set_memory_request(memory)
        task.set_memory_limit(memory)
    if wanted.gpu:
        task.set_accelerator_type(pod.gpu_type)
        task.set_accelerator_limit(str(wanted.gpu))


def _retry(task: Any, policy: PolicyIR) -> None:
    # Argo counts in whole seconds.
    delay = min(max(round(policy.retry_delay_s), 1), _LONGEST_DELAY_S)
    task.set_retry(
        policy.retries,
        backoff_duration=f"{delay}s",
        backoff_factor=2.0,
        backoff_max_duration=f"{_LONGEST_DELAY_S}s",
    )


def _kfp_kubernetes() -> Any:
    try:
        from kfp import kubernetes
    except ImportError:
        raise ParameterError(
            "these pod settings need kfp-kubernetes, which is not installed",
            expected="kfp-kubernetes of the generation of kfp, such as 1.5 beside kfp 2.13",
            got="no module kfp.kubernetes",
            fix="pip install kfp-kubernetes",
        ) from None
    return kubernetes


def _configure_platform(task: Any, pod: PodSettings, kubernetes: Any) -> None:
    for name, path in sorted(pod.field_env.items()):
        kubernetes.use_field_path_as_env(task, env_name=name, field_path=path)
    for secret in pod.secret_env:
        kubernetes.use_secret_as_env(task, secret.name, secret.keys)
    for config in pod.config_map_env:
        kubernetes.use_config_map_as_env(task, config.name, config.keys)
    for label, value in sorted(pod.node_selector.items()):
        kubernetes.add_node_selector(task, label, value)
    for taint in pod.tolerations:
        kubernetes.add_toleration(
            task, taint.key, taint.operator, taint.value, taint.effect, taint.seconds
        )
    for name, value in sorted(pod.labels.items()):
        kubernetes.add_pod_label(task, name, value)
    for name, value in sorted(pod.annotations.items()):
        kubernetes.add_pod_annotation(task, name, value)
    if pod.image_pull_policy:
        kubernetes.set_image_pull_policy(task, pod.image_pull_policy)
    if pod.image_pull_secrets:
        kubernetes.set_image_pull_secrets(task, pod.image_pull_secrets)
    _mount(task, pod, kubernetes)


def _mount(task: Any, pod: PodSettings, kubernetes: Any) -> None:
    for claim in pod.volumes:
        kubernetes.mount_pvc(task, claim.claim, claim.mount_path)
    for secret in pod.secret_volumes:
        kubernetes.use_secret_as_volume(task, secret.name, secret.mount_path, secret.optional)
    for config in pod.config_map_volumes:
        kubernetes.use_config_map_as_volume(task, config.name, config.mount_path, config.optional)
    for folder in pod.empty_dirs:
        kubernetes.empty_dir_mount(
            task, folder.name, folder.mount_path, folder.medium, folder.size_limit
        )
