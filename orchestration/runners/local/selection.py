# SPDX-License-Identifier: Apache-2.0
"""Which nodes of a pipeline a run includes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ....utils.errors import GraphError
from ...ir import PipelineIR


@dataclass(frozen=True)
class Selection:
    """A part of a pipeline; all of it by default.

    Attributes:
        from_nodes: Only these and what comes after them.
        to_nodes: Only these and what comes before them.
        only: Exactly these.
    """

    from_nodes: Sequence[str] = ()
    to_nodes: Sequence[str] = ()
    only: Sequence[str] = ()

    @property
    def partial(self) -> bool:
        """Whether anything may be left out."""
        return bool(self.from_nodes or self.to_nodes or self.only)

    def chosen(self, ir: PipelineIR) -> list[str]:
        """Ids of the nodes to run, in order.

        Raises:
            IRError: A named node does not exist.
            GraphError: Nothing is left to run.
        """
        for name in (*self.from_nodes, *self.to_nodes, *self.only):
            ir.node(name)
        before = {node.id: node.predecessors() for node in ir.nodes}
        kept = {node.id for node in ir.nodes}
        if self.only:
            kept &= set(self.only)
        if self.from_nodes:
            kept &= downstream(ir, self.from_nodes)
        if self.to_nodes:
            kept &= _closure(self.to_nodes, before)
        if self.partial and not kept:
            raise GraphError(
                "no node is left to run",
                expected=f"nodes that come after {_listed(self.from_nodes)}"
                if self.from_nodes
                else f"one of {_listed(self.only)}",
                got=f"none of them comes before {_listed(self.to_nodes)}"
                if self.to_nodes
                else f"only {_listed(self.only)}",
                fix="see what depends on what: penstock plan",
            )
        return [node.id for node in ir.nodes if node.id in kept]


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names)


def downstream(ir: PipelineIR, start: Iterable[str]) -> set[str]:
    """`start` and every node that comes after one of them."""
    after: dict[str, list[str]] = {node.id: [] for node in ir.nodes}
    for node in ir.nodes:
        for earlier in node.predecessors():
            after[earlier].append(node.id)
    return _closure(start, after)


def _closure(start: Iterable[str], edges: dict[str, list[str]]) -> set[str]:
    found: set[str] = set()
    waiting = list(start)
    while waiting:
        node_id = waiting.pop()
        if node_id not in found:
            found.add(node_id)
            waiting.extend(edges[node_id])
    return found
