# SPDX-License-Identifier: Apache-2.0
"""When heavy libraries begin to load."""

from __future__ import annotations

import random
from collections.abc import Sequence

from penstock.orchestration.ir import ExecutorIR, NodeIR, PipelineIR
from penstock.orchestration.launch.outcome import NodeOutcome, NodeState, RunObserver
from penstock.orchestration.launch.workers.pool import WorkerPool
from penstock.orchestration.runners.local.preloading import PreloadingObserver
from penstock.orchestration.runners.local.selection import downstream


class _Pool(WorkerPool):
    """Keeps what it is asked to load, and starts nothing."""

    def __init__(self) -> None:
        super().__init__(max_workers=1)
        self.asked: list[list[str]] = []

    def warm(self) -> None:
        """Starts nothing."""

    def start_preloading(self, modules: Sequence[str]) -> None:
        """Keeps them."""
        self.asked.append(list(modules))


def _pipeline(chance: random.Random, size: int) -> PipelineIR:
    nodes = []
    for number in range(size):
        before = [f"n{each}" for each in range(number) if chance.random() < 0.15]
        preload = [f"library{number}"] if chance.random() < 0.2 else []
        executor = ExecutorIR(path="nothing:Nothing", preload=preload)
        nodes.append(NodeIR(id=f"n{number}", type_name="t", executor=executor, upstream=before))
    return PipelineIR(name="p", nodes=nodes)


def test_loads_when_something_heavy_comes_and_only_then() -> None:
    """If it fails, a run loads libraries for nothing, or its first heavy node waits for them."""
    for seed in range(30):
        chance = random.Random(seed)
        ir = _pipeline(chance, 12)
        heavy = {node.id for node in ir.nodes if node.executor.preload}
        left = {node.id for node in ir.nodes}
        pool = _Pool()
        with pool:
            observer = PreloadingObserver(RunObserver(), pool, ir, sorted(left))
            for node in ir.nodes:
                pool.asked.clear()
                observer.node_started(node.id, "new", 1)
                # What each node's own walk through the pipeline finds.
                coming = downstream(ir, [node.id]) & left & heavy
                wanted = [f"library{each[1:]}" for each in sorted(heavy & left)]
                assert pool.asked == ([wanted] if coming else [])
                if chance.random() < 0.7:
                    left.discard(node.id)
                    observer.node_ended(NodeOutcome(node.id, NodeState.COMPLETE))
