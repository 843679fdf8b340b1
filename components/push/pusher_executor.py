# SPDX-License-Identifier: Apache-2.0
"""Executor of the Pusher. Moves plain files only, so it needs no heavy library."""

from __future__ import annotations

from collections.abc import Mapping

import yaml

from ...utils import storage
from ...utils.errors import DataError
from ...utils.hashing import digest_json
from ...utils.logs import get_logger
from ..base.artifact import PropertyValue
from ..base.artifact_types import (
    ApprovalRecord,
    InfraBlessing,
    Model,
    ModelBlessing,
    PushedModel,
)
from ..base.executor import Task
from . import kserve_service
from .kserve_service import Pushed
from .push_destination import Filesystem, KServe, PushDestination, Webhook
from .version_directory import Publication, copy_or_link
from .version_store import version_store
from .webhook import post, secret_of

_log = get_logger(__name__)

#: Folder of a Model artifact that holds what servers load.
SERVING_FOLDER = "Format-Serving"

#: Folder of an InfraBlessing that holds a model with warm-up requests, if its property says so.
_STAMPED_MODEL, _HAS_MODEL = "stamped_model", "has_model"

#: Custom properties that the launcher sets: what the model will be in the registry.
_NAME, _VERSION = "model_name", "model_version"


class PusherExecutor:
    """Publishes a model as a new version of a folder, and tells others of it."""

    def execute(self, task: Task) -> Mapping[str, PropertyValue]:
        """Pushes the model of `task`, or records why it was not pushed.

        Returns:
            `pushed` (1 or 0), and `pushed_version`, `pushed_destination` and
            `already_there`, or `reason`.

        Raises:
            DataError: The model has no serving folder.
            ParameterError: A destination cannot be used for this model.
            StorageError: A folder or bucket cannot be written.
            ExecutionError: A cluster or web server did not take it.
        """
        pushed_model = task.output("pushed_model", PushedModel)
        reason = _refusal(task)
        if reason is not None:
            for name in (_NAME, _VERSION):
                pushed_model.custom_properties.pop(name, None)
            pushed_model.custom_properties["pushed"] = 0
            _log.warning("not pushed: %s", reason)
            return {"pushed": 0, "reason": reason}
        destination: PushDestination = task.parameter("push_destination", PushDestination)
        if destination.webhook:
            # A missing secret is better found before anything is in its place than after.
            secret_of(destination.webhook)
        source = _stamped_model(task) or _serving_folder(task.input("model", Model), task.node_id)
        facts: dict[str, PropertyValue] = {
            "pushed": 1,
            "pushed_by": pusher_name(task.pipeline_name, task.node_id),
        }
        already_there = 0
        if destination.filesystem:
            done = _to_filesystem(task, destination.filesystem, source)
            already_there = int(not done.written)
            facts.update(_properties(done))
        copy_or_link(source, pushed_model.uri)
        pushed = _described(task, pushed_model, facts, destination.filesystem)
        if destination.kserve:
            facts["kserve_manifest"] = _to_kserve(task, destination.kserve, pushed)
        if destination.webhook:
            _to_webhook(task, destination.webhook, pushed)
        pushed_model.custom_properties.update(facts)
        told = {name: facts.get(name, "") for name in ("pushed_version", "pushed_destination")}
        return {"pushed": 1, **told, "already_there": already_there}


def pusher_name(pipeline_name: str, node_id: str) -> str:
    """How a version's record names the node that pushed it."""
    return f"{pipeline_name}/{node_id}"


def _to_filesystem(task: Task, filesystem: Filesystem, source: str) -> Publication:
    model = task.input("model", Model)
    announced = task.output("pushed_model", PushedModel).custom_properties
    candidate = task.parameters.get("stage") == "candidate"
    done = version_store(filesystem.base_directory, candidates=candidate).publish(
        source,
        {
            "pushed_by": pusher_name(task.pipeline_name, task.node_id),
            "run_id": task.run_id,
            "execution_id": task.execution_id,
            "model_id": model.id,
            "model_uri": model.uri,
            "model_digest": _digest(task),
            **{name: announced[name] for name in (_NAME, _VERSION) if name in announced},
        },
        lambda copied, total: task.report_progress(copied, total, "bytes copied"),
    )
    _log.info(
        "%s as version %d: %s (%d files, %d bytes)",
        "pushed" if done.written else "the newest version is this model already, kept",
        done.version,
        done.path,
        done.files,
        done.bytes,
    )
    return done


def _properties(done: Publication) -> dict[str, PropertyValue]:
    return {
        "pushed_destination": done.path,
        "pushed_version": str(done.version),
        "pushed_files": done.files,
        "pushed_bytes": done.bytes,
    }


def _described(
    task: Task,
    artifact: PushedModel,
    facts: Mapping[str, PropertyValue],
    filesystem: Filesystem | None,
) -> Pushed:
    """The pushed model, as other destinations are told of it."""
    return Pushed(
        name=str(artifact.custom_properties.get(_NAME, task.pipeline_name)),
        version=str(artifact.custom_properties.get(_VERSION, "")),
        number=str(facts.get("pushed_version", "")),
        digest=_digest(task),
        place=str(facts.get("pushed_destination", artifact.uri)),
        base=filesystem.base_directory if filesystem else "",
        run_id=task.run_id,
    )


def _to_kserve(task: Task, settings: KServe, pushed: Pushed) -> str:
    """Writes or applies an InferenceService; its YAML."""
    kind = kserve_service.model_format(settings, pushed.place, task.node_id)
    uri = kserve_service.storage_uri(settings, pushed, kind, task.node_id)
    service = kserve_service.manifest(settings, pushed, kind, uri)
    text = yaml.safe_dump(service, sort_keys=False)
    if settings.manifest:
        storage.write_text_atomic(settings.manifest, text)
    # Of a candidate nobody but who promotes it wants a service.
    if settings.apply and task.parameters.get("stage") != "candidate":
        done = kserve_service.apply(settings, service, task.node_id)
        name = service["metadata"]["name"]
        _log.info("InferenceService %s/%s %s", settings.namespace, name, done)
    return text


def _to_webhook(task: Task, settings: Webhook, pushed: Pushed) -> None:
    message = {
        "event": "model.pushed",
        "name": pushed.name,
        "version": pushed.version,
        "number": int(pushed.number) if pushed.number else None,
        "uri": pushed.place,
        "digest": pushed.digest,
        "stage": str(task.parameters.get("stage") or "production"),
        "pipeline": task.pipeline_name,
        "node": task.node_id,
        "run_id": task.run_id,
    }
    # By content: a retry of the node, or of the run, tells nothing new.
    key = digest_json([pushed.name, pushed.version, pushed.number, pushed.digest])
    attempts = post(settings, message, key[:32])
    _log.info("webhook %s was told, in %d attempts", settings.url, attempts)


def _refusal(task: Task) -> str | None:
    """Why the model must not be pushed, or None."""
    model_blessing = task.optional_input("model_blessing", ModelBlessing)
    infra_blessing = task.optional_input("infra_blessing", InfraBlessing)
    approval = task.optional_input("approval", ApprovalRecord)
    if model_blessing is None and infra_blessing is None and approval is None:
        _log.warning(
            "no blessing was given: the model is pushed unproven. "
            "Connect model_blessing to an Evaluator's blessing to prevent that"
        )
    if model_blessing is not None and not model_blessing.blessed:
        why = model_blessing.custom_properties.get("reason")
        return "the Evaluator did not bless the model" + (f": {why}" if why else "")
    if infra_blessing is not None and infra_blessing.custom_properties.get("blessed") != 1:
        why = infra_blessing.custom_properties.get("reason")
        return "the model did not prove that it can be served" + (f": {why}" if why else "")
    return None


def _stamped_model(task: Task) -> str | None:
    """The copy of the model with warm-up requests, where the InfraValidator made one.

    See `infra_validator` in https://www.tensorflow.org/tfx/guide/infra_validator.
    """
    blessing = task.optional_input("infra_blessing", InfraBlessing)
    if blessing is None or blessing.custom_properties.get(_HAS_MODEL) != 1:
        return None
    return blessing.path(_STAMPED_MODEL)


def _digest(task: Task) -> str:
    """What tells the pushed files from others: a copy with warm-up requests is another."""
    digest = task.input("model", Model).content_digest
    return f"{digest}+warmup" if digest and _stamped_model(task) else digest


def _serving_folder(model: Model, node_id: str) -> str:
    folder = model.path(SERVING_FOLDER)
    if not storage.is_dir(folder) or not storage.list_files(folder):
        raise DataError(
            "the model holds nothing to serve",
            node=node_id,
            expected=f"files in {folder}",
            got="an empty folder" if storage.is_dir(folder) else "no such folder",
            location=model.uri,
            fix="let run_fn save the model to fn_args.serving_model_dir, or a component of your "
            f"own to os.path.join(model.uri, {SERVING_FOLDER!r})",
        )
    return folder
