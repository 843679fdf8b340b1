# SPDX-License-Identifier: Apache-2.0
"""Lineage graphs for people: a tree of text, a Graphviz picture, a Mermaid picture."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable

from .lineage import Direction, LineageEdge, LineageGraph
from .records import ArtifactState

#: Characters in one line of a picture's label, and how much of a URI tells what it is.
_LONGEST_LINE = 48
_URI_PARTS = 3


def tree(graph: LineageGraph, direction: Direction = Direction.UPSTREAM) -> str:
    """The graph as an indented tree, from what was asked about.

    What appears a second time is named there without what lies behind it.
    """
    lines: list[str] = []
    walks = (Direction.UPSTREAM, Direction.DOWNSTREAM)
    for walk in walks if direction is Direction.BOTH else (direction,):
        if direction is Direction.BOTH:
            lines.append(f"{walk.value}:")
        shown: set[str] = set()
        for key in graph.start:
            lines.append(label(graph, key))
            shown.add(key)
            _branches(graph, key, "", walk is Direction.UPSTREAM, shown, lines)
    if graph.truncated:
        lines.append("... and more, left out because of the limit")
    return "\n".join(lines)


def _branches(
    graph: LineageGraph, key: str, indent: str, upstream: bool, shown: set[str], lines: list[str]
) -> None:
    # A stack of branches still to be drawn, because a lineage may be deeper than Python's.
    pending = [(indent, edges) for edges in [iter(_next(graph, key, upstream))]]
    while pending:
        indent, edges = pending[-1]
        entry = next(edges, None)
        if entry is None:
            pending.pop()
            continue
        edge, last = entry
        other = edge.source if upstream else edge.target
        again = other in shown
        name = f"{_plain(edge.name)}: " if edge.name else ""
        lines.append(
            f"{indent}{'└─ ' if last else '├─ '}{name}{label(graph, other)}"
            + (" (see above)" if again else "")
        )
        if not again:
            shown.add(other)
            pending.append(
                (indent + ("   " if last else "│  "), iter(_next(graph, other, upstream)))
            )


def _next(graph: LineageGraph, key: str, upstream: bool) -> list[tuple[LineageEdge, bool]]:
    edges = graph.sources(key) if upstream else graph.targets(key)
    return [(edge, index == len(edges) - 1) for index, edge in enumerate(edges)]


def label(graph: LineageGraph, key: str) -> str:
    """One line that names a node of the graph."""
    if key in graph.executions:
        execution = graph.executions[key]
        name = execution.node_id or execution.type_name.rpartition(".")[2]
        run = f", run {execution.run_id}" if execution.run_id else ""
        return _plain(f"{name} (execution {execution.id}, {execution.state.value}{run})")
    record = graph.artifacts[key]
    state = "" if record.state is ArtifactState.LIVE else f", {record.state.value}"
    where = f" {record.artifact.uri}" if record.artifact.uri else ""
    return _plain(f"{record.artifact.TYPE_NAME} {record.artifact.id}{state}{where}")


def _plain(text: str) -> str:
    """Text without what would act on a terminal."""
    return "".join(c if unicodedata.category(c)[0] != "C" else "\ufffd" for c in text)


def dot(graph: LineageGraph) -> str:
    """The graph in Graphviz's language (https://graphviz.org/doc/info/lang.html)."""
    fonts = '  node [fontname="sans-serif"]; edge [fontname="sans-serif"];'
    lines = ["digraph lineage {", "  rankdir=TB;", fonts]
    for key in graph.artifacts:
        lines.append(f"  {_dot(key)} [shape=ellipse, label={_dot(*node_lines(graph, key))}];")
    for key in graph.executions:
        lines.append(f"  {_dot(key)} [shape=box, label={_dot(*node_lines(graph, key))}];")
    for edge in graph.edges:
        lines.append(
            f"  {_dot(edge.source)} -> {_dot(edge.target)} [label={_dot(_plain(edge.name))}];"
        )
    return "\n".join([*lines, "}"]) + "\n"


def _dot(*lines: str) -> str:
    # Backslashes first: in a label they begin escapes, such as the one for a new line.
    return '"' + "\\n".join(x.replace("\\", "\\\\").replace('"', '\\"') for x in lines) + '"'


def mermaid(graph: LineageGraph) -> str:
    """The graph in Mermaid's language (https://mermaid.js.org/syntax/flowchart.html)."""
    lines = ["flowchart TB"]
    for key in graph.artifacts:
        lines.append(f"  {_mermaid_id(key)}([{_mermaid(*node_lines(graph, key))}])")
    for key in graph.executions:
        lines.append(f"  {_mermaid_id(key)}[{_mermaid(*node_lines(graph, key))}]")
    for edge in graph.edges:
        arrow = f"-->|{_mermaid(_plain(edge.name))}|" if edge.name else "-->"
        lines.append(f"  {_mermaid_id(edge.source)} {arrow} {_mermaid_id(edge.target)}")
    return "\n".join(lines) + "\n"


def _mermaid_id(key: str) -> str:
    return key.replace(":", "_")


def _mermaid(*lines: str) -> str:
    # Mermaid takes HTML's entities by number between "#" and ";" and nothing else inside.
    special = '#"&<>`[](){}|\\;'
    escaped = ("".join(f"#{ord(c)};" if c in special else c for c in line) for line in lines)
    return '"' + "<br/>".join(escaped) + '"'


def node_lines(graph: LineageGraph, key: str) -> list[str]:
    """The label of a node in a picture: short lines, since long ones make it unreadable."""
    if key in graph.executions:
        execution = graph.executions[key]
        name = execution.node_id or execution.type_name.rpartition(".")[2]
        texts = [name, f"execution {execution.id}, {execution.state.value}", execution.run_id]
    else:
        record = graph.artifacts[key]
        state = "" if record.state is ArtifactState.LIVE else f", {record.state.value}"
        parts = record.artifact.uri.rstrip("/").split("/")
        where = "/".join(parts[-_URI_PARTS:])
        texts = [f"{record.artifact.TYPE_NAME} {record.artifact.id}{state}", where]
    return [_shortened(_plain(text)) for text in texts if text]


def _shortened(line: str) -> str:
    return line if len(line) <= _LONGEST_LINE else f"{line[: _LONGEST_LINE - 1]}…"


#: Renderers by the name that a command line has for them.
RENDERERS: dict[str, Callable[[LineageGraph], str]] = {"dot": dot, "mermaid": mermaid}
