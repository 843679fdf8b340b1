# SPDX-License-Identifier: Apache-2.0
"""What became of a run, whichever runner ran it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..launch.outcome import NodeOutcome, NodeState
from ..launch.run import Run


@dataclass(frozen=True)
class RunResult:
    """What became of a run.

    Attributes:
        run: The run.
        outcomes: What became of each node, by id.
        metadata: The metadata store's setting.
    """

    run: Run
    outcomes: Mapping[str, NodeOutcome] = field(default_factory=dict)
    metadata: str = ""

    @property
    def succeeded(self) -> bool:
        """Whether every node that was to run did."""
        return all(outcome.state.succeeded for outcome in self.outcomes.values())

    @property
    def failed(self) -> list[NodeOutcome]:
        """The nodes that failed by themselves, first failures first."""
        return [found for found in self.outcomes.values() if found.state is NodeState.FAILED]

    @property
    def parked(self) -> list[NodeOutcome]:
        """The nodes that wait for somebody's approval."""
        return [found for found in self.outcomes.values() if found.state is NodeState.PARKED]

    def raise_for_failure(self) -> RunResult:
        """The result itself, if it succeeded.

        Raises:
            PenstockError: The first failure; or `ApprovalPending`, if it is parked.
        """
        for found in [*self.failed, *self.parked, *self.outcomes.values()]:
            if found.error is not None:
                raise found.error
        return self
