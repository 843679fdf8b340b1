# SPDX-License-Identifier: Apache-2.0
"""What must be true of a store and the files below a root, whatever was killed."""

from __future__ import annotations

import os
from pathlib import Path

from penstock import MetadataStore
from penstock.orchestration.launch.garbage import find_garbage
from penstock.orchestration.metadata.records import ArtifactState, ExecutionState, RunState
from penstock.utils.hashing import digest_tree


def incomplete_artifacts(root: Path, setting: Path | None = None) -> list[str]:
    """Live artifacts whose files are not what was recorded; none, if all is well."""
    setting = setting or root / "metadata.sqlite"
    if not setting.exists():
        return []
    with MetadataStore(str(setting)) as store:
        live = [
            record.artifact
            for record in store.list_artifacts(limit=None)
            if record.state is ArtifactState.LIVE
        ]
    return [
        repr(artifact)
        for artifact in live
        if not os.path.isdir(artifact.uri) or digest_tree(artifact.uri) != artifact.content_digest
    ]


def remains(root: Path, setting: Path | None = None) -> list[str]:
    """What an interrupted run left behind in the store or on disk; nothing, once recovered."""
    left: list[str] = []
    with MetadataStore(str(setting or root / "metadata.sqlite")) as store:
        used: set[str] = set()
        for run in store.list_runs(limit=1000):
            if run.state is RunState.RUNNING:
                left.append(f"run {run.id} is running")
            for execution in store.run_executions(run.id, with_artifacts=True):
                if execution.state in (ExecutionState.RUNNING, ExecutionState.NEW):
                    left.append(f"execution {execution.id} of {execution.node_id} is running")
                if execution.succeeded:
                    used.update(a.uri for found in execution.outputs.values() for a in found)
        left += [f"{item.path}: {item.reason}" for item in find_garbage(store)]
    folders = [path for path in root.glob("[!.]*/*/*") if path.name.isdecimal()]
    left += [f"{path} is of no execution" for path in folders if str(path) not in used]
    left += [f"{path} is scratch" for path in root.glob(".work/*")]
    return left


def digests(root: Path, run_id: str, setting: Path | None = None) -> dict[str, str]:
    """Content digests of all outputs of a run, by node and output."""
    found: dict[str, str] = {}
    with MetadataStore(str(setting or root / "metadata.sqlite")) as store:
        for execution in store.run_executions(run_id, with_artifacts=True):
            for name, artifacts in execution.outputs.items():
                (artifact,) = artifacts
                found[f"{execution.node_id}.{name}"] = artifact.content_digest
    return found
