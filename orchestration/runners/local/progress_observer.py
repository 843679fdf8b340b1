# SPDX-License-Identifier: Apache-2.0
"""An observer that keeps how a run ended, also where the run was stopped."""

from __future__ import annotations

from collections.abc import Mapping

from ...launch.outcome import NodeOutcome, RunObserver


class ProgressObserver(RunObserver):
    """Shows nothing; those that show a run derive from it.

    Attributes:
        outcomes: What became of each node, once the run has ended.
    """

    def __init__(self) -> None:
        self.outcomes: Mapping[str, NodeOutcome] = {}

    def run_ended(self, outcomes: Mapping[str, NodeOutcome]) -> None:
        """See `RunObserver.run_ended`."""
        self.outcomes = dict(outcomes)

    def close(self) -> None:
        """Gives back what was taken, such as a terminal; may be called twice."""
