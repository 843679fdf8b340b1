# SPDX-License-Identifier: Apache-2.0
"""Garbage: what lies below the roots of pipelines and is of no use any more.

There are two kinds. *Leftovers* never became part of a record, or no longer are: output
folders of executions that failed or were interrupted, scratch folders, code that no kept run
used. *History* is live artifacts that only old runs used; it goes only when asked for, and
never what a pushed model, or a pipeline's newest blessed model, was made from.

Whatever this store does not know is left alone: another store may know it. Folders are
listed before the store is asked, so that what a run writes meanwhile is never taken for
garbage; artifacts are marked as deleted in the store before their files go, so that a
process killed in between leaves leftovers, not records of what is gone.
"""

from __future__ import annotations

import glob
import json
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from ...components.base.artifact import Artifact
from ...utils import storage
from ...utils.errors import MetadataError
from ..metadata.lineage import Direction
from ..metadata.records import (
    ArtifactRecord,
    ArtifactState,
    ExecutionRecord,
    RunRecord,
    RunState,
)
from ..metadata.store import MetadataStore
from .checkpoints import forgotten_checkpoints
from .run import Run

_PUSHED_MODEL = "PushedModel"
_NO_LIMIT = 1_000_000
#: Code that is younger may belong to a node that an outside engine is just starting.
_CODE_MIN_AGE_S = 3600.0
_GONE = (ArtifactState.DELETED, ArtifactState.ABANDONED)


@dataclass(frozen=True)
class Garbage:
    """One folder or file that can be deleted.

    Attributes:
        path: Where it lies: a path or URL.
        kind: `output`, `artifact`, `work`, `code`, `checkpoints`, `log` or `run`.
        reason: Why it is of no use, in one clause.
        size: Its files' sizes together, in bytes.
        artifact_ids: Live artifacts that are there, to be marked as deleted first.
    """

    path: str
    kind: str
    reason: str
    size: int
    artifact_ids: tuple[int, ...] = ()


@dataclass(frozen=True)
class _Folder:
    """An output folder, `<root>/<node>/<output>/<execution id>`."""

    uri: str
    root: str
    node_id: str
    execution_id: int


@dataclass
class _Records:
    """What the store holds."""

    runs: list[RunRecord]
    executions: dict[int, ExecutionRecord]
    artifacts: list[ArtifactRecord]
    live_uris: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.live_uris = {
            _normal(record.artifact.uri) for record in self.artifacts if record.state not in _GONE
        }
        self.run_by_id = {run.id: run for run in self.runs}


def find_garbage(store: MetadataStore, *, keep_runs: int | None = None) -> list[Garbage]:
    """What can be deleted below the roots of all pipelines of a store.

    Args:
        store: The store; only what it knows is considered.
        keep_runs: Also what only those runs of a pipeline used that are older than its
            newest so many complete ones.

    Raises:
        MetadataError: A run is going on, whose needs are not known yet (with `keep_runs`).
        StorageError: A folder cannot be listed.
    """
    roots = _roots(store.list_runs(limit=_NO_LIMIT))
    folders = [folder for root in roots for folder in _output_folders(root)]
    scratch = {root: _work_folders(run) for root, run in roots.items()}
    # Only now: see this module.
    records = _read(store)
    found = list(_leftover_outputs(folders, records))
    for root, run in roots.items():
        found += _leftover_work(scratch[root], records, root)
        found += _leftover_code(run, records, set())
        found += [
            Garbage(path, "checkpoints", "nobody went on from it for a week", size_of(path))
            for path in forgotten_checkpoints(run)
        ]
    if keep_runs is not None:
        _refuse_while_running(records.runs)
        kept = _kept_runs(records.runs, keep_runs)
        found += _history(store, records, folders, kept)
        for run in roots.values():
            old = {r.id for r in records.runs if r.pipeline == run.pipeline} - kept
            found += _old_records(run, old)
            found += _leftover_code(run, records, old)
    return _without_repeats(found)


def delete_garbage(store: MetadataStore, garbage: Iterable[Garbage]) -> int:
    """Deletes what `find_garbage` found; the number of bytes that were freed.

    Raises:
        MetadataError: The store cannot be written; nothing was deleted then.
        StorageError: Something cannot be deleted; the rest can be, by calling it again.
    """
    listed = list(garbage)
    ids = [artifact_id for item in listed for artifact_id in item.artifact_ids]
    if ids:
        store.mark_deleted(ids)
    for item in listed:
        storage.remove_tree(item.path)
    return sum(item.size for item in listed)


def _read(store: MetadataStore) -> _Records:
    runs = store.list_runs(limit=_NO_LIMIT)
    executions = {
        execution.id: execution
        for run in runs
        for execution in store.run_executions(run.id, with_artifacts=True)
    }
    return _Records(runs, executions, store.list_artifacts(limit=None))


def _roots(runs: Sequence[RunRecord]) -> dict[str, Run]:
    """A description of one run for each root that runs wrote below."""
    found: dict[str, Run] = {}
    for run in runs:
        root = str(run.properties.get("root", ""))
        if root and storage.is_dir(root):
            found.setdefault(root, Run(run.id, run.pipeline, root))
    return found


def _output_folders(root: str) -> list[_Folder]:
    found = []
    # Only paths can be escaped; the names of buckets hold none of these characters.
    plain = glob.escape(root) if storage.is_local(root) else root
    for uri in storage.glob(f"{plain.rstrip('/')}/*/*/*"):
        node_id, _, number = uri.rstrip("/").split("/")[-3:]
        if number.isdecimal():
            found.append(_Folder(uri, root, node_id, int(number)))
    return found


def _leftover_outputs(folders: Sequence[_Folder], records: _Records) -> Iterator[Garbage]:
    for folder in folders:
        execution = _writer(folder, records)
        if execution is None or not execution.state.finished or _holds_live(folder, records):
            continue
        reason = f"execution {execution.id} of {execution.node_id} is {execution.state.value}"
        if execution.succeeded:
            reason = f"its artifact was deleted (execution {execution.id})"
        yield Garbage(folder.uri, "output", reason, size_of(folder.uri))


def _writer(folder: _Folder, records: _Records) -> ExecutionRecord | None:
    """The execution that a folder was allotted to, if this store knows it for sure."""
    execution = records.executions.get(folder.execution_id)
    if execution is None or execution.node_id != folder.node_id:
        return None
    run = records.run_by_id[execution.run_id]
    return execution if run.properties.get("root") == folder.root else None


def _holds_live(folder: _Folder, records: _Records) -> bool:
    mine = _normal(folder.uri)
    if mine in records.live_uris:
        return True
    return any(uri.startswith(mine + "/") for uri in records.live_uris)


def _work_folders(run: Run) -> list[str]:
    folder = run.local_folder("work")
    return [os.path.join(folder, name) for name in _entries(folder)]


def _leftover_work(folders: Sequence[str], records: _Records, root: str) -> Iterator[Garbage]:
    for path in folders:
        name = os.path.basename(path)
        execution = records.executions.get(int(name)) if name.isdecimal() else None
        if execution is None or not execution.state.finished:
            continue
        if records.run_by_id[execution.run_id].properties.get("root") == root:
            reason = f"scratch of execution {execution.id}, which has ended"
            yield Garbage(path, "work", reason, size_of(path))


def _leftover_code(run: Run, records: _Records, old_runs: set[str]) -> Iterator[Garbage]:
    """Code bundles that no compiled pipeline of a kept run holds; workers get them anew."""
    if any(r.state is RunState.RUNNING and r.pipeline == run.pipeline for r in records.runs):
        return
    kept = _entries(run.local_folder("runs"))
    used = {
        digest
        for run_id in kept
        if run_id not in old_runs
        for digest in _bundles(os.path.join(run.local_folder("runs"), run_id, "pipeline.json"))
    }
    for name in _entries(run.code_folder):
        path = os.path.join(run.code_folder, name)
        # Beside the folder of each bundle lies a file that tells where its files came from,
        # and what a process that was killed was just writing.
        if (
            name.endswith(".tmp") or name.partition(".")[0] not in used
        ) and time.time() - os.path.getmtime(path) > _CODE_MIN_AGE_S:
            yield Garbage(path, "code", "no kept run used this code", size_of(path))


def _bundles(ir_path: str) -> list[str]:
    try:
        with open(ir_path, encoding="utf-8") as file:
            return list(json.load(file).get("code", {}))
    except (OSError, ValueError, AttributeError):
        return []


def _refuse_while_running(runs: Sequence[RunRecord]) -> None:
    for run in runs:
        # Runs of outside engines have no process to ask; what they used is kept instead.
        if run.state is RunState.RUNNING and run.owner is not None and run.owner_alive():
            raise MetadataError(
                f"run {run.id} of {run.pipeline} is going on, and may yet use old results",
                got=run.owner_text,
                fix="wait for it, or leave out --keep-runs: leftovers can go at any time",
            )


def _kept_runs(runs: Sequence[RunRecord], keep: int) -> set[str]:
    """The newest complete runs of each pipeline, all since, and those that are going on."""
    kept: set[str] = set()
    complete: dict[str, int] = {}
    for run in sorted(runs, key=lambda each: (each.started_at, each.number), reverse=True):
        if complete.get(run.pipeline, 0) < keep or run.state is RunState.RUNNING:
            kept.add(run.id)
        if run.state is RunState.COMPLETE:
            complete[run.pipeline] = complete.get(run.pipeline, 0) + 1
    return kept


def _history(
    store: MetadataStore, records: _Records, folders: Sequence[_Folder], kept: set[str]
) -> Iterator[Garbage]:
    keep = _used_by(records, kept) | _ancestry(store, records)
    at: dict[str, list[Artifact]] = {}
    for record in records.artifacts:
        if record.state is ArtifactState.LIVE:
            at.setdefault(_normal(record.artifact.uri), []).append(record.artifact)
    for folder in folders:
        execution, there = _writer(folder, records), at.get(_normal(folder.uri), [])
        if execution is None or not there or any(found.id in keep for found in there):
            continue
        kind = there[0].TYPE_NAME
        yield Garbage(
            folder.uri,
            "artifact",
            f"{kind} {there[0].id} was used last by run {_last_use(records, there[0].id)}",
            size_of(folder.uri),
            tuple(found.id for found in there if found.id is not None),
        )


def _used_by(records: _Records, kept: set[str]) -> set[int]:
    return {
        artifact.id
        for execution in records.executions.values()
        if execution.run_id in kept
        for side in (execution.inputs, execution.outputs)
        for listed in side.values()
        for artifact in listed
        if artifact.id is not None
    }


def _ancestry(store: MetadataStore, records: _Records) -> set[int]:
    """Artifacts that pushed models and each pipeline's newest blessed model came from."""
    start = {
        record.artifact.id
        for record in records.artifacts
        if record.artifact.TYPE_NAME == _PUSHED_MODEL
        and record.state is ArtifactState.LIVE
        and record.artifact.custom_properties.get("pushed") != 0
    }
    for pipeline in {run.pipeline for run in records.runs}:
        start.update(found.id for found in store.latest_blessed_model(pipeline) or ())
    ids = sorted(found for found in start if found is not None)
    if not ids:
        return set()
    graph = store.lineage(ids, Direction.UPSTREAM, max_nodes=_NO_LIMIT)
    return {record.artifact.id for record in graph.artifacts.values() if record.artifact.id}


def _last_use(records: _Records, artifact_id: int | None) -> str:
    users = [
        execution
        for execution in records.executions.values()
        if any(
            artifact.id == artifact_id
            for side in (execution.inputs, execution.outputs)
            for listed in side.values()
            for artifact in listed
        )
    ]
    return max(users, key=lambda each: each.id).run_id if users else "unknown"


def _old_records(run: Run, old: set[str]) -> Iterator[Garbage]:
    for kind, folder in (("log", run.local_folder("logs")), ("run", run.local_folder("runs"))):
        for name in _entries(folder):
            if name in old:
                path = os.path.join(folder, name)
                what = "logs" if kind == "log" else "compiled pipeline"
                yield Garbage(path, kind, f"{what} of old run {name}", size_of(path))


def _without_repeats(found: Iterable[Garbage]) -> list[Garbage]:
    by_path: dict[str, Garbage] = {}
    for item in found:
        by_path.setdefault(item.path, item)
    return list(by_path.values())


def _entries(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return []


def _normal(uri: str) -> str:
    if storage.is_local(uri):
        return os.path.abspath(storage.local_path(uri))
    return uri.rstrip("/")


def size_of(uri: str) -> int:
    """Bytes of a folder's files, or of a file; links count for themselves."""
    if not storage.is_local(uri):
        return sum(file.size for file in storage.list_files(uri))
    path, total = storage.local_path(uri), 0
    if not os.path.isdir(path) or os.path.islink(path):
        return os.lstat(path).st_size
    for folder, _, files in os.walk(path):
        for name in files:
            try:
                total += os.lstat(os.path.join(folder, name)).st_size
            except FileNotFoundError:
                continue  # somebody else deleted it
    return total
