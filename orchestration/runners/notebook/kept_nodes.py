# SPDX-License-Identifier: Apache-2.0
"""Which nodes a notebook has run, which of them still hold, and what each put out."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence

from ....components.base.artifact import Artifact
from ....components.base.channel import Channel
from ....components.base.component import expressions_of
from ....components.base.node import Node
from ....utils.errors import WiringError, nearest
from ...launch.outcome import NodeOutcome
from ...pipeline import Pipeline

Outputs = Mapping[str, list[Artifact]]


class KeptNodes:
    """The nodes of an interactive context, by id.

    A cell that is run again makes a new node with the same id, which takes the place of the
    old one. Where it puts out what the old one did, nodes that read the old one read the new
    one from then on. Where it does not, they are *stale* until their own cells are run again.
    """

    def __init__(self) -> None:
        self._nodes: dict[str, Node] = {}
        self._outputs: dict[str, Outputs | None] = {}
        self._code: dict[str, dict[str, str]] = {}
        # What each node put out last, and what those it reads had put out when it ran.
        self._digest: dict[str, object] = {}
        self._read: dict[str, dict[str, object]] = {}
        #: What became of each node when it was run last, by id.
        self.outcomes: dict[str, NodeOutcome] = {}

    def __iter__(self) -> Iterator[Node]:
        return iter(self._nodes.values())

    @property
    def stale(self) -> Mapping[str, str]:
        """Ids of nodes that no longer hold, with that of the node that was changed since."""
        owners = self._owners()
        known: dict[str, str | None] = {}

        def cause(node: Node) -> str | None:
            if node.id not in known:
                known[node.id] = None
                for needed in _needed_from_outside(node):
                    owner = owners.get(id(needed))
                    if owner is None:
                        found: str | None = needed.id
                    elif self._digest[owner.id] != self._read[node.id].get(owner.id):
                        found = owner.id
                    else:
                        found = cause(owner)
                    if found is not None:
                        known[node.id] = found
                        break
            return known[node.id]

        causes = {node.id: cause(node) for node in self}
        return {node_id: found for node_id, found in causes.items() if found is not None}

    def get(self, node_id: str) -> Node | None:
        """The node that has an id now."""
        return self._nodes.get(node_id)

    def outputs(self, node_id: str) -> Outputs | None:
        """What a node put out last; None where it was skipped or not run."""
        return self._outputs.get(node_id)

    def code(self, node_id: str) -> Mapping[str, str]:
        """Fingerprints of a node's user code when it was run, by entry point."""
        return self._code.get(node_id, {})

    def keep(
        self,
        node: Node,
        outcomes: Mapping[str, NodeOutcome],
        code: Mapping[str, dict[str, str]],
    ) -> None:
        """Takes in a node that was run.

        Args:
            node: The node, or a whole pipeline.
            outcomes: What became of it, by node id.
            code: Fingerprints of user code, by node id.
        """
        for node_id, outcome in outcomes.items():
            skipped = not outcome.outputs and outcome.state.value == "skipped"
            self._outputs[node_id] = None if skipped else outcome.outputs
            self.outcomes[node_id] = outcome
            self._code[node_id] = dict(code.get(node_id, {}))
        owners = self._owners()
        read = [owners[id(each)].id for each in _needed_from_outside(node) if id(each) in owners]
        self._read[node.id] = {owner: self._digest[owner] for owner in read}
        self._digest[node.id] = [_digests(self._outputs[each]) for each in outcomes]
        old = self._nodes.get(node.id)
        self._nodes[node.id] = node
        if old is not None and old is not node and not isinstance(old, Pipeline):
            self._relink(old, node)

    def forget(self, node_id: str) -> None:
        """Leaves out a node that is wanted no more.

        Raises:
            WiringError: There is none, or others read it.
        """
        node = self._nodes.get(node_id)
        if node is None:
            raise WiringError(
                f"{node_id} has not been run in this context",
                expected=", ".join(self._nodes) or "something that was run",
                got=node_id,
                suggestion=nearest(node_id, list(self._nodes)),
            )
        own = {id(inner) for inner in _inside(node)}
        for other in self:
            if other is not node and any(id(n) in own for n in _needed_from_outside(other)):
                raise WiringError(
                    f"{other.id} reads it",
                    node=node_id,
                    location=other.location,
                    fix=f"forget {other.id} first, or let it read something else",
                )
        for inner in [node_id, *(name for name in self.outcomes if _is_inside(name, node))]:
            for kept in (self._outputs, self._code, self.outcomes):
                kept.pop(inner, None)
        for about in (self._nodes, self._digest, self._read):
            about.pop(node_id, None)

    def before(self, node: Node) -> list[Node]:
        """Every node that a node depends on, the first ones first.

        Raises:
            WiringError: One of them has not been run, was replaced, or is stale.
        """
        owners, stale = self._owners(), self.stale
        own = {id(inner) for inner in _inside(node)}
        found: dict[int, Node] = {}

        def visit(current: Node) -> None:
            for inner in _inside(current):
                for needed in _needed(inner):
                    if id(needed) in own:
                        continue
                    owner = owners.get(id(needed))
                    if owner is None:
                        raise self._absent(needed, inner)
                    if owner.id in stale:
                        raise _changed(owner, stale)
                    if id(owner) not in found and owner is not current:
                        visit(owner)
                        found[id(owner)] = owner

        visit(node)
        return list(found.values())

    def ordered(self) -> list[Node]:
        """All nodes, each after those that it depends on, else in the order they were run.

        Raises:
            WiringError: A node was run on something that has been replaced since.
        """
        stale = self.stale
        if stale:
            raise _changed(self._nodes[next(iter(stale))], stale)
        done: dict[int, Node] = {}
        for node in self:
            for each in [*self.before(node), node]:
                done.setdefault(id(each), each)
        return list(done.values())

    def _owners(self) -> dict[int, Node]:
        """The kept node that each node is, or is inside of, by the node's identity."""
        return {id(inner): kept for kept in self for inner in _inside(kept)}

    def _relink(self, old: Node, new: Node) -> None:
        """Makes what reads a node that was replaced read the one in its place."""
        for channel in old.outputs.values():
            channel.producer = new
        for kept in self:
            for inner in _inside(kept):
                for channel in _channels(inner):
                    # Also one of a node that the old one had replaced before.
                    channel.producer = new if channel.producer is old else channel.producer
                inner.upstream = [new if each is old else each for each in inner.upstream]

    def _absent(self, needed: Node, reader: Node) -> WiringError:
        if needed.id in self._nodes:
            return WiringError(
                f"it takes from an earlier {needed.id}, which another cell has replaced since",
                node=reader.id,
                location=reader.location,
                fix=f"run the cell that makes {reader.id} again, so that it takes from the new "
                f"{needed.id}",
            )
        return WiringError(
            f"{needed.id} has not been run in this context",
            node=reader.id,
            location=reader.location,
            fix=f"run it first: context.run({called(needed)})",
        )


def _changed(node: Node, stale: Mapping[str, str]) -> WiringError:
    cause = stale[node.id]
    others = [each for each in stale if each != node.id]
    also = f" (and then {', '.join(others)})" if others else ""
    return WiringError(
        f"it was run on what an earlier {cause} put out, and {cause} has put out something "
        "else since",
        node=node.id,
        location=node.location,
        fix=f"run the cell of {node.id} again{also}",
    )


def _digests(outputs: Outputs | None) -> object:
    if outputs is None:
        return None
    return {
        name: [(each.content_digest or each.uri, each.properties) for each in artifacts]
        for name, artifacts in outputs.items()
    }


def _inside(node: Node) -> list[Node]:
    """A node; of a pipeline also those inside."""
    return [node, *(inner for _, inner in node.nodes())] if isinstance(node, Pipeline) else [node]


def _is_inside(node_id: str, node: Node) -> bool:
    return isinstance(node, Pipeline) and node_id.startswith(f"{node.id}.")


def _channels(node: Node) -> Iterator[Channel]:
    """The single outputs that a node reads: as inputs, in parameters, in conditions."""
    channels = list(node.inputs.values())
    for value in node.parameters.values():
        for expression in expressions_of(value):
            channels += expression.channels()
    for condition in node.conditions:
        channels += condition.channels()
    return (source for channel in channels for source in channel.sources())


def _needed(node: Node) -> Iterator[Node]:
    """The nodes whose outputs a node reads, or after which it is to run."""
    yield from (each.producer for each in _channels(node) if each.producer is not None)
    yield from node.upstream


def _needed_from_outside(node: Node) -> list[Node]:
    """What a node needs; of a pipeline, what those inside need of others."""
    inside = _inside(node)
    own = {id(inner) for inner in inside}
    return [each for inner in inside for each in _needed(inner) if id(each) not in own]


def called(node: Node) -> str:
    """What a notebook calls a node, as far as that can be told."""
    for name, value in list(vars(sys.modules["__main__"]).items()):
        if value is node and not name.startswith("_"):
            return name
    return variable_name(node.id) or f"<{node.id}>"


def variable_name(node_id: str) -> str:
    """A variable's name after an id, as `example_gen`; empty where none can be made."""
    letters: Sequence[str] = node_id.replace(".", "_").replace("-", "_")
    name = ""
    for index, char in enumerate(letters):
        upper = char.isupper() and index > 0
        if upper and not (letters[index - 1].isupper() or letters[index - 1] == "_"):
            name += "_"
        name += char.lower()
    return name if name.isidentifier() else ""
