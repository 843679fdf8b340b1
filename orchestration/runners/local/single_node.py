# SPDX-License-Identifier: Apache-2.0
"""Runs exactly one node of a run on this machine: what every outside engine calls.

The engine decides when; everything else, from resolving inputs to publishing outputs, is
the launcher's, as in any other runner. Processes on several machines may run nodes of one
run at the same time.
"""

from __future__ import annotations

import contextlib
import threading

from ....utils.errors import DataError, MetadataError
from ...ir import PipelineIR
from ...launch.finish import take_over
from ...launch.launcher import Launcher
from ...launch.outcome import NodeOutcome, RunObserver
from ...launch.run import Run
from ...launch.workers.in_process import InProcessWorker
from ...launch.workers.kubernetes_job import KubernetesJobWorker
from ...launch.workers.pool import Worker, WorkerPool
from ...metadata.records import ExecutionState
from ...metadata.store import MetadataStore
from ..run_lifecycle import open_store, refuse_inside_worker
from ..stop_signals import stopped_by_signals

#: States in which a node has ended, but what follows it cannot start.
_UNSUCCESSFUL = (ExecutionState.FAILED, ExecutionState.CANCELED)


def run_single_node(
    ir: PipelineIR,
    node_id: str,
    run: Run,
    *,
    metadata: str = "",
    in_process: bool = False,
    observer: RunObserver | None = None,
    cancel: threading.Event | None = None,
) -> NodeOutcome:
    """Runs one node, whose predecessors must have run, and waits for it.

    Args:
        ir: The compiled pipeline.
        node_id: The node.
        run: The run that it belongs to; begun if it is not.
        metadata: The metadata store; by default `metadata.sqlite` below the root.
        in_process: Executes in this very process instead of a worker, for debuggers.
        observer: Who is told how it goes.
        cancel: Set to stop the node. By default Ctrl-C and SIGTERM stop it.

    Raises:
        PenstockError: It could not be started. What goes wrong with the node itself is in
            the outcome.
    """
    refuse_inside_worker()
    node = ir.node(node_id)
    stop = cancel or threading.Event()
    with open_store(run, metadata) as store:
        _begin(store, run, ir)
        if node.policy.trigger != "always":
            _check_predecessors(store, run, node.id, node.predecessors())
        worker: Worker = InProcessWorker()
        with contextlib.ExitStack() as open_until_done:
            if not in_process:
                jobs = None
                if node.policy.resources.workers > 1:
                    jobs = KubernetesJobWorker.from_environment()
                worker = jobs or open_until_done.enter_context(
                    WorkerPool(max_workers=1, preload=node.executor.preload)
                )
            if cancel is None:
                open_until_done.enter_context(stopped_by_signals(stop))
            run = take_over(run, node_id, store)
            launcher = Launcher(ir, run, store, worker, observer=observer, cancel=stop)
            return launcher.launch(node_id)


def _begin(store: MetadataStore, run: Run, ir: PipelineIR) -> None:
    try:
        # A run that has ended is not opened again for a node that somebody tries by hand.
        store.get_run(run.id)
    except MetadataError:
        # Not owned: it outlives this process.
        store.begin_run(
            run.pipeline, run.id, properties={"root": run.root, "ir": ir.digest}, owned=False
        )


def _check_predecessors(store: MetadataStore, run: Run, node_id: str, before: list[str]) -> None:
    for earlier in before:
        found = store.node_execution(run.id, earlier)
        if found is None or not found.state.finished or found.state in _UNSUCCESSFUL:
            raise DataError(
                f"{earlier} has to run first",
                node=node_id,
                expected=f"a result of {earlier} in run {run.id}",
                got="none" if found is None else f"it is {found.state.value}",
                fix=f"penstock node run --node {earlier} … (with the other options as here)",
            )
