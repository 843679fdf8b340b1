# SPDX-License-Identifier: Apache-2.0
"""Runs executions in this very process, for notebooks and debuggers."""

from __future__ import annotations

import threading

from ....components.base.executor import ProgressCallback
from ....utils.errors import Cancelled, ExecutionError
from ....utils.user_code import preserved_imports
from .failure_codec import explain
from .messages import WorkResult, WorkSpec
from .task_execution import run_task


class InProcessWorker:
    """Stands in for `WorkerPool` where one wants to look inside, as with `pdb`.

    What executors print goes where this process's output goes, not to the log file.
    """

    def execute(
        self,
        spec: WorkSpec,
        *,
        timeout: float | None = None,
        on_progress: ProgressCallback | None = None,
        cancel: threading.Event | None = None,
    ) -> WorkResult:
        """Runs `spec` in the calling thread.

        Args:
            spec: The execution.
            timeout: Has no effect: nothing can interrupt code in one's own process.
            on_progress: Called with what the executor reports.
            cancel: When set, the execution ends at its next progress report.

        Raises:
            Cancelled: `cancel` was set.
            ExecutionError: The node has several workers.
            PenstockError: As `WorkerPool.execute`; its cause is what was raised.
        """
        del timeout
        if spec.workers > 1:
            raise ExecutionError(
                f"a node with {spec.workers} workers cannot run in this one process",
                node=spec.node_id,
                fix=".with_policy(resources=Resources(workers=1)) while you look inside",
            )

        def report(done: float, total: float | None, note: str = "") -> None:
            if cancel is not None and cancel.is_set():
                raise Cancelled("the run was told to stop", node=spec.node_id)
            if on_progress is not None:
                on_progress(done, total, note)

        try:
            with preserved_imports():
                return run_task(spec, report)
        except Exception as error:
            explained = explain(error, spec)
            if explained is error:
                raise
            raise explained from error
