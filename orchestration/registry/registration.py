# SPDX-License-Identifier: Apache-2.0
"""How a push becomes a version of a registered model.

The launcher asks twice, so that this holds in every runner. Before the executor works,
`announce` refuses what cannot become a version and says on the output which one it will
probably be, for destinations that want to know. When the execution is published,
`registration_of` gives the event that goes into the same transaction: a run that fails leaves
no version, and two pushes at once get different ones.

Any component whose output is a `PushedModel` with the custom property `pushed` 1, made from an
input of type `Model`, takes part. It may have the parameters `model_name`, `model_version`, `bump`
and `stage` (see `Pusher`).
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...components.base.artifact import Artifact
from ...utils import storage
from ...utils.errors import MetadataError, ParameterError
from ...utils.logs import get_logger
from ...utils.names import check_model_name
from ..ir import NodeIR, PipelineIR
from ..launch.input_resolution import ResolvedNode
from ..launch.run import Run
from ..metadata.models import ModelEvent, Registration
from ..metadata.records import ExecutionRecord
from ..metadata.store import MetadataStore
from ..metadata.type_names import MODEL
from .history import MOVE, PROMOTE, PUSH
from .model_metrics import metrics_of
from .model_version import CANDIDATE, PRODUCTION
from .recipe import Recipe, recipe_of
from .registry import ModelRegistry, chosen_version
from .semantic_version import BUMPS, FIRST, SemanticVersion
from .version_rule import bump_for, changes_between

_log = get_logger(__name__)

_PUSHED_MODEL = "PushedModel"

#: Custom properties of a PushedModel that say what it is in the registry.
MODEL_NAME, MODEL_VERSION = "model_name", "model_version"

#: Folder below the pipeline root for the compiled pipelines that pushed something.
_RECIPES = ".recipes"


@dataclass(frozen=True)
class _Push:
    """What a node pushes, and how it wants it registered."""

    name: str
    model: Artifact
    version: str | None
    bump: str
    stage: str


def registered_name(ir: PipelineIR, node: NodeIR, parameters: Mapping[str, Any]) -> str:
    """Under which name a node's model is registered.

    What the node says, else the pipeline's name; with the node's id where several nodes push.

    Raises:
        ParameterError: The name cannot be part of a path.
    """
    given = parameters.get("model_name")
    if given:
        return check_model_name(str(given))
    pushers = [each.id for each in ir.nodes if _PUSHED_MODEL in each.outputs.values()]
    return ir.name if len(pushers) < 2 else f"{ir.name}.{node.id}"


def _push_of(ir: PipelineIR, node: NodeIR, resolved: ResolvedNode) -> _Push | None:
    if _PUSHED_MODEL not in node.outputs.values():
        return None
    inputs = [resolved.inputs.get("model", []), *resolved.inputs.values()]
    models = [each for found in inputs for each in found if each.TYPE_NAME == MODEL]
    if not models:
        return None
    parameters = resolved.parameters
    return _Push(
        registered_name(ir, node, parameters),
        models[0],
        str(parameters["model_version"]) if parameters.get("model_version") else None,
        str(parameters.get("bump") or "auto"),
        str(parameters.get("stage") or PRODUCTION),
    )


def announce(
    store: MetadataStore,
    ir: PipelineIR,
    node: NodeIR,
    resolved: ResolvedNode,
    outputs: Mapping[str, Sequence[Artifact]],
) -> None:
    """Says on a PushedModel that is about to be made which version it will probably be.

    Raises:
        ParameterError: Its name or version is not acceptable.
        MetadataError: The store cannot be read.
    """
    push = _push_of(ir, node, resolved)
    if push is None:
        return
    number = store.model_event_count(push.name) + 1
    body = _next_version(store, push, recipe_of(store, push.model), number)
    for artifact in _pushed(outputs):
        artifact.custom_properties[MODEL_NAME] = push.name
        artifact.custom_properties[MODEL_VERSION] = str(body["version"])


def registration_of(
    store: MetadataStore,
    ir: PipelineIR,
    run: Run,
    node: NodeIR,
    resolved: ResolvedNode,
    execution_id: int,
    published: Mapping[str, Sequence[Artifact]],
) -> Registration | None:
    """What to record with the execution of a node that has pushed; None where it has not.

    Raises:
        PenstockError: The name or version is not acceptable, or the compiled pipeline cannot
            be kept.
    """
    push = _push_of(ir, node, resolved)
    done = [each for each in _pushed(published) if each.custom_properties.get("pushed") == 1]
    if push is None or not done:
        return None
    artifact = done[0]
    facts = artifact.custom_properties
    recipe = recipe_of(store, push.model)
    fixed = {
        "uri": artifact.uri,
        "destination": str(facts.get("pushed_destination", "")),
        "number": _number(facts.get("pushed_version")),
        "digest": push.model.content_digest,
        "model_uri": push.model.uri,
        "model_artifact_id": push.model.id or 0,
        "pipeline": run.pipeline,
        "run_id": run.id,
        "node_id": node.id,
        "execution_id": execution_id,
        "root": run.root,
        "parameters": dict(run.parameters),
        "ir": _keep_ir(ir, run),
        "ir_digest": ir.digest,
        "kserve": str(facts.get("kserve_manifest", "")),
        "metrics": metrics_of(store, push.model.id or 0, run.id),
    }
    return Registration(push.name, functools.partial(_event, store, push, recipe, fixed, artifact))


def _event(
    store: MetadataStore,
    push: _Push,
    recipe: Recipe,
    fixed: Mapping[str, Any],
    artifact: Artifact,
    number: int,
) -> tuple[str, Mapping[str, Any]] | None:
    """The event with a number, given those before it."""
    made = _next_version(store, push, recipe, number)
    announced = artifact.custom_properties.get(MODEL_VERSION)
    artifact.custom_properties[MODEL_NAME] = push.name
    artifact.custom_properties[MODEL_VERSION] = str(made["version"])
    if announced not in (None, made["version"]):
        _log.warning(
            "model %s: announced as version %s, registered as %s, as another push came between",
            push.name, announced, made["version"],
        )  # fmt: skip
    if made["same"]:
        return _again(store, push, made, fixed, number)
    _log.info("model %s: version %s: %s", push.name, made["version"], made["reason"])
    told = {key: made[key] for key in ("version", "bump", "reason", "changes")}
    stage = {"stage": CANDIDATE if push.stage == CANDIDATE else PRODUCTION}
    return PUSH, {**fixed, **told, **stage, "recipe": recipe.to_dict(), "latest": number}


def _again(
    store: MetadataStore,
    push: _Push,
    made: Mapping[str, Any],
    fixed: Mapping[str, Any],
    number: int,
) -> tuple[str, Mapping[str, Any]] | None:
    """The event of a push of the very model that is the newest version."""
    history = ModelRegistry(store).history_until(push.name, number - 1)
    found = history.versions[made["version"]]
    # Whoever pushes it again for production means it: it is the newest in its folder now.
    produces = push.stage == PRODUCTION and history.production != found.version
    stays = (found.destination, found.number) == (fixed["destination"], fixed["number"])
    if stays and not produces:
        return None
    moved = {key: fixed[key] for key in ("destination", "number")}
    facts = {"version": found.version, "latest": made["latest"], "run_id": fixed["run_id"]}
    return PROMOTE if produces else MOVE, {**facts, **moved}


def _next_version(store: MetadataStore, push: _Push, recipe: Recipe, number: int) -> dict[str, Any]:
    """Which version a push makes, given the events before the one with a number."""
    latest = _latest_version(store, push.name, number)
    if latest is None:
        version = SemanticVersion.parse(push.version) if push.version else FIRST
        return {"version": str(version), "bump": "first", "reason": "the first push",
                "changes": [], "same": False}  # fmt: skip
    before = latest.body
    highest = SemanticVersion.parse(str(before["version"]))
    same_model = bool(push.model.content_digest) and before["digest"] == push.model.content_digest
    if same_model and push.version in (None, str(highest)):
        return {"version": str(highest), "same": True, "latest": latest.number}
    changes = changes_between(
        Recipe.from_dict(before["recipe"]), recipe, functools.partial(executions_by_id, store)
    )
    bump, reason = bump_for(changes)
    told = {"changes": [each.to_dict() for each in changes], "same": False}
    if push.version:
        version = chosen_version(push.name, highest, push.version)
        return {"version": str(version), "bump": "set", "reason": reason, **told}
    if push.bump in BUMPS:
        version = chosen_version(push.name, highest, push.bump)
        return {"version": str(version), "bump": push.bump, "reason": reason, **told}
    if push.bump != "auto":
        raise ParameterError(
            "bump is none of the parts of a version",
            expected="auto, major, minor or patch",
            got=push.bump,
        )
    return {"version": str(highest.next(bump)), "bump": bump, "reason": reason, **told}


def _latest_version(store: MetadataStore, name: str, number: int) -> ModelEvent | None:
    """The event that made the newest version, found without reading all events."""
    last = number - 1
    while last > 0:
        newest = store.model_events(name, last, last)
        if newest:
            latest = int(newest[0].body.get("latest", 0))
            found = newest if latest == last else store.model_events(name, latest, latest)
            return found[0] if found else None
        last -= 1  # An event of another model, in a database that does not tell case apart.
    return None


def executions_by_id(store: MetadataStore, ids: Sequence[int]) -> dict[int, ExecutionRecord]:
    """Records of executions by id; those that are gone are left out."""
    found: dict[int, ExecutionRecord] = {}
    for each in ids:
        try:
            found[each] = store.get_execution(each)
        except MetadataError:
            continue  # Another store's, or deleted: nothing to compare.
    return found


def _pushed(outputs: Mapping[str, Sequence[Artifact]]) -> list[Artifact]:
    return [each for found in outputs.values() for each in found if each.TYPE_NAME == _PUSHED_MODEL]


def _number(text: object) -> int:
    return int(str(text)) if str(text).isdecimal() else 0


def _keep_ir(ir: PipelineIR, run: Run) -> str:
    """Keeps the compiled pipeline, by its digest, where the model can be reproduced from it."""
    place = storage.join(run.root, _RECIPES, f"{ir.digest}.json")
    if not storage.exists(place):
        ir.save(place)
    return place
