# SPDX-License-Identifier: Apache-2.0
"""Recovery: what a killed process left behind is recognised, marked and cleared away."""

from __future__ import annotations

import shutil

from ...utils import storage
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
            _clear(store, found, run, ir)
    return ended


def _clear(store: MetadataStore, found: RunRecord, run: Run, ir: PipelineIR) -> None:
    outputs = {node.id: list(node.outputs) for node in ir.nodes}
    for execution in store.mark_stale(found.id):
        _log.warning(
            "%s: execution %d of run %s was interrupted; its output is deleted",
            execution.node_id, execution.id, found.id,
        )  # fmt: skip
        for output in outputs.get(execution.node_id, ()):
            storage.remove_tree(run.output_uri(execution.node_id, output, execution.id))
        shutil.rmtree(run.work_dir(execution.id), ignore_errors=True)
    if found.id != run.id:
        store.end_run(found.id, RunState.INTERRUPTED, error="its process ended without a word")
