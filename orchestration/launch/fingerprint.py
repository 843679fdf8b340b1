# SPDX-License-Identifier: Apache-2.0
"""The cache key: what must be equal for a node's result to be used again.

The key is a SHA-256 over these ingredients, each of which is kept with the execution, so
that a later miss can be explained by comparing them one by one:

==================  ===================================================================
ingredient          what it is
==================  ===================================================================
`component`         execution type, version, and the types of the outputs
`executor`          dotted path and digest of the executor's source
`code.<entry>`      semantic digest of the user's function and all of the user's own
                    code that it reaches (`utils.user_code`)
`parameter.<name>`  the resolved value
`input.<name>`      content digests of the artifacts, in order, with the properties that
                    executors read; not their ids or URIs. An analyzer cache does not
                    count, as what a Transform writes is the same with and without it
`external.<file>`   content digest of a file outside the pipeline that the node reads
==================  ===================================================================

Raise `ALGORITHM` whenever anything about this changes: old entries are then not found,
instead of being mistaken for new ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ...components.base.artifact import IS_NULL, Artifact, PropertyValue
from ...components.base.artifact_types import TransformCache
from ...utils.errors import FingerprintError
from ...utils.hashing import digest_json
from ..ir import NodeIR
from .input_resolution import ResolvedNode

ALGORITHM = "1"

#: Types of inputs that only spare work: what a node writes is the same whatever they hold.
_SPARE_WORK = frozenset({TransformCache.TYPE_NAME})

#: Parameters that say where something is, not what: their content is digested instead.
_LOCATION_PARAMETERS = frozenset({"module_file"})


@dataclass(frozen=True)
class CacheKey:
    """A key and the ingredients it was made of (each as a short digest)."""

    key: str
    ingredients: Mapping[str, str]


def short(digest: str) -> str:
    """As much of a digest as is kept to explain a miss; the key is made of whole ones."""
    return digest[:16]


def cache_key(node: NodeIR, resolved: ResolvedNode) -> CacheKey:
    """The key of a node with resolved inputs and parameters.

    Raises:
        FingerprintError: Something cannot be hashed: an input without a content digest.
    """
    parts: dict[str, str] = {
        "component": digest_json([node.type_name, node.version, node.outputs]),
        "executor": digest_json([node.executor.path, node.executor.source]),
    }
    for entry, code in node.code.items():
        parts[f"code.{entry}"] = code.fingerprint
    for name, value in resolved.parameters.items():
        if name not in _LOCATION_PARAMETERS:
            parts[f"parameter.{name}"] = digest_json(value)
    for name, artifacts in resolved.inputs.items():
        if node.inputs[name].type in _SPARE_WORK:
            continue
        parts[f"input.{name}"] = digest_json(_input(node.id, name, artifacts))
    for path, digest in resolved.external_files.items():
        parts[f"external.{path}"] = digest
    return CacheKey(
        digest_json([ALGORITHM, parts]), {part: short(found) for part, found in parts.items()}
    )


def _input(node_id: str, name: str, artifacts: Sequence[Artifact]) -> list[object]:
    return [
        [found.TYPE_NAME, _digest_of(node_id, name, found), found.properties, _telling(found)]
        for found in artifacts
    ]


def _digest_of(node_id: str, name: str, artifact: Artifact) -> str:
    if not artifact.content_digest:
        raise FingerprintError(
            f"input {name!r} has no content digest",
            node=node_id,
            expected="an artifact that Penstock wrote or imported",
            got=artifact.uri,
            fix="import it with an Importer, or turn the cache off: .with_policy(cache='off')",
        )
    return artifact.content_digest


def _telling(artifact: Artifact) -> dict[str, PropertyValue]:
    """Custom properties that an executor may act on; those of records are left out."""
    return {
        key: value
        for key, value in artifact.custom_properties.items()
        if key in ("payload_format", "blessed", "flavor", IS_NULL)
    }
