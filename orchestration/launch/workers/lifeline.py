# SPDX-License-Identifier: Apache-2.0
"""Makes sure that no worker outlives the orchestrating process, even one killed by `kill -9`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress

from . import guardian_main


def kill_group(pid: int) -> None:
    """Kills the process group that the process `pid` leads, or is about to lead."""
    with suppress(ProcessLookupError, PermissionError):
        try:
            os.killpg(pid, signal.SIGKILL)
        except ProcessLookupError:
            # It is so young that it does not lead a group yet, or it is gone.
            os.kill(pid, signal.SIGKILL)


class Lifeline:
    """The orchestrating process's end of the pipe that a guardian process listens on.

    The guardian (see `guardian_main`) starts with the first worker.
    """

    def __init__(self) -> None:
        self._guardian: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    def add(self, pid: int) -> None:
        """Has the process group led by `pid` killed when this process ends."""
        self._tell(f"+{pid}\n")

    def remove(self, pid: int) -> None:
        """Forgets the process group led by `pid`, which has ended."""
        self._tell(f"-{pid}\n")

    def _tell(self, line: str) -> None:
        with self._lock:
            if self._guardian is None:
                self._guardian = subprocess.Popen(
                    [sys.executable, "-I", "-S", guardian_main.__file__],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    # Ctrl-C reaches the whole foreground group; this one must see the end.
                    start_new_session=True,
                )
            assert self._guardian.stdin is not None
            # Someone may have killed the guardian: the work itself need not stop for that.
            with suppress(BrokenPipeError):
                self._guardian.stdin.write(line.encode())
                self._guardian.stdin.flush()

    def close(self) -> None:
        """Ends the guardian, which kills whatever is still listed."""
        with self._lock:
            if self._guardian is not None:
                self._guardian.communicate()
                self._guardian = None
