# SPDX-License-Identifier: Apache-2.0
"""Records of other programs, TFX above all: found by what ML Metadata itself knows of them.

TFX numbers nothing, and writes neither pipeline nor node on what it records: an execution
belongs to contexts of its pipeline, run and node, and an artifact to the execution that wrote
it. So these are looked up, which takes time in proportion to what TFX recorded; a store in
which nothing else than Penstock ever wrote is asked once whether that is so.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from .artifact_codec import decode_artifact_record
from .connection import Connection
from .execution_codec import decode_execution
from .library import library
from .records import ArtifactRecord, ExecutionRecord, ExecutionState, RunRecord, RunState
from .type_names import NODE, PENSTOCK_PROPERTY, PIPELINE, PIPELINE_RUN

#: What tells such records apart, in ML Metadata's filter language: ours have keys.
_UNNUMBERED = "external_id IS NULL"


#: How many artifacts are fetched at first.
_FIRST = 16


class ForeignRecords:
    """Finds what other programs recorded, and where it belongs.

    Call it while the connection is held.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._there: bool | None = None
        #: Names of contexts by type, by execution: they never change.
        self._contexts: dict[int, dict[str, str]] = {}

    def there(self) -> bool:
        """Whether another program recorded artifacts here, as far as this process looked."""
        if self._there is None:
            options = library().mlmd.ListOptions(limit=1, filter_query=_UNNUMBERED)
            self._there = bool(self._connection.read("get_artifacts", options))
        return self._there

    def artifacts(self, type_name: str, pipeline: str | None) -> Iterator[Any]:
        """Messages of the artifacts of a type that other programs recorded, newest first.

        The newest few are fetched first, and the others only where they are asked for.
        """
        if not self.there():
            return
        conditions = [_UNNUMBERED, f"type = {_quoted(type_name)}"]
        if pipeline is not None:
            conditions.append(
                f"contexts_a.type = '{PIPELINE}' AND contexts_a.name = {_quoted(pipeline)}"
            )
        mlmd, condition = library().mlmd, " AND ".join(conditions)
        newest = mlmd.ListOptions(
            limit=_FIRST, order_by=mlmd.OrderByField.ID, is_asc=False, filter_query=condition
        )
        found = self._connection.read("get_artifacts", newest)
        yield from found
        if len(found) == _FIRST:
            older = mlmd.ListOptions(filter_query=f"{condition} AND id < {found[-1].id}")
            found = self._connection.read("get_artifacts", older)
            yield from sorted(found, key=lambda each: -each.id)

    def makers(self, artifact_ids: Iterable[int]) -> dict[int, dict[str, str]]:
        """Pipeline, run and node that wrote artifacts, by the type of context, by artifact.

        That is the first execution that put them out: later ones used them again.
        """
        ids = sorted(set(artifact_ids))
        event = library().protos.Event
        wrote: dict[int, int] = {}
        for first in range(0, len(ids), 500):
            chunk = ids[first : first + 500]
            for each in self._connection.read("get_events_by_artifact_ids", chunk):
                if each.type in (event.OUTPUT, event.DECLARED_OUTPUT):
                    known = wrote.get(each.artifact_id, each.execution_id)
                    wrote[each.artifact_id] = min(known, each.execution_id)
        return {artifact_id: self.contexts_of(by) for artifact_id, by in wrote.items()}

    def contexts_of(self, execution_id: int) -> dict[str, str]:
        """Names of the contexts of an execution by type."""
        if execution_id not in self._contexts:
            found = self._connection.read("get_contexts_by_execution", execution_id)
            self._contexts[execution_id] = {each.type: each.name for each in found}
        return self._contexts[execution_id]

    def executions(self, messages: Iterable[Any]) -> list[ExecutionRecord]:
        """Messages as records; of other programs', placed by their contexts."""
        return [self._execution(each) for each in messages]

    def _execution(self, message: Any) -> ExecutionRecord:
        record = decode_execution(message)
        if PENSTOCK_PROPERTY in message.custom_properties:
            return record
        contexts = self.contexts_of(message.id)
        described = {
            name for name in record.parameters if f"__schema__{name}__" in message.custom_properties
        }
        parameters = {
            name: _decoded(value) if name in described else value
            for name, value in record.parameters.items()
        }
        return replace(
            record,
            pipeline=contexts.get(PIPELINE, ""),
            run_id=contexts.get(PIPELINE_RUN, ""),
            node_id=node_of(contexts),
            error=_sentence_first(record.error),
            parameters=parameters,
        )

    def artifact_records(
        self, messages: Sequence[Any], types: Mapping[int, Any]
    ) -> list[ArtifactRecord]:
        """Messages as records; of other programs', placed by the executions that wrote them.

        Args:
            messages: Artifacts.
            types: Their types by id.
        """
        made = self.makers(each.id for each in messages if not each.external_id)
        records = []
        for each in messages:
            record = decode_artifact_record(each, types[each.type_id])
            if each.id in made:
                contexts = made[each.id]
                record = replace(
                    record, pipeline=contexts.get(PIPELINE, ""), node_id=node_of(contexts)
                )
            records.append(record)
        return records

    def run_contexts(self, pipeline_id: int) -> list[Any]:
        """Contexts of the runs of a pipeline that other programs recorded."""
        children = self._connection.read("get_children_contexts_by_context", pipeline_id)
        return [each for each in children if each.type == PIPELINE_RUN and not each.external_id]

    def run(self, record: RunRecord, context_id: int) -> RunRecord:
        """The record of another program's run, with how it went as its executions tell."""
        found = self._connection.read("get_executions_by_context", context_id)
        executions = self.executions(sorted(found, key=lambda each: int(each.id)))
        if not executions:
            return record
        last = {each.node_id: each for each in executions}.values()
        states = {each.state for each in last}
        failed = [each for each in last if each.state is ExecutionState.FAILED]
        state, ended = RunState.COMPLETE, max(each.updated_at for each in executions)
        if states & {ExecutionState.RUNNING, ExecutionState.NEW}:
            # Whether anything goes on there, nobody can tell from here.
            return replace(record, pipeline=executions[0].pipeline)
        if failed:
            state = RunState.FAILED
        elif ExecutionState.CANCELED in states:
            state = RunState.CANCELED
        error = ""
        if failed:
            why = failed[-1].error.partition("\n")[0]
            error = f"{failed[-1].node_id} failed" + (f": {why}" if why else "")
        return replace(
            record, pipeline=executions[0].pipeline, state=state, ended_at=ended, error=error
        )


def node_of(contexts: dict[str, str]) -> str:
    """The node's id, given the names of an execution's contexts by type."""
    return contexts.get(NODE, "").removeprefix(contexts.get(PIPELINE, "") + ".")


def _decoded(value: Any) -> Any:
    try:
        return json.loads(value) if isinstance(value, str) else value
    except ValueError:
        return value


def _sentence_first(error: str) -> str:
    """An error that begins with what Python's traceback, as TFX records it, ends with."""
    if not error.startswith("Traceback"):
        return error
    return f"{error.rstrip().rpartition(chr(10))[2]}\n\n{error}"


def _quoted(text: str) -> str:
    """A text as the filter language has it."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
