# SPDX-License-Identifier: Apache-2.0
"""Phase 1: which artifacts, values and files a node will work on, and whether it runs at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ...components.base.artifact import Artifact
from ...utils import storage
from ...utils.errors import DataError, StorageError
from ...utils.hashing import FileDigestCache
from ...utils.module_loading import load_object
from ..ir import InputIR, NodeIR
from .evaluation import Scope, ValueUnavailable


@dataclass(frozen=True)
class ResolvedNode:
    """A node with everything it works on.

    Attributes:
        inputs: Artifacts by input name.
        parameters: Values by name, with no expression left.
        external_files: Content digests of files outside the pipeline, by path.
        skip: Why the node does not run; empty where it does.
    """

    inputs: Mapping[str, list[Artifact]] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    external_files: Mapping[str, str] = field(default_factory=dict)
    skip: str = ""


def resolve_node(node: NodeIR, scope: Scope, file_digests: FileDigestCache) -> ResolvedNode:
    """Resolves a node whose predecessors have ended.

    Raises:
        DataError: An input that must be there is not, or a file cannot be found.
        ParameterError: An expression cannot be evaluated.
    """
    try:
        if not all(scope.evaluate(condition) for condition in node.conditions):
            return ResolvedNode(skip="its condition is false")
        parameters = {name: scope.resolve(value) for name, value in node.parameters.items()}
    except ValueUnavailable as error:
        return ResolvedNode(skip=f"{error.node_id} was skipped")
    inputs: dict[str, list[Artifact]] = {}
    for name, wanted in node.inputs.items():
        found = _artifacts(wanted, scope)
        if isinstance(found, str):
            if wanted.optional:
                continue
            return ResolvedNode(skip=found)
        _check_count(node, name, wanted, found)
        inputs[name] = [_with_digest(node, name, each, file_digests) for each in found]
    external: dict[str, str] = {}
    if node.executor.external_inputs:
        named = load_object(node.executor.external_inputs)(parameters)
        external = {path: file_digests.digest(path) for path in named.files}
        parameters.update(named.parameters)
    return ResolvedNode(inputs, parameters, external)


def _artifacts(wanted: InputIR, scope: Scope) -> list[Artifact] | str:
    """Artifacts of an input, or why there are none."""
    found: list[Artifact] = []
    for channel in wanted.channels:
        outputs = scope.upstream.outputs(channel.node)
        if outputs is None:
            return f"{channel.node} was skipped"
        found.extend(outputs.get(channel.output, []))
    return found


def _with_digest(
    node: NodeIR, name: str, artifact: Artifact, file_digests: FileDigestCache
) -> Artifact:
    """The artifact, digested where another program recorded it: TFX writes no digests."""
    if artifact.id is not None and not artifact.content_digest:
        if not storage.exists(artifact.uri):
            raise StorageError(
                f"what input {name!r} should hold is gone",
                node=node.id,
                expected=f"the {artifact.TYPE_NAME} that was recorded as artifact {artifact.id}",
                got=f"nothing at {artifact.uri}",
                fix="bring it back to where it was, or run the node that makes it again",
            )
        artifact.content_digest = file_digests.digest_tree(artifact.uri)
    return artifact


def _check_count(node: NodeIR, name: str, wanted: InputIR, found: list[Artifact]) -> None:
    if wanted.many or (wanted.optional and not found) or len(found) == 1:
        return
    sources = ", ".join(f"{channel.node}.{channel.output}" for channel in wanted.channels)
    raise DataError(
        f"input {name!r} must hold exactly one artifact",
        node=node.id,
        expected=f"one {wanted.type}",
        got=f"{len(found)} from {sources}",
        location=node.location or None,
        fix="check the resolver or the node that it comes from",
    )
