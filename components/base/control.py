# SPDX-License-Identifier: Apache-2.0
"""What a node that only steers is given, and what it answers.

An importer or a resolver computes nothing: it says which artifacts go on. It runs inside
the launcher and may ask the store, read-only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from .artifact import Artifact, PropertyValue


class ArtifactQuery(Protocol):
    """The questions that control nodes may ask of the metadata store."""

    def latest_artifacts(
        self,
        type_name: str,
        *,
        pipeline: str | None = None,
        node_id: str | None = None,
        limit: int = 1,
        where: Mapping[str, PropertyValue] | None = None,
    ) -> list[Artifact]:
        """Live artifacts of a type, newest first."""

    def artifacts_by_uri(self, uri: str) -> list[Artifact]:
        """Live artifacts at exactly `uri`, newest first."""

    def blessed_models(self, pipeline: str, *, limit: int = 10) -> list[tuple[Artifact, Artifact]]:
        """Blessed models of a pipeline with their blessings, newest first."""


@dataclass(frozen=True)
class ControlContext:
    """What a control executor sees.

    Attributes:
        store: Where it may look.
        inputs: Resolved input artifacts by input name.
        outputs: Artifact type names by output name.
        parameters: Parameter values by name.
        pipeline_name: Name of the pipeline.
        node_id: Id of the node.
        run_id: Id of the run.
    """

    store: ArtifactQuery
    inputs: Mapping[str, Sequence[Artifact]] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    pipeline_name: str = "pipeline"
    node_id: str = "node"
    run_id: str = "run"


class ControlExecutor(Protocol):
    """Says which artifacts a control node puts out."""

    def resolve(self, context: ControlContext) -> Mapping[str, Sequence[Artifact]]:
        """Artifacts by output name. One without an id is new and will be recorded."""
