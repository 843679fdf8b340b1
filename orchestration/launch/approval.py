# SPDX-License-Identifier: Apache-2.0
"""What a node that needs somebody's approval does: goes on, parks, or refuses."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace

from ...utils.errors import ApprovalPending, DataError, GateError
from ..ir import NodeIR
from ..metadata.approvals import Decision
from ..metadata.records import ExecutionRecord, newest_of_nodes
from ..metadata.store import MetadataStore
from .fingerprint import CacheKey
from .input_resolution import ResolvedNode
from .run import Run

#: Custom property of the execution that asked: under which key the answer is looked for.
APPROVAL_KEY = "approval_key"
#: Inputs that say of a model whether it may go on at all.
_BLESSINGS = ("model_blessing", "infra_blessing")


@dataclass(frozen=True)
class PendingApproval:
    """A question that a parked run asks.

    Attributes:
        execution: The execution that asked.
        key: What a decision is recorded under.
        approvers: Who may decide; anybody if empty.
        instructions: What to look at.
    """

    execution: ExecutionRecord
    key: str
    approvers: tuple[str, ...] = ()
    instructions: str = ""


def approved(
    node: NodeIR, resolved: ResolvedNode, key: CacheKey, run: Run, store: MetadataStore
) -> ResolvedNode:
    """The node as it is to be executed, now that it is approved.

    Raises:
        ApprovalPending: Nobody has decided yet.
        GateError: It was rejected, or is not blessed.
    """
    _check_blessed(node, resolved)
    found = store.decision(key.key)
    if found is None:
        who = ", ".join(resolved.parameters.get("approvers") or ()) or "somebody"
        raise ApprovalPending(
            f"waits for {who} to approve",
            node=node.id,
            expected=resolved.parameters.get("instructions") or None,
            fix=f"penstock approve {run.id} {node.id} --note '…'   (or: penstock reject …)",
        )
    if not found.approved:
        raise GateError(
            f"{found.by} rejected it on {found.decided_at}"
            + (f": {found.note}" * bool(found.note)),
            node=node.id,
            fix="bring something else, or decide anew: "
            f"penstock approve {found.run_id} {found.node_id}",
        )
    return replace(resolved, parameters={**resolved.parameters, "decision": asdict(found)})


def _check_blessed(node: NodeIR, resolved: ResolvedNode) -> None:
    for name in _BLESSINGS:
        for blessing in resolved.inputs.get(name, ()):
            # A blessing that gives no verdict, as nothing was to be judged, is none.
            if blessing.custom_properties.get("blessed") != 1:
                raise GateError(
                    f"what is to be approved is not blessed: {name}",
                    node=node.id,
                    expected="a blessed model",
                    got=str(blessing.custom_properties.get("reason") or blessing.uri),
                    fix="bring a better one; the measurements: "
                    f"penstock artifacts show {blessing.id or blessing.TYPE_NAME}",
                )


def pending(store: MetadataStore, run_id: str) -> list[PendingApproval]:
    """What a run asks and nobody has answered, and what was answered but not gone on with.

    Raises:
        MetadataError: There is no such run.
    """
    return [
        _question(found)
        for found in newest_of_nodes(store.run_executions(run_id))
        if APPROVAL_KEY in found.custom_properties and not found.succeeded
    ]


def _question(execution: ExecutionRecord) -> PendingApproval:
    approvers = execution.parameters.get("approvers") or []
    if isinstance(approvers, str):
        approvers = json.loads(approvers)
    return PendingApproval(
        execution,
        str(execution.custom_properties[APPROVAL_KEY]),
        tuple(approvers),
        str(execution.parameters.get("instructions") or ""),
    )


def decide(
    store: MetadataStore, question: PendingApproval, *, approve: bool, by: str, note: str, now: str
) -> Decision:
    """Records what somebody decided.

    Args:
        store: The store.
        question: What was asked.
        approve: The answer.
        by: Who answers.
        note: Why.
        now: ISO 8601, UTC.

    Raises:
        DataError: They may not decide.
    """
    if question.approvers and by not in question.approvers:
        raise DataError(
            f"{by} may not decide this",
            node=question.execution.node_id,
            expected=f"one of {', '.join(question.approvers)}",
            got=by,
            fix="let one of them decide, or name yourself as they know you: --by NAME",
        )
    decision = Decision(
        verdict="approved" if approve else "rejected",
        by=by,
        note=note,
        decided_at=now,
        run_id=question.execution.run_id,
        node_id=question.execution.node_id,
    )
    store.decide(question.key, decision)
    return decision
