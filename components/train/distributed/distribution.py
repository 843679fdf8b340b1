# SPDX-License-Identifier: Apache-2.0
"""How the Trainer shares its work among devices and processes."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

#: What may stand for `Distribution(strategy=…)`.
Strategy = Literal["mirrored", "multi_worker_mirrored", "parameter_server", "ddp", "data_parallel"]

#: Strategies whose workers are processes; how many of them it takes at least.
FEWEST_WORKERS = {"multi_worker_mirrored": 1, "parameter_server": 3, "ddp": 1}


class Distribution(BaseModel):
    """How training is distributed.

    ======================= ======================================================= =========
    strategy                what it does                                            processes
    ======================= ======================================================= =========
    `mirrored`              `tf.distribute.MirroredStrategy`: every GPU of one       1
                            process has a copy of the model
    `multi_worker_mirrored` `tf.distribute.MultiWorkerMirroredStrategy`: the same    workers
                            over several processes
    `parameter_server`      `tf.distribute.ParameterServerStrategy`: the chief       workers
                            coordinates, the last hold the variables, those
                            between compute
    `ddp`                   PyTorch's `DistributedDataParallel`, one process for     workers
                            each GPU: gloo on CPUs, NCCL on GPUs
    `data_parallel`         `keras.distribution.DataParallel`, for Keras on JAX      1
    ======================= ======================================================= =========

    How many processes there are, and how many GPUs each has, is part of the node's policy:
    `.with_policy(resources=Resources(workers=2, gpu=1))`. See
    https://www.tensorflow.org/guide/distributed_training.

    Attributes:
        strategy: One of the above.
        parameter_servers: With `parameter_server`, how many of the workers hold variables.
        logical_devices: Treats the CPU as so many devices, to try `mirrored` or
            `data_parallel` without GPUs.
    """

    model_config = ConfigDict(extra="forbid")

    strategy: Strategy
    parameter_servers: int = Field(default=1, ge=1)
    logical_devices: int = Field(default=0, ge=0)

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, value: Any) -> Any:
        return {"strategy": value} if isinstance(value, str) else value
