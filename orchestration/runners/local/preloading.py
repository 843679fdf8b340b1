# SPDX-License-Identifier: Apache-2.0
"""Starts loading heavy libraries while light nodes still work."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from ....utils.errors import PenstockError
from ...ir import PipelineIR
from ...launch.outcome import NodeOutcome, RunObserver
from ...launch.workers.pool import WorkerPool


class PreloadingObserver(RunObserver):
    """Preloads as soon as a node that leads to heavy ones has to run.

    A run in which everything is reused so never loads anything.

    Args:
        inner: Who is told everything too.
        pool: The workers.
        ir: The compiled pipeline.
        chosen: Ids of the nodes that the run includes.
    """

    def __init__(
        self, inner: RunObserver, pool: WorkerPool, ir: PipelineIR, chosen: Sequence[str]
    ) -> None:
        self._inner = inner
        self._pool = pool
        self._ir = ir
        self._nodes = {node.id: node for node in ir.nodes}
        self._left = set(chosen)

    def node_started(self, node_id: str, reason: str, attempt: int) -> None:
        """See `RunObserver.node_started`."""
        if not self._nodes[node_id].executor.preload:
            self._pool.warm()
        if self._heavy_after[node_id] & self._left:
            # The server loads once: all that may still be needed, not only on this path.
            left = [self._nodes[found] for found in sorted(self._left)]
            self._pool.start_preloading(
                list(dict.fromkeys(name for node in left for name in node.executor.preload))
            )
        self._inner.node_started(node_id, reason, attempt)

    @cached_property
    def _heavy_after(self) -> dict[str, set[str]]:
        """For each node, the heavy ones among itself and all that comes after it.

        Of all nodes at once: asking for each node as it starts took longer, the more there are.
        """
        found: dict[str, set[str]] = {node.id: set() for node in self._ir.nodes}
        for node in reversed(self._ir.nodes):
            if node.executor.preload:
                found[node.id].add(node.id)
            if found[node.id]:
                for earlier in node.predecessors():
                    found[earlier] |= found[node.id]
        return found

    def node_progress(self, node_id: str, done: float, total: float | None, note: str) -> None:
        """See `RunObserver.node_progress`."""
        self._inner.node_progress(node_id, done, total, note)

    def node_retried(self, node_id: str, error: PenstockError, delay_s: float) -> None:
        """See `RunObserver.node_retried`."""
        self._inner.node_retried(node_id, error, delay_s)

    def node_ended(self, outcome: NodeOutcome) -> None:
        """See `RunObserver.node_ended`."""
        self._left.discard(outcome.node_id)
        self._inner.node_ended(outcome)
