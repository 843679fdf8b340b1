# SPDX-License-Identifier: Apache-2.0
"""One version of a registered model, as the registry answers it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Stage = Literal["candidate", "production", "archived"]

CANDIDATE: Stage = "candidate"
PRODUCTION: Stage = "production"
ARCHIVED: Stage = "archived"


@dataclass(frozen=True)
class ModelVersion:
    """A version of a registered model.

    Attributes:
        model: Registered name of the model.
        version: Semantic version, as `1.4.0`.
        stage: `production` (one version at most), `candidate` (never promoted yet), or
            `archived` (was in production, or was put away).
        labels: Labels that somebody gave it, as `canary`.
        uri: Folder or URL of the files that servers load; never written twice.
        destination: Where it was pushed to, a version's folder or URL; empty where nothing
            was copied.
        number: Number of that folder; 0 where there is none.
        digest: Content digest of the Model artifact.
        created_at: When it was registered, in seconds since the epoch.
        pipeline: Name of the pipeline that pushed it.
        run_id: Id of the run.
        node_id: Id of the node.
        execution_id: Id of the execution that pushed it.
        model_artifact_id: Id of the Model artifact.
        bump: Which part of the version went up: `first`, `major`, `minor`, `patch`, or `set`
            where somebody chose the version.
        reason: Why, in one clause.
        by: Who registered it, where it was not a run.
        facts: What else was recorded: the recipe, the compiled pipeline, run settings.
    """

    model: str
    version: str
    stage: Stage
    labels: tuple[str, ...] = ()
    uri: str = ""
    destination: str = ""
    number: int = 0
    digest: str = ""
    created_at: float = 0.0
    pipeline: str = ""
    run_id: str = ""
    node_id: str = ""
    execution_id: int = 0
    model_artifact_id: int = 0
    bump: str = ""
    reason: str = ""
    by: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)
