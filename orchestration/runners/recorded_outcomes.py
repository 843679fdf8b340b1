# SPDX-License-Identifier: Apache-2.0
"""What became of the nodes of a run that others ran, as the store has it.

An outside engine runs nodes in other processes, perhaps on other machines. Each of them has
recorded in the store how it ended, so nothing else has to find the way back.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

from ...utils.errors import ApprovalPending, ExecutionError, PenstockError
from ..ir import PipelineIR
from ..launch.outcome import NodeOutcome, NodeState
from ..launch.workers.failure_codec import error_from_dict
from ..metadata.records import ExecutionRecord, ExecutionState
from ..metadata.store import MetadataStore

_STATES = {
    ExecutionState.COMPLETE: NodeState.COMPLETE,
    ExecutionState.CACHED: NodeState.CACHED,
    ExecutionState.SKIPPED: NodeState.SKIPPED,
    ExecutionState.CANCELED: NodeState.CANCELLED,
}


def recorded_outcomes(
    ir: PipelineIR, run_id: str, store: MetadataStore, *, before: Collection[int] = ()
) -> dict[str, NodeOutcome]:
    """What became of every node of a run, in the order in which the pipeline has them.

    A node of which nothing is recorded did not run: what it waited for failed, or the run
    was stopped.

    Args:
        ir: The compiled pipeline.
        run_id: Id of the run.
        store: The store.
        before: Ids of executions that do not count, as they were there before a run was
            resumed.

    Raises:
        MetadataError: The store cannot be read, or does not know the run.
    """
    found: dict[str, list[ExecutionRecord]] = {}
    for execution in store.run_executions(run_id, with_artifacts=True):
        if execution.id not in before:
            found.setdefault(execution.node_id, []).append(execution)
    outcomes: dict[str, NodeOutcome] = {}
    for node in ir.nodes:
        if node.id in found:
            outcomes[node.id] = _outcome(found[node.id])
        else:
            outcomes[node.id] = _not_run(node.id, node.predecessors(), outcomes)
    return outcomes


def _outcome(tried: list[ExecutionRecord]) -> NodeOutcome:
    # An engine may have repeated a node that was done already: what succeeded counts.
    last = max(tried, key=lambda each: (each.state in _SUCCEEDED, each.id))
    state = _STATES.get(last.state, NodeState.FAILED)
    executed = last.state not in (ExecutionState.CACHED, ExecutionState.SKIPPED)
    reason = str(last.custom_properties.get("reason", ""))
    error: PenstockError | None = None
    if state is NodeState.CACHED:
        reason = f"reuses execution {last.cached_from}"
    elif state is NodeState.SKIPPED:
        reason = last.error
    elif not state.succeeded:
        error = _error(last)
        reason = error.what
        if isinstance(error, ApprovalPending):
            state = NodeState.PARKED
    return NodeOutcome(
        last.node_id,
        state,
        reason,
        last.id,
        {name: list(artifacts) for name, artifacts in last.outputs.items()},
        dict(last.results),
        sum(each.seconds for each in tried),
        len(tried) if executed else 0,
        error,
        last.log_path,
    )


_SUCCEEDED = (ExecutionState.COMPLETE, ExecutionState.CACHED, ExecutionState.SKIPPED)


def _error(record: ExecutionRecord) -> PenstockError:
    """The error that an execution recorded; its text alone, where it was cut or cleaned."""
    try:
        raw = json.loads(record.error)
    except ValueError:
        raw = None
    if isinstance(raw, dict) and "kind" in raw and "what" in raw:
        parts: dict[str, Any] = {key: str(raw[key]) for key in _PARTS if key in raw}
        return error_from_dict(parts)
    what = record.error.strip() or f"it is recorded as {record.state.value}, without a reason"
    return ExecutionError(what, node=record.node_id)


#: What every error has. (What a kind has beside these is not recorded.)
_PARTS = ("kind", "what", "node", "expected", "got", "suggestion", "location", "fix")


def why_not_run(before: NodeOutcome | None) -> str:
    """Why a node was left out.

    Args:
        before: A node before it that did not succeed; None where there is none.
    """
    if before is None:
        return "the run was stopped before"
    if before.state is NodeState.PARKED:
        return f"{before.node_id} is not approved yet"
    return f"{before.node_id} did not succeed"


def _not_run(node_id: str, before: list[str], outcomes: Mapping[str, NodeOutcome]) -> NodeOutcome:
    failed = [each for each in before if each in outcomes and not outcomes[each].state.succeeded]
    reason = why_not_run(outcomes[failed[0]] if failed else None)
    error = ExecutionError(f"not run: {reason}", node=node_id)
    return NodeOutcome(node_id, NodeState.CANCELLED, reason, error=error)
