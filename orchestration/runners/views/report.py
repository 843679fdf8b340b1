# SPDX-License-Identifier: Apache-2.0
"""A whole run as pictures: what a page about it shows, part after part."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Sequence

from ....components.base.artifact import Artifact
from ....utils.errors import PenstockError
from ....utils.readable import moment
from ...launch.run import Run
from ...metadata.lineage import Direction
from ...metadata.records import ExecutionRecord, RunRecord, newest_of_nodes
from ...metadata.store import MetadataStore
from .lineage_view import MOST_BOXES, lineage_graph
from .pipeline_view import pipeline_graph, standing_table
from .registry import view_of
from .run_view import recorded_ir, recorded_standing, run_facts
from .view import Block, Code, Fold, View, Wanted, Words

#: Types that a page shows, in this order; the last lines of each log.
_SHOWN = (
    "ExampleAnomalies", "ExampleStatistics", "Schema", "ModelRun", "TunerResults",
    "ModelEvaluation", "ModelBlessing", "InfraBlessing", "FeatureInfluence", "ModelCard",
    "Model", "PushedModel", "RejectedExamples",
)  # fmt: skip
LOG_LINES = 40


def report_views(store: MetadataStore, run: RunRecord, log_lines: int = LOG_LINES) -> list[View]:
    """The parts of a page about a run.

    Args:
        store: Where it is recorded.
        run: The run.
        log_lines: How many of the last lines of each node's log.
    """
    executions = newest_of_nodes(store.run_executions(run.id, with_artifacts=True))
    views = [_overview(store, run, executions)]
    made = _artifacts(executions)
    for kind in _SHOWN:
        for node_id, artifact in made:
            if kind == artifact.TYPE_NAME:
                views.append(_part(node_id, artifact))
    views.append(_lineage(store, [artifact for _, artifact in made]))
    views.append(_logs(store, run, executions, log_lines))
    return views


def _overview(store: MetadataStore, run: RunRecord, executions: Sequence[ExecutionRecord]) -> View:
    standing = recorded_standing(store, executions)
    blocks: list[Block] = [run_facts(run)]
    ir = recorded_ir(run)
    if ir is not None:
        blocks.append(pipeline_graph(ir, standing, "Nodes"))
    blocks.append(standing_table(standing))
    return View(f"{run.pipeline}: run {run.id}", blocks, moment(run.started_at))


def _artifacts(executions: Sequence[ExecutionRecord]) -> list[tuple[str, Artifact]]:
    return [
        (execution.node_id, artifact)
        for execution in executions
        for found in execution.outputs.values()
        for artifact in found
    ]


def part_title(node_id: str, title: str) -> str:
    """The title of a part: which node made what."""
    return title if title.startswith(node_id) else f"{node_id}: {title}"


def _part(node_id: str, artifact: Artifact) -> View:
    try:
        view = view_of(artifact, Wanted())
    except (PenstockError, OSError) as error:
        told = Words(f"It cannot be read any more: {error}", "warning")
        return View(part_title(node_id, artifact.TYPE_NAME), [told], artifact.uri)
    return View(part_title(node_id, view.title), view.blocks, view.subtitle)


def _lineage(store: MetadataStore, made: Sequence[Artifact]) -> View:
    ids = sorted({each.id for each in made if each.id is not None})
    if not ids:
        return View("Lineage", [Words("The run has put out nothing.", "dim")])
    found = store.lineage(ids, Direction.UPSTREAM, max_nodes=MOST_BOXES)
    return View("Lineage", [lineage_graph(found)], "what the run put out, and what it came from")


def _logs(
    store: MetadataStore, run: RunRecord, executions: Sequence[ExecutionRecord], lines: int
) -> View:
    del store
    described = Run(run.id, run.pipeline, str(run.properties.get("root", ".")))
    blocks: list[Block] = []
    for each in executions:
        path = each.log_path or described.log_path(each.node_id, each.id)
        if not os.path.exists(path):
            continue
        with open(path, encoding="utf-8", errors="replace") as file:
            tail = "".join(deque(file, maxlen=lines)).strip("\n")
        failed = each.state.value == "failed"
        if tail:
            blocks.append(Fold(f"{each.node_id} ({each.state.value})", [Code(tail)], failed))
    if not blocks:
        blocks.append(Words("No node wrote a log, or the logs are on another machine.", "dim"))
    return View("Logs", blocks, f"the last {lines} lines of each node")
