# SPDX-License-Identifier: Apache-2.0
"""What is said when a run has ended: for people, and as data for programs."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, TextIO

from ....components.base.artifact import Artifact
from ....utils import storage
from ....utils.errors import ExecutionError, GateError, PenstockError, UserCodeError
from ....utils.readable import counted, duration
from ....utils.source_location import display_path
from ....utils.terminal import Paint, glyph
from ...ir import PipelineIR
from ...launch.outcome import NodeOutcome, NodeState
from ..run_result import RunResult
from .plain_progress import unfinished

#: How a count of nodes is put for each way to end, in the order in which they are told.
_PHRASES: Mapping[NodeState, str] = {
    NodeState.COMPLETE: "ran",
    NodeState.CACHED: "reused",
    NodeState.SKIPPED: "skipped",
    NodeState.FAILED: "failed",
    NodeState.PARKED: "parked",
}
#: Where a gate that lets the run go on says that it refused, and why.
_BLESSED = "blessed"
_REASON = "reason"
#: Where a pusher says whether and where it put the model, which is what people look for.
_PUSHED = "pushed"
_DESTINATION = "pushed_destination"
_MODEL = ("model_name", "model_version")
_MOST_OUTPUTS = 6
_MOST_FAILURES = 3
_LOG_TAIL = 8


def success_text(result: RunResult, ir: PipelineIR, seconds: float, stream: TextIO) -> str:
    """What is said of a run in which nothing failed."""
    paint = Paint(stream)
    head = f"{glyph('complete', stream)} {ir.name}"
    lines = ["", f"{paint(head, 'green', 'bold')}: {counts(result.outcomes, seconds)}"]
    lines += _verdicts(result, ir, paint, stream)
    outputs = list(final_outputs(result, ir))
    if outputs:
        lines.append("")
        lines += _columns([(f"{node}.{name}", _place(found)) for node, name, found in outputs])
    if result.run.id:
        lines += ["", paint(f"  what happened in it: penstock runs show {result.run.id}", "dim")]
    return "\n".join(lines)


def _verdicts(result: RunResult, ir: PipelineIR, paint: Paint, stream: TextIO) -> list[str]:
    """What gates refused, and what was pushed: a run that succeeds may well have done neither."""
    lines: list[str] = []
    for node in ir.nodes:
        outcome = result.outcomes.get(node.id)
        artifacts = (
            [each for found in outcome.outputs.values() for each in found] if outcome else []
        )
        for told in (each.custom_properties for each in artifacts):
            if told.get(_BLESSED) == 0:
                head = f"{glyph('failed', stream)} {node.id}: the model is not blessed"
                lines += ["", paint(head, "yellow", "bold")]
                lines += [f"  {why}" for why in str(told.get(_REASON, "")).split("; ") if why]
            elif told.get(_PUSHED) == 0:
                lines += [
                    "",
                    paint(f"{glyph('failed', stream)} {node.id}: nothing is pushed", "bold"),
                ]
            elif told.get(_PUSHED) == 1:
                model = " ".join(str(told[name]) for name in _MODEL if name in told) or "the model"
                where = _shown_place(str(told.get(_DESTINATION) or ""))
                lines += ["", f"  {node.id}: {model} is pushed" + (f" to {where}" if where else "")]
    return lines


def failure_text(
    result: RunResult, seconds: float, resume: str, stream: TextIO, *, stopped: bool = False
) -> str:
    """What is said of a run in which a node failed, or that was stopped: the root error first."""
    paint = Paint(stream)
    lines: list[str] = []
    for outcome in result.failed[:_MOST_FAILURES]:
        lines += ["", *_failure(outcome, paint, stream)]
    more = len(result.failed) - _MOST_FAILURES
    if more > 0:
        lines += ["", f"and {counted(more, 'more failure')}: penstock runs show {result.run.id}"]
    head = f"{result.run.pipeline}: "
    if stopped:
        head += "stopped; "
    lines += ["", head + counts(result.outcomes, seconds)]
    if resume:
        lines += ["", "to go on where it stopped:", paint(f"  {resume}", "bold")]
    return "\n".join(lines)


def parked_text(result: RunResult, seconds: float, resume: str, stream: TextIO) -> str:
    """What is said of a run that waits for somebody's approval."""
    paint = Paint(stream)
    lines: list[str] = []
    for outcome in result.parked:
        error = outcome.error or PenstockError(outcome.reason)
        lines += ["", paint(f"{glyph('parked', stream)} {outcome.node_id} {error.what}", "bold")]
        if error.expected:
            lines.append(f"  to look at:   {error.expected}")
        lines.append(f"  to decide:    {error.fix}")
    lines += ["", f"{result.run.pipeline}: parked; {counts(result.outcomes, seconds)}"]
    if resume:
        lines += ["", "once that is decided, it goes on with:", paint(f"  {resume}", "bold")]
    return "\n".join(lines)


def _failure(outcome: NodeOutcome, paint: Paint, stream: TextIO) -> Iterator[str]:
    error = outcome.error or PenstockError(outcome.reason or "it failed")
    yield paint(error.what, "red", "bold")
    frames = error.frames if isinstance(error, UserCodeError) else ()
    for index, frame in enumerate(reversed(frames)):
        yield f"  {'called from' if index else 'at'} {frame}"
    rows = [
        ("expected", error.expected),
        ("got", error.got),
        ("did you mean", error.suggestion),
        ("at", None if frames else error.location),
        ("to mend it", None if _points_at_log(error, outcome) else error.fix),
    ]
    for label, text in rows:
        if text:
            yield f"  {label + ':':<14}{text}"
    verb = "refused to go on" if isinstance(error, GateError) else "failed"
    tries = f" ({outcome.attempts} attempts)" if outcome.attempts > 1 else ""
    head = f"{glyph('failed', stream)} {outcome.node_id}"
    yield ""
    yield f"{paint(head, 'bold')} {verb} after {duration(outcome.seconds)}{tries}"
    if outcome.log_path and os.path.exists(outcome.log_path):
        yield f"  log:          {display_path(outcome.log_path)}"
        # What an executor itself found wrong is all said above.
        if isinstance(error, ExecutionError) and not isinstance(error, UserCodeError):
            for line in _tail(outcome.log_path):
                yield paint(f"    {line}", "dim")


def _points_at_log(error: PenstockError, outcome: NodeOutcome) -> bool:
    """Whether the advice is to read the log, which is named anyway."""
    return bool(outcome.log_path and error.fix and outcome.log_path in error.fix)


def _tail(path: str) -> list[str]:
    try:
        with open(path, "rb") as file:
            file.seek(max(0, os.path.getsize(path) - 8192))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return []
    return [line for line in text.splitlines() if line.strip()][-_LOG_TAIL:]


def counts(outcomes: Mapping[str, NodeOutcome], seconds: float) -> str:
    """How many nodes ended how: `9 nodes in 43s: 5 ran, 4 reused`."""
    found = Counter(_PHRASES.get(each.state) or unfinished(each) for each in outcomes.values())
    words = [*_PHRASES.values(), "stopped", "not run"]
    said = ", ".join(f"{found[word]} {word}" for word in words if found[word])
    return f"{counted(len(outcomes), 'node')} in {duration(seconds)}" + (
        f": {said}" if said else ""
    )


def final_outputs(result: RunResult, ir: PipelineIR) -> Iterator[tuple[str, str, Artifact]]:
    """What the run was for: outputs of nodes that no other node of the run follows."""
    ran = [node for node in ir.nodes if node.id in result.outcomes]
    followed = {earlier for node in ran for earlier in node.predecessors()}
    given = 0
    for node in ran:
        outcome = result.outcomes[node.id]
        if node.id in followed or not outcome.state.succeeded:
            continue
        for name, artifacts in outcome.outputs.items():
            for found in artifacts:
                if given < _MOST_OUTPUTS:
                    yield node.id, name, found
                given += 1


def _place(artifact: Artifact) -> str:
    if artifact.custom_properties.get(_PUSHED) == 0:
        return "not pushed"
    return _shown_place(str(artifact.custom_properties.get(_DESTINATION) or artifact.uri))


def _shown_place(place: str) -> str:
    return display_path(storage.local_path(place)) if storage.is_local(place) and place else place


def _columns(rows: list[tuple[str, str]]) -> list[str]:
    width = max(len(left) for left, _ in rows)
    return [f"  {left:<{width}}  {right}" for left, right in rows]


def outcome_document(outcome: NodeOutcome) -> dict[str, Any]:
    """One node's outcome as data: every key is always there."""
    error = outcome.error
    told = error.to_dict() if error else None
    if told is not None and isinstance(error, UserCodeError):
        told = {**told, "frames": list(error.frames)}  # type: ignore[dict-item]
    return {
        "node": outcome.node_id,
        "state": outcome.state.value,
        "reason": outcome.reason,
        "seconds": round(outcome.seconds, 3),
        "attempts": outcome.attempts,
        "execution": outcome.execution_id or None,
        "outputs": {
            name: [artifact.to_dict() for artifact in found]
            for name, found in outcome.outputs.items()
        },
        "error": told,
        "log": outcome.log_path or None,
    }


def run_document(
    result: RunResult, seconds: float, resume: str, *, stopped: bool = False
) -> dict[str, Any]:
    """A run as data: every key is always there."""
    state = "canceled" if stopped else "complete" if result.succeeded else "failed"
    if state == "failed" and result.parked and not result.failed:
        state = "parked"
    return {
        "run": result.run.id,
        "pipeline": result.run.pipeline,
        "state": state,
        "seconds": round(seconds, 3),
        "root": result.run.root,
        "metadata": result.metadata,
        "nodes": [outcome_document(outcome) for outcome in result.outcomes.values()],
        "resume": None if state == "complete" else resume,
    }
