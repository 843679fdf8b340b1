# SPDX-License-Identifier: Apache-2.0
"""How a run begins and ends, whichever runner decides when its nodes run."""

from __future__ import annotations

import contextlib
import json
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ...components.base.artifact import PropertyValue
from ...utils import storage
from ...utils.errors import Cancelled, ExecutionError, MetadataError, PenstockError
from ...utils.git_commit import commit_of
from ...utils.logs import get_logger
from ...utils.user_code import loading_module
from ..ir import PipelineIR
from ..launch.outcome import NodeOutcome, RunObserver
from ..launch.recovery import clear, recover
from ..launch.root_check import check_root
from ..launch.run import Run, describe_run
from ..metadata.records import RunState
from ..metadata.store import MetadataStore
from ..pipeline import Pipeline
from .run_result import RunResult

_log = get_logger(__name__)


def described(
    pipeline: Pipeline | PipelineIR,
    *,
    parameters: Mapping[str, Any] | None,
    root: str | None,
    run_id: str | None,
    resume: str | None,
    cache: str | None,
) -> tuple[PipelineIR, Run]:
    """A compiled pipeline, and the run of it that the arguments of a runner's `run` describe.

    Raises:
        PenstockError: It does not compile, an argument is not acceptable, or this is the
            process of a worker.
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
    return ir, run


def _begin(
    store: MetadataStore, run: Run, ir: PipelineIR, tags: Mapping[str, PropertyValue]
) -> None:
    """Records that a run begins, after what killed processes left behind is cleared away."""
    if run.resumed:
        found = store.get_run(run.id)
        if found.state is RunState.RUNNING and found.owner_alive():
            raise MetadataError(
                f"run {run.id} is still running",
                got=found.owner_text,
                fix=f"wait for it; or, if nobody works at it any more: penstock runs end {run.id}"
                if found.owner is None or found.owner.alive() is None
                else "wait for it, or stop that process first",
            )
    check_root(store, run, (node.id for node in ir.nodes))
    recover(store, run, ir)
    properties = {
        **tags,
        **_commit(ir),
        "root": run.root,
        "ir": ir.digest,
        "parameters": json.dumps(dict(run.parameters), sort_keys=True),
    }
    store.begin_run(run.pipeline, run.id, properties=properties)


def _commit(ir: PipelineIR) -> dict[str, PropertyValue]:
    """The commit of the repository in which the pipeline is declared, where there is one."""
    places = (node.location.rpartition(":")[0] for node in ir.nodes)
    found = commit_of(next(filter(os.path.isfile, places), os.devnull))
    return {"commit": found} if found else {}


def conduct(
    ir: PipelineIR,
    run: Run,
    store: MetadataStore,
    run_nodes: Callable[[threading.Event, dict[str, NodeOutcome]], None],
    *,
    observer: RunObserver,
    cancel: threading.Event | None = None,
    tags: Mapping[str, PropertyValue] | None = None,
) -> RunResult:
    """Has the nodes of a run run, and records that it begins and how it ended.

    Args:
        ir: The compiled pipeline.
        run: The run, a new one or one to be continued.
        store: The store.
        run_nodes: Runs the nodes. It gets the event by which the user stops them, and what
            takes in what becomes of each, however it ends.
        observer: Who is told.
        cancel: That event; a new one by default.
        tags: What else to record with the run.

    Raises:
        Cancelled: The user stopped it.
        MetadataError: The run to be continued is unknown, or still under way.
        StorageError: The root belongs to another store.
        PenstockError: It could not run.
    """
    _begin(store, run, ir, tags or {})
    cancel = cancel or threading.Event()
    outcomes: dict[str, NodeOutcome] = {}
    result = RunResult(run, outcomes, store.setting)
    state, error = RunState.FAILED, "it ended before its nodes did"
    try:
        ir.save(run.ir_path)
        run_nodes(cancel, outcomes)
        state, error = RunState.COMPLETE, ""
        if not result.succeeded:
            state, error = RunState.FAILED, "; ".join(each.reason for each in result.failed)
            if result.parked and not result.failed:
                state, error = RunState.PARKED, "; ".join(each.reason for each in result.parked)
            if cancel.is_set():
                state, error = RunState.CANCELED, "stopped by the user"
    except PenstockError as failure:
        error = str(failure)
        raise
    finally:
        _end(store, run, ir, state, error)
        observer.run_ended(outcomes)
    if state is RunState.CANCELED:
        raise Cancelled(
            f"run {run.id} was stopped",
            fix=f"penstock run … --resume {run.id}",
        )
    return result


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
        say = _log.info if second.what in error else _log.warning
        say("how run %s ended could not be recorded: %s", run.id, second)


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
