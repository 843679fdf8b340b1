# SPDX-License-Identifier: Apache-2.0
"""TensorFlow's distribution strategies (https://www.tensorflow.org/guide/distributed_training)."""

from __future__ import annotations

import json
import os
from typing import Any

import tensorflow as tf

from ....utils.errors import ExecutionError
from ...base.executor import WorkerGroup
from .cluster_environment import TF_CONFIG, tf_config
from .distribution import Distribution


def tf_strategy(distribution: Distribution, group: WorkerGroup, node_id: str) -> Any:
    """The strategy for this worker; with parameter servers, all but the chief serve here.

    Raises:
        ExecutionError: TensorFlow sees fewer GPUs than the node was given, or was started
            already in this process.
    """
    _check_gpus(group, node_id)
    if group.size > 1:
        os.environ[TF_CONFIG] = json.dumps(tf_config(distribution, group))
    if distribution.strategy == "multi_worker_mirrored":
        return _made(tf.distribute.MultiWorkerMirroredStrategy, node_id)
    if distribution.strategy == "parameter_server":
        resolver = tf.distribute.cluster_resolver.TFConfigClusterResolver(rpc_layer="grpc")
        if group.rank > 0:
            _serve(resolver)
        return _made(lambda: tf.distribute.ParameterServerStrategy(resolver), node_id)
    count = distribution.logical_devices
    if not count:
        return _made(tf.distribute.MirroredStrategy, node_id)

    def split() -> Any:
        tf.config.set_logical_device_configuration(
            tf.config.list_physical_devices("CPU")[0],
            [tf.config.LogicalDeviceConfiguration()] * count,
        )
        return tf.distribute.MirroredStrategy([f"/cpu:{number}" for number in range(count)])

    return _made(split, node_id)


def _made(make: Any, node_id: str) -> Any:
    try:
        return make()
    except RuntimeError as error:
        raise ExecutionError(
            "the distribution strategy cannot be made any more",
            node=node_id,
            expected="a process in which TensorFlow has done nothing yet",
            got=str(error),
            fix="let no module that run_fn's imports run TensorFlow operations when it is loaded",
        ) from error


def _check_gpus(group: WorkerGroup, node_id: str) -> None:
    found = len(tf.config.list_physical_devices("GPU")) if group.gpus else 0
    if found < group.gpus:
        raise ExecutionError(
            f"TensorFlow finds {found} of the {group.gpus} GPUs that the node was given",
            node=node_id,
            expected="TensorFlow with CUDA, such as pip install 'tensorflow[and-cuda]'",
            got=f"tensorflow {tf.__version__}, built with CUDA: {tf.test.is_built_with_cuda()}",
            fix="install it, or train without GPUs: Resources(gpu=0)",
        )


def _serve(resolver: Any) -> None:
    """Serves the chief, until this process is ended."""
    server = tf.distribute.Server(
        resolver.cluster_spec(),
        job_name=resolver.task_type,
        task_index=resolver.task_id,
        protocol="grpc",
        start=True,
    )
    server.join()
