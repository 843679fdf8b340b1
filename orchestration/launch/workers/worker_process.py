# SPDX-License-Identifier: Apache-2.0
"""The orchestrating process's handle on one worker process."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import threading
import time
from multiprocessing.connection import wait
from multiprocessing.context import ForkServerContext, SpawnContext
from typing import Any, Literal

from ....components.base.executor import ProgressCallback
from ....utils.errors import Cancelled, NodeTimeout, WorkerDied
from ....utils.peak_memory import peak_memory
from ....utils.readable import memory
from . import worker_main
from .failure_codec import error_from_dict
from .lifeline import Lifeline, kill_group
from .messages import WorkResult, WorkSpec
from .process_start import undisturbed_start
from .redirect import last_lines

StartMethod = Literal["spawn", "forkserver"]

#: How often a waiting thread looks whether it is to stop, in seconds.
_TICK = 0.05
#: How often the memory of a busy worker is looked at, in seconds.
_MEMORY_TICK = 0.5
#: How long a worker that has hung up may take to end, in seconds.
_LAST_MOMENT = 1.0
#: How long a worker whose time is up may take to write down where it is, in seconds.
_LAST_WORDS = 0.2


class WorkerProcess:
    """One worker process.

    Args:
        method: `spawn` starts a new interpreter, `forkserver` forks the preloaded server.
        lifeline: Where to enter the process, so that it ends when this process does.
    """

    def __init__(self, method: StartMethod, lifeline: Lifeline) -> None:
        context: SpawnContext | ForkServerContext
        if method == "spawn":
            context = multiprocessing.get_context("spawn")
        else:
            context = multiprocessing.get_context("forkserver")
        self._connection, theirs = context.Pipe()
        with undisturbed_start() as environ:
            setup = json.dumps({"environ": environ, "cwd": _working_folder()}).encode()
            self._process = context.Process(
                target=worker_main.main, args=(theirs, setup), name="penstock-worker"
            )
            self._process.start()
        theirs.close()
        assert self._process.pid is not None
        self.pid: int = self._process.pid
        self.bundle_paths: tuple[str, ...] = ()
        self._lifeline = lifeline
        self._peak = 0
        self._ended = False
        lifeline.add(self.pid)

    def run(
        self,
        spec: WorkSpec,
        *,
        timeout: float | None,
        on_progress: ProgressCallback | None,
        cancel: threading.Event,
    ) -> WorkResult:
        """Has the worker run `spec`, and waits for the answer.

        After any error but those the worker itself answered with, the worker is dead.

        Raises:
            PenstockError: As `WorkerPool.execute`.
        """
        self.bundle_paths = spec.bundle_paths or self.bundle_paths
        deadline = None if timeout is None else time.monotonic() + timeout
        look_at_memory = time.monotonic() + _TICK
        try:
            self._connection.send_bytes(spec.to_bytes())
        except OSError:
            raise self._death(spec) from None
        while True:
            ready = wait([self._connection, self._process.sentinel], _TICK)
            if ready:
                result = self._hear(spec, on_progress)
                if result is not None:
                    return result
            now = time.monotonic()
            if cancel.is_set():
                self.kill()
                raise Cancelled("it was stopped while it ran", node=spec.node_id)
            if deadline is not None and now >= deadline:
                raise self._timeout(spec, timeout or 0.0)
            if now >= look_at_memory:
                self._peak = max(self._peak, peak_memory(self.pid))
                look_at_memory = now + _MEMORY_TICK

    def _hear(self, spec: WorkSpec, on_progress: ProgressCallback | None) -> WorkResult | None:
        """The result, if that is what came; None after a progress message."""
        try:
            # The process may have ended after its last word: the word counts.
            if not self._connection.poll():
                raise EOFError
            message: dict[str, Any] = json.loads(self._connection.recv_bytes())
        except (EOFError, OSError):
            raise self._death(spec) from None
        if "progress" in message:
            if on_progress is not None:
                on_progress(*message["progress"])
            return None
        if "failed" in message:
            raise error_from_dict(message["failed"])
        return WorkResult(**message["done"])

    def _timeout(self, spec: WorkSpec, timeout: float) -> NodeTimeout:
        _signal(self.pid, worker_main.DUMP_SIGNAL)
        wait([self._process.sentinel], _LAST_WORDS)
        self.kill()
        where = f"; its log ends with where it was: {spec.log_path}" if spec.log_path else ""
        return NodeTimeout(
            f"it ran longer than its timeout of {timeout:g} seconds",
            node=spec.node_id,
            fix=f"give it a longer timeout{where}",
        )

    def _death(self, spec: WorkSpec) -> WorkerDied:
        # Its end of the connection closes a moment before it ends: let it end in its own way.
        self._process.join(_LAST_MOMENT)
        self.kill()
        code = self._exit_code()
        killed = -code if code is not None and code < 0 else None
        name = signal.Signals(killed).name if killed else None
        said = last_lines(spec.log_path)
        got = f"at most {memory(self._peak)} of memory held" if self._peak else ""
        if said:
            got += f"{'; ' if got else ''}the last lines of its log:\n" + "\n".join(
                f"    {line}" for line in said
            )
        return WorkerDied(
            f"its process was killed by {name}"
            if name
            else f"its process ended without an answer, with exit code {code}",
            node=spec.node_id,
            got=got or None,
            fix=_advice(killed, spec.log_path),
        )

    def _exit_code(self) -> int | None:
        # Another thread's start of a process may be about to note this one's end.
        for _ in range(20):
            if self._process.exitcode is not None:
                break
            time.sleep(0.01)
        return self._process.exitcode

    def is_alive(self) -> bool:
        """Whether the process is running."""
        return self._process.is_alive()

    def kill(self) -> None:
        """Kills the worker and everything it has started; does nothing the second time."""
        if self._ended:
            return
        self._ended = True
        kill_group(self.pid)
        self._process.join(5)
        self._lifeline.remove(self.pid)
        self._connection.close()

    def interrupt(self) -> None:
        """Kills the worker's group while another thread waits for its answer."""
        if not self._ended:
            kill_group(self.pid)


def _advice(killed: int | None, log_path: str | None) -> str:
    log = f"; the whole log: {log_path}" if log_path else ""
    if killed == signal.SIGKILL:
        return (
            "most likely the system was out of memory: let the node hold less at a time, or run "
            f"fewer nodes at once{log}"
        )
    if killed in (signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGABRT):
        return f"a library crashed: the log shows which call it was in{log}"
    return f"see whether the code ends its own process (os._exit){log}"


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def _working_folder() -> str:
    try:
        return os.getcwd()
    except FileNotFoundError:
        return os.sep
