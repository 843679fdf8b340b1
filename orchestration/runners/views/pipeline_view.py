# SPDX-License-Identifier: Apache-2.0
"""A pipeline as a picture, and what became of its nodes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ....utils.readable import duration, first_line
from ...ir import NodeIR, PipelineIR
from .view import Block, Graph, GraphNode, Table, Tone, Toned, View, Words


@dataclass(frozen=True)
class NodeStanding:
    """How a node of a run stands.

    Attributes:
        state: The word for it.
        seconds: How long it took; None where that says nothing.
        reason: Why it was run, reused, skipped, or failed.
        started_at: In seconds since the epoch; 0 where it is not known.
    """

    state: str
    seconds: float | None = None
    reason: str = ""
    started_at: float = 0.0


def pipeline_graph(
    ir: PipelineIR, standing: Mapping[str, NodeStanding] | None = None, title: str = ""
) -> Graph:
    """A pipeline's nodes and what flows between them."""
    standing = standing or {}
    nodes = [_box(node, standing.get(node.id)) for node in ir.nodes]
    edges = []
    for node in ir.nodes:
        labels: dict[str, list[str]] = {before: [] for before in node.predecessors()}
        for given in node.inputs.values():
            for channel in given.channels:
                labels.setdefault(channel.node, []).append(f"{channel.output} ({given.type})")
        edges += [
            (before, node.id, ", ".join(dict.fromkeys(names))) for before, names in labels.items()
        ]
    return Graph(title or f"Pipeline {ir.name}", nodes, edges)


def pipeline_view(ir: PipelineIR, standing: Mapping[str, NodeStanding] | None = None) -> View:
    """A pipeline: its picture, and its nodes in a table."""
    blocks: list[Block] = [Words(ir.description)] if ir.description else []
    blocks.append(pipeline_graph(ir, standing, "Nodes"))
    rows = [
        (
            node.id,
            node.type_name.rpartition(".")[2],
            ", ".join(f"{name}: {kind}" for name, kind in node.outputs.items()),
            node.description,
        )
        for node in ir.nodes
    ]
    blocks.append(Table(("node", "component", "puts out", "what it does"), rows))
    return View(f"Pipeline {ir.name}", blocks)


def standing_table(standing: Mapping[str, NodeStanding]) -> Table:
    """How the nodes of a run stand, as a table."""
    rows = [
        (node_id, Toned(each.state, tone_of(each.state)), each.seconds, each.reason)
        for node_id, each in standing.items()
    ]
    return Table(("node", "state", "seconds", "because"), rows)


def tone_of(state: str) -> Tone:
    """The tone in which a state is written."""
    if state == "failed":
        return "error"
    if state in ("complete", "cached"):
        return "fine"
    return "warning" if state in ("parked", "interrupted", "cancelled", "canceled") else "dim"


def _box(node: NodeIR, standing: NodeStanding | None) -> GraphNode:
    kind = node.type_name.rpartition(".")[2]
    lines = [node.id]
    if kind != node.id:
        lines.append(kind)
    if standing is not None:
        took = f" in {duration(standing.seconds)}" if standing.seconds is not None else ""
        lines.append(standing.state + took)
    told = [node.id, node.description]
    if standing is not None and standing.reason:
        told.append(f"{standing.state}: {first_line(standing.reason)}")
    told.append("puts out " + (", ".join(node.outputs) or "nothing"))
    state = standing.state if standing is not None else ""
    return GraphNode(node.id, lines, "box", state, "\n".join(filter(None, told)))
