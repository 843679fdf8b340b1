# SPDX-License-Identifier: Apache-2.0
"""PyTorch's distributed data parallelism, with the variables that `torchrun` sets."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

from ....utils.errors import ExecutionError
from ...base.executor import WorkerGroup
from .cluster_environment import torchrun_variables


@dataclass(frozen=True)
class TorchWorkers:
    """What a `run_fn` for PyTorch gets as its distribution strategy.

    `torch.distributed` is initialized already, where there is more than one process.

    Attributes:
        rank: Number of this process, 0 for the chief.
        world_size: Number of processes.
        device: Where the model and its inputs go.
        alone: Whether there is no other process, and so no process group.
    """

    rank: int
    world_size: int
    device: str
    alone: bool = False

    @property
    def num_replicas_in_sync(self) -> int:
        """Copies of the model that take part in one step."""
        return self.world_size

    def scope(self) -> AbstractContextManager[None]:
        """A block that changes nothing; PyTorch needs none."""
        return nullcontext()

    def wrap(self, model: Any) -> Any:
        """The model on its device, with gradients averaged over all processes."""
        if self.alone:
            return model.to(self.device)
        from torch.nn.parallel import DistributedDataParallel

        return DistributedDataParallel(model.to(self.device))


@contextmanager
def torch_workers(group: WorkerGroup) -> Iterator[TorchWorkers]:
    """Initializes `torch.distributed` for the block, where there are several processes.

    Raises:
        ExecutionError: PyTorch sees fewer GPUs than the node was given.
    """
    import torch
    from torch import distributed

    found = torch.cuda.device_count() if group.gpus else 0
    if found < group.gpus:
        raise ExecutionError(
            f"PyTorch finds {found} of the {group.gpus} GPUs that each worker was given",
            expected="a build of PyTorch with CUDA",
            got=f"torch {torch.__version__}",
            fix="install one, or train without GPUs: Resources(gpu=0)",
        )
    device = "cuda:0" if group.gpus else "cpu"
    if group.size == 1:
        yield TorchWorkers(0, 1, device, alone=True)
        return
    os.environ.update(torchrun_variables(group))
    distributed.init_process_group("nccl" if group.gpus else "gloo")
    try:
        # Each worker sees only its own GPU, as the first one.
        yield TorchWorkers(group.rank, group.size, device)
    finally:
        distributed.destroy_process_group()
