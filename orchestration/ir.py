# SPDX-License-Identifier: Apache-2.0
"""The intermediate representation: a compiled pipeline as JSON.

Everything a runner or the launcher needs is in it: nodes with their wiring, parameters,
policies, and the user's code by content digest. It is written and read exactly; its JSON
schema is `ir_schema.json` beside this module.

An expression (a value known only at run time) stands in a parameter as an object with the
single key `$expression`.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..utils import storage
from ..utils.errors import IRError

#: Raised when a reader of the previous version could misread the new one.
IR_VERSION = "1"

#: Marks an expression inside a parameter's value.
EXPRESSION_KEY = "$expression"


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ArtifactTypeIR(_Model):
    """An artifact type: its declared properties, and whether its payload has splits."""

    properties: dict[str, Literal["int", "float", "string"]] = Field(default_factory=dict)


class ChannelIR(_Model):
    """One output of one node."""

    node: str
    output: str


class InputIR(_Model):
    """One input of a node: where its artifacts come from."""

    type: str
    channels: list[ChannelIR] = Field(default_factory=list)
    optional: bool = False
    many: bool = False


class RuntimeParameterIR(_Model):
    """A parameter of the whole pipeline, given when a run starts."""

    type: Literal["int", "float", "str", "bool"]
    default: int | float | str | bool | None = None
    description: str = ""


class CodeIR(_Model):
    """A function of the user's: the bundle it travels in, and what takes part in cache keys."""

    bundle: str
    module: str
    attribute: str
    fingerprint: str
    #: Digest of every statement that the function depends on, by `file: name`.
    statements: dict[str, str] = Field(default_factory=dict)


class ExecutorIR(_Model):
    """What does a node's work."""

    path: str
    #: `control` chooses artifacts inside the launcher; `approval` executes once approved.
    kind: Literal["execute", "control", "approval"] = "execute"
    preload: list[str] = Field(default_factory=list)
    #: Digest of the executor's source.
    source: str = ""
    external_inputs: str = ""
    verify_cached: str = ""
    #: Whether it keeps checkpoints for a later attempt.
    checkpoints: bool = False


class ResourcesIR(_Model):
    """What a node needs while it runs."""

    cpu: float = 1.0
    memory_gb: float = 0.0
    gpu: int = 0
    #: Processes that do its work together, each with the resources above.
    workers: int = 1


class PolicyIR(_Model):
    """How a node is run."""

    cache: Literal["on", "off", "read_only"] = "on"
    retries: int = 0
    retry_delay_s: float = 1.0
    timeout_s: float | None = None
    resources: ResourcesIR = Field(default_factory=ResourcesIR)
    #: `always`: runs once its predecessors have ended, however they did.
    trigger: Literal["all_succeeded", "always"] = "all_succeeded"


class NodeIR(_Model):
    """One node."""

    id: str
    type_name: str
    version: str = "1"
    description: str = ""
    executor: ExecutorIR
    inputs: dict[str, InputIR] = Field(default_factory=dict)
    outputs: dict[str, str] = Field(default_factory=dict)
    parameters: dict[str, Any] = Field(default_factory=dict)
    code: dict[str, CodeIR] = Field(default_factory=dict)
    conditions: list[dict[str, Any]] = Field(default_factory=list)
    #: Ids of nodes that must end first though nothing comes from them.
    upstream: list[str] = Field(default_factory=list)
    policy: PolicyIR = Field(default_factory=PolicyIR)
    location: str = ""

    def predecessors(self) -> list[str]:
        """Ids of the nodes that must end before this one starts, each once, in order."""
        found = dict.fromkeys(self.upstream)
        for wanted in self.inputs.values():
            found.update(dict.fromkeys(channel.node for channel in wanted.channels))
        for expression in [*self.conditions, *expressions_in(self.parameters)]:
            found.update(dict.fromkeys(_nodes_read(expression)))
        return list(found)


class PipelineIR(_Model):
    """A compiled pipeline."""

    ir_version: Literal["1"] = IR_VERSION  # type: ignore[assignment]
    penstock_version: str = ""
    name: str
    root: Any = ""
    description: str = ""
    runtime_parameters: dict[str, RuntimeParameterIR] = Field(default_factory=dict)
    beam_pipeline_args: list[str] = Field(default_factory=list)
    artifact_types: dict[str, ArtifactTypeIR] = Field(default_factory=dict)
    #: In an order in which every node comes after its predecessors.
    nodes: list[NodeIR] = Field(default_factory=list)
    #: Bundles of user code by content digest.
    code: dict[str, dict[str, Any]] = Field(default_factory=dict)

    def node(self, node_id: str) -> NodeIR:
        """The node with an id.

        Raises:
            IRError: There is none.
        """
        from ..utils.errors import nearest

        for found in self.nodes:
            if found.id == node_id:
                return found
        ids = [found.id for found in self.nodes]
        raise IRError(
            f"pipeline {self.name!r} has no node {node_id!r}",
            expected=", ".join(ids[:20]) + (", …" if len(ids) > 20 else ""),
            got=node_id,
            suggestion=nearest(node_id, ids),
        )

    def to_json(self) -> str:
        """The IR as JSON text, with keys sorted: equal pipelines give equal text."""
        return json.dumps(self.model_dump(mode="json"), indent=1, sort_keys=True) + "\n"

    def without_retries(self) -> PipelineIR:
        """The same pipeline, in which no node is tried again: for engines that do that."""
        nodes = [
            node.model_copy(update={"policy": node.policy.model_copy(update={"retries": 0})})
            for node in self.nodes
        ]
        return self.model_copy(update={"nodes": nodes})

    @property
    def digest(self) -> str:
        """Digest of the JSON text."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    def save(self, path: str) -> None:
        """Writes the IR to a file, whole or not at all.

        Raises:
            StorageError: The file cannot be written.
        """
        storage.write_bytes_atomic(path, self.to_json().encode())


def expressions_in(value: Any) -> list[dict[str, Any]]:
    """Every expression inside a parameter's value."""
    if isinstance(value, dict):
        if set(value) == {EXPRESSION_KEY}:
            return [value[EXPRESSION_KEY]]
        return [found for item in value.values() for found in expressions_in(item)]
    if isinstance(value, list):
        return [found for item in value for found in expressions_in(item)]
    return []


def _nodes_read(expression: Any) -> list[str]:
    if isinstance(expression, dict):
        own = [expression["node"]] if expression.get("kind") == "artifact" else []
        return own + [found for item in expression.values() for found in _nodes_read(item)]
    if isinstance(expression, list):
        return [found for item in expression for found in _nodes_read(item)]
    return []


def read_ir(text: str, *, source: str = "the compiled pipeline") -> PipelineIR:
    """Reads JSON text that `PipelineIR.to_json` wrote.

    Args:
        text: The JSON text.
        source: Where it came from, for messages.

    Raises:
        IRError: It is not JSON, of another version, or does not fit the schema.
    """
    try:
        raw = json.loads(text)
    except ValueError as error:
        raise IRError(
            f"{source} is not JSON", got=str(error), fix="compile the pipeline again"
        ) from None
    version = raw.get("ir_version") if isinstance(raw, dict) else None
    if version != IR_VERSION:
        raise IRError(
            f"{source} has another IR version",
            expected=IR_VERSION,
            got=repr(version),
            fix="compile it again with this version of Penstock: penstock compile <pipeline>",
        )
    try:
        return PipelineIR.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        raise IRError(
            f"{source} does not fit the IR's schema",
            got=f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}",
            fix="compile it again: penstock compile <pipeline>",
        ) from None


def load_ir(path: str) -> PipelineIR:
    """Reads a file that `PipelineIR.save` wrote.

    Raises:
        StorageError: The file cannot be read.
        IRError: It is not a compiled pipeline.
    """
    return read_ir(storage.read_text(path), source=path)


def ir_schema() -> str:
    """The JSON schema of the IR, as published in `ir_schema.json`."""
    schema = PipelineIR.model_json_schema()
    schema["$id"] = f"penstock-pipeline-ir-{IR_VERSION}"
    return json.dumps(schema, indent=1, sort_keys=True) + "\n"
