# SPDX-License-Identifier: Apache-2.0
"""Finds records in a metadata store by what people type, and turns them into plain data."""

from __future__ import annotations

import glob
import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from ...utils.errors import DataError, MetadataError, nearest

if TYPE_CHECKING:
    from ...components.base.artifact import Artifact
    from ..metadata.lineage import LineageGraph
    from ..metadata.records import ArtifactRecord, ExecutionRecord, RunRecord
    from ..metadata.store import MetadataStore

_STORES = os.path.join(".penstock", "*", "metadata.sqlite")
_NEWEST = "last"
_MOST_RUNS = 1000


@contextmanager
def open_store(metadata: str | None, run_id: str = "") -> Iterator[MetadataStore]:
    """The store that is named, else the one in this folder.

    Args:
        metadata: Its setting.
        run_id: A run that it should hold, where there are several.

    Raises:
        MetadataError: There is none, there are several, or it cannot be opened.
    """
    from ..metadata.store import MetadataStore

    store = MetadataStore(metadata or _only_store(run_id), create=False)
    try:
        yield store
    finally:
        store.close()


def _only_store(run_id: str) -> str:
    found = sorted(glob.glob(_STORES))
    if len(found) > 1 and run_id != _NEWEST:
        holding = glob.glob(os.path.join(".penstock", "*", ".runs", f"{glob.escape(run_id)}*"))
        stores = {os.path.join(*path.split(os.sep)[:2], "metadata.sqlite") for path in holding}
        found = sorted(stores & set(found)) or found
    if not found:
        raise MetadataError(
            "there is no metadata store in this folder",
            expected=_STORES,
            got=f"nothing of the kind in {os.getcwd()}",
            fix="change to the folder in which the pipeline ran, or name the store: --metadata",
        )
    if len(found) > 1:
        raise MetadataError(
            "there are several metadata stores in this folder",
            expected="the name of one of them",
            got=", ".join(found),
            fix=f"penstock … --metadata {found[0]} (or export PENSTOCK_METADATA={found[0]})",
        )
    return found[0]


def find_run(store: MetadataStore, text: str, pipeline: str | None = None) -> RunRecord:
    """The run that a text means: an id, a unique part of one, or `last`.

    Args:
        store: Where to look.
        text: What was typed.
        pipeline: Only its runs; by default those of all pipelines.

    Raises:
        MetadataError: There is none, or several.
    """
    if text == _NEWEST:
        newest = store.list_runs(pipeline, limit=1)
        if not newest:
            raise MetadataError("no pipeline has run yet", location=store.config.url)
        return newest[0]
    try:
        return store.get_run(text)
    except MetadataError:
        runs = store.list_runs(pipeline, limit=_MOST_RUNS)
        fitting = [run for run in runs if text in run.id]
        if len(fitting) == 1:
            return fitting[0]
        if not fitting:
            raise
        raise MetadataError(
            f"{len(fitting)} runs have {text!r} in their ids",
            expected="more of the id",
            got=", ".join(run.id for run in fitting[:8]) + (", …" if len(fitting) > 8 else ""),
        ) from None


def find_artifact(store: MetadataStore, text: str) -> ArtifactRecord:
    """The artifact that a text means: an id, a URI, a pushed folder, or a type's newest.

    Raises:
        MetadataError: There is none.
    """
    if text.isdecimal():
        return store.get_artifact(int(text))
    places = [text, text.rstrip("/"), os.path.abspath(text)]
    for place in dict.fromkeys(places):
        at = store.artifacts_by_uri(place)
        at = at or store.latest_artifacts("PushedModel", where={"pushed_destination": place})
        at = at or _pushed_to(store, place)
        if at:
            return store.get_artifact(at[0].id or 0)
    if os.sep not in text:
        newest = store.latest_artifacts(text)
        if newest:
            return store.get_artifact(newest[0].id or 0)
    types = sorted({each.artifact.TYPE_NAME for each in store.list_artifacts(limit=_MOST_RUNS)})
    raise MetadataError(
        f"there is no live artifact {text!r}",
        expected="an id, a URI, the folder of a pushed model, or one of the types "
        + (", ".join(types) or "(there are no artifacts at all)"),
        got=text,
        suggestion=nearest(text, types),
        fix="list them: penstock artifacts list",
    )


def _pushed_to(store: MetadataStore, place: str) -> list[Artifact]:
    """What lies in a folder that a promotion or roll-back wrote."""
    from ..registry.registry import ModelRegistry

    found = ModelRegistry(store).pushed_to(place) if os.sep in place else None
    return store.artifacts_by_uri(found.uri) if found else []


def run_document(run: RunRecord) -> dict[str, Any]:
    """A run as plain data: every key is always there."""
    end = run.ended_at
    if end is None and run.state.value == "running" and not run.interrupted:
        end = time.time()
    return {
        "run": run.id,
        "pipeline": run.pipeline,
        "number": run.number,
        "state": "interrupted" if run.interrupted else run.state.value,
        "started_at": run.started_at,
        "ended_at": run.ended_at,
        "seconds": round(end - run.started_at, 3) if end is not None else None,
        "root": str(run.properties.get("root", "")),
        "commit": str(run.properties.get("commit", "")),
        "error": run.error,
    }


def execution_documents(
    store: MetadataStore, executions: list[ExecutionRecord]
) -> list[dict[str, Any]]:
    """Executions as plain data, with the runs that reused results came from."""
    documents = [execution_document(each) for each in executions]
    for document in documents:
        origin = document["cached_from"]
        if origin and not document["reason"]:
            document["reason"] = f"nothing changed since run {store.get_execution(origin).run_id}"
    return documents


def execution_document(execution: ExecutionRecord) -> dict[str, Any]:
    """An execution as plain data: every key is always there."""
    error = _error(execution.error)
    state = execution.state.value
    reason = error["what"] if error else str(execution.custom_properties.get("reason", ""))
    return {
        "node": execution.node_id,
        "execution": execution.id,
        "state": state,
        "attempt": execution.attempt,
        "started_at": execution.started_at,
        "seconds": round(execution.seconds, 3),
        "reason": reason,
        "error": error if state == "failed" else None,
        "log": execution.log_path or None,
        "cached_from": execution.cached_from,
        "outputs": {
            name: [artifact.to_dict() for artifact in found]
            for name, found in execution.outputs.items()
        },
    }


def _error(text: str) -> dict[str, Any] | None:
    """An error as it was recorded: the parts of a Penstock error, or a sentence."""
    if not text:
        return None
    try:
        raw = json.loads(text)
    except ValueError:
        raw = None
    return raw if isinstance(raw, dict) and "what" in raw else {"what": text}


def artifact_document(record: ArtifactRecord) -> dict[str, Any]:
    """An artifact as plain data: every key is always there."""
    return {
        "id": record.artifact.id,
        "type": record.artifact.TYPE_NAME,
        "name": record.artifact.name,
        "pipeline": record.pipeline,
        "node": record.node_id,
        "state": record.state.value,
        "created_at": record.created_at,
        "uri": record.artifact.uri,
        "properties": dict(record.artifact.properties),
        "custom_properties": dict(record.artifact.custom_properties),
    }


def lineage_document(graph: LineageGraph) -> dict[str, Any]:
    """A lineage as plain data."""
    return {
        "start": list(graph.start),
        "artifacts": {key: artifact_document(each) for key, each in graph.artifacts.items()},
        "executions": {
            key: {
                "execution": each.id,
                "node": each.node_id,
                "type": each.type_name,
                "run": each.run_id,
                "state": each.state.value,
            }
            for key, each in graph.executions.items()
        },
        "edges": [vars(edge) for edge in graph.edges],
        "truncated": graph.truncated,
    }


def log_files(store: MetadataStore, run: RunRecord, node: str | None) -> list[tuple[str, str]]:
    """Titles and paths of the logs of a run, or of one of its nodes.

    Raises:
        DataError: There are none.
    """
    executions = store.run_executions(run.id)
    found = [pair for pair in _logs(executions, run, node) if os.path.exists(pair[1])]
    if found:
        return found
    nodes = list(dict.fromkeys(each.node_id for each in executions))
    if node is not None and node not in nodes:
        raise DataError(
            f"no node {node!r} has run in run {run.id}",
            expected=", ".join(nodes) or "(none has run)",
            got=node,
            suggestion=nearest(node, nodes),
        )
    reused = [each for each in executions if each.node_id == node and each.cached_from]
    raise DataError(
        f"{node or 'no node'} has {'no ' if node else 'a '}log in run {run.id}",
        got=f"its result is that of execution {reused[0].cached_from}" if reused else None,
        fix="logs are kept by runs that execute nodes, on the machine that did",
    )


def _logs(
    executions: list[ExecutionRecord], run: RunRecord, node: str | None
) -> Iterator[tuple[str, str]]:
    from ..launch.run import Run

    described = Run(run.id, run.pipeline, str(run.properties.get("root", ".")))
    for each in executions:
        if node in (None, each.node_id):
            tries = f" (attempt {each.attempt})" if each.attempt > 1 else ""
            path = each.log_path or described.log_path(each.node_id, each.id)
            yield each.node_id + tries, path


def print_log(path: str) -> None:
    """Prints a whole log."""
    with open(path, "rb") as file:
        while chunk := file.read(1 << 16):
            click.echo(chunk.decode("utf-8", "replace"), nl=False)


def follow_logs(store: MetadataStore, run: RunRecord, node: str | None) -> None:
    """Prints what the logs of a run hold and get, until the run, or the node, has ended."""
    read: dict[str, int] = {}
    title = ""
    while True:
        current = store.get_run(run.id)
        executions = store.run_executions(run.id)
        over = current.state.value != "running" or current.interrupted
        if node is not None:
            mine = [each for each in executions if each.node_id == node]
            over = over or (bool(mine) and mine[-1].succeeded)
        for name, path in _logs(executions, run, node):
            text = _news(path, read)
            if text:
                if node is None and name != title:
                    click.echo(f"==> {name} <==")
                    title = name
                click.echo(text, nl=False)
        sys.stdout.flush()
        if over:
            return
        time.sleep(0.5)


def _news(path: str, read: dict[str, int]) -> str:
    """What was appended to a file since it was read last."""
    try:
        with open(path, "rb") as file:
            file.seek(read.get(path, 0))
            data = file.read()
    except OSError:
        return ""
    read[path] = read.get(path, 0) + len(data)
    return data.decode("utf-8", "replace")
