# SPDX-License-Identifier: Apache-2.0
"""The Beam runner: a pipeline's nodes on the workers of any Beam runner.

Beam decides where and when a node runs; what happens there is the launcher's, as in every
runner. Workers need Penstock's environment, the root and the metadata store.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from ....utils.errors import ExecutionError, ParameterError, PenstockError
from ....utils.logs import get_logger
from ....utils.missing_modules import install_hint
from ...ir import PipelineIR
from ...launch.outcome import NodeOutcome, RunObserver
from ...launch.recovery import clear
from ...launch.run import Run
from ...metadata.records import RunState
from ...metadata.store import MetadataStore
from ...pipeline import Pipeline
from ..recorded_outcomes import recorded_outcomes
from ..run_lifecycle import conduct, described, open_store
from ..run_result import RunResult
from ..stop_signals import stopped_by_signals
from .beam_pipeline import BeamPipeline

_log = get_logger(__name__)

#: How often it is looked whether the run is to stop, in seconds.
_TICK = 0.2
#: How long nodes, and then Beam, may take to end once the run was stopped, in seconds.
_GRACE = 30.0


class BeamDagRunner:
    """Runs pipelines on a Beam runner: DirectRunner, or any portable one.

    Args:
        metadata: The metadata store: a path or URL, which the workers can open too; by
            default the pipeline's own setting, else `metadata.sqlite` below its root.
        beam_pipeline_args: Flags of the Beam pipeline that runs the nodes; by default the
            pipeline's own. (The pipeline's own are always those of Beam pipelines that
            components start.)
        observer: Who is told how it goes. Nodes run elsewhere, so that it hears of each of
            them only when all have ended.
    """

    def __init__(
        self,
        *,
        metadata: str = "",
        beam_pipeline_args: Sequence[str] | None = None,
        observer: RunObserver | None = None,
    ) -> None:
        self.metadata = metadata
        self.beam_pipeline_args = beam_pipeline_args
        self.observer = observer or RunObserver()

    def compile(self, pipeline: Pipeline | PipelineIR, output: str) -> PipelineIR:
        """Writes what this runner runs, the IR, to a file or URL, and returns it.

        Raises:
            PenstockError: It does not compile, or cannot be written.
        """
        ir = pipeline.compile() if isinstance(pipeline, Pipeline) else pipeline
        ir.save(output)
        return ir

    def run(
        self,
        pipeline: Pipeline | PipelineIR,
        *,
        parameters: Mapping[str, Any] | None = None,
        root: str | None = None,
        run_id: str | None = None,
        resume: str | None = None,
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
            cache: Replaces every node's cache policy.

        Raises:
            PenstockError: The run could not be started, or the Beam pipeline failed.
            Cancelled: It was stopped.
        """
        ir, run = described(
            pipeline, parameters=parameters, root=root, run_id=run_id, resume=resume, cache=cache
        )
        metadata = self.metadata or getattr(pipeline, "metadata", "")
        with open_store(run, metadata) as store:
            if store.config.in_memory:
                raise ParameterError(
                    "workers cannot open a metadata store that is in this process's memory",
                    got=store.setting,
                    fix="set metadata to a file or a server",
                )
            run_nodes = partial(self._run_nodes, ir, run, store)
            return conduct(ir, run, store, run_nodes, observer=self.observer)

    def _run_nodes(
        self,
        ir: PipelineIR,
        run: Run,
        store: MetadataStore,
        cancel: threading.Event,
        outcomes: dict[str, NodeOutcome],
    ) -> None:
        before = {execution.id for execution in store.run_executions(run.id)}
        self.observer.run_started(run.id, [node.id for node in ir.nodes])
        own = self.beam_pipeline_args
        args = ir.beam_pipeline_args if own is None else own
        beam_pipeline = BeamPipeline(args, lambda each: _add_nodes(each, ir, run, store.setting))
        try:
            with stopped_by_signals(cancel):
                beam_pipeline.start()
                while not (beam_pipeline.wait(_TICK) or cancel.is_set()):
                    pass
                if cancel.is_set():
                    _stop(beam_pipeline, run, store)
        finally:
            # What a lost worker left behind.
            clear(store, store.get_run(run.id), ir, run.root)
            outcomes.update(recorded_outcomes(ir, run.id, store, before=before))
            for outcome in outcomes.values():
                self.observer.node_ended(outcome)
        if beam_pipeline.error is not None and not cancel.is_set():
            raise _explained(beam_pipeline.error, run) from beam_pipeline.error


def _add_nodes(beam_pipeline: Any, ir: PipelineIR, run: Run, metadata: str) -> None:
    # Imports Beam, which only a process that runs something on it needs.
    from .node_graph import add_nodes

    add_nodes(beam_pipeline, ir, run, metadata)


def _stop(beam_pipeline: BeamPipeline, run: Run, store: MetadataStore) -> None:
    """Ends a run: its nodes, wherever they are, look whether it still goes on."""
    store.end_run(run.id, RunState.CANCELED, error="stopped by the user")
    if not beam_pipeline.wait(_GRACE):
        beam_pipeline.cancel()
        if not beam_pipeline.wait(_GRACE):
            _log.warning("the Beam pipeline of run %s does not end; it is left alone", run.id)


def _explained(error: Exception, run: Run) -> PenstockError:
    if isinstance(error, PenstockError):
        return error
    if isinstance(error, ModuleNotFoundError) and error.name:
        return ExecutionError(
            f"the Beam runner needs {error.name}, which is not installed",
            fix=install_hint(error.name),
        )
    # Beam's errors hold the whole traceback of the worker; the last line says what it was.
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return ExecutionError(
        "the Beam pipeline that runs the nodes failed",
        got=f"{type(error).__name__}: {lines[-1] if lines else ''}",
        fix="read what Beam logged, and see docs/beam.md for what workers need; to go on where "
        f"it stopped, resume run {run.id}",
    )
