# SPDX-License-Identifier: Apache-2.0
"""What running a cell's component answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ....components.base.artifact import Artifact
from ....components.base.node import Node
from ....utils.readable import duration
from ...launch.outcome import NodeOutcome
from ..run_result import RunResult
from ..views.pictured import Pictured
from ..views.view import View, Wanted


@dataclass(frozen=True)
class CellResult(Pictured):
    """What became of a component that an interactive context ran.

    Attributes:
        component: The component.
        result: The run.
        metadata: Setting of the metadata store.
    """

    component: Node
    result: RunResult
    metadata: str = ""

    @property
    def outcome(self) -> NodeOutcome:
        """How it ended; of a pipeline, its last node."""
        return list(self.result.outcomes.values())[-1]

    @property
    def outputs(self) -> Mapping[str, list[Artifact]]:
        """Artifacts by output name, as they lie there now."""
        return self.outcome.outputs

    @property
    def execution_id(self) -> int:
        """Id of the execution in the metadata store."""
        return self.outcome.execution_id

    @property
    def cached(self) -> bool:
        """Whether an earlier result was reused."""
        return self.outcome.state.value == "cached"

    def views(self, wanted: Wanted) -> list[View]:
        """How it went, and what was put out; of a pipeline, how its nodes fared."""
        from ..views.registry import view_of
        from ..views.run_view import outcome_view, outcomes_view

        if len(self.result.outcomes) > 1:
            return [outcomes_view(self.result.run, self.result.outcomes)]
        made = [each for found in self.outputs.values() for each in found]
        return [outcome_view(self.outcome), *(view_of(each, wanted) for each in made)]

    def __repr__(self) -> str:
        outcome = self.outcome
        names = ", ".join(self.outputs) or "nothing"
        return (
            f"{self.component.id}: {outcome.state.value} in {duration(outcome.seconds)}, "
            f"puts out {names}"
        )
