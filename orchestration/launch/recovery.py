# SPDX-License-Identifier: Apache-2.0
"""Recovery: what a killed process left behind is recognised, marked and cleared away."""

from __future__ import annotations

import os
import shutil

from ...utils import storage
from ...utils.errors import StorageError
from ...utils.logs import get_logger
from ..ir import PipelineIR
from ..metadata.records import RunRecord, RunState
from ..metadata.store import MetadataStore
from .run import Run

_log = get_logger(__name__)


def recover(store: MetadataStore, run: Run, ir: PipelineIR) -> list[RunRecord]:
    """Ends the runs of the same pipeline whose process is gone, and the run itself if resumed.

    Their executions that were RUNNING are marked as failed, and what those wrote, which was
    never live, is deleted. Costs the same however long the pipeline's history is.

    Returns:
        The runs that were ended.
    """
    ended: list[RunRecord] = []
    for found in store.open_runs(run.pipeline):
        if found.id == run.id or not found.owner_alive():
            ended.append(found)
            clear(store, found, ir, run.root)
            if found.id != run.id:
                store.end_run(
                    found.id, RunState.INTERRUPTED, error="its process ended without a word"
                )
    return ended


def clear(store: MetadataStore, found: RunRecord, ir: PipelineIR | None, root: str) -> None:
    """Marks the executions of a run that nobody runs any more, and deletes what they wrote.

    What is marked cannot be published any more, so it is marked first. Failed executions
    are looked at again, as whoever marked them may have been killed before it deleted.

    Args:
        store: The store.
        found: The run.
        ir: The pipeline as it is now, where it is known.
        root: Where the run wrote, if that was not recorded.
    """
    then = Run(found.id, found.pipeline, str(found.properties.get("root") or root))
    interrupted = {execution.id for execution in store.mark_stale(found.id)}
    for execution in store.run_executions(found.id):
        if execution.succeeded:
            continue
        if execution.id in interrupted:
            _log.warning(
                "%s: execution %d of run %s was interrupted; its output is deleted",
                execution.node_id, execution.id, found.id,
            )  # fmt: skip
        try:
            for output in _outputs(then, execution.node_id, ir):
                storage.remove_tree(then.output_uri(execution.node_id, output, execution.id))
        except StorageError as error:
            # Nothing refers to it, so it is in nobody's way.
            _log.warning("%s; `penstock gc` tries again", error)
        shutil.rmtree(then.work_dir(execution.id), ignore_errors=True)


def _outputs(run: Run, node_id: str, ir: PipelineIR | None) -> set[str]:
    """Names of a node's outputs: those it has now, and those it had in that run."""
    nodes = ir.nodes if ir is not None else []
    names = {output for node in nodes if node.id == node_id for output in node.outputs}
    folder = storage.join(run.root, node_id)
    if storage.is_local(folder) and storage.is_dir(folder):
        names.update(os.listdir(storage.local_path(folder)))
    return names
