# SPDX-License-Identifier: Apache-2.0
"""The worker processes of one orchestrating process.

Light workers are reused; they start in a tenth of a second. Heavy workers are forked from
a server that has the heavy libraries imported, one for each execution.
"""

from __future__ import annotations

import atexit
import threading
from collections.abc import Sequence
from dataclasses import replace
from types import TracebackType
from typing import Protocol

from ....components.base.executor import ProgressCallback
from ....utils.errors import Cancelled, ExecutionError, WorkerDied
from .gpus import VISIBLE, GpuAllotment
from .lifeline import Lifeline
from .messages import WorkResult, WorkSpec
from .preload_server import SERVER, PreloadReport
from .worker_group import loopback_addresses, member_spec, run_group
from .worker_process import StartMethod, WorkerProcess

#: How often a thread that waits for its turn looks whether it is to stop, in seconds.
_TICK = 0.05
#: How many light workers may be kept though there is nothing to do for them.
_KEPT_IDLE = 4


class Worker(Protocol):
    """Whatever runs executions: a pool of processes, or this very process."""

    def execute(
        self,
        spec: WorkSpec,
        *,
        timeout: float | None = None,
        on_progress: ProgressCallback | None = None,
        cancel: threading.Event | None = None,
    ) -> WorkResult:
        """Runs `spec` and waits for it; see `WorkerPool.execute`."""


class WorkerPool:
    """Runs executions in worker processes; used from several threads, and as a context manager.

    Leaving the block normally waits for what runs; leaving it by an exception kills it.

    Args:
        max_workers: How many executions may run at once.
        preload: Heavy modules that the fork server imports, should a heavy execution
            come before `start_preloading` was called.
    """

    def __init__(self, *, max_workers: int, preload: Sequence[str] = ()) -> None:
        self._slots = threading.Semaphore(max_workers)
        self._most_idle = max(max_workers, _KEPT_IDLE)
        self._preload = tuple(preload)
        self._lifeline = Lifeline()
        self._gpus = GpuAllotment()
        self._lock = threading.Condition()
        self._executions = 0
        self._idle: list[WorkerProcess] = []
        self._busy: set[WorkerProcess] = set()
        self._closed = False
        self._killed = threading.Event()
        # Before the standard library waits for its child processes, which would be for ever.
        atexit.register(self.close, kill=True)

    def warm(self) -> None:
        """Starts a light worker, if there is none; returns in milliseconds, before it is ready."""
        with self._lock:
            if not self._closed and not self._idle and not self._busy:
                self._idle.append(WorkerProcess("spawn", self._lifeline))

    def start_preloading(self, modules: Sequence[str]) -> None:
        """Starts the fork server in the background, if it is not running.

        To be called once it is known that a heavy execution is coming: a run in which
        everything is cached must not pay for it.

        Args:
            modules: What the coming executions need. One that cannot be imported does no
                harm here; the executions that need it say so.
        """
        SERVER.start(tuple(dict.fromkeys([*self._preload, *modules])), self)

    def wait_preloaded(self, cancel: threading.Event | None = None) -> PreloadReport:
        """Waits until the fork server has imported what it was told to.

        Raises:
            Cancelled: `cancel` was set meanwhile.
        """
        SERVER.start(self._preload, self)
        return SERVER.wait(lambda: self._check(cancel, None))

    def execute(
        self,
        spec: WorkSpec,
        *,
        timeout: float | None = None,
        on_progress: ProgressCallback | None = None,
        cancel: threading.Event | None = None,
    ) -> WorkResult:
        """Runs `spec` in a worker process, and waits for it.

        Args:
            spec: The execution.
            timeout: How long it may run, in seconds, not counting the wait for its turn.
            on_progress: Called in this thread with what the executor reports.
            cancel: When set, the execution is killed.

        Raises:
            UserCodeError: Code that the user wrote raised.
            NodeTimeout: It ran longer than `timeout`; its process group was killed.
            WorkerDied: Its process ended without an answer.
            Cancelled: `cancel` was set, or the pool was closed with `kill`.
            ExecutionError: The executor raised.
            PenstockError: What the executor raised, if it is of Penstock's own kinds.
        """
        cancel = cancel or threading.Event()
        with self._lock:
            self._check(cancel, spec.node_id)
            if self._closed:
                raise ExecutionError("the worker pool is closed", node=spec.node_id)
            self._executions += 1
        try:
            return self._in_turn(spec, timeout, on_progress, cancel)
        finally:
            with self._lock:
                self._executions -= 1
                self._lock.notify_all()

    def _in_turn(
        self,
        spec: WorkSpec,
        timeout: float | None,
        on_progress: ProgressCallback | None,
        cancel: threading.Event,
    ) -> WorkResult:
        # A group takes one turn: two groups that each wait for the rest of theirs never would.
        while not self._slots.acquire(timeout=_TICK):
            self._check(cancel, spec.node_id)
        try:
            with self._gpus.gpus(spec.gpus, spec.workers, spec.node_id) as shares:
                addresses = loopback_addresses(spec.workers) if spec.workers > 1 else []
                members = [
                    _seeing(member_spec(spec, rank, addresses), share)
                    for rank, share in enumerate(shares)
                ]
                if len(members) == 1:
                    return self._one(members[0], timeout, on_progress, cancel)
                # Only the chief speaks for all.
                return run_group(
                    members,
                    lambda member, stop: self._one(
                        member, timeout, on_progress if member.rank == 0 else None, stop
                    ),
                    cancel,
                )
        finally:
            self._slots.release()

    def _one(
        self,
        spec: WorkSpec,
        timeout: float | None,
        on_progress: ProgressCallback | None,
        cancel: threading.Event,
    ) -> WorkResult:
        worker = self._take(spec, cancel)
        return self._run(worker, spec, timeout, on_progress, cancel)

    def _run(
        self,
        worker: WorkerProcess,
        spec: WorkSpec,
        timeout: float | None,
        on_progress: ProgressCallback | None,
        cancel: threading.Event,
    ) -> WorkResult:
        reusable = False
        try:
            result = worker.run(spec, timeout=timeout, on_progress=on_progress, cancel=cancel)
            reusable = result.reusable and not spec.heavy
            return result
        except WorkerDied:
            self._check(cancel, spec.node_id)  # it did not die by itself, then
            raise
        finally:
            self._give_back(worker, reusable)

    def _take(self, spec: WorkSpec, cancel: threading.Event) -> WorkerProcess:
        """A worker that may run `spec`, now counted as busy."""
        method = self._await_server(spec, cancel) if spec.heavy else "spawn"
        with self._lock:
            self._check(cancel, spec.node_id)
            worker = None if spec.heavy else self._take_idle(spec.bundle_paths)
            worker = worker or WorkerProcess(method, self._lifeline)
            self._busy.add(worker)
            return worker

    def _await_server(self, spec: WorkSpec, cancel: threading.Event) -> StartMethod:
        SERVER.start(self._preload, self)
        report = SERVER.wait(lambda: self._check(cancel, spec.node_id))
        return "forkserver" if report.serving else "spawn"

    def _take_idle(self, bundle_paths: tuple[str, ...]) -> WorkerProcess | None:
        # User modules of another bundle may have the same names. A process that has loaded
        # some never loads others.
        for wanted in (bundle_paths, ()):
            for worker in reversed(self._idle):
                if worker.bundle_paths == wanted:
                    self._idle.remove(worker)
                    if worker.is_alive():
                        return worker
                    worker.kill()
        return None

    def _give_back(self, worker: WorkerProcess, reusable: bool) -> None:
        with self._lock:
            self._busy.discard(worker)
            if reusable and not self._closed:
                self._idle.append(worker)
                most = self._most_idle
                doomed, self._idle = self._idle[:-most], self._idle[-most:]
            else:
                doomed = [worker]
        for one in doomed:
            one.kill()

    def _check(self, cancel: threading.Event | None, node: str | None) -> None:
        if self._killed.is_set() or (cancel is not None and cancel.is_set()):
            raise Cancelled("the run was told to stop", node=node)

    def close(self, kill: bool = False) -> None:
        """Ends all workers, and takes no more executions. It may be called again.

        Args:
            kill: Whether executions at work are killed (their `execute` raises
                `Cancelled`); else they are waited for.
        """
        with self._lock:
            idle, self._idle = self._idle, []
            self._closed = True
            busy = list(self._busy) if kill else []
            if kill:
                self._killed.set()
        for worker in idle:
            worker.kill()
        for worker in busy:
            worker.interrupt()
        with self._lock:
            self._lock.wait_for(lambda: self._executions == 0)
        SERVER.abandon(self)
        self._lifeline.close()
        atexit.unregister(self.close)

    def __enter__(self) -> WorkerPool:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close(kill=kind is not None)


def _seeing(spec: WorkSpec, gpus: str) -> WorkSpec:
    """The execution with the GPUs that it may use, where it asked for any."""
    return replace(spec, env={**spec.env, VISIBLE: gpus}) if gpus else spec
