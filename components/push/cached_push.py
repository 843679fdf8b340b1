# SPDX-License-Identifier: Apache-2.0
"""Whether a push done earlier still stands: a push acts outside the pipeline's own folder.

Reusing a cached push without looking would report a model as served that somebody has
deleted since, or that a later push of the same node has replaced.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from ..base.artifact import Artifact
from .version_directory import VersionDirectory


def is_still_pushed(
    outputs: Mapping[str, Sequence[Artifact]], parameters: Mapping[str, Any]
) -> str | None:
    """Why a cached push cannot be reused, or None where it can.

    Versions that others have pushed since are left to reign: re-running an unchanged
    pipeline must not undo a roll-back or a repair made by hand.

    Args:
        outputs: The cached execution's outputs.
        parameters: The node's parameters, in their JSON form.
    """
    for artifact in outputs.get("pushed_model", ()):
        facts = artifact.custom_properties
        if facts.get("pushed") != 1:
            continue  # It was refused, and for equal inputs it would be again.
        reason = _gone(facts, parameters)
        if reason is not None:
            return reason
    return None


def _gone(facts: Mapping[str, Any], parameters: Mapping[str, Any]) -> str | None:
    path = str(facts.get("pushed_destination", ""))
    version = int(facts.get("pushed_version") or 0)
    filesystem = (parameters.get("push_destination") or {}).get("filesystem") or {}
    directory = VersionDirectory(str(filesystem.get("base_directory", "")))
    if directory.path(version) != path:
        return f"the model was pushed to {path}, not below {directory.base}"
    if not os.path.isdir(path):
        return f"the version that was pushed is gone: {path}"
    files, size = _extent(path)
    if (files, size) != (facts.get("pushed_files"), facts.get("pushed_bytes")):
        return f"the version that was pushed has been changed: {path}"
    pushed_by = facts.get("pushed_by")
    for later in directory.versions():
        if later > version and directory.record(later).get("pushed_by") == pushed_by:
            return f"this node has pushed another model since, as version {later}"
    return None


def _extent(folder: str) -> tuple[int, int]:
    """(number of files, bytes in all) below `folder`."""
    files = size = 0
    for parent, _, names in os.walk(folder, followlinks=True):
        files += len(names)
        size += sum(os.path.getsize(os.path.join(parent, name)) for name in names)
    return files, size
