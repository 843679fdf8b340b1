# SPDX-License-Identifier: Apache-2.0
"""Runs whose nodes an outside engine runs, one by one: taken over, and ended."""

from __future__ import annotations

import json
from dataclasses import replace

from ...utils.errors import MetadataError
from ...utils.logs import get_logger
from ..ir import PipelineIR
from ..metadata.publisher import INTERRUPTED
from ..metadata.records import ExecutionRecord, ExecutionState, RunRecord, RunState
from ..metadata.store import MetadataStore
from .recovery import clear
from .run import Run

_log = get_logger(__name__)


def take_over(run: Run, node_id: str, store: MetadataStore) -> Run:
    """Makes sure that nobody else works at a node of a run which is going to be run here.

    An engine runs a node again when it has lost it: its process was killed, or its machine
    does not answer any more. What it did may have been published already; then that counts.
    And it may still be at work, unseen; then it cannot publish any more.

    Args:
        run: The run.
        node_id: The node.
        store: The metadata store.

    Returns:
        The run as it is to be launched.
    """
    if store.node_execution(run.id, node_id) is None:
        return run
    for execution in store.run_executions(run.id):
        if execution.node_id != node_id or execution.state.finished:
            continue
        _log.warning("%s: execution %d was lost; it is run again", node_id, execution.id)
        try:
            store.fail_execution(execution.id, ExecutionState.FAILED, INTERRUPTED)
        except MetadataError:
            _log.info("%s: execution %d ended meanwhile", node_id, execution.id)
    return run if run.cache == "off" else replace(run, resumed=True)


def finish_run(ir: PipelineIR, run: Run, store: MetadataStore) -> RunRecord:
    """Records that a run has ended, and how: complete only if every node ended well.

    What killed processes left behind is marked as failed and deleted. May be called again,
    after nodes were run again.

    Args:
        ir: The compiled pipeline.
        run: The run; none of its nodes may be running.
        store: The metadata store.

    Raises:
        MetadataError: The store has no such run.
    """
    found = store.get_run(run.id)
    clear(store, found, ir, run.root)
    ended: dict[str, ExecutionRecord] = {}
    for execution in store.run_executions(run.id):
        before = ended.get(execution.node_id)
        if before is None or not _ended_well(before):
            ended[execution.node_id] = execution
    failures = [
        f"{node.id}: {_why(ended.get(node.id))}"
        for node in ir.nodes
        if node.id not in ended or not _ended_well(ended[node.id])
    ]
    state = RunState.FAILED if failures else RunState.COMPLETE
    store.end_run(run.id, state, error="; ".join(failures))
    return store.get_run(run.id)


def abandon_run(store: MetadataStore, run_id: str) -> RunRecord:
    """Ends a run that nobody works at any more, so that it can be resumed.

    Whether an outside engine, or a process of another machine, still works at a run cannot be
    told from here. If one does, it is shut out: what it has under way is marked as failed,
    which it can publish no more, and deleted. Nothing of it can so become live twice.

    Args:
        store: The metadata store.
        run_id: Id of the run. One that has ended already is left as it is.

    Raises:
        MetadataError: There is no such run, or its process is alive on this machine.
    """
    found = store.get_run(run_id)
    if found.state is not RunState.RUNNING:
        return found
    if found.owner is not None and found.owner.alive():
        raise MetadataError(
            f"run {run_id} is still running",
            got=found.owner_text,
            fix=f"wait for it, or stop it: kill {found.owner.pid}",
        )
    clear(store, found, None, str(found.properties.get("root", "")))
    store.end_run(run_id, RunState.INTERRUPTED, error=f"given up; {found.owner_text} ran it")
    return store.get_run(run_id)


def _ended_well(execution: ExecutionRecord) -> bool:
    return execution.succeeded or execution.state is ExecutionState.SKIPPED


def _why(execution: ExecutionRecord | None) -> str:
    if execution is None:
        return "it did not run"
    try:
        return str(json.loads(execution.error)["what"])
    except (ValueError, TypeError, KeyError):
        return execution.error or f"it is {execution.state.value}"
