# SPDX-License-Identifier: Apache-2.0
"""What runs in a worker process: take an execution, run it, answer, take the next."""

from __future__ import annotations

import faulthandler
import json
import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Mapping
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

from ....components.base.executor import ProgressCallback
from ....utils.errors import PenstockError
from ....utils.peak_memory import reset_peak_memory
from .failure_codec import error_to_dict, explain
from .isolation import has_leftovers
from .messages import WorkSpec
from .process_start import ignore_interrupts
from .redirect import flush_output, make_line_buffered, send_output_to
from .task_execution import run_task

#: Set in every worker, and so in whatever an executor starts: a pipeline that starts itself
#: when its file is imported there can be told so.
WORKER_VARIABLE = "PENSTOCK_WORKER"
#: Sent to a worker that is about to be killed, so that its log ends with where it was.
DUMP_SIGNAL = signal.SIGUSR1
#: The least time between two progress messages, in seconds.
_PROGRESS_INTERVAL = 0.1
_LONGEST_NOTE = 200


def main(connection: Connection, setup: bytes) -> None:
    """Serves one execution after the other, until `connection` is closed.

    Args:
        connection: Where executions come from and answers go to.
        setup: JSON object with `environ` (its environment) and `cwd`.
    """
    _take_place(json.loads(setup))
    channel = _Channel(connection)
    while True:
        try:
            message = connection.recv_bytes()
        except (EOFError, OSError):
            return
        spec = WorkSpec.from_bytes(message)
        answer = _perform(spec, channel.reporter())
        channel.answer(answer)


def _take_place(setup: Mapping[str, Any]) -> None:
    # A group of its own, so that whatever the executor starts can be killed with it.
    os.setsid()
    ignore_interrupts()
    os.environ.clear()
    os.environ.update(setup["environ"])
    os.environ[WORKER_VARIABLE] = "1"
    with suppress(OSError):
        os.chdir(setup["cwd"])
    sys.argv[:] = ["penstock-worker"]
    # User code expects what it would find in a script, not how this process was started.
    multiprocessing.set_start_method(multiprocessing.get_all_start_methods()[0], force=True)
    make_line_buffered(sys.stdout)
    make_line_buffered(sys.stderr)
    faulthandler.enable()
    faulthandler.register(DUMP_SIGNAL, all_threads=True)


def _perform(spec: WorkSpec, report_progress: ProgressCallback) -> dict[str, Any]:
    reset_peak_memory()
    try:
        if spec.log_path:
            send_output_to(spec.log_path)
        result = run_task(spec, report_progress)
        flush_output()
    except BaseException as error:  # SystemExit too: the answer must come, whatever was raised
        return _failure(error, spec)
    return {"done": {**vars(result), "reusable": not has_leftovers()}}


def _failure(error: BaseException, spec: WorkSpec) -> dict[str, Any]:
    explained = explain(error, spec)
    with suppress(OSError):  # the disk with the log may be what is full
        if isinstance(error, PenstockError) and error.__cause__ is None:
            # It says what is wrong. A traceback would only hide what was printed before it.
            print(f"failed: {error.what}", file=sys.stderr)
        else:
            traceback.print_exception(error)
    flush_output()
    return {"failed": error_to_dict(explained)}


class _Channel:
    """The connection, guarded against executors that report from several threads."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self._pid = os.getpid()
        self._turn = 0

    def reporter(self) -> ProgressCallback:
        """A progress callback for the execution that begins now."""
        turn = self._turn
        last = 0.0

        def report(done: float, total: float | None, note: str = "") -> None:
            nonlocal last
            now = time.monotonic()
            finished = total is not None and done >= total
            # A process forked from this one shares the connection but not the lock.
            if (now - last < _PROGRESS_INTERVAL and not finished) or os.getpid() != self._pid:
                return
            last = now
            parts = [float(done), None if total is None else float(total)]
            message = json.dumps({"progress": [*parts, str(note)[:_LONGEST_NOTE]]})
            with self._lock:
                # A thread that outlived its execution must not speak for the next.
                if turn == self._turn:
                    self._connection.send_bytes(message.encode())

        return report

    def answer(self, message: Mapping[str, Any]) -> None:
        """Sends the answer to the execution at hand, and ends its progress reports."""
        with self._lock:
            self._turn += 1
            self._connection.send_bytes(json.dumps(message).encode())
