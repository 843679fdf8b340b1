# SPDX-License-Identifier: Apache-2.0
"""Runs a pipeline when an alarm appears in the metadata store, whichever pipeline raised it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from ....components.base import artifact_types
from ....components.base.artifact import Artifact, is_artifact_type
from ....utils.errors import nearest
from ...metadata.records import ExecutionState, RunState
from ...metadata.store import MetadataStore
from .triggers import Due, Quiet

#: What validators write.
ANOMALIES = "ExampleAnomalies"
#: How many of the newest artifacts and runs are looked at.
_LOOK_BACK = 50
_GATE = "GateError"
_NOT_BLESSED = 0


class Alarms:
    """Waits for drift, skew, anomalies: for artifacts that say that something is wrong.

    `ExampleAnomalies` are an alarm if their custom property `alarm` is true, or if their
    property `blessed` says of some split that it was not: so do `ExampleValidator` and
    `DistributionValidator` say it. An artifact of another type is one by being there, unless
    its property `alarm` is false. A run that a gate refused is an alarm too, as the anomalies
    that it refused are kept nowhere else. What there is when the trigger first looks counts as
    known.

    Args:
        store: The store.
        pipelines: Names of the pipelines whose alarms count; all by default.
        types: Names of artifact types.
        own: Name of the pipeline that is run: alarms of its own runs do not run it again.
    """

    def __init__(
        self,
        store: MetadataStore,
        pipelines: Sequence[str] = (),
        types: Sequence[str] = (ANOMALIES,),
        *,
        own: str = "",
    ) -> None:
        self.store = store
        self.pipelines = sorted(pipelines)
        self.types = sorted(types)
        self.own = own

    @property
    def key(self) -> str:
        """See `Trigger.key`."""
        return "alarms of " + (", ".join(self.pipelines) or "any") + ": " + ", ".join(self.types)

    def check(self, state: Any, now: float) -> Due | Quiet:
        """See `Trigger.check`."""
        newest, alarms = self._alarms(state if isinstance(state, dict) else None)
        if alarms:
            more = f", and {len(alarms) - 1} more" if len(alarms) > 1 else ""
            return Due(f"{'alarm' if self._validates else 'new'}: {alarms[0]}{more}", newest)
        return Quiet(newest, waits_for=self._wanted)

    @property
    def _validates(self) -> bool:
        return ANOMALIES in self.types

    @property
    def _wanted(self) -> str:
        what = "alarms" if self._validates else f"an artifact of type {' or '.join(self.types)}"
        return what + (f" of {' or '.join(self.pipelines)}" if self.pipelines else "")

    def notes(self) -> list[str]:
        """Names that the store has not met yet: it may never meet them, if they are misspelt."""
        runs = {run.pipeline for run in self.store.list_runs(limit=_LOOK_BACK)}
        found = [
            f"no pipeline {name!r} has run in this store yet" + _hint(name, runs)
            for name in self.pipelines
            if not self.store.list_runs(name, limit=1)
        ]
        there = {each.artifact.TYPE_NAME for each in self.store.list_artifacts(limit=_LOOK_BACK)}
        known = there | {
            kind.TYPE_NAME for kind in vars(artifact_types).values() if is_artifact_type(kind)
        }
        found += [
            f"no artifact of type {name!r} is in this store yet" + _hint(name, known)
            for name in self.types
            if name not in known and not self.store.list_artifacts(type_name=name, limit=1)
        ]
        return found

    def after_run(self, state: Any) -> Any:
        """See `Trigger.after_run`: what the run itself raised is no reason for another."""
        if self.own and (not self.pipelines or self.own in self.pipelines):
            newest, _ = self._alarms(None)
            return newest
        return state

    def _alarms(self, state: dict[str, int] | None) -> tuple[dict[str, int], list[str]]:
        """How far the store is, and the alarms since a state, the newest first."""
        newest = {name: 0 for name in (*self.types, "run")} | (state or {})
        alarms: list[str] = []
        pipelines: list[str | None] = [*self.pipelines] or [None]
        for pipeline in pipelines:
            for name in self.types:
                found = self.store.latest_artifacts(name, pipeline=pipeline, limit=_LOOK_BACK)
                for artifact in found:
                    number = artifact.id or 0
                    if state is not None and number > state.get(name, 0) and is_alarm(artifact):
                        alarms.append(f"{name} {number}, {artifact.uri}")
                    newest[name] = max(newest[name], number)
            self._refused_runs(pipeline, state, newest, alarms)
        return newest, alarms

    def _refused_runs(
        self,
        pipeline: str | None,
        state: dict[str, int] | None,
        newest: dict[str, int],
        alarms: list[str],
    ) -> None:
        if ANOMALIES not in self.types:
            return
        for run in self.store.list_runs(pipeline, limit=_LOOK_BACK):
            # By the end of a run: it may have begun long before it was refused.
            ended = int((run.ended_at or 0) * 1000)
            if state is not None and ended > state.get("run", 0) and run.state is RunState.FAILED:
                refused = self._refused(run.id)
                if refused:
                    alarms.append(f"run {run.id} of {run.pipeline} was refused: {refused}")
            newest["run"] = max(newest["run"], ended)

    def _refused(self, run_id: str) -> str:
        """Why gates refused a run; empty where it failed for another reason."""
        failed = [
            each
            for each in self.store.run_executions(run_id)
            if each.state is ExecutionState.FAILED
        ]
        for each in failed:
            try:
                error = json.loads(each.error)
            except ValueError:
                continue
            if isinstance(error, dict) and error.get("kind") == _GATE:
                return f"{each.node_id}: {error.get('what', '')}"
        return ""


def _hint(name: str, known: Iterable[str]) -> str:
    close = nearest(name, known)
    return f"; did you mean {close!r}?" if close else ""


def is_alarm(artifact: Artifact) -> bool:
    """Whether an artifact says that something is wrong, or is waited for as such."""
    told = artifact.custom_properties
    if "alarm" in told:
        return bool(told["alarm"])
    if artifact.TYPE_NAME != ANOMALIES:
        return True
    if "blessed" not in told:
        return False
    try:
        blessed = json.loads(str(told["blessed"]))
    except ValueError:
        return False
    return _NOT_BLESSED in (blessed.values() if isinstance(blessed, dict) else [blessed])
