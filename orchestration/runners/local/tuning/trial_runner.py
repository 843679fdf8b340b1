# SPDX-License-Identifier: Apache-2.0
"""Runs trials: ordinary, recorded runs, which share one store and one set of workers."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from functools import partial
from types import TracebackType
from typing import Any

from .....components.base.artifact import PropertyValue
from .....utils.errors import MetadataError
from ....ir import PipelineIR
from ....launch.launcher import Launcher
from ....launch.outcome import NodeOutcome, RunObserver
from ....launch.run import Run, describe_run
from ....launch.workers.pool import WorkerPool
from ....metadata.store import MetadataStore
from ...run_lifecycle import conduct
from ...run_result import RunResult
from ..preloading import PreloadingObserver
from ..resource_pool import machine_resources
from ..scheduler import Scheduler
from ..selection import Selection


class TrialRunner:
    """Runs parts of a pipeline with other parameters each time; used from several threads.

    That the workers are shared spares each trial their start, and the imports of heavy
    libraries, which take longer than many a trial.

    Args:
        store: Where the runs are recorded.
        root: The pipeline's root.
        upto: The node that the trials are about: it and what it needs is run.
        cache: Replaces every node's cache policy.
        cancel: Set to stop the runs.
        max_workers: How many nodes may execute at once.
    """

    def __init__(
        self,
        store: MetadataStore,
        *,
        root: str,
        upto: str,
        cache: str | None,
        cancel: threading.Event,
        max_workers: int | None = None,
    ) -> None:
        self._store = store
        self._root = root
        self._upto = upto
        self._cache = cache
        self._cancel = cancel
        workers = max_workers or max(4, int(machine_resources().cpu / 0.25))
        self._pool = WorkerPool(max_workers=workers)

    def __enter__(self) -> TrialRunner:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._pool.close(kill=kind is not None)

    def run(
        self,
        ir: PipelineIR,
        run_id: str,
        parameters: Mapping[str, Any],
        tags: Mapping[str, PropertyValue],
    ) -> RunResult:
        """Runs a trial; goes on with it where it was begun before.

        Args:
            ir: The pipeline with the trial's values.
            run_id: Id of the run.
            parameters: Values of runtime parameters.
            tags: What to record with the run.

        Raises:
            Cancelled: It was stopped.
            PenstockError: It could not be started.
        """
        run = describe_run(
            ir,
            run_id=run_id,
            root=self._root,
            parameters=parameters,
            cache=self._cache,
            resumed=self._begun(run_id),
        )
        return conduct(
            ir,
            run,
            self._store,
            partial(self._launch, ir, run),
            observer=RunObserver(),
            cancel=self._cancel,
            tags=tags,
        )

    def _begun(self, run_id: str) -> bool:
        try:
            self._store.get_run(run_id)
        except MetadataError:
            return False
        return True

    def _launch(
        self,
        ir: PipelineIR,
        run: Run,
        cancel: threading.Event,
        outcomes: dict[str, NodeOutcome],
    ) -> None:
        chosen = Selection(to_nodes=(self._upto,)).chosen(ir)
        observer = PreloadingObserver(RunObserver(), self._pool, ir, chosen)
        launcher = Launcher(ir, run, self._store, self._pool, observer=observer, cancel=cancel)
        scheduler = Scheduler(ir, chosen, launcher.launch, machine_resources(), cancel, outcomes)
        scheduler.run()
