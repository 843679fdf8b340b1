# SPDX-License-Identifier: Apache-2.0
"""The metadata store: typed, transactional, safe to share between threads.

Everything that Penstock records goes through this class, under the names that TFX writes
(`type_names`), so that any reader of a TFX store reads it. What a run does with it takes the
same time however much the store holds: records are found by key, never by listing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any

from ...components.base.artifact import Artifact, PropertyValue
from ...utils.errors import MetadataError
from .approvals import Approvals, Decision
from .artifacts import ArtifactLedger
from .connection import Connection
from .connection_settings import MetadataConfig
from .contexts import Contexts
from .executions import Executions
from .lineage import MAX_NODES, Direction, Lineage, LineageGraph
from .models import ModelEvent, ModelEvents, NextEvent, Registration
from .owner import ProcessOwner
from .publisher import Publisher
from .records import (
    ArtifactRecord,
    CachedExecution,
    ExecutionRecord,
    ExecutionState,
    NodeKey,
    RunRecord,
    RunState,
)
from .retry import RetryPolicy
from .runs import Runs
from .type_registry import TypeRegistry


class MetadataStore:
    """What was run, from what, and what came of it.

    Args:
        config: Which store, as a `MetadataConfig` or as text (see `settings`).
        create: Whether to make the store where there is none. Else a store that cannot be
            written is opened for reading.
        retries: How long to go on where others are writing.

    Raises:
        MetadataError: The store cannot be opened; says why and what to do.
    """

    def __init__(
        self,
        config: MetadataConfig | str,
        *,
        create: bool = True,
        retries: RetryPolicy | None = None,
    ) -> None:
        self.config = MetadataConfig.parse(config) if isinstance(config, str) else config
        self._connection = Connection(self.config, create=create, retries=retries)
        types = TypeRegistry(self._connection)
        contexts = Contexts(self._connection, types)
        self._artifacts = ArtifactLedger(self._connection, types, contexts)
        self._runs = Runs(self._connection, contexts, self._artifacts)
        self._executions = Executions(self._connection, contexts, self._artifacts, self._runs)
        self._models = ModelEvents(self._connection, contexts)
        self._publisher = Publisher(
            self._connection, types, contexts, self._artifacts, self._executions, self._models
        )
        self._approvals = Approvals(self._connection, contexts)
        self._lineage = Lineage(self._connection, self._artifacts)

    @property
    def setting(self) -> str:
        """Which store it is, as text that opens it again; holds no secret."""
        return self.config.url

    def close(self) -> None:
        """Ends the connection; it may be closed twice."""
        self._connection.close()

    def __enter__(self) -> MetadataStore:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # Runs.

    def begin_run(
        self,
        pipeline: str,
        run_id: str,
        *,
        properties: Mapping[str, PropertyValue] | None = None,
        owned: bool = True,
    ) -> RunRecord:
        """Records that a run is under way; takes up one that was recorded before.

        Args:
            pipeline: Name of the pipeline.
            run_id: Id of the run, unique in the store.
            properties: What to record with it, over what is recorded already.
            owned: Whether this process runs it. Not where an outside engine does, each node
                in a process of its own: such a run is never taken for interrupted.

        Raises:
            MetadataError: The id belongs to a run of another pipeline, or a property cannot
                be recorded.
        """
        owner = ProcessOwner.current() if owned else None
        return self._runs.begin(pipeline, run_id, properties or {}, owner)

    def end_run(self, run_id: str, state: RunState, *, error: str = "") -> None:
        """Records how a run ended.

        Raises:
            MetadataError: There is no such run.
        """
        self._runs.end(run_id, state, error)

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

    def register_execution(
        self,
        node: NodeKey,
        inputs: Mapping[str, Sequence[Artifact]],
        parameters: Mapping[str, Any],
        custom: Mapping[str, PropertyValue] | None = None,
    ) -> int:
        """Records that a node of a run begins to work.

        Args:
            node: The node.
            inputs: Published artifacts by input name.
            parameters: JSON-compatible values by parameter name; None is not recorded.
            custom: What to keep for ourselves, under internal names.

        Returns:
            The id of the execution.

        Raises:
            MetadataError: The run was not begun, an input was not published, or a value
                cannot be recorded.
        """
        return self._publisher.start(node, ExecutionState.RUNNING, inputs, parameters, custom or {})

    def publish_execution(
        self,
        node: NodeKey,
        execution_id: int,
        outputs: Mapping[str, Sequence[Artifact]],
        *,
        properties: Mapping[str, PropertyValue] | None = None,
        cache_key: str | None = None,
        registration: Registration | None = None,
    ) -> None:
        """Records that an execution is complete and its outputs are live, in one transaction.

        Artifacts without an id are new; their ids are set.

        Args:
            node: The node.
            execution_id: What `register_execution` returned.
            outputs: Artifacts by output name.
            properties: What the executor wants recorded.
            cache_key: Under which `lookup_cache` finds the execution from now on.
            registration: What to record of the registered model that it pushed.

        Raises:
            MetadataError: The execution is not running: another process marked it stale.
                Or a value cannot be recorded.
        """
        self._publisher.publish(
            node, execution_id, outputs, properties or {}, cache_key, registration
        )

    def publish_cached(
        self,
        node: NodeKey,
        inputs: Mapping[str, Sequence[Artifact]],
        outputs: Mapping[str, Sequence[Artifact]],
        *,
        parameters: Mapping[str, Any] | None = None,
        cached_from: int | None = None,
        properties: Mapping[str, PropertyValue] | None = None,
        custom: Mapping[str, PropertyValue] | None = None,
    ) -> int:
        """Records that a node used earlier outputs again, in one transaction.

        Args:
            node: The node.
            inputs: Published artifacts by input name.
            outputs: Published artifacts by output name.
            parameters: See `register_execution`.
            cached_from: Id of the execution that made the outputs.
            properties: What the executor had recorded then.
            custom: See `register_execution`.

        Returns:
            The id of the execution.

        Raises:
            MetadataError: See `register_execution`.
        """
        return self._publisher.start(
            node,
            ExecutionState.CACHED,
            inputs,
            parameters or {},
            custom or {},
            outputs=outputs,
            results=properties,
            cached_from=cached_from,
        )

    def publish_resolved(
        self,
        node: NodeKey,
        inputs: Mapping[str, Sequence[Artifact]],
        outputs: Mapping[str, Sequence[Artifact]],
        *,
        parameters: Mapping[str, Any] | None = None,
    ) -> int:
        """Records which artifacts a node that only steers has chosen or brought in.

        As in TFX: what a resolver chose are its internal outputs; a new artifact is an
        output of the importer that brought it in, which is CACHED where it found the
        artifact recorded already.

        Returns:
            The id of the execution.

        Raises:
            MetadataError: See `register_execution`.
        """
        return self._publisher.resolve(node, inputs, outputs, parameters or {})

    def fail_execution(
        self, execution_id: int, state: ExecutionState, error: str, *, log_path: str = ""
    ) -> None:
        """Records that an execution failed or was canceled; keeps what was recorded first.

        Args:
            execution_id: What `register_execution` returned.
            state: `FAILED` or `CANCELED`.
            error: Why; kept to 20,000 characters.
            log_path: Where its log lies.

        Raises:
            MetadataError: There is no such execution, or it ended well.
        """
        if state not in (ExecutionState.FAILED, ExecutionState.CANCELED):
            raise ValueError(f"an execution does not fail with state {state.value}")
        self._publisher.fail(execution_id, state, error, log_path)

    def record_skipped(self, node: NodeKey, reason: str) -> int:
        """Records that a node of a run did not have to run, as its condition was false.

        TFX records nothing then, and ML Metadata has no such state. It is an execution in
        state CANCELED with the reason as its result, read back as `ExecutionState.SKIPPED`.

        Returns:
            The id of the execution.
        """
        return self._publisher.start(node, ExecutionState.SKIPPED, {}, {}, {}, error=reason)

    def decision(self, key: str) -> Decision | None:
        """What somebody decided about what an Approval with this cache key shows."""
        return self._approvals.find(key)

    def decide(self, key: str, decision: Decision) -> None:
        """Records a decision, in one write; it replaces an earlier one.

        Raises:
            MetadataError: The store cannot be written.
        """
        self._approvals.put(key, decision)

    def mark_stale(self, run_id: str) -> list[ExecutionRecord]:
        """Records as failed what is still recorded as running of a run whose process is gone.

        Returns:
            Those executions. What they have written is incomplete and can be deleted; none
            of it is an artifact.
        """
        return self._publisher.mark_stale(run_id)

    def lookup_cache(self, cache_key: str) -> CachedExecution | None:
        """The newest successful execution published under a cache key.

        None also where one of its outputs is no longer live.
        """
        return self._executions.cached(cache_key)

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

    # Artifacts.

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

    def artifacts_by_uri(self, uri: str) -> list[Artifact]:
        """Live artifacts at exactly `uri`, newest first."""
        return self._artifacts.by_uri(uri)

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

    def mark_deleted(self, artifact_ids: Iterable[int]) -> None:
        """Records that the payloads of artifacts are gone. They cannot be used again."""
        self._artifacts.mark_deleted(artifact_ids)

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

    def add_model_event(self, model: str, next_event: NextEvent) -> bool:
        """Adds an event to a registered model, in one transaction; False if there was none.

        Raises:
            MetadataError: The store cannot be written, or others keep changing the model.
        """
        return self._models.append(model, next_event)

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
