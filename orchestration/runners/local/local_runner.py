# SPDX-License-Identifier: Apache-2.0
"""The local runner: a pipeline on this machine, nodes side by side where they can be."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from functools import partial
from typing import Any

from ....components.base.artifact import Artifact
from ....utils.errors import DataError
from ...ir import PipelineIR
from ...launch.launcher import Launcher
from ...launch.outcome import NodeOutcome, RunObserver
from ...launch.run import Run
from ...launch.workers.pool import WorkerPool
from ...metadata.store import MetadataStore
from ...pipeline import Pipeline
from ..run_lifecycle import conduct, described, open_store
from ..run_result import RunResult
from ..stop_signals import stopped_by_signals
from .preloading import PreloadingObserver
from .resource_pool import machine_resources
from .scheduler import Scheduler
from .selection import Selection

#: Artifacts of a node, by output name.
Outputs = Mapping[str, list[Artifact]]


class LocalRunner:
    """Runs pipelines on this machine.

    Args:
        metadata: The metadata store: a path or URL; by default the pipeline's own setting,
            else `metadata.sqlite` below its root.
        max_workers: How many nodes may execute at once, whatever their resources.
        observer: Who is told how it goes.
    """

    def __init__(
        self,
        *,
        metadata: str = "",
        max_workers: int | None = None,
        observer: RunObserver | None = None,
    ) -> None:
        self.metadata = metadata
        self.max_workers = max_workers
        self.observer = observer or RunObserver()

    def run(
        self,
        pipeline: Pipeline | PipelineIR,
        *,
        parameters: Mapping[str, Any] | None = None,
        root: str | None = None,
        run_id: str | None = None,
        resume: str | None = None,
        selection: Selection | None = None,
        cache: str | None = None,
        known: Mapping[str, Outputs | None] | None = None,
    ) -> RunResult:
        """Runs a pipeline and waits for it.

        What goes wrong with a node is in the result, not raised.

        Args:
            pipeline: The pipeline, or its IR.
            parameters: Values of runtime parameters.
            root: Replaces the pipeline's root.
            run_id: Id of the new run; made up by default.
            resume: Id of a run that failed or was stopped, to be continued.
            selection: The nodes to run; all by default.
            cache: Replaces every node's cache policy.
            known: What nodes that are left out stand in with, by id, None for one that was
                skipped; by default what they put out last.

        Raises:
            PenstockError: The run could not be started.
        """
        ir, run = described(
            pipeline, parameters=parameters, root=root, run_id=run_id, resume=resume, cache=cache
        )
        chosen = (selection or Selection()).chosen(ir)
        metadata = self.metadata or getattr(pipeline, "metadata", "")
        with open_store(run, metadata) as store:
            return conduct(
                ir,
                run,
                store,
                partial(self._launch, ir, run, store, chosen, known),
                observer=self.observer,
            )

    def _launch(
        self,
        ir: PipelineIR,
        run: Run,
        store: MetadataStore,
        chosen: list[str],
        known: Mapping[str, Outputs | None] | None,
        cancel: threading.Event,
        outcomes: dict[str, NodeOutcome],
    ) -> None:
        """Runs the chosen nodes; what becomes of each is in `outcomes`, however it ends."""
        resources = machine_resources()
        # Enough for whatever the resources let run at once.
        workers = self.max_workers or max(4, int(resources.cpu / 0.25))
        with WorkerPool(max_workers=workers) as pool:
            observer = PreloadingObserver(self.observer, pool, ir, chosen)
            launcher = Launcher(ir, run, store, pool, observer=observer, cancel=cancel)
            if known is None:
                adopt_unselected(ir, launcher, store, chosen)
            for node_id, outputs in (known or {}).items():
                launcher.outputs.remember(node_id, outputs)
            self.observer.run_started(run.id, chosen)
            scheduler = Scheduler(ir, chosen, launcher.launch, resources, cancel, outcomes)
            with stopped_by_signals(cancel):
                scheduler.run()


def adopt_unselected(
    ir: PipelineIR, launcher: Launcher, store: MetadataStore, chosen: list[str]
) -> None:
    """Lets nodes that are left out stand in with what they put out last.

    Raises:
        DataError: One that is needed has never succeeded.
    """
    kept = set(chosen)
    needed = {
        earlier
        for node in ir.nodes
        if node.id in kept and node.policy.trigger != "always"
        for earlier in node.predecessors()
        if earlier not in kept
    }
    for node_id in [node.id for node in ir.nodes if node.id in needed]:
        last = store.last_execution(ir.name, node_id)
        if last is None:
            raise DataError(
                f"{node_id} is left out, but has never succeeded in pipeline {ir.name!r}",
                expected="an earlier result of every node that is left out and needed",
                fix=f"include it: --from-node {node_id}, or run the whole pipeline once",
            )
        launcher.outputs.remember(node_id, store.outputs_of(last.id))
