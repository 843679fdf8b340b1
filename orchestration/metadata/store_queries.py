# SPDX-License-Identifier: Apache-2.0
"""What can be asked of a metadata store: runs, executions, artifacts, models, lineage."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ...components.base.artifact import Artifact, PropertyValue
from ...utils.errors import MetadataError
from .approvals import Approvals, Decision
from .artifacts import ArtifactLedger
from .connection import Connection
from .connection_settings import MetadataConfig
from .contexts import Contexts
from .executions import Executions
from .lineage import MAX_NODES, Direction, Lineage, LineageGraph
from .models import ModelEvent, ModelEvents
from .records import ArtifactRecord, CachedExecution, ExecutionRecord, RunRecord
from .runs import Runs
from .type_registry import TypeRegistry


class StoreQueries:
    """The questions of `MetadataStore`; none of them changes anything.

    Args:
        config: Which store it is.
        connection: To it.
        types: Its types.
        contexts: Its contexts.
    """

    def __init__(
        self,
        config: MetadataConfig,
        connection: Connection,
        types: TypeRegistry,
        contexts: Contexts,
    ) -> None:
        self.config = config
        self._connection = connection
        self._artifacts = ArtifactLedger(connection, types, contexts)
        self._runs = Runs(connection, contexts, self._artifacts)
        self._executions = Executions(connection, contexts, self._artifacts, self._runs)
        self._models = ModelEvents(connection, contexts)
        self._approvals = Approvals(connection, contexts)
        self._lineage = Lineage(connection, self._artifacts)

    # Runs.

    def get_run(self, run_id: str) -> RunRecord:
        """The record of a run.

        Raises:
            MetadataError: There is no such run; suggests the nearest.
        """
        return self._runs.get(run_id)

    def list_runs(self, pipeline: str | None = None, limit: int = 20) -> list[RunRecord]:
        """Runs of a pipeline, or of all, newest first."""
        return self._runs.newest(pipeline, limit)

    def open_runs(self, pipeline: str) -> list[RunRecord]:
        """Runs of a pipeline that are recorded as running, oldest first.

        Those of which `interrupted` is true have lost their process.
        """
        return self._runs.open(pipeline)

    # Executions.

    def get_execution(self, execution_id: int) -> ExecutionRecord:
        """The record of an execution, with its inputs and outputs.

        Raises:
            MetadataError: There is no such execution.
        """
        found = self._executions.whole(execution_id)
        if found is None:
            raise MetadataError(
                f"the metadata store has no execution {execution_id}",
                location=self.config.url,
                fix="list the runs there are: penstock runs list",
            )
        return found

    def run_executions(self, run_id: str, *, with_artifacts: bool = False) -> list[ExecutionRecord]:
        """All executions of a run, oldest first, failed attempts among them.

        Takes time in proportion to the run's size, so no step of a run should call it.

        Raises:
            MetadataError: There is no such run.
        """
        return self._executions.of_run(run_id, with_artifacts=with_artifacts)

    def node_execution(self, run_id: str, node_id: str) -> ExecutionRecord | None:
        """The execution of a node in a run: the newest that succeeded, or else the newest."""
        return self._executions.of_node(run_id, node_id)

    def last_execution(self, pipeline: str, node_id: str) -> ExecutionRecord | None:
        """The newest successful execution of a node in any run of a pipeline.

        Goes back run by run, so its time grows only with the runs since then. Where that one
        was CACHED, what was kept with the execution that did the work is there too.
        """
        return self._executions.last_of_node(pipeline, node_id)

    def outputs_of(self, execution_id: int) -> dict[str, list[Artifact]]:
        """Output artifacts of an execution by output name."""
        return self._executions.outputs_of(execution_id)

    def lookup_cache(self, cache_key: str) -> CachedExecution | None:
        """The newest successful execution published under a cache key.

        None also where one of its outputs is no longer live.
        """
        return self._executions.cached(cache_key)

    def decision(self, key: str) -> Decision | None:
        """What somebody decided about what an Approval with this cache key shows."""
        return self._approvals.find(key)

    # Artifacts.

    def get_artifact(self, artifact_id: int) -> ArtifactRecord:
        """The record of an artifact.

        Raises:
            MetadataError: There is no such artifact.
        """
        found = self.get_artifacts([artifact_id])
        if not found:
            raise MetadataError(
                f"the metadata store has no artifact {artifact_id}",
                location=self.config.url,
                fix="list the artifacts there are: penstock artifacts list",
            )
        return found[0]

    def get_artifacts(self, artifact_ids: Iterable[int]) -> list[ArtifactRecord]:
        """Records of the artifacts with these ids that exist, by id."""
        with self._connection.holding(writing=False):
            return self._artifacts.records(self._artifacts.fetch(artifact_ids))

    def list_artifacts(
        self,
        type_name: str | None = None,
        *,
        pipeline: str | None = None,
        limit: int | None = 20,
    ) -> list[ArtifactRecord]:
        """Artifacts in any state, newest first; all of them where `limit` is None."""
        return self._artifacts.listed(type_name, pipeline, limit)

    def artifacts_by_uri(self, uri: str) -> list[Artifact]:
        """Live artifacts at exactly `uri`, newest first."""
        return self._artifacts.by_uri(uri)

    def latest_artifacts(
        self,
        type_name: str,
        *,
        pipeline: str | None = None,
        node_id: str | None = None,
        limit: int = 1,
        where: Mapping[str, PropertyValue] | None = None,
    ) -> list[Artifact]:
        """Live artifacts of a type, newest first.

        Looks at what Penstock recorded, newest first, until it has enough; so `node_id` and
        `where` cost time in proportion to the artifacts that they pass over.

        Args:
            type_name: Name of the type.
            pipeline: Only those that this pipeline made.
            node_id: Only those that this node made.
            limit: How many at most.
            where: Values that properties or custom properties must have.
        """
        return self._artifacts.latest(type_name, pipeline, node_id, limit, where or {})

    def latest_blessed_model(self, pipeline: str) -> tuple[Artifact, Artifact] | None:
        """The newest live model of a pipeline that was blessed, with its blessing.

        As TFX's `LatestBlessedModelStrategy`: newest by the model's id, not the blessing's.
        """
        found = self.blessed_models(pipeline, limit=1)
        return found[0] if found else None

    def blessed_models(self, pipeline: str, *, limit: int = 10) -> list[tuple[Artifact, Artifact]]:
        """Live blessed models of a pipeline with their newest blessings, newest model first."""
        return self._artifacts.blessed_models(pipeline, limit)

    # Registered models.

    def model_names(self) -> list[str]:
        """Names of all registered models, sorted."""
        return self._models.names()

    def model_event_count(self, model: str) -> int:
        """How many events a registered model has; 0 where there is no such model."""
        return self._models.count(model)

    def model_events(self, model: str, first: int = 1, last: int | None = None) -> list[ModelEvent]:
        """Events of a registered model by number, in order; by default up to the newest."""
        newest = self._models.count(model) if last is None else last
        return self._models.between(model, first, newest)

    # Lineage.

    def producer_of(self, artifact_id: int) -> ExecutionRecord | None:
        """The execution that wrote an artifact, not those that used it again."""
        return self._executions.producer_of(artifact_id)

    def consumers_of(self, artifact_id: int) -> list[ExecutionRecord]:
        """The executions that read an artifact, oldest first."""
        return self._executions.consumers_of(artifact_id)

    def lineage(
        self,
        artifact_ids: Sequence[int],
        direction: Direction = Direction.UPSTREAM,
        *,
        max_nodes: int = MAX_NODES,
    ) -> LineageGraph:
        """What artifacts came from or what came of them, without executions that were CACHED.

        Raises:
            MetadataError: There is no such artifact.
        """
        return self._lineage.of_artifacts(artifact_ids, direction, max_nodes)

    def execution_lineage(
        self,
        execution_ids: Sequence[int],
        direction: Direction = Direction.BOTH,
        *,
        max_nodes: int = MAX_NODES,
    ) -> LineageGraph:
        """What executions worked on and what came of it.

        Raises:
            MetadataError: There is no such execution.
        """
        return self._lineage.of_executions(execution_ids, direction, max_nodes)
