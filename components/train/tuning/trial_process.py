# SPDX-License-Identifier: Apache-2.0
"""Runs one trial in a process of its own, forked from the executor's.

The executor's process has imported what training needs, and has done nothing with it: so a
trial starts at once, begins with a fresh state of every library, gives all its memory back,
and may die without harm to the search. What crosses between the two is JSON.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import traceback
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from multiprocessing.connection import Connection, Pipe
from typing import Any

from ....utils.errors import PenstockError

#: `report(step, value)`: whether the trial is to stop.
Report = Callable[[int, float], bool]

_PR_SET_PDEATHSIG = 1


class TrialStopped(BaseException):
    """Ends a trial that is not worth going on with; passes through `except Exception`."""


class TrialProcess:
    """One trial under way.

    Args:
        number: The trial's number.
        work: Does the trial's work, given how to report; returns JSON-compatible data.

    Attributes:
        connection: Where its messages come from: see `receive`.
    """

    def __init__(self, number: int, work: Callable[[Report], Mapping[str, Any]]) -> None:
        self.number = number
        self.connection, theirs = Pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        with warnings.catch_warnings():
            # Python 3.12 warns of threads; those of this process only pass messages on.
            warnings.simplefilter("ignore", DeprecationWarning)
            self._pid = os.fork()
        if self._pid == 0:
            _run(theirs, work)
        theirs.close()

    def receive(self) -> dict[str, Any]:
        """The next message: `report`, `done`, `stopped` or `failed`, the last if it died."""
        try:
            message: dict[str, Any] = json.loads(self.connection.recv_bytes())
        except (EOFError, ConnectionError):
            return {"kind": "failed", "reason": self._death()}
        return message

    def answer(self, stop: bool) -> None:
        """Answers a report."""
        with suppress(OSError):  # it died meanwhile, which its next message tells
            self.connection.send_bytes(json.dumps(stop).encode())

    def _death(self) -> str:
        _, status = os.waitpid(self._pid, 0)
        self._pid = 0
        code = os.waitstatus_to_exitcode(status)
        if code < 0:
            return f"its process was killed by {signal.Signals(-code).name}"
        return f"its process ended with exit code {code}"

    def close(self) -> None:
        """Ends the process, if it has not ended."""
        self.connection.close()
        if self._pid:
            with suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
            self._pid = 0


def _run(connection: Connection, work: Callable[[Report], Mapping[str, Any]]) -> None:
    """The life of the trial's process."""
    _end_with_parent()

    def report(step: int, value: float) -> bool:
        _send(connection, {"kind": "report", "step": step, "value": value})
        return bool(json.loads(connection.recv_bytes()))

    code = 0
    try:
        message = {"kind": "done", **work(report)}
    except TrialStopped:
        message = {"kind": "stopped"}
    except PenstockError as error:
        message = {"kind": "failed", "reason": error.what, "detail": str(error)}
    except BaseException as error:
        traceback.print_exc()
        message = {"kind": "failed", "reason": f"{type(error).__name__}: {error}"}
    try:
        _send(connection, message)
    except OSError:
        code = 1  # nobody is left to tell
    sys.stdout.flush()
    sys.stderr.flush()
    # Not what the parent registered to be done at its own end.
    os._exit(code)


def _send(connection: Connection, message: Mapping[str, Any]) -> None:
    connection.send_bytes(json.dumps(message).encode())


def _end_with_parent() -> None:
    """Lets the kernel end this process with its parent; on Linux, elsewhere the parent does."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
