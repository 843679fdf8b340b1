# SPDX-License-Identifier: Apache-2.0
"""Makes the distribution strategy that a `run_fn` is given."""

from __future__ import annotations

import os
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from ....utils.errors import ParameterError, UserCodeError
from ...base.executor import Task, WorkerGroup
from .distribution import FEWEST_WORKERS, Distribution
from .single_device import SingleDevice

#: How a program started by `python` makes JAX see several devices on a CPU.
_XLA_FLAG = "--xla_force_host_platform_device_count"
_NOT_BY_KERAS = ("multi_worker_mirrored", "parameter_server")


@contextmanager
def distributed(distribution: Distribution | None, task: Task) -> Iterator[Any]:
    """The strategy, within the block; serves the others and never begins on a mere server.

    To be entered before anything else is done with TensorFlow in this process.

    Raises:
        ParameterError: The node's workers or GPUs do not fit the strategy.
    """
    group = task.group
    _check_workers(distribution, group, task.node_id)
    if distribution is None:
        yield SingleDevice()
        return
    if distribution.strategy == "ddp":
        from .torch_workers import torch_workers

        with torch_workers(group) as strategy:
            yield strategy
    elif distribution.strategy == "data_parallel":
        yield _data_parallel(distribution, task.node_id)
    else:
        from .tf_cluster import tf_strategy

        yield tf_strategy(distribution, group, task.node_id)


def unsupported_fit(
    error: BaseException, distribution: Distribution | None, node_id: str, location: str | None
) -> UserCodeError | None:
    """What to tell of an error that `fit` of Keras 3 ends in where it has to share its work.

    It has no support for strategies over several processes, and fails far from saying so.
    """
    if distribution is None or distribution.strategy not in _NOT_BY_KERAS:
        return None
    if not any(_is_keras_fit(frame) for frame, _ in traceback.walk_tb(error.__traceback__)):
        return None
    return UserCodeError(
        f"fit() of Keras 3 cannot train under {distribution.strategy}",
        node=node_id,
        expected="tf-keras, or a loop that calls strategy.run",
        got="a model of Keras 3",
        location=location,
        fix="import tf_keras as keras; or distribution='mirrored', for the GPUs of one process",
    )


def _is_keras_fit(frame: FrameType) -> bool:
    if not str(frame.f_globals.get("__name__")).startswith("keras.src."):
        return False
    # Keras leaves its own frames out, but for one that holds the function it called.
    called = getattr(frame.f_locals.get("fn"), "__name__", frame.f_code.co_name)
    return called in ("fit", "evaluate", "predict")


def _check_workers(distribution: Distribution | None, group: WorkerGroup, node_id: str) -> None:
    strategy = distribution.strategy if distribution else None
    fewest = FEWEST_WORKERS.get(strategy or "")
    if fewest is None and group.size > 1:
        raise ParameterError(
            f"the node has {group.size} workers, which would all do the same",
            node=node_id,
            expected="Trainer(distribution=…) with " + ", ".join(FEWEST_WORKERS),
            got=f"distribution={strategy!r}",
            fix="name one of them, or give the node one worker: Resources(workers=1)",
        )
    if strategy == "parameter_server" and distribution is not None:
        fewest = 2 + distribution.parameter_servers
    if fewest is not None and group.size < fewest:
        servers = distribution.parameter_servers if distribution else 1
        raise ParameterError(
            f"distribution={strategy!r} needs more workers",
            node=node_id,
            expected=f"at least {fewest}: a chief, {servers} for the variables, and one to compute",
            got=str(group.size),
            fix=f".with_policy(resources=Resources(workers={fewest}))",
        )


def _data_parallel(distribution: Distribution, node_id: str) -> Any:
    if distribution.logical_devices:
        flags = os.environ.get("XLA_FLAGS", "")
        os.environ["XLA_FLAGS"] = f"{flags} {_XLA_FLAG}={distribution.logical_devices}".strip()
    import keras

    if keras.backend.backend() != "jax":
        raise ParameterError(
            "distribution='data_parallel' is for Keras on JAX",
            node=node_id,
            expected="KERAS_BACKEND=jax",
            got=keras.backend.backend(),
            fix="use 'mirrored' for TensorFlow and 'ddp' for PyTorch",
        )
    kind = "cpu" if distribution.logical_devices else None
    return keras.distribution.DataParallel(devices=keras.distribution.list_devices(kind))
