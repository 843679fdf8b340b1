# SPDX-License-Identifier: Apache-2.0
"""Lineage as a picture: what an artifact came from, and what came of it."""

from __future__ import annotations

from ....utils.readable import moment
from ...metadata.lineage import LineageGraph
from ...metadata.lineage_text import label, node_lines
from .view import Block, Graph, GraphNode, View, Words

#: Beyond this number of boxes nobody reads a picture.
MOST_BOXES = 150


def lineage_view(found: LineageGraph) -> View:
    """The picture of a lineage."""
    blocks: list[Block] = []
    count = len(found.artifacts) + len(found.executions)
    if found.truncated:
        blocks.append(Words("There is more, left out because of the limit.", "warning"))
    if count > MOST_BOXES:
        blocks.append(Words(f"{count} boxes are too many to draw legibly.", "warning"))
    blocks.append(lineage_graph(found))
    about = ", ".join(label(found, key) for key in found.start[:3])
    return View("Lineage", blocks, about)


def lineage_graph(found: LineageGraph, title: str = "Artifacts and executions") -> Graph:
    """The boxes and arrows of a lineage."""
    nodes = []
    for key, execution in found.executions.items():
        lines = node_lines(found, key)
        told = f"{label(found, key)}\n{moment(execution.started_at)}"
        nodes.append(GraphNode(key, lines, "box", execution.state.value, told))
    for key, record in found.artifacts.items():
        artifact = record.artifact
        told = f"{label(found, key)}\n{moment(record.created_at)}"
        lines = [f"{artifact.TYPE_NAME} {artifact.id}"]
        if record.state.value != "live":
            lines.append(record.state.value)
        start = "cached" if key in found.start else "live"
        nodes.append(GraphNode(key, lines, "pill", start, told))
    return Graph(title, nodes, [(edge.source, edge.target, edge.name) for edge in found.edges])
