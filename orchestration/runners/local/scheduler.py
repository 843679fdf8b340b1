# SPDX-License-Identifier: Apache-2.0
"""Decides when each node runs: as soon as its predecessors have ended and there is room."""

from __future__ import annotations

import concurrent.futures as futures
import threading
from collections.abc import Callable, Sequence

from ....utils.errors import ExecutionError
from ...ir import NodeIR, PipelineIR
from ...launch.outcome import NodeOutcome, NodeState
from ..recorded_outcomes import why_not_run
from .resource_pool import ResourcePool

#: Threads only wait for workers; resources, not threads, limit what runs together.
_MAX_THREADS = 64


class Scheduler:
    """Launches the chosen nodes of one run.

    After a failure, nodes that do not depend on it still run, so that a resumed run has
    less to do; those that do are left out, unless they run always.

    Args:
        ir: The compiled pipeline.
        chosen: Ids of the nodes to run, in order.
        launch: Runs one node through all phases.
        resources: What this machine has.
        cancel: Set to start nothing more.
        outcomes: Takes in what becomes of each node.
    """

    def __init__(
        self,
        ir: PipelineIR,
        chosen: Sequence[str],
        launch: Callable[[str], NodeOutcome],
        resources: ResourcePool,
        cancel: threading.Event,
        outcomes: dict[str, NodeOutcome] | None = None,
    ) -> None:
        self._nodes: dict[str, NodeIR] = {node.id: node for node in ir.nodes}
        kept = set(chosen)
        self._before = {
            node_id: {found for found in self._nodes[node_id].predecessors() if found in kept}
            for node_id in chosen
        }
        self._after: dict[str, list[str]] = {node_id: [] for node_id in chosen}
        for node_id, before in self._before.items():
            for earlier in before:
                self._after[earlier].append(node_id)
        self._ready = [node_id for node_id in chosen if not self._before[node_id]]
        #: Those that failed, or will not run since what they wait for did.
        self._doomed: set[str] = set()
        #: Those of them that are parked, or wait for one that is: the run is not at its end,
        #: so what runs always does not yet.
        self._parked: set[str] = set()
        self._launch = launch
        self._resources = resources
        self._cancel = cancel
        self.outcomes = outcomes if outcomes is not None else {}

    def run(self) -> dict[str, NodeOutcome]:
        """Runs until nothing is left that can run. Outcomes by node id."""
        running: dict[futures.Future[NodeOutcome], str] = {}
        with futures.ThreadPoolExecutor(_MAX_THREADS, thread_name_prefix="node") as threads:
            try:
                while True:
                    self._start(threads, running)
                    if not running:
                        break
                    done, _ = futures.wait(running, return_when=futures.FIRST_COMPLETED)
                    for future in done:
                        self._end(running.pop(future), future.result())
            except BaseException:
                # Whatever interrupts us: workers end before the pool waits for its threads.
                self._cancel.set()
                done, _ = futures.wait(running)
                for future in done:
                    if future.exception() is None:
                        self._end(running[future], future.result())
                raise
        for node_id in self._before:
            if node_id not in self.outcomes:
                self.outcomes[node_id] = self._left_out(node_id)
        return self.outcomes

    def _start(
        self,
        threads: futures.ThreadPoolExecutor,
        running: dict[futures.Future[NodeOutcome], str],
    ) -> None:
        waiting: list[str] = []
        for node_id in self._ready:
            node = self._nodes[node_id]
            if self._cancel.is_set() or not self._resources.take(node):
                waiting.append(node_id)
                continue
            running[threads.submit(self._launch, node_id)] = node_id
        self._ready = waiting

    def _end(self, node_id: str, outcome: NodeOutcome) -> None:
        self._resources.give_back(self._nodes[node_id])
        self.outcomes[node_id] = outcome
        if not outcome.state.succeeded:
            self._doomed.add(node_id)
        if outcome.state is NodeState.PARKED:
            self._parked.add(node_id)
        ended = [node_id]
        while ended:
            ended += self._let_on(ended.pop())

    def _let_on(self, node_id: str) -> list[str]:
        """Lets those that wait for a node know that it has ended, or will not run.

        Returns:
            Those that will not run for it.
        """
        left_out: list[str] = []
        for follower in self._after[node_id]:
            always = self._nodes[follower].policy.trigger == "always"
            if node_id in self._parked:
                self._parked.add(follower)
                always = False
            if node_id not in self._doomed or always:
                self._before[follower].discard(node_id)
                if not self._before[follower]:
                    self._ready.append(follower)
            elif follower not in self._doomed:
                self._doomed.add(follower)
                left_out.append(follower)
        return left_out

    def _left_out(self, node_id: str) -> NodeOutcome:
        failed = [
            found
            for found in self._before[node_id]
            if found in self.outcomes and not self.outcomes[found].state.succeeded
        ]
        reason = why_not_run(self.outcomes[failed[0]] if failed else None)
        return NodeOutcome(
            node_id,
            NodeState.CANCELLED,
            reason,
            error=ExecutionError(f"not run: {reason}", node=node_id),
        )
