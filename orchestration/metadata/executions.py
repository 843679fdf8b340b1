# SPDX-License-Identifier: Apache-2.0
"""Executions found again: by run, by node, by cache key, by artifact."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from ...components.base.artifact import Artifact
from .artifact_codec import arrange
from .artifacts import ArtifactLedger
from .connection import Connection
from .contexts import Contexts
from .execution_codec import decode_execution
from .library import library
from .records import CachedExecution, ExecutionRecord, ExecutionState
from .runs import Runs
from .series import highest, series_key, series_prefix, taken_in
from .type_names import EXECUTION_CACHE, NODE, node_context_name

#: Custom property of a cache key's context: id of the newest execution with that key.
CACHED_EXECUTION = "execution_id"


class Executions:
    """Finds executions."""

    def __init__(
        self, connection: Connection, contexts: Contexts, artifacts: ArtifactLedger, runs: Runs
    ) -> None:
        self._connection = connection
        self._contexts = contexts
        self._artifacts = artifacts
        self._runs = runs
        self._foreign = artifacts.foreign

    def count_attempts(self, prefix: str, start: int = 0) -> int:
        """How many executions a node had in a run; `start` is a number known to exist."""
        return highest(taken_in(prefix, self._by_keys), start)

    def _by_keys(self, keys: list[str]) -> list[Any]:
        return self._connection.by_external_ids("executions", keys)

    def messages_of_run(self, run_id: str) -> list[Any]:
        """Messages of a run's executions, oldest first."""
        context = self._contexts.run(run_id)
        found: list[Any] = self._connection.read("get_executions_by_context", context.id)
        return sorted(found, key=lambda execution: int(execution.id))

    def of_run(self, run_id: str, *, with_artifacts: bool) -> list[ExecutionRecord]:
        """See `MetadataStore.run_executions`."""
        with self._connection.holding(writing=False):
            records = self._foreign.executions(self.messages_of_run(run_id))
            return self.with_artifacts(records) if with_artifacts else records

    def with_artifacts(self, records: list[ExecutionRecord]) -> list[ExecutionRecord]:
        """The records with their inputs and outputs."""
        events = self._events([record.id for record in records])
        artifacts = self._artifacts.by_ids({e.artifact_id for e in events})
        inputs, outputs = _split(events)
        return [
            replace(
                record,
                inputs=arrange(inputs.get(record.id, ()), artifacts),
                outputs=arrange(outputs.get(record.id, ()), artifacts),
            )
            for record in records
        ]

    def _events(self, execution_ids: Iterable[int]) -> list[Any]:
        ids = list(execution_ids)
        found: list[Any] = []
        for first in range(0, len(ids), 500):
            chunk = ids[first : first + 500]
            found += self._connection.read("get_events_by_execution_ids", chunk)
        return found

    def outputs_of(self, execution_id: int) -> dict[str, list[Artifact]]:
        """See `MetadataStore.outputs_of`."""
        with self._connection.holding(writing=False):
            outputs = _split(self._events([execution_id]))[1].get(execution_id, [])
            return arrange(outputs, self._artifacts.by_ids({e.artifact_id for e in outputs}))

    def whole(self, execution_id: int) -> ExecutionRecord | None:
        """The record of an execution with its artifacts; None where there is no such."""
        with self._connection.holding(writing=False):
            found = self.get([execution_id])
            return self.with_artifacts(found)[0] if found else None

    def get(self, execution_ids: Iterable[int]) -> list[ExecutionRecord]:
        """Records of the executions with these ids that exist."""
        with self._connection.holding(writing=False):
            found = self._connection.read("get_executions_by_id", sorted(set(execution_ids)))
            return self._foreign.executions(found)

    def of_node(self, run_id: str, node_id: str) -> ExecutionRecord | None:
        """See `MetadataStore.node_execution`."""
        with self._connection.holding(writing=False):
            return self._of_nodes([run_id], node_id).get(run_id)

    def _of_nodes(self, run_ids: Sequence[str], node_id: str) -> dict[str, ExecutionRecord]:
        """The execution of a node that counts, in each of some runs where it has one."""
        prefixes = {series_prefix(run_id, node_id): run_id for run_id in run_ids}
        first_attempts = (1, 2, 3)
        found = self._by_keys([series_key(p, n) for p in prefixes for n in first_attempts])
        records: dict[str, list[ExecutionRecord]] = {}
        for each in found:
            run_id = prefixes.get(each.external_id.rpartition("#")[0])
            if run_id is not None:
                records.setdefault(run_id, []).append(decode_execution(each))
        for prefix, run_id in prefixes.items():
            if len(records.get(run_id, ())) == len(first_attempts):
                last = self.count_attempts(prefix, len(first_attempts))
                more = range(len(first_attempts) + 1, last + 1)
                if more:
                    again = self._by_keys([series_key(prefix, number) for number in more])
                    records[run_id] += [decode_execution(each) for each in again]
        return {run_id: max(tried, key=_weight) for run_id, tried in records.items()}

    def last_of_node(self, pipeline: str, node_id: str) -> ExecutionRecord | None:
        """See `MetadataStore.last_execution`."""
        with self._connection.holding(writing=False):
            if self._contexts.find(NODE, node_context_name(pipeline, node_id)) is None:
                return None
            for run_ids in self._runs.newest_first(pipeline):
                found = self._of_nodes(run_ids, node_id)
                for run_id in run_ids:
                    if run_id in found and found[run_id].succeeded:
                        return self._with_origin(found[run_id])
        return None

    def _with_origin(self, record: ExecutionRecord) -> ExecutionRecord:
        """A CACHED execution with what was kept with the one that did the work."""
        if record.cached_from is None:
            return record
        origin = self.get([record.cached_from])
        if not origin:
            return record
        kept = {**origin[0].custom_properties, **record.custom_properties}
        results = {**origin[0].results, **record.results}
        return replace(record, custom_properties=kept, results=results)

    def cached(self, cache_key: str) -> CachedExecution | None:
        """See `MetadataStore.lookup_cache`."""
        with self._connection.holding(writing=False):
            context = self._contexts.find(EXECUTION_CACHE, cache_key)
            if context is None or CACHED_EXECUTION not in context.custom_properties:
                return None
            execution_id = context.custom_properties[CACHED_EXECUTION].int_value
            found = self._connection.read("get_executions_by_id", [execution_id])
            if not found:
                return None
            record = decode_execution(found[0])
            outputs = _split(self._events([execution_id]))[1].get(execution_id, [])
            wanted = {event.artifact_id for event in outputs}
            artifacts = self._artifacts.by_ids(wanted, live_only=True)
            if not record.succeeded or len(artifacts) < len(wanted):
                return None
            return CachedExecution(record, arrange(outputs, artifacts))

    def producer_of(self, artifact_id: int) -> ExecutionRecord | None:
        """See `MetadataStore.producer_of`."""
        event = library().protos.Event
        wrote = self._of_artifact(artifact_id, (event.OUTPUT, event.DECLARED_OUTPUT))
        worked = [record for record in wrote if record.state is not ExecutionState.CACHED]
        return next(iter([*worked, *wrote]), None)

    def consumers_of(self, artifact_id: int) -> list[ExecutionRecord]:
        """See `MetadataStore.consumers_of`."""
        event = library().protos.Event
        return self._of_artifact(artifact_id, (event.INPUT, event.DECLARED_INPUT))

    def _of_artifact(self, artifact_id: int, kinds: tuple[int, ...]) -> list[ExecutionRecord]:
        with self._connection.holding(writing=False):
            events = self._connection.read("get_events_by_artifact_ids", [artifact_id])
            ids = [event.execution_id for event in events if event.type in kinds]
            return sorted(self.get(ids), key=lambda record: record.id) if ids else []


def _weight(record: ExecutionRecord) -> tuple[bool, int]:
    """Of a node's executions in a run the newest that succeeded counts, or else the newest."""
    return record.succeeded, record.attempt


def _split(events: Iterable[Any]) -> tuple[dict[int, list[Any]], dict[int, list[Any]]]:
    """Events of inputs and of outputs, each by execution."""
    event = library().protos.Event
    incoming = {event.INPUT, event.DECLARED_INPUT, event.INTERNAL_INPUT}
    outgoing = {event.OUTPUT, event.DECLARED_OUTPUT, event.INTERNAL_OUTPUT}
    inputs: dict[int, list[Any]] = {}
    outputs: dict[int, list[Any]] = {}
    for each in events:
        side = inputs if each.type in incoming else outputs if each.type in outgoing else None
        if side is not None:
            side.setdefault(each.execution_id, []).append(each)
    return inputs, outputs
