# SPDX-License-Identifier: Apache-2.0
"""What became of a node, and who is told about it while it runs."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

from ...components.base.artifact import Artifact, PropertyValue
from ...utils.errors import PenstockError


class NodeState(enum.Enum):
    """How a node ended."""

    COMPLETE = "complete"
    CACHED = "cached"
    SKIPPED = "skipped"
    FAILED = "failed"
    CANCELLED = "cancelled"
    #: It waits for somebody's approval; the run goes on with it later.
    PARKED = "parked"

    @property
    def succeeded(self) -> bool:
        """Whether later nodes can go on."""
        return self in (NodeState.COMPLETE, NodeState.CACHED, NodeState.SKIPPED)


@dataclass(frozen=True)
class NodeOutcome:
    """What became of one node.

    Attributes:
        node_id: Id of the node.
        state: How it ended.
        reason: Why it was reused, run, or skipped.
        execution_id: Id of its last execution in the store; 0 where none was recorded.
        outputs: Artifacts by output name.
        properties: What the executor had recorded.
        seconds: Time from start to end.
        attempts: How often it was tried.
        error: Why it failed.
        log_path: Where its log lies.
    """

    node_id: str
    state: NodeState
    reason: str = ""
    execution_id: int = 0
    outputs: Mapping[str, list[Artifact]] = field(default_factory=dict)
    properties: Mapping[str, PropertyValue] = field(default_factory=dict)
    seconds: float = 0.0
    attempts: int = 0
    error: PenstockError | None = None
    log_path: str = ""


class RunObserver:
    """Is told how a run goes. Does nothing; subclasses show it. Called from many threads."""

    def run_started(self, run_id: str, node_ids: list[str]) -> None:
        """A run begins."""

    def node_started(self, node_id: str, reason: str, attempt: int) -> None:
        """A node is going to be executed."""

    def node_progress(self, node_id: str, done: float, total: float | None, note: str) -> None:
        """A node says how far it is."""

    def node_retried(self, node_id: str, error: PenstockError, delay_s: float) -> None:
        """An attempt failed and another will follow."""

    def node_ended(self, outcome: NodeOutcome) -> None:
        """A node has ended."""

    def run_ended(self, outcomes: Mapping[str, NodeOutcome]) -> None:
        """The run has ended."""
