# SPDX-License-Identifier: Apache-2.0
"""Which process runs a pipeline, so that another can tell whether it still does."""

from __future__ import annotations

import json
import os
import socket
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class ProcessOwner:
    """Names one process for good: ids are used again, start times of one id are not.

    Attributes:
        host: Name of the machine.
        pid: Id of the process on it.
        started: When the process started, in the terms of its machine; compared only for
            equality. Empty where the machine does not tell.
    """

    host: str
    pid: int
    started: str

    @classmethod
    def current(cls) -> ProcessOwner:
        """This process."""
        return cls(socket.gethostname(), os.getpid(), _start_of(os.getpid()))

    @classmethod
    def from_json(cls, text: str) -> ProcessOwner | None:
        """Reads what `to_json` wrote; None for anything else."""
        try:
            raw = json.loads(text)
            return cls(str(raw["host"]), int(raw["pid"]), str(raw["started"]))
        except (ValueError, TypeError, KeyError):
            return None

    def to_json(self) -> str:
        """Text that `from_json` reads back."""
        return json.dumps(asdict(self), sort_keys=True)

    def alive(self) -> bool | None:
        """Whether the process still exists; None where that cannot be told from here."""
        if self.host != socket.gethostname():
            return None
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            pass  # it exists and is somebody else's
        return _start_of(self.pid) == self.started


def _start_of(pid: int) -> str:
    """When a process started; empty where it is gone or the machine does not tell."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            # The second field, the program's name in parentheses, may hold spaces.
            fields = file.read().rpartition(")")[2].split()
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            boot = file.read().strip()
    except OSError:
        return _start_by_ps(pid)
    # Fields 3 and 22 of proc(5): state and start time in clock ticks since boot.
    return "" if fields[0] in "ZX" else f"{boot[:8]}+{fields[19]}"


def _start_by_ps(pid: int) -> str:
    if os.path.isdir("/proc/self"):
        return ""
    import subprocess

    try:
        answer = subprocess.run(
            ["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, timeout=10
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return answer.stdout.strip()
