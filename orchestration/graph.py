# SPDX-License-Identifier: Apache-2.0
"""A pipeline as a flat graph: inner pipelines opened, ids qualified, edges known."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from ..components.base.channel import Channel
from ..components.base.component import expressions_of
from ..components.base.expression import Expression, Predicate, RuntimeParameter
from ..components.base.node import Node
from ..utils.errors import GraphError
from .pipeline import Pipeline


@dataclass
class GraphNode:
    """One node that runs.

    Attributes:
        id: Id, qualified by the inner pipelines it lies in.
        node: The node as declared.
        conditions: Its own conditions and those of the pipelines around it.
        after: Nodes that must end first though nothing comes from them.
        pipeline: The innermost pipeline it lies in.
    """

    id: str
    node: Node
    conditions: list[Predicate]
    after: list[Node]
    pipeline: Pipeline

    def expressions(self) -> Iterator[Expression]:
        """Every expression in parameters and conditions."""
        for value in self.node.parameters.values():
            yield from expressions_of(value)
        yield from self.conditions

    def channels(self) -> Iterator[tuple[str, Channel]]:
        """Every single output that the node reads, with what for."""
        for name, channel in self.node.inputs.items():
            for source in channel.sources():
                yield f"input {name!r}", source
        for expression in self.expressions():
            for channel in expression.channels():
                for source in channel.sources():
                    yield "a parameter or condition", source


@dataclass
class Graph:
    """All nodes of a pipeline, and who is who."""

    pipeline: Pipeline
    nodes: list[GraphNode] = field(default_factory=list)
    ids: dict[int, str] = field(default_factory=dict)

    def id_of(self, node: Node) -> str | None:
        """Qualified id of a node, or None where it is not in the pipeline."""
        return self.ids.get(id(node))

    def ids_within(self, node: Node) -> list[str]:
        """Qualified ids of a node, or of all nodes in it where it is a pipeline."""
        if isinstance(node, Pipeline):
            return [found for inner in node.components for found in self.ids_within(inner)]
        found = self.id_of(node)
        return [found] if found else []

    def name_of(self, channel: Channel) -> tuple[str, str]:
        """Node id and output key of a channel.

        Raises:
            GraphError: No node of the pipeline produces it.
        """
        source = channel.sources()[0]
        found = self.id_of(source.producer) if source.producer else None
        if found is None:
            raise GraphError(f"{channel!r} is not produced by a node of this pipeline")
        return found, source.key

    def predecessors(self, entry: GraphNode) -> list[str]:
        """Ids of the nodes that must end before `entry` starts."""
        found: dict[str, None] = {}
        for _, source in entry.channels():
            producer = self.id_of(source.producer) if source.producer else None
            if producer:
                found[producer] = None
        for node in entry.after:
            found.update(dict.fromkeys(self.ids_within(node)))
        return list(found)

    def runtime_parameters(self) -> Iterator[tuple[str, RuntimeParameter]]:
        """Every use of a runtime parameter, with where it is used."""
        if isinstance(self.pipeline.root, Expression):
            for parameter in self.pipeline.root.runtime_parameters():
                yield "the pipeline's root", parameter
        for entry in self.nodes:
            for expression in entry.expressions():
                for parameter in expression.runtime_parameters():
                    yield entry.id, parameter


def open_pipeline(pipeline: Pipeline) -> Graph:
    """The flat graph of a pipeline."""
    graph = Graph(pipeline)
    _open(graph, pipeline, "", [], [])
    return graph


def _open(
    graph: Graph, pipeline: Pipeline, prefix: str, conditions: list[Predicate], after: list[Node]
) -> None:
    for node in pipeline.components:
        own = [*conditions, *(c for c in node.conditions if c not in _identities(conditions))]
        before = [*after, *node.upstream]
        if isinstance(node, Pipeline):
            _open(graph, node, f"{prefix}{node.id}.", own, before)
            continue
        entry = GraphNode(f"{prefix}{node.id}", node, own, before, pipeline)
        graph.nodes.append(entry)
        graph.ids.setdefault(id(node), entry.id)


class _identities:
    """Membership by identity: `==` on an expression makes a new expression."""

    def __init__(self, items: list[Predicate]) -> None:
        self.known = {id(item) for item in items}

    def __contains__(self, item: object) -> bool:
        return id(item) in self.known


def ordered(graph: Graph) -> list[GraphNode]:
    """The nodes with each after its predecessors, otherwise in the order declared.

    Raises:
        GraphError: There is a cycle; the message shows it.
    """
    position = {entry.id: index for index, entry in enumerate(graph.nodes)}
    waiting_for = {entry.id: set(graph.predecessors(entry)) for entry in graph.nodes}
    followers: dict[str, list[str]] = {entry.id: [] for entry in graph.nodes}
    for node_id, before in waiting_for.items():
        for earlier in before:
            followers[earlier].append(node_id)
    import heapq

    ready = [position[node_id] for node_id, before in waiting_for.items() if not before]
    heapq.heapify(ready)
    done: list[GraphNode] = []
    while ready:
        entry = graph.nodes[heapq.heappop(ready)]
        done.append(entry)
        for follower in followers[entry.id]:
            waiting_for[follower].discard(entry.id)
            if not waiting_for[follower]:
                heapq.heappush(ready, position[follower])
    if len(done) < len(graph.nodes):
        left = {i: before for i, before in waiting_for.items() if before}
        start = graph.nodes[min(position[node_id] for node_id in left)]
        raise GraphError(
            f"the nodes of pipeline {graph.pipeline.name!r} wait for each other in a circle",
            got=" -> ".join(_cycle(left)),
            location=start.node.location,
            fix="remove one of these connections or add_upstream_nodes calls",
        )
    return done


def _cycle(waiting_for: dict[str, set[str]]) -> list[str]:
    path: list[str] = []
    current = next(iter(waiting_for))
    while current not in path:
        path.append(current)
        current = sorted(before for before in waiting_for[current] if before in waiting_for)[0]
    return list(reversed([*path[path.index(current) :], current]))
