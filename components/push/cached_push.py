# SPDX-License-Identifier: Apache-2.0
"""Whether a push done earlier still stands: a push acts outside the pipeline's own folder.

Reusing a cached push without looking would report a model as served that somebody has
deleted since, or that a later push of the same node has replaced.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...utils import storage
from ..base.artifact import Artifact
from .version_store import version_store


def is_still_pushed(
    outputs: Mapping[str, Sequence[Artifact]], parameters: Mapping[str, Any]
) -> str | None:
    """Why a cached push cannot be reused, or None where it can.

    Versions that others have pushed since are left to reign: re-running an unchanged
    pipeline must not undo a roll-back or a repair made by hand.

    Of a push to a cluster or web server alone there is nothing to look at; it stands.

    Args:
        outputs: The cached execution's outputs.
        parameters: The node's parameters, in their JSON form.
    """
    filesystem = (parameters.get("push_destination") or {}).get("filesystem")
    for artifact in outputs.get("pushed_model", ()):
        facts = artifact.custom_properties
        if facts.get("pushed") != 1 or not filesystem:
            continue  # If it was refused, for equal inputs it would be again.
        candidate = parameters.get("stage") == "candidate"
        reason = _gone(facts, str(filesystem.get("base_directory", "")), candidate)
        if reason is not None:
            return reason
    return None


def _gone(facts: Mapping[str, Any], base: str, candidate: bool) -> str | None:
    path = str(facts.get("pushed_destination", ""))
    version = int(facts.get("pushed_version") or 0)
    store = version_store(base, candidates=candidate)
    if store.path(version) != path:
        return f"the model was pushed to {path}, not below {store.base}"
    if not storage.is_dir(path):
        return f"the version that was pushed is gone: {path}"
    files = storage.list_files(path)
    if (len(files), sum(file.size for file in files)) != (
        facts.get("pushed_files"),
        facts.get("pushed_bytes"),
    ):
        return f"the version that was pushed has been changed: {path}"
    pushed_by = facts.get("pushed_by")
    for later in store.versions():
        if later > version and store.record(later).get("pushed_by") == pushed_by:
            return f"this node has pushed another model since, as version {later}"
    return None
