# SPDX-License-Identifier: Apache-2.0
"""Lineage: what an artifact came from, and what came of it."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...utils.errors import MetadataError
from .artifact_codec import paths_of
from .artifacts import ArtifactLedger
from .connection import Connection
from .library import library
from .records import ArtifactRecord, ExecutionRecord, ExecutionState

#: Beyond this number of nodes a graph is cut short, as nobody could read it.
MAX_NODES = 1000


class Direction(enum.Enum):
    """Which way to follow the records."""

    UPSTREAM = "upstream"
    DOWNSTREAM = "downstream"
    BOTH = "both"


@dataclass(frozen=True)
class LineageEdge:
    """One artifact that one execution read or wrote.

    Attributes:
        source: Key of the node that the edge leaves, as `artifact:3` or `execution:7`.
        target: Key of the node that it enters.
        name: Name of the execution's input or output.
    """

    source: str
    target: str
    name: str


@dataclass(frozen=True)
class LineageGraph:
    """Artifacts and executions with the edges between them.

    Attributes:
        start: Keys of the nodes that were asked about.
        artifacts: Artifacts by key.
        executions: Executions by key, without their inputs and outputs.
        edges: Edges in the direction of the data.
        truncated: Whether more would follow, left out because of the limit.
    """

    start: Sequence[str]
    artifacts: dict[str, ArtifactRecord] = field(default_factory=dict)
    executions: dict[str, ExecutionRecord] = field(default_factory=dict)
    edges: Sequence[LineageEdge] = ()
    truncated: bool = False

    def sources(self, key: str) -> list[LineageEdge]:
        """Edges that enter a node."""
        return [edge for edge in self.edges if edge.target == key]

    def targets(self, key: str) -> list[LineageEdge]:
        """Edges that leave a node."""
        return [edge for edge in self.edges if edge.source == key]


def artifact_key(artifact_id: int) -> str:
    """Key of an artifact in a graph."""
    return f"artifact:{artifact_id}"


def execution_key(execution_id: int) -> str:
    """Key of an execution in a graph."""
    return f"execution:{execution_id}"


class Lineage:
    """Follows the events between artifacts and executions, level by level."""

    def __init__(self, connection: Connection, artifacts: ArtifactLedger) -> None:
        self._connection = connection
        self._artifacts = artifacts
        self._foreign = artifacts.foreign

    def of_artifacts(
        self, ids: Sequence[int], direction: Direction, max_nodes: int
    ) -> LineageGraph:
        """See `MetadataStore.lineage`."""
        with self._connection.holding(writing=False):
            found = {each.id for each in self._artifacts.fetch(ids)}
            self._check(set(ids) - found, "artifact")
            return self._walk(set(ids), set(), direction, max_nodes)

    def of_executions(
        self, ids: Sequence[int], direction: Direction, max_nodes: int
    ) -> LineageGraph:
        """See `MetadataStore.execution_lineage`."""
        with self._connection.holding(writing=False):
            found = {each.id for each in self._connection.read("get_executions_by_id", ids)}
            self._check(set(ids) - found, "execution")
            return self._walk(set(), set(ids), direction, max_nodes)

    def _check(self, missing: set[int], kind: str) -> None:
        if missing:
            raise MetadataError(
                f"the metadata store has no {kind} {min(missing)}",
                location=self._connection.config.url,
                fix="list the artifacts there are: penstock artifacts list",
            )

    def _walk(
        self, artifacts: set[int], executions: set[int], direction: Direction, max_nodes: int
    ) -> LineageGraph:
        start = [*map(artifact_key, sorted(artifacts)), *map(execution_key, sorted(executions))]
        both = (Direction.UPSTREAM, Direction.DOWNSTREAM)
        walks = both if direction is Direction.BOTH else (direction,)
        trail = _Trail(set(artifacts), set(executions), max_nodes)
        for walk in walks:
            self._follow(trail, set(artifacts), set(executions), upstream=walk is both[0])
        records = self._artifacts.records(self._artifacts.fetch(trail.artifacts))
        return LineageGraph(
            start=start,
            artifacts={artifact_key(r.artifact.id or 0): r for r in records},
            executions={
                execution_key(record.id): record for record in self._records(trail.executions)
            },
            edges=sorted(trail.edges, key=lambda e: (e.source, e.target, e.name)),
            truncated=trail.truncated,
        )

    def _follow(
        self, trail: _Trail, artifacts: set[int], executions: set[int], *, upstream: bool
    ) -> None:
        event = library().protos.Event
        incoming = (event.INPUT, event.DECLARED_INPUT)
        outgoing = (event.OUTPUT, event.DECLARED_OUTPUT)
        # Upstream: from artifacts to what wrote them, from executions to what they read.
        to_executions, to_artifacts = (outgoing, incoming) if upstream else (incoming, outgoing)
        while artifacts or executions:
            events = self._events("get_events_by_artifact_ids", artifacts)
            reached = trail.note(events, to_executions, writes=upstream)
            reached_executions = {execution_id for _, execution_id in reached}
            events = self._events("get_events_by_execution_ids", executions)
            reached = trail.note(events, to_artifacts, writes=not upstream)
            # One that was spared by the cache did nothing; the one that worked is there too.
            worked = {
                record.id
                for record in self._records(reached_executions - trail.executions)
                if record.state is not ExecutionState.CACHED
            }
            executions = trail.enter(trail.executions, worked)
            artifacts = trail.enter(trail.artifacts, {artifact_id for artifact_id, _ in reached})
            trail.keep_edges()

    def _records(self, execution_ids: set[int]) -> list[ExecutionRecord]:
        ids = sorted(execution_ids)
        found: list[Any] = []
        for first in range(0, len(ids), 500):
            found += self._connection.read("get_executions_by_id", ids[first : first + 500])
        return self._foreign.executions(found)

    def _events(self, method: str, ids: set[int]) -> list[Any]:
        wanted = sorted(ids)
        found: list[Any] = []
        for first in range(0, len(wanted), 500):
            found += self._connection.read(method, wanted[first : first + 500])
        return found


class _Trail:
    """Where a walk has been."""

    def __init__(self, artifacts: set[int], executions: set[int], max_nodes: int) -> None:
        self.artifacts = artifacts
        self.executions = executions
        self.edges: set[LineageEdge] = set()
        self.truncated = False
        self._max_nodes = max_nodes
        self._seen: list[tuple[int, int, LineageEdge]] = []

    def note(
        self, events: Iterable[Any], kinds: Sequence[int], *, writes: bool
    ) -> set[tuple[int, int]]:
        """Notes the events of some kinds; answers their artifacts and executions."""
        reached = set()
        for event in events:
            if event.type not in kinds:
                continue
            reached.add((event.artifact_id, event.execution_id))
            artifact, execution = artifact_key(event.artifact_id), execution_key(event.execution_id)
            ends = (execution, artifact) if writes else (artifact, execution)
            for name in {name for name, _ in paths_of(event)} or {""}:
                edge = LineageEdge(*ends, name)
                self._seen.append((event.artifact_id, event.execution_id, edge))
        return reached

    def enter(self, known: set[int], reached: set[int]) -> set[int]:
        """Adds what is new to what is known, as far as the limit allows; answers it."""
        new = sorted(reached - known)
        room = max(0, self._max_nodes - len(self.artifacts) - len(self.executions))
        self.truncated = self.truncated or len(new) > room
        known.update(new[:room])
        return set(new[:room])

    def keep_edges(self) -> None:
        """Keeps the edges between nodes that were entered."""
        for artifact_id, execution_id, edge in self._seen:
            if artifact_id in self.artifacts and execution_id in self.executions:
                self.edges.add(edge)
        self._seen.clear()
