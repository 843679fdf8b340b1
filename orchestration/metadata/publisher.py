# SPDX-License-Identifier: Apache-2.0
"""Executions recorded: registered, published, failed, marked stale."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...components.base.artifact import Artifact, PropertyValue
from ...utils.errors import MetadataError
from .artifact_codec import add_path, encode_artifact, encode_events
from .artifacts import ArtifactLedger, Numbering, Series
from .connection import Connection
from .contexts import Contexts
from .execution_codec import (
    complete_execution,
    decode_execution,
    encode_execution,
    fail_execution,
    is_running,
)
from .executions import CACHED_EXECUTION, Executions
from .library import library
from .models import ModelEvents, Registration
from .records import ExecutionRecord, ExecutionState, NodeKey
from .series import series_key, series_prefix
from .type_names import EXECUTION_CACHE, IMPORTER, NODE, PIPELINE, PIPELINE_RUN
from .type_registry import TypeRegistry

#: The error of executions whose process is gone.
INTERRUPTED = "interrupted: the process that ran it is gone"

#: How often a transaction is tried again whose keys another process took first.
_CONFLICTS = 100

_NODE_CONTEXTS = [PIPELINE, PIPELINE_RUN, NODE]


class Publisher:
    """Records executions and, with them, artifacts."""

    def __init__(
        self,
        connection: Connection,
        types: TypeRegistry,
        contexts: Contexts,
        artifacts: ArtifactLedger,
        executions: Executions,
        models: ModelEvents,
    ) -> None:
        self._connection = connection
        self._types = types
        self._contexts = contexts
        self._artifacts = artifacts
        self._executions = executions
        self._models = models
        #: Attempts of a node in a run that this process knows of.
        self._attempts: dict[str, int] = {}

    def start(
        self,
        node: NodeKey,
        state: ExecutionState,
        inputs: Mapping[str, Sequence[Artifact]],
        parameters: Mapping[str, Any],
        custom: Mapping[str, PropertyValue],
        *,
        outputs: Mapping[str, Sequence[Artifact]] | None = None,
        output_event: int = 0,
        results: Mapping[str, PropertyValue] | None = None,
        error: str = "",
        cached_from: int | None = None,
    ) -> int:
        """Records a new execution in one transaction; all its artifacts are known already.

        Returns:
            The id of the execution.
        """
        protos = library().protos
        with self._connection.holding(writing=True):
            type_id = self._types.execution_type_id(node.type_name)
            events = [
                *_events_of_known(node, inputs, protos.Event.INPUT),
                *_events_of_known(node, outputs or {}, output_event or protos.Event.OUTPUT),
            ]
            prefix = series_prefix(node.run_id, node.node_id)
            for _ in range(_CONFLICTS):
                attempt = self._attempts.get(prefix, 0) + 1
                made = encode_execution(
                    node,
                    type_id,
                    self._connection.sidecar(),
                    state=state,
                    attempt=attempt,
                    external_id=series_key(prefix, attempt),
                    parameters=parameters,
                    results=results,
                    custom=custom,
                    error=error,
                    cached_from=cached_from,
                )
                contexts = self._contexts.of_node(node)
                try:
                    execution_id, _, context_ids = self._put(made, events, contexts)
                except library().errors.AlreadyExistsError:
                    # An earlier process of this run tried the node before.
                    self._attempts[prefix] = self._executions.count_attempts(prefix, attempt)
                    continue
                self._attempts[prefix] = attempt
                self._contexts.remember(contexts, context_ids, _NODE_CONTEXTS)
                return int(execution_id)
        raise MetadataError(
            "the execution cannot be numbered among those of its node",
            node=node.node_id,
            got=f"{_CONFLICTS} conflicts with other processes",
            fix="see which other process runs this node of the same run",
        )

    def _put(self, execution: Any, events: list[Any], contexts: list[Any]) -> Any:
        return self._connection.write(
            "put_execution",
            execution,
            events,
            contexts,
            reuse_context_if_already_exist=True,
            force_reuse_context=True,
        )

    def resolve(
        self,
        node: NodeKey,
        inputs: Mapping[str, Sequence[Artifact]],
        outputs: Mapping[str, Sequence[Artifact]],
        parameters: Mapping[str, Any],
    ) -> int:
        """See `MetadataStore.publish_resolved`."""
        event = library().protos.Event
        new = any(artifact.id is None for listed in outputs.values() for artifact in listed)
        if new:
            with self._connection.holding(writing=True):
                execution_id = self.start(node, ExecutionState.RUNNING, inputs, parameters, {})
                self.publish(node, execution_id, outputs, {}, None)
            return execution_id
        imported = node.type_name == IMPORTER
        return self.start(
            node,
            ExecutionState.CACHED if imported else ExecutionState.COMPLETE,
            inputs,
            parameters,
            {},
            outputs=outputs,
            output_event=event.OUTPUT if imported else event.INTERNAL_OUTPUT,
        )

    def publish(
        self,
        node: NodeKey,
        execution_id: int,
        outputs: Mapping[str, Sequence[Artifact]],
        results: Mapping[str, PropertyValue],
        cache_key: str | None,
        registration: Registration | None = None,
    ) -> None:
        """See `MetadataStore.publish_execution`."""
        with self._connection.holding(writing=True):
            found = self._running(execution_id, node.node_id)
            complete_execution(found, results, self._connection.sidecar())
            contexts = self._contexts.of_node(node)
            types = list(_NODE_CONTEXTS)
            superseded = None
            if cache_key is not None:
                superseded = self._contexts.find(EXECUTION_CACHE, cache_key)
                contexts.append(self._cache_context(cache_key, execution_id))
                types.append(EXECUTION_CACHE)
            context_ids = self._put_outputs(node, found, outputs, contexts, registration)
            self._contexts.remember(contexts, context_ids, types)
            if superseded is not None:
                # The key was there already: it now stands for the newer execution.
                mask = [f"custom_properties.{CACHED_EXECUTION}"]
                self._connection.write("put_contexts", contexts[-1:], field_mask_paths=mask)

    def _put_outputs(
        self,
        node: NodeKey,
        execution: Any,
        outputs: Mapping[str, Sequence[Artifact]],
        contexts: list[Any],
        registration: Registration | None,
    ) -> Sequence[int]:
        """Records an execution with its outputs in one transaction; answers context ids."""
        known = encode_events(outputs, library().protos.Event.OUTPUT).values()
        for _ in range(_CONFLICTS):
            numbering = self._artifacts.numbering()
            # First: it says on the artifact which version of the model it became.
            registered = self._models.registered(registration)
            new = self._encode_new(node, outputs, numbering)
            events = [*((made, event) for _, made, event in new), *((None, e) for e in known)]
            try:
                _, artifact_ids, context_ids = self._put(
                    execution, events, [*contexts, *registered]
                )
            except library().errors.AlreadyExistsError:
                # Another run published an artifact of such a type, or pushed such a model.
                self._artifacts.forget_numbers()
                continue
            numbering.commit()
            for (artifact, _, _), artifact_id in zip(new, artifact_ids, strict=False):
                artifact.id = artifact_id
            return list(context_ids)[: len(contexts)]
        raise MetadataError(
            "the outputs cannot be numbered among those of their types",
            node=node.node_id,
            got=f"{_CONFLICTS} conflicts with other processes",
            fix="resume the run when fewer runs of this pipeline publish at once",
        )

    def _cache_context(self, cache_key: str, execution_id: int) -> Any:
        made = self._contexts.proto(EXECUTION_CACHE, cache_key)
        made.custom_properties[CACHED_EXECUTION].int_value = execution_id
        return made

    def _encode_new(
        self, node: NodeKey, outputs: Mapping[str, Sequence[Artifact]], numbering: Numbering
    ) -> list[tuple[Artifact, Any, Any]]:
        """Artifacts that are not recorded yet, each with its message and its event."""
        protos = library().protos
        found: dict[int, tuple[Artifact, Any, Any]] = {}
        for name, listed in outputs.items():
            for index, artifact in enumerate(listed):
                if artifact.id is not None:
                    continue
                if id(artifact) not in found:
                    series = Series.of(node.pipeline, artifact)
                    made = encode_artifact(
                        artifact,
                        self._artifacts.type_of(artifact),
                        self._connection.sidecar(),
                        pipeline=node.pipeline,
                        node_id=node.node_id,
                        external_id=series_key(series.prefix, numbering.next(series)),
                    )
                    event = protos.Event(type=protos.Event.OUTPUT)
                    found[id(artifact)] = (artifact, made, event)
                add_path(found[id(artifact)][2], name, index)
        return list(found.values())

    def _running(self, execution_id: int, node_id: str | None) -> Any:
        """The message of an execution that has not ended.

        Raises:
            MetadataError: There is no such execution, or it has ended.
        """
        found = self._connection.read("get_executions_by_id", [execution_id])
        if not found:
            raise MetadataError(
                f"the metadata store has no execution {execution_id}",
                node=node_id,
                location=self._connection.config.url,
            )
        if not is_running(found[0]):
            record = decode_execution(found[0])
            raise MetadataError(
                f"execution {execution_id} has already ended",
                node=node_id or record.node_id or None,
                expected="an execution that is running",
                got=record.state.value + (f" ({record.error})" if record.error else ""),
                fix="another process took the run over; resume it once that has ended",
            )
        return found[0]

    def fail(self, execution_id: int, state: ExecutionState, error: str, log_path: str) -> None:
        """See `MetadataStore.fail_execution`."""
        with self._connection.holding(writing=True):
            found = self._connection.read("get_executions_by_id", [execution_id])
            if found and decode_execution(found[0]).state in (
                ExecutionState.FAILED,
                ExecutionState.CANCELED,
            ):
                return  # whoever came first said why
            running = self._running(execution_id, None)
            self._write_failures([running], state, error, log_path)

    def _write_failures(
        self, found: list[Any], state: ExecutionState, error: str, log_path: str = ""
    ) -> None:
        for execution in found:
            fail_execution(execution, state, error, log_path, self._connection.sidecar())
        self._connection.write("put_executions", found)

    def mark_stale(self, run_id: str) -> list[ExecutionRecord]:
        """See `MetadataStore.mark_stale`."""
        with self._connection.holding(writing=True):
            stale = [
                found for found in self._executions.messages_of_run(run_id) if is_running(found)
            ]
            if not stale:
                return []
            self._write_failures(stale, ExecutionState.FAILED, INTERRUPTED)
            # A server has no gate: one of them may have been published between the calls.
            found = self._connection.read("get_executions_by_id", [each.id for each in stale])
            records = [decode_execution(each) for each in found]
        return [record for record in records if record.state is ExecutionState.FAILED]


def _events_of_known(
    node: NodeKey, artifacts: Mapping[str, Sequence[Artifact]], event_type: int
) -> list[tuple[None, Any]]:
    for name, listed in artifacts.items():
        for artifact in listed:
            if artifact.id is None:
                raise MetadataError(
                    f"{name!r} holds an artifact that was never published",
                    node=node.node_id,
                    got=repr(artifact)[:200],
                    fix="publish the execution that makes it first",
                )
    return [(None, event) for event in encode_events(artifacts, event_type).values()]
