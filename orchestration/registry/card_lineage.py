# SPDX-License-Identifier: Apache-2.0
"""What the metadata store tells for a model card: who made the model, when, from what.

A card's own node knows only what artifacts hold; see `ModelCard`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from ...components.base.artifact import Artifact
from ...utils.readable import counted, moment
from ..metadata.records import ExecutionRecord
from ..metadata.store import MetadataStore
from .model_version import ModelVersion
from .recipe import Recipe, ingredients_of

#: Type names of a card, and of what one is made of, with the inputs of the ModelCard node.
_CARD = "ModelCard"
_MADE_AFTER = {
    "ModelEvaluation": "evaluation",
    "ModelBlessing": "model_blessing",
    "InfraBlessing": "infra_blessing",
    "FeatureInfluence": "influence",
}
_MADE_BEFORE = {
    "Schema": "schema",
    "ExampleStatistics": "statistics",
    "TransformGraph": "transform_graph",
    "HyperParameters": "hyperparameters",
}
#: Characters of a parameter's value, and digits of a digest.
_LONGEST, _DIGITS = 60, 12


def newest_card(store: MetadataStore, model_id: int) -> Artifact | None:
    """The newest card that was made of a model, or None."""
    for execution in _consumers(store, model_id):
        for artifacts in execution.outputs.values():
            for artifact in artifacts:
                if artifact.TYPE_NAME == _CARD:
                    return artifact
    return None


def card_inputs(store: MetadataStore, version: ModelVersion) -> dict[str, Artifact]:
    """What a card of a model can be made of, by name of the ModelCard node's inputs."""
    found = {"model": store.get_artifact(version.model_artifact_id).artifact}
    schemas: list[Artifact] = []
    for execution in _consumers(store, version.model_artifact_id):
        schemas += execution.inputs.get("schema", [])
        for artifacts in execution.outputs.values():
            for artifact in artifacts:
                name = _MADE_AFTER.get(artifact.TYPE_NAME)
                if name is None or name in found:
                    continue
                if name == "infra_blessing":
                    # Where the blessing itself does not tell what was measured.
                    measured = {**execution.results, **artifact.custom_properties}
                    artifact.custom_properties.update(measured)
                found[name] = artifact
                if name == "evaluation" and execution.inputs.get("examples"):
                    found["examples"] = execution.inputs["examples"][0]
    for execution_id in sorted(_recipe(version).executions.values(), reverse=True):
        execution = store.get_execution(execution_id)
        for artifacts in execution.outputs.values():
            for artifact in artifacts:
                name = _MADE_BEFORE.get(artifact.TYPE_NAME)
                if name is not None:
                    found.setdefault(name, artifact)
    # A model that needs no schema is judged and served by one all the same.
    return {"schema": schemas[0], **found} if schemas else found


def card_lineage(store: MetadataStore, version: ModelVersion) -> dict[str, Any]:
    """The section `lineage` of a card: `facts` as pairs, `nodes` as rows."""
    recipe = _recipe(version)
    executions = [store.get_execution(each) for each in sorted(recipe.executions.values())]
    labels = f", {', '.join(version.labels)}" if version.labels else ""
    commit = str(store.get_run(version.run_id).properties.get("commit", ""))
    facts = [
        ("version", f"{version.version} ({version.stage}{labels})"),
        ("because", version.reason),
        ("pushed", moment(version.created_at)),
        ("made by", f"{version.pipeline}, run {version.run_id}"),
        *((("commit", commit),) if commit else ()),
        ("compiled pipeline", str(version.facts.get("ir_digest", ""))),
        *((f"data, {name}", _data(known)) for name, known in sorted(recipe.data.items())),
    ]
    return {"facts": [list(pair) for pair in facts], "nodes": [_row(each) for each in executions]}


def _consumers(store: MetadataStore, model_id: int) -> Iterator[ExecutionRecord]:
    """Executions that used a model, newest first, with their outputs."""
    used = [each for each in store.consumers_of(model_id) if each.state.succeeded]
    for each in sorted(used, key=lambda one: one.id, reverse=True):
        yield store.get_execution(each.id)


def _recipe(version: ModelVersion) -> Recipe:
    return Recipe.from_dict(version.facts.get("recipe") or {})


def _data(known: Mapping[str, Any]) -> str:
    spans = json.loads(known["spans"]) if "spans" in known else []
    told = ", ".join(f"{span}.{number}" for span, number in spans)
    if not told and "span" in known:
        told = f"{known['span']}.{known.get('version', 0)}"
    rows = sum(json.loads(known.get("row_counts", "{}")).values())
    parts = [f"spans {told}" if told else "", counted(rows, "record") if rows else ""]
    parts.append(f"digest {str(known.get('digest', ''))[:_DIGITS]}")
    return ", ".join(part for part in parts if part)


def _row(execution: ExecutionRecord) -> list[str]:
    code = {
        name.removeprefix("code."): digest
        for name, digest in ingredients_of(execution).items()
        if name == "executor" or name.startswith("code.")
    }
    parameters = {
        name: value for name, value in execution.parameters.items() if value not in (None, "", [])
    }
    return [
        execution.node_id,
        execution.run_id,
        moment(execution.updated_at),
        ", ".join(f"{name} {digest[:_DIGITS]}" for name, digest in sorted(code.items())),
        "; ".join(f"{name}={_short(value)}" for name, value in sorted(parameters.items())),
    ]


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
