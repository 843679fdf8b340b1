# SPDX-License-Identifier: Apache-2.0
"""A run, an execution, an outcome: how it went."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence

from ....utils.readable import duration, moment
from ...ir import PipelineIR, load_ir
from ...launch.outcome import NodeOutcome
from ...launch.run import Run
from ...metadata.records import ExecutionRecord, RunRecord, newest_of_nodes
from ...metadata.store import MetadataStore
from .pipeline_view import NodeStanding, pipeline_graph, standing_table, tone_of
from .view import Block, Cell, Code, Facts, Fold, Table, Toned, View, Words


def outcomes_view(
    run: Run, outcomes: Mapping[str, NodeOutcome], ir: PipelineIR | None = None
) -> View:
    """What became of a run that this process conducted."""
    standing = {name: standing_of(outcome) for name, outcome in outcomes.items()}
    blocks: list[Block] = []
    ir = ir or ir_of(run)
    if ir is not None:
        blocks.append(pipeline_graph(ir, standing, "Nodes"))
    blocks.append(standing_table(standing))
    return View(f"Run {run.id}", blocks, f"pipeline {run.pipeline}, in {run.root}")


def standing_of(outcome: NodeOutcome) -> NodeStanding:
    """How a node ended."""
    seconds = outcome.seconds if outcome.state.value in ("complete", "failed") else None
    return NodeStanding(outcome.state.value, seconds, outcome.reason)


def outcome_view(outcome: NodeOutcome) -> View:
    """What became of one node."""
    state = outcome.state.value
    pairs: list[tuple[str, Cell]] = [
        ("state", Toned(state, tone_of(state))),
        ("took", duration(outcome.seconds)),
        ("because", outcome.reason),
        ("execution", outcome.execution_id or None),
        ("log", outcome.log_path),
    ]
    blocks: list[Block] = [Facts(pairs)]
    if outcome.error is not None:
        blocks.append(Code(str(outcome.error)))
    if outcome.properties:
        blocks.append(Table(("recorded", "value"), list(outcome.properties.items())))
    return View(outcome.node_id, blocks)


def run_view(store: MetadataStore, run: RunRecord) -> View:
    """A run as the store has it."""
    executions = newest_of_nodes(store.run_executions(run.id))
    standing = recorded_standing(store, executions)
    blocks: list[Block] = [run_facts(run)]
    ir = recorded_ir(run)
    if ir is not None:
        blocks.append(pipeline_graph(ir, standing, "Nodes"))
    blocks.append(standing_table(standing))
    return View(f"Run {run.id}", blocks, f"pipeline {run.pipeline}")


def alone_view(run: RunRecord) -> View:
    """A run of which only its own record is at hand."""
    blocks: list[Block] = [run_facts(run)]
    ir = recorded_ir(run)
    if ir is not None:
        blocks.append(pipeline_graph(ir, title="Nodes"))
    told = f"How its nodes fared: store.run_executions({run.id!r}), or penstock show {run.id}"
    blocks.append(Words(told, "dim"))
    return View(f"Run {run.id}", blocks, f"pipeline {run.pipeline}")


def run_facts(run: RunRecord) -> Facts:
    """When a run began, how it ended, with which parameters."""
    state = "interrupted" if run.interrupted else run.state.value
    took = duration(run.ended_at - run.started_at) if run.ended_at else ""
    parameters = json.loads(str(run.properties.get("parameters") or "{}"))
    pairs: list[tuple[str, Cell]] = [
        ("state", Toned(state, tone_of(state))),
        ("started", moment(run.started_at)),
        ("took", took),
        ("root", str(run.properties.get("root", ""))),
        ("error", run.error),
    ]
    pairs += [(f"parameter {name}", str(value)) for name, value in parameters.items()]
    return Facts(pairs)


def recorded_standing(
    store: MetadataStore, executions: Sequence[ExecutionRecord]
) -> dict[str, NodeStanding]:
    """How nodes stand, as the store has it."""
    found = {}
    for each in executions:
        state = each.state.value
        seconds = each.seconds if state in ("complete", "failed") else None
        reason = _reason(each)
        if each.cached_from and not reason:
            origin = store.get_execution(each.cached_from)
            reason = f"nothing changed since run {origin.run_id}"
        found[each.node_id] = NodeStanding(state, seconds, reason, each.started_at)
    return found


def _reason(execution: ExecutionRecord) -> str:
    if execution.error:
        try:
            raw = json.loads(execution.error)
        except ValueError:
            return execution.error
        return str(raw.get("what", execution.error)) if isinstance(raw, dict) else execution.error
    return str(execution.custom_properties.get("reason", ""))


def recorded_ir(run: RunRecord) -> PipelineIR | None:
    """The compiled pipeline that a run kept, where it lies on this machine."""
    root = str(run.properties.get("root", ""))
    return ir_of(Run(run.id, run.pipeline, root)) if root else None


def ir_of(run: Run) -> PipelineIR | None:
    """The compiled pipeline that a run kept, where it lies on this machine."""
    return load_ir(run.ir_path) if os.path.exists(run.ir_path) else None


def execution_view(execution: ExecutionRecord) -> View:
    """One execution: what went in, what came out, how long it took."""
    state = execution.state.value
    pairs: list[tuple[str, Cell]] = [
        ("state", Toned(state, tone_of(state))),
        ("pipeline", execution.pipeline),
        ("run", execution.run_id),
        ("started", moment(execution.started_at)),
        ("took", duration(execution.seconds)),
        ("attempt", execution.attempt if execution.attempt > 1 else None),
        ("because", _reason(execution)),
        ("reused from execution", execution.cached_from),
        ("log", execution.log_path),
    ]
    blocks: list[Block] = [Facts(pairs)]
    rows = [
        (way, name, each.TYPE_NAME, each.id, each.uri)
        for way, found in (("in", execution.inputs), ("out", execution.outputs))
        for name, artifacts in found.items()
        for each in artifacts
    ]
    if rows:
        blocks.append(Table(("", "name", "type", "artifact", "where"), rows, "Artifacts"))
    if execution.parameters:
        given = [(name, _short(value)) for name, value in execution.parameters.items()]
        blocks.append(Fold("Parameters", [Table(("parameter", "value"), given)]))
    if execution.results:
        told = [(name, _short(value)) for name, value in execution.results.items()]
        blocks.append(Table(("recorded", "value"), told))
    return View(f"{execution.node_id or execution.type_name} ({execution.id})", blocks)


def _short(value: object) -> Cell:
    if isinstance(value, (int, float, str, bool)) or value is None:
        return value
    return json.dumps(value, ensure_ascii=False, default=str)


def store_view(store: MetadataStore) -> View:
    """What a metadata store holds: the newest runs and artifacts."""
    runs = [
        (run.id, run.pipeline, Toned(run.state.value, tone_of(run.state.value)),
         moment(run.started_at), run.error)
        for run in store.list_runs(limit=20)
    ]  # fmt: skip
    artifacts = [
        (each.artifact.id, each.artifact.TYPE_NAME, each.state.value, each.pipeline, each.node_id,
         moment(each.created_at), each.artifact.uri)
        for each in store.list_artifacts(limit=50)
    ]  # fmt: skip
    blocks: list[Block] = [
        Table(("run", "pipeline", "state", "started", "error"), runs, "Newest runs"),
        Table(
            ("id", "type", "state", "pipeline", "node", "made", "where"),
            artifacts,
            "Newest artifacts",
        ),
    ]
    if not runs:
        blocks.insert(0, Words("No pipeline has run yet.", "dim"))
    return View("Metadata store", blocks, store.setting)
