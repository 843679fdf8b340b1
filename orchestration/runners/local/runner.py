# SPDX-License-Identifier: Apache-2.0
"""The local runner: a pipeline on this machine, nodes side by side where they can be."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ....utils import storage
from ....utils.errors import Cancelled, DataError, ExecutionError, MetadataError, PenstockError
from ....utils.logs import get_logger
from ....utils.user_code import loading_module
from ...ir import PipelineIR
from ...launch.launcher import Launcher
from ...launch.outcome import NodeOutcome, NodeState, RunObserver
from ...launch.recovery import clear, recover
from ...launch.root_check import check_root
from ...launch.run import Run, describe_run
from ...launch.workers.pool import WorkerPool
from ...metadata.records import RunState
from ...metadata.store import MetadataStore
from ...pipeline import Pipeline
from .preloading import PreloadingObserver
from .resource_pool import machine_resources
from .scheduler import Scheduler
from .selection import Selection

_log = get_logger(__name__)


@dataclass(frozen=True)
class RunResult:
    """What became of a run.

    Attributes:
        run: The run.
        outcomes: What became of each node, by id.
        metadata: The metadata store's setting.
    """

    run: Run
    outcomes: Mapping[str, NodeOutcome] = field(default_factory=dict)
    metadata: str = ""

    @property
    def succeeded(self) -> bool:
        """Whether every node that was to run did."""
        return all(outcome.state.succeeded for outcome in self.outcomes.values())

    @property
    def failed(self) -> list[NodeOutcome]:
        """The nodes that failed by themselves, first failures first."""
        return [found for found in self.outcomes.values() if found.state is NodeState.FAILED]

    def raise_for_failure(self) -> RunResult:
        """The result itself, if it succeeded.

        Raises:
            PenstockError: The first failure.
        """
        for found in [*self.failed, *self.outcomes.values()]:
            if found.error is not None:
                raise found.error
        return self


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

        Raises:
            PenstockError: The run could not be started.
        """
        ir = pipeline.compile() if isinstance(pipeline, Pipeline) else pipeline
        refuse_inside_worker()
        run = describe_run(
            ir,
            run_id=resume or run_id,
            root=root,
            parameters=parameters,
            cache=cache,
            resumed=bool(resume),
        )
        chosen = (selection or Selection()).chosen(ir)
        metadata = self.metadata or getattr(pipeline, "metadata", "")
        with open_store(run, metadata) as store:
            self._prepare(store, run, ir, resume)
            return self._run(ir, run, store, chosen)

    def _prepare(self, store: MetadataStore, run: Run, ir: PipelineIR, resume: str | None) -> None:
        if resume:
            found = store.get_run(resume)
            if found.state is RunState.RUNNING and found.owner_alive():
                raise MetadataError(
                    f"run {resume} is still running",
                    got=found.owner_text,
                    fix="wait for it, or stop that process first",
                )
        check_root(store, run)
        recover(store, run, ir)
        store.begin_run(run.pipeline, run.id, properties={"root": run.root, "ir": ir.digest})

    def _run(self, ir: PipelineIR, run: Run, store: MetadataStore, chosen: list[str]) -> RunResult:
        cancel = threading.Event()
        outcomes: dict[str, NodeOutcome] = {}
        result = RunResult(run, outcomes, store.setting)
        state, error = RunState.FAILED, "it ended before its nodes did"
        try:
            ir.save(run.ir_path)
            self._launch(ir, run, store, chosen, cancel, outcomes)
            state, error = RunState.COMPLETE, ""
            if not result.succeeded:
                state, error = RunState.FAILED, "; ".join(each.reason for each in result.failed)
                if cancel.is_set():
                    state, error = RunState.CANCELED, "stopped by the user"
        except PenstockError as failure:
            error = str(failure)
            raise
        finally:
            _end(store, run, ir, state, error)
            self.observer.run_ended(outcomes)
        if state is RunState.CANCELED:
            raise Cancelled(
                f"run {run.id} was stopped",
                fix=f"penstock run … --resume {run.id}",
            )
        return result

    def _launch(
        self,
        ir: PipelineIR,
        run: Run,
        store: MetadataStore,
        chosen: list[str],
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
            adopt_unselected(ir, launcher, store, chosen)
            self.observer.run_started(run.id, chosen)
            scheduler = Scheduler(ir, chosen, launcher.launch, resources, cancel, outcomes)
            with stopped_by_signals(cancel):
                scheduler.run()


def _end(store: MetadataStore, run: Run, ir: PipelineIR, state: RunState, error: str) -> None:
    """Records how a run ended, and what its nodes could not record themselves.

    Raises:
        MetadataError: The run is complete, but that could not be recorded.
    """
    try:
        if state is not RunState.COMPLETE:
            clear(store, store.get_run(run.id), ir, run.root)
        store.end_run(run.id, state, error=error)
    except MetadataError as second:
        if state is RunState.COMPLETE:
            raise
        # What the run failed of is to be mended first; the next run does what is left to do.
        _log.warning("how run %s ended could not be recorded: %s", run.id, second)


@contextlib.contextmanager
def stopped_by_signals(cancel: threading.Event) -> Iterator[None]:
    """Lets Ctrl-C and SIGTERM stop the run in order: workers end, everything is recorded."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(signum: int, frame: object) -> None:
        cancel.set()

    previous = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def open_store(run: Run, metadata: str) -> Iterator[MetadataStore]:
    """The metadata store of a run: the one set, else a SQLite file below the root.

    Raises:
        MetadataError: It cannot be opened.
        StorageError: The root cannot be written.
    """
    if not metadata:
        metadata = default_metadata(run)
        storage.make_dirs(run.root)
    store = MetadataStore(metadata)
    try:
        yield store
    finally:
        store.close()


def default_metadata(run: Run) -> str:
    """The metadata store of a run for which none is set: a SQLite file below the root.

    Raises:
        MetadataError: The root is not on this machine.
    """
    if not storage.is_local(run.root):
        raise MetadataError(
            "a pipeline with a remote root needs a metadata store of its own",
            got=run.root,
            fix="set metadata='…' on the pipeline, or pass --metadata",
        )
    return os.path.join(run.root, "metadata.sqlite")


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
        if node.id in kept
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


def refuse_inside_worker() -> None:
    """Stops a pipeline script that a worker imports from running the pipeline again.

    Raises:
        ExecutionError: This process is a worker, or is loading user code for one.
    """
    if os.environ.get("PENSTOCK_WORKER") or loading_module():
        raise ExecutionError(
            "a pipeline is run while its own module is imported by a worker",
            fix="put the run under `if __name__ == '__main__':`",
        )
