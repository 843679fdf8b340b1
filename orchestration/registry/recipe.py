# SPDX-License-Identifier: Apache-2.0
"""What made a model: the executions, the data and the schema that its records lead back to.

Recorded with every version, so that versions can be compared after files were deleted. What
the executions themselves keep (cache ingredients, statements of user code, parameters) is not
repeated; their ids are.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from ...components.base.artifact import Artifact
from ...utils import storage
from ..metadata.records import ExecutionRecord
from ..metadata.store import MetadataStore
from ..metadata.type_names import IMPORTER, MODEL
from .schema_interface import interface_of
from .serving_signature import signature_of

#: Folder of a Model artifact that holds what servers load.
SERVING_FOLDER = "Format-Serving"

_SCHEMA, _EXAMPLES, _TRANSFORM_GRAPH = "Schema", "Examples", "TransformGraph"
_SCHEMA_GEN = "tfx.components.schema_gen.component.SchemaGen"

#: What the launcher keeps with an execution, under these names.
_INGREDIENTS, _STATEMENTS = "cache_ingredients", "cache_statements"


#: See `Recipe.form`.
FORM = 1


@dataclass(frozen=True)
class Recipe:
    """What made a model.

    Attributes:
        executions: Ids of the executions that did the work, by node.
        given: Digests of artifacts that came from elsewhere, by their use: imported ones,
            and models that training began with.
        data: What is known of the examples that entered the pipeline, by node and output.
        schemas: Digest, interface and origin of the schemas used, by node and output.
        transforms: Digests of the transform graphs used, by node and output.
        signature: See `signature_of`.
        form: Which edition of the rules made `schemas` and `signature`; raise `FORM` whenever
            equal files would come out otherwise than before, so that they are not compared.
    """

    executions: dict[str, int] = field(default_factory=dict)
    given: dict[str, str] = field(default_factory=dict)
    data: dict[str, dict[str, Any]] = field(default_factory=dict)
    schemas: dict[str, dict[str, Any]] = field(default_factory=dict)
    transforms: dict[str, str] = field(default_factory=dict)
    signature: dict[str, Any] | None = None
    form: int = FORM

    def to_dict(self) -> dict[str, Any]:
        """As JSON-compatible data."""
        return asdict(self)

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Recipe:
        """Reads what `to_dict` made; what a later version added is left out."""
        return cls(**{name: raw[name] for name in cls.__dataclass_fields__ if name in raw})


def recipe_of(store: MetadataStore, model: Artifact) -> Recipe:
    """Follows a model's records back to where its data came from."""
    executions: dict[str, ExecutionRecord] = {}
    recipe = Recipe(signature=signature_of(storage.join(model.uri, SERVING_FOLDER)))
    waiting: list[tuple[Artifact, str]] = [(model, "model")]
    seen: set[int] = set()
    while waiting:
        artifact, use = waiting.pop()
        if artifact.id is None or artifact.id in seen:
            continue
        seen.add(artifact.id)
        found = store.producer_of(artifact.id)
        started_with = artifact.TYPE_NAME == MODEL and artifact.id != model.id
        if found is None or found.type_name == IMPORTER or started_with:
            recipe.given[use] = artifact.content_digest
            _classify(recipe, use, artifact, origin=None)
            continue
        newest = executions.get(found.node_id)
        if newest is not None and newest.id > found.id:
            continue
        maker = store.get_execution(found.id)
        executions[maker.node_id] = maker
        _classify(recipe, f"{maker.node_id}.{_output_of(maker, artifact)}", artifact, origin=maker)
        for name, artifacts in maker.inputs.items():
            waiting += [(each, f"{maker.node_id}.{name}") for each in artifacts]
    recipe.executions.update((node, each.id) for node, each in sorted(executions.items()))
    return recipe


def _output_of(maker: ExecutionRecord, artifact: Artifact) -> str:
    for name, artifacts in maker.outputs.items():
        if any(each.id == artifact.id for each in artifacts):
            return name
    return artifact.TYPE_NAME


def _classify(recipe: Recipe, key: str, artifact: Artifact, origin: ExecutionRecord | None) -> None:
    """Notes an artifact that a version's number can depend on."""
    digest = artifact.content_digest
    enters = origin is None or not any(origin.inputs.values())
    if artifact.TYPE_NAME == _SCHEMA:
        inferred = origin is not None and origin.type_name == _SCHEMA_GEN
        known = {"digest": digest, "inferred": inferred}
        interface = interface_of(artifact.uri, inferred=inferred)
        recipe.schemas[key] = {**known, "interface": interface}
    elif artifact.TYPE_NAME == _TRANSFORM_GRAPH:
        recipe.transforms[key] = digest
    elif artifact.TYPE_NAME == _EXAMPLES and enters:
        told = {
            name: value
            for name, value in {**artifact.custom_properties, **artifact.properties}.items()
            if name in ("span", "version", "row_counts", "spans")
        }
        recipe.data[key] = {"digest": digest, **told}


def ingredients_of(execution: ExecutionRecord) -> dict[str, str]:
    """What took part in an execution's cache key, each as a short digest."""
    return _kept(execution, _INGREDIENTS)


def statements_of(execution: ExecutionRecord) -> dict[str, dict[str, str]]:
    """Digests of the statements of user code that an execution used, by entry point."""
    return _kept(execution, _STATEMENTS)


def _kept(execution: ExecutionRecord, name: str) -> dict[str, Any]:
    found = json.loads(str(execution.custom_properties.get(name, "{}")))
    return found if isinstance(found, dict) else {}
