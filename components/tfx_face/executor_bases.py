# SPDX-License-Identifier: Apache-2.0
"""Bases of executors written for TFX: classes with a `Do` method.

class Executor(BaseExecutor):
def Do(self, input_dict, output_dict, exec_properties):
...
"""

from __future__ import annotations

import abc
import contextlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...utils.logs import get_logger
from ..base.artifact import VALUE_FILE, Artifact, PropertyValue, ValueArtifact
from ..base.executor import Task
from .messages import parse_message

_log = get_logger(__name__)

#: Parameters under which a node keeps what is for its executor's context.
EXTRA_FLAGS, BEAM_ARGS = "tfx.extra_flags", "tfx.beam_pipeline_args"
#: Parameter of standard components with an executor of one's own, which finds dicts and
#: messages as JSON texts.
TEXTS = "tfx.texts"
#: Full names of messages by parameter, for those that `Do` finds as messages.
MESSAGES = "tfx.messages"
_OWN = (EXTRA_FLAGS, BEAM_ARGS, TEXTS, MESSAGES)


@dataclass
class _Context:
    """What an executor is told of its surroundings.

    Attributes:
        beam_pipeline_args: Flags for Beam pipelines.
        extra_flags: Flags that the executor spec adds.
        tmp_dir: A scratch folder, deleted afterwards.
        unique_id: The execution's id.
        executor_output_uri: A file in the scratch folder.
        stateful_working_dir: A folder that outlives a failed attempt.
    """

    beam_pipeline_args: list[str]
    extra_flags: list[str]
    tmp_dir: str
    unique_id: str
    executor_output_uri: str
    stateful_working_dir: str

    def get_tmp_path(self) -> str:
        """The scratch folder."""
        return self.tmp_dir


class BaseExecutor(abc.ABC):
    """Base of executors; subclasses define `Do`."""

    #: For executors that name it in a type hint.
    Context = _Context

    def __init__(self, context: _Context | None = None) -> None:
        self._context = context
        self._extra_flags = context.extra_flags if context else []
        self._beam_pipeline_args = context.beam_pipeline_args if context else []
        self._unique_id = context.unique_id if context else ""

    @abc.abstractmethod
    def Do(
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> Any:
        """Writes the outputs.

        Args:
            input_dict: Input artifacts by input name.
            output_dict: Output artifacts, whose folders exist, by output name.
            exec_properties: Parameters by name.
        """

    def execute(self, task: Task) -> Mapping[str, PropertyValue] | None:
        """Runs `Do` for an execution."""
        ready = type(self)(context=make_context(task))
        with values_as_files(task):
            ready.Do(
                {name: list(found) for name, found in task.inputs.items()},
                {name: list(found) for name, found in task.outputs.items()},
                _exec_properties(task.parameters),
            )
        return None

    def _get_tmp_dir(self) -> str:
        """A scratch folder, with a slash at its end."""
        if self._context is None:
            raise RuntimeError("an executor has no scratch folder without a context")
        return os.path.join(self._context.tmp_dir, "")

    def _log_startup(
        self,
        inputs: Mapping[str, Sequence[Artifact]],
        outputs: Mapping[str, Sequence[Artifact]],
        exec_properties: Mapping[str, Any],
    ) -> None:
        """Logs what the executor was given, but no values, which may be secret."""
        _log.info(
            "starting %s: inputs %s, outputs %s, parameters %s",
            type(self).__name__,
            ", ".join(inputs) or "none",
            ", ".join(outputs) or "none",
            ", ".join(exec_properties) or "none",
        )


class BaseBeamExecutor(BaseExecutor):
    """Base of executors that start Beam pipelines."""

    def _make_beam_pipeline(self) -> Any:
        """A Beam pipeline with the node's flags, for a `with` statement."""
        import apache_beam as beam

        return beam.Pipeline(argv=list(self._beam_pipeline_args))


class EmptyExecutor(BaseExecutor):
    """Does nothing."""

    def Do(
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Does nothing."""


def _exec_properties(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters as `Do` finds them."""
    found = {name: value for name, value in parameters.items() if name not in _OWN}
    for name, full_name in (parameters.get(MESSAGES) or {}).items():
        found[name] = parse_message(full_name, found[name])
    if not parameters.get(TEXTS):
        return found
    return {
        name: json.dumps(value, sort_keys=True) if isinstance(value, dict) else value
        for name, value in found.items()
    }


@contextlib.contextmanager
def values_as_files(task: Task) -> Iterator[None]:
    """Lets the URIs of value artifacts be those of their files for a while, as in TFX."""
    every = [one for found in (*task.inputs.values(), *task.outputs.values()) for one in found]
    values = {one: one.uri for one in every if isinstance(one, ValueArtifact)}
    for one in values:
        one.uri = one.value_file
    try:
        yield
    finally:
        for one, uri in values.items():
            # One that the user's code has set stays.
            one.uri = uri if one.uri in (uri, f"{uri}/{VALUE_FILE}") else one.uri


def make_context(task: Task) -> _Context:
    """What an executor is told of an execution's surroundings."""
    own = [str(flag) for flag in task.parameters.get(BEAM_ARGS) or ()]
    return _Context(
        beam_pipeline_args=[*task.beam_pipeline_args, *own],
        extra_flags=list(task.parameters.get(EXTRA_FLAGS) or ()),
        tmp_dir=task.work_dir,
        unique_id=str(task.execution_id),
        executor_output_uri=os.path.join(task.work_dir, "executor_output.pb"),
        stateful_working_dir=task.checkpoint_dir or task.work_dir,
    )
