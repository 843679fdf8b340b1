# SPDX-License-Identifier: Apache-2.0
"""What the metadata store answers: plain, frozen records."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...components.base.artifact import Artifact, PropertyValue
from .owner import ProcessOwner


class RunState(enum.Enum):
    """How far a run is; unknown for those that something else recorded, TFX for one."""

    UNKNOWN = "unknown"
    RUNNING = "running"
    COMPLETE = "complete"
    FAILED = "failed"
    CANCELED = "canceled"
    INTERRUPTED = "interrupted"
    #: A node of it waits for somebody's approval.
    PARKED = "parked"


class ExecutionState(enum.Enum):
    """How far an execution is: the states of ML Metadata, and `SKIPPED`.

    ML Metadata has no state for a node whose condition was false; such an execution is
    recorded there as canceled, with the reason beside it.
    """

    UNKNOWN = "unknown"
    NEW = "new"
    RUNNING = "running"
    COMPLETE = "complete"
    FAILED = "failed"
    CACHED = "cached"
    CANCELED = "canceled"
    SKIPPED = "skipped"

    @property
    def succeeded(self) -> bool:
        """Whether its outputs can be used."""
        return self in (ExecutionState.COMPLETE, ExecutionState.CACHED)

    @property
    def finished(self) -> bool:
        """Whether it has ended, one way or another."""
        return self not in (
            ExecutionState.UNKNOWN,
            ExecutionState.NEW,
            ExecutionState.RUNNING,
        )


class ArtifactState(enum.Enum):
    """What ML Metadata says of an artifact's payload."""

    UNKNOWN = "unknown"
    PENDING = "pending"
    LIVE = "live"
    MARKED_FOR_DELETION = "marked_for_deletion"
    DELETED = "deleted"
    ABANDONED = "abandoned"
    REFERENCE = "reference"


@dataclass(frozen=True)
class NodeKey:
    """Names a node of a run.

    Attributes:
        pipeline: Name of the pipeline.
        run_id: Id of the run.
        node_id: Id of the node.
        type_name: Name of its execution type.
    """

    pipeline: str
    run_id: str
    node_id: str
    type_name: str


@dataclass(frozen=True)
class RunRecord:
    """One run of a pipeline.

    Attributes:
        id: Its id.
        pipeline: Name of the pipeline.
        number: Its number among the pipeline's runs, from 1; 0 where it was not recorded.
        state: How far it is.
        started_at: When it was begun first, in seconds since the epoch.
        ended_at: When it ended, in seconds since the epoch; None while it runs.
        error: Why it failed.
        owner: The process that runs it; None where an outside engine does.
        properties: What was recorded with it.
    """

    id: str
    pipeline: str
    number: int
    state: RunState
    started_at: float
    ended_at: float | None = None
    error: str = ""
    owner: ProcessOwner | None = None
    properties: Mapping[str, PropertyValue] = field(default_factory=dict)

    def owner_alive(self) -> bool:
        """Whether the process that runs it may still exist.

        False only where it is known to be gone: a process on another machine, and an outside
        engine, count as alive.
        """
        return self.owner is None or self.owner.alive() is not False

    @property
    def owner_text(self) -> str:
        """Who runs it, for people."""
        if self.owner is None:
            return "an outside engine"
        return f"process {self.owner.pid} on {self.owner.host}"

    @property
    def interrupted(self) -> bool:
        """Whether it is recorded as running while the process that ran it is gone."""
        return self.state is RunState.RUNNING and not self.owner_alive()


@dataclass(frozen=True)
class ExecutionRecord:
    """One execution of a node.

    Attributes:
        id: Its id.
        pipeline: Name of the pipeline; empty where it was not recorded.
        run_id: Id of the run; empty where it was not recorded.
        node_id: Id of the node; empty where it was not recorded.
        type_name: Name of its execution type.
        state: How far it is.
        attempt: How many executions the node had in that run, with this one.
        started_at: When it was registered, in seconds since the epoch.
        updated_at: When its state was last changed, in seconds since the epoch.
        error: Why it failed or was skipped.
        parameters: The parameters it was given; lists and dicts as themselves.
        results: What the executor had recorded.
        custom_properties: What the launcher keeps with it.
        cached_from: Id of the execution whose outputs it used again, where it is CACHED.
        inputs: Input artifacts by name; empty unless asked for.
        outputs: Output artifacts by name; empty unless asked for.
    """

    id: int
    pipeline: str
    run_id: str
    node_id: str
    type_name: str
    state: ExecutionState
    attempt: int = 1
    started_at: float = 0.0
    updated_at: float = 0.0
    error: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    results: Mapping[str, PropertyValue] = field(default_factory=dict)
    custom_properties: Mapping[str, PropertyValue] = field(default_factory=dict)
    cached_from: int | None = None
    inputs: Mapping[str, Sequence[Artifact]] = field(default_factory=dict)
    outputs: Mapping[str, Sequence[Artifact]] = field(default_factory=dict)

    @property
    def succeeded(self) -> bool:
        """Whether its outputs can be used."""
        return self.state.succeeded

    @property
    def log_path(self) -> str:
        """Where its log lies; empty where it was not recorded."""
        return str(self.custom_properties.get("log_path") or self.results.get("log_path", ""))

    @property
    def seconds(self) -> float:
        """Time from registration to the last change of its state."""
        return max(0.0, self.updated_at - self.started_at)


@dataclass(frozen=True)
class ArtifactRecord:
    """An artifact with what the store knows beside it.

    Attributes:
        artifact: The artifact itself.
        state: What is known of its payload.
        pipeline: Name of the pipeline that made it; empty where it was not recorded.
        node_id: Id of the node that made it; empty where it was not recorded.
        created_at: When it was published, in seconds since the epoch.
    """

    artifact: Artifact
    state: ArtifactState
    pipeline: str = ""
    node_id: str = ""
    created_at: float = 0.0


@dataclass(frozen=True)
class CachedExecution:
    """An earlier execution whose outputs can be used again.

    Attributes:
        execution: The execution.
        outputs: Its output artifacts by name, all of them live.
    """

    execution: ExecutionRecord
    outputs: Mapping[str, list[Artifact]]


def newest_of_nodes(executions: Iterable[ExecutionRecord]) -> list[ExecutionRecord]:
    """The newest execution of each node, oldest first, of executions in order of time."""
    newest = {execution.node_id: execution for execution in executions}
    return sorted(newest.values(), key=lambda execution: execution.id)
