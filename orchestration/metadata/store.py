# SPDX-License-Identifier: Apache-2.0
"""The metadata store: typed, transactional, safe to share between threads.

Everything that Penstock records goes through this class, under the names that TFX writes
(`type_names`), so that any reader of a TFX store reads it. What a run does with it takes the
same time however much the store holds: records are found by key, never by listing. What can
be asked of it is in `store_queries`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any

from ...components.base.artifact import Artifact, PropertyValue
from .approvals import Decision
from .connection import Connection
from .connection_settings import MetadataConfig
from .contexts import Contexts
from .models import NextEvent, Registration
from .owner import ProcessOwner
from .publisher import Publisher
from .records import ExecutionRecord, ExecutionState, NodeKey, RunRecord, RunState
from .retry import RetryPolicy
from .store_queries import StoreQueries
from .type_registry import TypeRegistry


class MetadataStore(StoreQueries):
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
        config = MetadataConfig.parse(config) if isinstance(config, str) else config
        connection = Connection(config, create=create, retries=retries)
        types = TypeRegistry(connection)
        contexts = Contexts(connection, types)
        super().__init__(config, connection, types, contexts)
        self._publisher = Publisher(
            connection, types, contexts, self._artifacts, self._executions, self._models
        )

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

    def mark_stale(self, run_id: str) -> list[ExecutionRecord]:
        """Records as failed what is still recorded as running of a run whose process is gone.

        Returns:
            Those executions. What they have written is incomplete and can be deleted; none
            of it is an artifact.
        """
        return self._publisher.mark_stale(run_id)

    def decide(self, key: str, decision: Decision) -> None:
        """Records a decision, in one write; it replaces an earlier one.

        Raises:
            MetadataError: The store cannot be written.
        """
        self._approvals.put(key, decision)

    # Artifacts.

    def mark_deleted(self, artifact_ids: Iterable[int]) -> None:
        """Records that the payloads of artifacts are gone. They cannot be used again."""
        self._artifacts.mark_deleted(artifact_ids)

    # Registered models.

    def add_model_event(self, model: str, next_event: NextEvent) -> bool:
        """Adds an event to a registered model, in one transaction; False if there was none.

        Raises:
            MetadataError: The store cannot be written, or others keep changing the model.
        """
        return self._models.append(model, next_event)
