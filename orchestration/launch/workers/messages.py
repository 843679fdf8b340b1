# SPDX-License-Identifier: Apache-2.0
"""What the orchestrating process and a worker say to each other.

Everything that crosses is JSON: nothing that comes from an IR or a store is unpickled.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ....components.base.artifact import Artifact, PropertyValue, artifact_from_dict

#: The form that `Artifact.to_dict` writes, in lists, by input or output name.
ArtifactDicts = Mapping[str, Sequence[Mapping[str, Any]]]


@dataclass(frozen=True)
class CodeRef:
    """Where a user's function is: an attribute of a module in a materialised code bundle."""

    bundle_path: str
    module: str
    attribute: str


@dataclass(frozen=True)
class WorkSpec:
    """One execution of one node, as JSON-compatible data.

    Attributes:
        executor: Dotted path of the executor's class, `package.module:Class`.
        node_id: Id of the node.
        inputs: Resolved input artifacts by input name.
        outputs: Output artifacts by output name; the folders at their URIs exist and are empty.
        artifact_types: Declared properties of each artifact type that occurs, as name of the
            type → name of the property → `int`, `float` or `string`.
        parameters: Parameter values by name.
        code: User functions by entry point name.
        executor_code: Where the executor's class is when it is the user's own; `executor` is
            then only a name for messages.
        run_id: Id of the pipeline run.
        pipeline_name: Name of the pipeline.
        execution_id: Id of the execution in the metadata store.
        attempt: 1 for the first attempt.
        work_dir: An existing scratch folder.
        beam_pipeline_args: Flags for Beam pipelines that the executor starts.
        log_path: Local file to which everything the executor prints is appended; where None,
            output goes wherever the orchestrating process's goes.
        env: Extra environment variables, for this execution only.
        heavy: Whether to run in a process forked from the server with preloaded libraries.
        checkpoint_dir: Folder that outlives the attempt; empty where the node keeps none.
        gpus: GPUs that each worker needs.
        workers: How many processes do the execution together.
        rank: Which of them this one is.
        addresses: Where each of them may listen, once that is decided.
    """

    executor: str
    node_id: str
    inputs: ArtifactDicts = field(default_factory=dict)
    outputs: ArtifactDicts = field(default_factory=dict)
    artifact_types: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    code: Mapping[str, CodeRef] = field(default_factory=dict)
    executor_code: CodeRef | None = None
    run_id: str = "run"
    pipeline_name: str = "pipeline"
    execution_id: int = 0
    attempt: int = 1
    work_dir: str = ""
    beam_pipeline_args: Sequence[str] = ()
    log_path: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    heavy: bool = False
    checkpoint_dir: str = ""
    gpus: int = 0
    workers: int = 1
    rank: int = 0
    addresses: Sequence[str] = ()

    @property
    def bundle_paths(self) -> tuple[str, ...]:
        """The code bundles that the execution loads, in order of name, without repeats."""
        refs = [*self.code.values(), *([self.executor_code] if self.executor_code else [])]
        return tuple(sorted({ref.bundle_path for ref in refs}))

    def to_bytes(self) -> bytes:
        """The form that `from_bytes` reads.

        Raises:
            TypeError: Something in it is not JSON-compatible.
        """
        return json.dumps(vars(self), default=_plain).encode()

    @classmethod
    def from_bytes(cls, raw: bytes) -> WorkSpec:
        """Reads the form that `to_bytes` wrote."""
        parts = json.loads(raw)
        parts["code"] = {name: CodeRef(**ref) for name, ref in parts["code"].items()}
        if parts["executor_code"]:
            parts["executor_code"] = CodeRef(**parts["executor_code"])
        parts["addresses"] = tuple(parts["addresses"])
        return cls(**parts)


@dataclass(frozen=True)
class WorkResult:
    """What an execution brought forth.

    Attributes:
        outputs: Output artifacts by output name, with what the executor set on them and
            with their content digest.
        properties: What the executor returned, to be recorded on the execution.
        import_seconds: Time spent importing the executor and loading user code.
        execute_seconds: Time spent in the executor.
        digest_seconds: Time spent hashing what it wrote.
        peak_memory: The most memory that the worker process held, in bytes; 0 if unknown.
            Processes that the executor started are not counted.
        reusable: Whether the worker process may run something else after this.
    """

    outputs: ArtifactDicts
    properties: Mapping[str, PropertyValue]
    import_seconds: float = 0.0
    execute_seconds: float = 0.0
    digest_seconds: float = 0.0
    peak_memory: int = 0
    reusable: bool = True

    def output_artifacts(self) -> dict[str, list[Artifact]]:
        """The output artifacts as objects."""
        return {
            name: [artifact_from_dict(raw) for raw in found] for name, found in self.outputs.items()
        }


def _plain(value: object) -> Any:
    if isinstance(value, CodeRef):
        return vars(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, (set, frozenset)) or not isinstance(value, Sequence):
        raise TypeError(f"{type(value).__name__} is not JSON-compatible: {value!r}")
    return list(value)
