# SPDX-License-Identifier: Apache-2.0
"""Runs: begun, ended, found again.

A run is a context of type `pipeline_run`, child of its pipeline's, as in TFX. Which runs are
under way stands on the pipeline's own context, one property for each, written with a mask,
so that processes that begin and end runs at once do not undo each other's notes.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Mapping
from typing import Any

from ...components.base.artifact import PropertyValue
from ...utils.errors import MetadataError
from .artifacts import ArtifactLedger
from .codec import check_name, read_properties, write_properties
from .connection import Connection
from .contexts import Contexts, reached_key
from .execution_codec import MAX_ERROR_LENGTH
from .library import library
from .owner import ProcessOwner
from .records import RunRecord, RunState
from .series import highest, number_of, series_key, series_prefix, taken_in
from .type_names import PIPELINE, PIPELINE_RUN

# Custom properties of a run's context; all else there is the caller's.
_PIPELINE_NAME = "pipeline_name"
_STATE = "state"
_ERROR = "error"
_OWNER = "owner"
_ENDED_AT = "ended_at_ms"
_RESERVED = frozenset({_PIPELINE_NAME, _STATE, _ERROR, _OWNER, _ENDED_AT})

# Custom properties of a pipeline's context.
_OPEN = "open_run_"

_GROUP = "custom_properties"


class Runs:
    """Records and finds runs."""

    def __init__(
        self, connection: Connection, contexts: Contexts, artifacts: ArtifactLedger
    ) -> None:
        self._connection = connection
        self._contexts = contexts
        self._artifacts = artifacts
        self._foreign = artifacts.foreign

    def begin(
        self,
        pipeline: str,
        run_id: str,
        properties: Mapping[str, PropertyValue],
        owner: ProcessOwner | None,
    ) -> RunRecord:
        """See `MetadataStore.begin_run`."""
        check_name(run_id)
        check_name(pipeline)
        for name in properties:
            if name in _RESERVED:
                raise MetadataError(
                    f"a run cannot have a property named {name!r}",
                    expected=f"a name other than {', '.join(sorted(_RESERVED))}",
                )
        with self._connection.holding(writing=True):
            parent = self._pipeline(pipeline)
            found = self._contexts.find(PIPELINE_RUN, run_id)
            if found is None and self._create(parent, run_id, properties, owner):
                return self.get(run_id)
            found = self._contexts.find(PIPELINE_RUN, run_id)
            self._reopen(parent, found, properties, owner)
            return self.get(run_id)

    def _pipeline(self, name: str) -> Any:
        """The context of a pipeline, made where it is missing."""
        found = self._contexts.find(PIPELINE, name)
        if found is None:
            made = self._contexts.proto(PIPELINE, name)
            try:
                self._connection.write("put_contexts", [made])
            except library().errors.AlreadyExistsError:
                pass  # another process was first
            found = self._contexts.find(PIPELINE, name)
        return found

    def _create(
        self,
        parent: Any,
        run_id: str,
        properties: Mapping[str, PropertyValue],
        owner: ProcessOwner | None,
    ) -> bool:
        """Makes a run's context; False where another process made it meanwhile."""
        prefix = series_prefix(parent.name)
        start = self._contexts.reached(parent.name, prefix)
        while True:
            number = highest(taken_in(prefix, self._by_keys), start) + 1
            made = self._contexts.proto(PIPELINE_RUN, run_id)
            made.external_id = series_key(prefix, number)
            self._fill(made, parent.name, properties, owner)
            note = self._note(parent, run_id, is_open=True)
            note.custom_properties[reached_key(prefix)].int_value = number
            mask = [_path(_open_key(run_id)), _path(reached_key(prefix))]
            try:
                # One transaction. The mask applies to the context that is there already.
                ids = self._connection.write("put_contexts", [made, note], field_mask_paths=mask)
            except library().errors.AlreadyExistsError:
                if self._contexts.find(PIPELINE_RUN, run_id) is not None:
                    return False
                start = number  # another run of this pipeline took the number
                continue
            self._contexts.remember([made], ids[:1], [PIPELINE_RUN])
            self._adopt(parent.id, ids[0])
            return True

    def _by_keys(self, keys: list[str]) -> list[Any]:
        return self._connection.by_external_ids("contexts", keys)

    def _adopt(self, parent_id: int, child_id: int) -> None:
        link = library().protos.ParentContext(parent_id=parent_id, child_id=child_id)
        try:
            self._connection.write("put_parent_contexts", [link])
        except library().errors.AlreadyExistsError:
            pass  # made by the process that was interrupted here

    def _reopen(
        self,
        parent: Any,
        found: Any,
        properties: Mapping[str, PropertyValue],
        owner: ProcessOwner | None,
    ) -> None:
        belongs = self._record(found).pipeline
        if belongs != parent.name:
            raise MetadataError(
                f"run {found.name!r} belongs to another pipeline",
                expected=parent.name,
                got=belongs,
                fix="choose another run id",
            )
        self._adopt(parent.id, found.id)
        kept = read_properties(found.custom_properties, _GROUP, found.custom_properties)
        kept.update(properties)
        note = self._note(parent, found.name, is_open=True)
        mask = [_path(_open_key(found.name))]
        self._connection.write("put_contexts", [note], field_mask_paths=mask)
        made = library().protos.Context(
            id=found.id, type_id=found.type_id, name=found.name, external_id=found.external_id
        )
        self._fill(made, parent.name, kept, owner)
        self._connection.write("put_contexts", [made])

    def _fill(
        self,
        made: Any,
        pipeline: str,
        properties: Mapping[str, PropertyValue],
        owner: ProcessOwner | None,
    ) -> None:
        values = {
            **{name: value for name, value in properties.items() if name not in _RESERVED},
            _PIPELINE_NAME: pipeline,
            _STATE: RunState.RUNNING.value,
            **({_OWNER: owner.to_json()} if owner is not None else {}),
        }
        sidecar = self._connection.sidecar()
        write_properties(values, made.custom_properties, sidecar, _GROUP)
        sidecar.write(made.custom_properties)

    def _note(self, parent: Any, run_id: str, *, is_open: bool) -> Any:
        """A message that notes on a pipeline's context whether a run is under way."""
        made = library().protos.Context(id=parent.id, type_id=parent.type_id, name=parent.name)
        if is_open:
            made.custom_properties[_open_key(run_id)].string_value = run_id
        return made

    def end(self, run_id: str, state: RunState, error: str) -> None:
        """See `MetadataStore.end_run`."""
        with self._connection.holding(writing=True):
            found = self._contexts.run(run_id)
            parent = self._pipeline(self._record(found).pipeline)
            made = library().protos.Context(id=found.id, type_id=found.type_id, name=found.name)
            values: dict[str, PropertyValue] = {
                _STATE: state.value,
                _ENDED_AT: int(time.time() * 1000),
            }
            if error:
                values[_ERROR] = error[:MAX_ERROR_LENGTH]
            # Without the sidecar, into which a mask cannot reach: an error may be cleaned.
            write_properties(values, made.custom_properties, self._connection.sidecar(), _GROUP)
            mask = [_path(key) for key in (_STATE, _ENDED_AT, _ERROR, _open_key(run_id))]
            note = self._note(parent, run_id, is_open=False)
            for prefix, number in self._artifacts.reached(parent.name).items():
                note.custom_properties[reached_key(prefix)].int_value = number
                mask.append(_path(reached_key(prefix)))
            self._connection.write("put_contexts", [made, note], field_mask_paths=mask)

    def get(self, run_id: str) -> RunRecord:
        """See `MetadataStore.get_run`."""
        with self._connection.holding(writing=False):
            context = self._contexts.run(run_id)
            return self._told(self._record(context), context.id)

    def _told(self, record: RunRecord, context_id: int) -> RunRecord:
        """A record; of a run that something else recorded, with what its executions tell."""
        if record.number or record.state is not RunState.UNKNOWN:
            return record
        return self._foreign.run(record, context_id)

    def open(self, pipeline: str) -> list[RunRecord]:
        """See `MetadataStore.open_runs`."""
        with self._connection.holding(writing=False):
            parent = self._contexts.find(PIPELINE, pipeline)
            if parent is None:
                return []
            noted = [
                value.string_value
                for key, value in parent.custom_properties.items()
                if key.startswith(_OPEN)
            ]
            contexts = [self._contexts.find(PIPELINE_RUN, run_id) for run_id in noted]
            records = [self._record(context) for context in contexts if context is not None]
        return sorted(
            (record for record in records if record.state is RunState.RUNNING),
            key=lambda record: record.started_at,
        )

    def newest(self, pipeline: str | None, limit: int) -> list[RunRecord]:
        """See `MetadataStore.list_runs`."""
        with self._connection.holding(writing=False):
            if pipeline is not None:
                found = self._contexts.find(PIPELINE, pipeline)
                parents = [found] if found is not None else []
            else:
                parents = self._connection.read("get_contexts_by_type", PIPELINE)
            runs = [run for parent in parents for run in self._newest_of(parent, limit)]
            runs.sort(key=lambda run: run[0].started_at, reverse=True)
            return [self._told(record, context_id) for record, context_id in runs[:limit]]

    def _last_number(self, pipeline: str) -> int:
        """The number of a pipeline's newest run."""
        prefix = series_prefix(pipeline)
        start = self._contexts.reached(pipeline, prefix)
        return highest(taken_in(prefix, self._by_keys), start)

    def _newest_of(self, parent: Any, limit: int) -> list[tuple[RunRecord, int]]:
        """Records of a pipeline's runs, with the ids of their contexts."""
        prefix = series_prefix(parent.name)
        last = self._last_number(parent.name)
        numbers = range(last, max(0, last - limit), -1)
        found = self._by_keys([series_key(prefix, number) for number in numbers])
        if last == 0 or (last < limit and self._foreign.there()):
            # Recorded by something else, TFX for one, whose runs have no numbers.
            found = [*found, *self._foreign.run_contexts(parent.id)]
        records = [(self._record(context, parent.name), context.id) for context in found]
        return [(record, at) for record, at in records if record.pipeline == parent.name]

    def newest_first(self, pipeline: str) -> Iterator[list[str]]:
        """Ids of all runs of a pipeline, newest first, in portions that grow."""
        parent = self._contexts.find(PIPELINE, pipeline)
        if parent is None:
            return
        prefix = series_prefix(pipeline)
        last = self._last_number(parent.name)
        portion = 4
        while last > 0:
            numbers = range(last, max(0, last - portion), -1)
            found = self._by_keys([series_key(prefix, number) for number in numbers])
            records = [self._record(each) for each in sorted(found, key=lambda each: -each.id)]
            yield [record.id for record in records if record.pipeline == pipeline]
            last, portion = last - portion, min(4 * portion, 128)

    def _record(self, context: Any, pipeline: str = "") -> RunRecord:
        values = read_properties(context.custom_properties, _GROUP, context.custom_properties)
        ended = values.get(_ENDED_AT)
        state = str(values.get(_STATE, ""))
        running = state == RunState.RUNNING.value
        known = state in {member.value for member in RunState}
        return RunRecord(
            id=context.name,
            pipeline=str(values.get(_PIPELINE_NAME, pipeline)),
            number=number_of(context.external_id),
            state=RunState(state) if known else RunState.UNKNOWN,
            started_at=context.create_time_since_epoch / 1000,
            # Text where the database's integers are too short for it.
            ended_at=int(ended) / 1000 if ended is not None and not running else None,
            error="" if running else str(values.get(_ERROR, "")),
            owner=ProcessOwner.from_json(str(values.get(_OWNER, ""))),
            properties={name: v for name, v in values.items() if name not in _RESERVED},
        )


def _open_key(run_id: str) -> str:
    # A digest, because the path of a mask cannot hold the dots of a time of day.
    return _OPEN + hashlib.sha256(run_id.encode()).hexdigest()[:16]


def _path(key: str) -> str:
    return f"custom_properties.{key}"
