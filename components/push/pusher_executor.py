# SPDX-License-Identifier: Apache-2.0
"""Executor of the Pusher. Moves plain files only, so it needs no heavy library."""

from __future__ import annotations

from collections.abc import Mapping

from ...utils import storage
from ...utils.errors import DataError, ParameterError
from ...utils.logs import get_logger
from ..base.artifact import PropertyValue
from ..base.artifact_types import InfraBlessing, Model, ModelBlessing, PushedModel
from ..base.executor import Task
from .push_destination import PushDestination
from .version_directory import Publication, VersionDirectory, copy_or_link

_log = get_logger(__name__)

#: Folder of a Model artifact that holds what servers load.
SERVING_FOLDER = "Format-Serving"


class PusherExecutor:
    """Publishes a model as a new version of a folder."""

    def execute(self, task: Task) -> Mapping[str, PropertyValue]:
        """Pushes the model of `task`, or records why it was not pushed.

        Returns:
            `pushed` (1 or 0), and `pushed_version`, `pushed_destination` and
            `already_there`, or `reason`.

        Raises:
            DataError: The model has no serving folder.
            StorageError: The destination cannot be written.
        """
        pushed_model = task.output("pushed_model", PushedModel)
        reason = _refusal(task)
        if reason is not None:
            pushed_model.custom_properties["pushed"] = 0
            _log.warning("not pushed: %s", reason)
            return {"pushed": 0, "reason": reason}
        model = task.input("model", Model)
        source = _serving_folder(model, task.node_id)
        base = _base_directory(task)
        done = VersionDirectory(base).publish(
            source,
            {
                "pushed_by": pusher_name(task.pipeline_name, task.node_id),
                "run_id": task.run_id,
                "execution_id": task.execution_id,
                "model_id": model.id,
                "model_uri": model.uri,
                "model_digest": model.content_digest,
            },
            lambda copied, total: task.report_progress(copied, total, "bytes copied"),
        )
        copy_or_link(source, pushed_model.uri)
        pushed_model.custom_properties.update(_properties(task, done))
        _log.info(
            "%s as version %d: %s (%d files, %d bytes)",
            "pushed" if done.written else "the newest version is this model already, kept",
            done.version,
            done.path,
            done.files,
            done.bytes,
        )
        return {
            "pushed": 1,
            "pushed_version": str(done.version),
            "pushed_destination": done.path,
            "already_there": int(not done.written),
        }


def pusher_name(pipeline_name: str, node_id: str) -> str:
    """How a version's record names the node that pushed it."""
    return f"{pipeline_name}/{node_id}"


def _properties(task: Task, done: Publication) -> dict[str, PropertyValue]:
    return {
        "pushed": 1,
        "pushed_destination": done.path,
        "pushed_version": str(done.version),
        "pushed_by": pusher_name(task.pipeline_name, task.node_id),
        "pushed_files": done.files,
        "pushed_bytes": done.bytes,
    }


def _refusal(task: Task) -> str | None:
    """Why the model must not be pushed, or None."""
    model_blessing = task.optional_input("model_blessing", ModelBlessing)
    infra_blessing = task.optional_input("infra_blessing", InfraBlessing)
    if model_blessing is None and infra_blessing is None:
        _log.warning(
            "no blessing was given: the model is pushed unproven. "
            "Connect model_blessing to an Evaluator's blessing to prevent that"
        )
    if model_blessing is not None and not model_blessing.blessed:
        why = model_blessing.custom_properties.get("reason")
        return "the Evaluator did not bless the model" + (f": {why}" if why else "")
    if infra_blessing is not None and infra_blessing.custom_properties.get("blessed") != 1:
        return "the model did not prove that it can be served"
    return None


def _serving_folder(model: Model, node_id: str) -> str:
    folder = model.path(SERVING_FOLDER)
    if not storage.is_dir(folder) or not storage.list_files(folder):
        raise DataError(
            "the model holds nothing to serve",
            node=node_id,
            expected=f"files in {folder}",
            got="an empty folder" if storage.is_dir(folder) else "no such folder",
            location=model.uri,
            fix="let run_fn save the model to fn_args.serving_model_dir",
        )
    return folder


def _base_directory(task: Task) -> str:
    destination: PushDestination = task.parameter("push_destination", PushDestination)
    base = destination.filesystem.base_directory
    if not storage.is_local(base):
        raise ParameterError(
            "push_destination.filesystem.base_directory must be a local or mounted folder",
            node=task.node_id,
            expected="a path",
            got=base,
            fix="mount the bucket, or push to a folder and synchronize it",
        )
    return base
