# SPDX-License-Identifier: Apache-2.0
"""What an executor is given, and what it answers.

Executors know nothing of the metadata store: they get a `Task` (resolved artifacts,
parameters, output artifacts with URIs), write files below the output URIs, and return
properties worth recording. So one can be called directly in a unit test.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar, cast

from ...utils.errors import CodeError, DataError, ParameterError
from ...utils.user_code.call_check import check_call
from .artifact import Artifact, PropertyValue

A = TypeVar("A", bound=Artifact)

#: Called with work done, work in all (None where unknown), and a word on what is going on.
ProgressCallback = Callable[[float, float | None, str], None]


def _no_progress(done: float, total: float | None, note: str) -> None:
    del done, total, note


@dataclass(frozen=True)
class WorkerGroup:
    """The processes that do one execution together; mostly there is only one.

    Attributes:
        rank: 0 for the chief, whose outputs alone are published; the others' are scratch.
        addresses: `host:port` that each of them may listen on, by rank; empty for one alone.
        gpus: GPUs of each that the node's policy names.
    """

    rank: int = 0
    addresses: tuple[str, ...] = ()
    gpus: int = 0

    @property
    def size(self) -> int:
        """How many they are."""
        return len(self.addresses) or 1


@dataclass
class Task:
    """One execution of one node, as its executor sees it.

    Attributes:
        inputs: Resolved input artifacts by input name.
        outputs: Output artifacts by output name; their `uri` is an existing, empty
            folder unique to this execution. Set properties on them freely.
        parameters: Parameter values by name, JSON-compatible.
        code: User functions by entry point name.
        node_id: Id of the node.
        run_id: Id of the pipeline run.
        pipeline_name: Name of the pipeline.
        execution_id: Id of the execution in the metadata store (0 in unit tests).
        attempt: 1 for the first attempt of this node in this run.
        work_dir: An existing scratch folder, deleted after the execution.
        beam_pipeline_args: Flags for Beam pipelines that the executor starts.
        report_progress: Tells whoever watches how far the work is.
        checkpoint_dir: A folder that outlives this attempt, for a component that
            `keeps_checkpoints`: the next attempt with equal inputs finds what is in it.
            Deleted once the outputs are published. Shared by all workers.
        group: The processes that do this execution together.
    """

    inputs: Mapping[str, Sequence[Artifact]] = field(default_factory=dict)
    outputs: Mapping[str, Sequence[Artifact]] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    code: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    node_id: str = "node"
    run_id: str = "run"
    pipeline_name: str = "pipeline"
    execution_id: int = 0
    attempt: int = 1
    work_dir: str = field(default_factory=lambda: tempfile.mkdtemp(prefix="penstock-"))
    beam_pipeline_args: Sequence[str] = ()
    report_progress: ProgressCallback = _no_progress
    checkpoint_dir: str = ""
    group: WorkerGroup = field(default_factory=WorkerGroup)

    def input(self, name: str, kind: type[A]) -> A:
        """The one artifact of input `name`.

        Raises:
            DataError: There is none, more than one, or one of another type.
        """
        found = self.input_list(name, kind)
        if len(found) != 1:
            raise DataError(
                f"input {name!r} must hold exactly one artifact",
                node=self.node_id,
                expected=f"one {kind.TYPE_NAME}",
                got=f"{len(found)}",
            )
        return found[0]

    def optional_input(self, name: str, kind: type[A]) -> A | None:
        """The one artifact of input `name`, or None where it is not connected."""
        return self.input(name, kind) if self.inputs.get(name) else None

    def input_list(self, name: str, kind: type[A]) -> list[A]:
        """All artifacts of input `name`."""
        found = list(self.inputs.get(name, ()))
        for artifact in found:
            if not isinstance(artifact, kind):
                raise DataError(
                    f"input {name!r} holds an artifact of the wrong type",
                    node=self.node_id,
                    expected=kind.TYPE_NAME,
                    got=artifact.TYPE_NAME,
                )
        return cast("list[A]", found)

    def output(self, name: str, kind: type[A]) -> A:
        """The one artifact of output `name`."""
        (artifact,) = self.outputs[name]
        if not isinstance(artifact, kind):
            raise TypeError(f"output {name!r} is {artifact.TYPE_NAME}, not {kind.TYPE_NAME}")
        return artifact

    def parameter(self, name: str, kind: Any) -> Any:
        """The value of parameter `name`, validated as `kind` (any type pydantic knows).

        Raises:
            ParameterError: The value is not acceptable as `kind`.
        """
        from .parameters import decode

        return decode(self.parameters.get(name), kind, name=name, node=self.node_id)

    def user_function(
        self, name: str, arguments: Sequence[str] | None = None
    ) -> Callable[..., Any]:
        """The user's function for entry point `name`.

        Args:
            name: The entry point.
            arguments: What it will be called with; not checked if None.

        Raises:
            CodeError: The module file defines no such function, or one that cannot be called
                so.
        """
        found = self.optional_user_function(name)
        if found is None:
            raise CodeError(
                f"no function named {name!r} was given",
                node=self.node_id,
                expected=f"a module file that defines {name}()",
                got=", ".join(self.code) or "no user code at all",
                fix=f"define {name}() in the module file",
            )
        if arguments is not None:
            check_call(found, name, arguments, node=self.node_id)
        return found

    def optional_user_function(self, name: str) -> Callable[..., Any] | None:
        """The user's function for entry point `name`, or None where there is none."""
        return self.code.get(name)


class Executor(Protocol):
    """Does a node's work."""

    def execute(self, task: Task) -> Mapping[str, PropertyValue] | None:
        """Writes the outputs of `task`; returns properties to record on the execution."""


__all__ = ["Executor", "ParameterError", "ProgressCallback", "Task", "WorkerGroup"]
