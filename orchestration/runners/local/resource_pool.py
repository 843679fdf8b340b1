# SPDX-License-Identifier: Apache-2.0
"""What this machine has to give, so that nodes that run together do not overcommit it."""

from __future__ import annotations

import os
from dataclasses import dataclass

from ...ir import NodeIR
from ...launch.workers.gpus import visible_gpus

#: A node without heavy libraries mostly waits: four share a core unless it says otherwise.
_LIGHT_CPU = 0.25


@dataclass
class ResourcePool:
    """Free resources of this machine. Not thread-safe: one scheduler owns it.

    Attributes:
        cpu: Cores.
        memory_gb: Memory in GiB.
        gpu: GPUs.
    """

    cpu: float
    memory_gb: float
    gpu: int

    def __post_init__(self) -> None:
        self._capacity = (self.cpu, self.memory_gb, self.gpu)

    def need(self, node: NodeIR) -> tuple[float, float, int]:
        """What a node takes: never more than there is, so that every node can run alone."""
        wanted = node.policy.resources
        light = not node.executor.preload and wanted.cpu == 1.0
        cpu, memory, gpu = self._capacity
        return (
            min(_LIGHT_CPU if light else wanted.cpu * wanted.workers, cpu),
            min(wanted.memory_gb * wanted.workers, memory),
            min(wanted.gpu * wanted.workers, gpu),
        )

    def take(self, node: NodeIR) -> bool:
        """Takes what a node needs, if it is free."""
        cpu, memory, gpu = self.need(node)
        if cpu > self.cpu + 1e-9 or memory > self.memory_gb + 1e-9 or gpu > self.gpu:
            return False
        self.cpu -= cpu
        self.memory_gb -= memory
        self.gpu -= gpu
        return True

    def give_back(self, node: NodeIR) -> None:
        """Returns what `take` took."""
        cpu, memory, gpu = self.need(node)
        self.cpu += cpu
        self.memory_gb += memory
        self.gpu += gpu


def machine_resources() -> ResourcePool:
    """What this machine has: cores this process may use, memory, visible GPUs."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    except (ValueError, OSError):
        memory = 0.0
    return ResourcePool(float(cores or 1), memory or 1e9, len(visible_gpus()))
