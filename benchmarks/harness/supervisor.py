# SPDX-License-Identifier: Apache-2.0
"""Starts one command, watches all that comes of it, and tells what it cost.

A script of its own, and a process of its own for every command: the kernel adds up CPU time
for all children of a process, and orphans go to the next process that adopts them, so that
whoever has other children would have theirs in the bill. Reads what to run from standard
input and writes the cost to standard output, both as JSON.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Self

#: Seconds between two looks at the processes' memory: short at first, for short commands.
_FIRST_LOOKS_S, _LOOKS_S, _FIRST_S = 0.05, 0.4, 3.0
#: How many times as long as a look the pause after it lasts, at least.
_REST = 100
_PR_SET_CHILD_SUBREAPER = 36
_TICKS = os.sysconf("SC_CLK_TCK")


def supervise(
    command: Sequence[str], *, folder: str, environment: Mapping[str, str], log: str
) -> dict[str, float]:
    """Runs a command to its end, and says its `exit_code`, `wall`, `cpu` and `memory`."""
    _adopt_orphans()
    with open(log, "wb") as output, _Watch() as watch:
        started = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=folder, env=dict(environment), stdout=output, stderr=output
        )
        # Not `process.wait(timeout)`, which looks now and then: some rows take milliseconds.
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            process.kill()
            raise
        wall = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        _await_orphans()
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "exit_code": process.returncode,
        "wall": wall,
        "cpu": max(children.ru_utime + children.ru_stime, watch.cpu),
        "memory": watch.memory or usage.ru_maxrss * 1024,
    }


class _Watch:
    """Looks at this process's descendants now and then, in a thread."""

    def __init__(self) -> None:
        self.memory = 0
        self._seconds: dict[int, float] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look_on, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._over.set()
        self._thread.join()

    def _look_on(self) -> None:
        started, spent = time.monotonic(), 0.0
        while True:
            pause = _FIRST_LOOKS_S if time.monotonic() - started < _FIRST_S else _LOOKS_S
            # Looking at large processes costs time, which what is measured must not miss.
            if self._over.wait(max(pause, spent * _REST)):
                return
            before = time.thread_time()
            self.look()
            spent = time.thread_time() - before

    @property
    def cpu(self) -> float:
        """CPU seconds of all processes when last seen.

        A process that nobody waits for is in no account of the kernel's but its own.
        """
        return sum(self._seconds.values())

    def look(self) -> None:
        """Adds up what the descendants use at this moment."""
        total = 0
        for pid in _descendants():
            with contextlib.suppress(OSError, ValueError, IndexError):
                with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
                    fields = file.read().rpartition(")")[2].split()
                self._seconds[pid] = (int(fields[11]) + int(fields[12])) / _TICKS
                total += _proportional_set(pid)
        self.memory = max(self.memory, total)


def _proportional_set(pid: int) -> int:
    with open(f"/proc/{pid}/smaps_rollup", encoding="utf-8") as file:
        for line in file:
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0


def _descendants() -> list[int]:
    """Ids of the processes that this one, or one of them, has started (none but on Linux)."""
    found: list[int] = []
    todo = [os.getpid()]
    while todo:
        pid = todo.pop()
        with contextlib.suppress(OSError):
            for thread in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{thread}/children", encoding="utf-8") as file:
                    todo += (children := [int(child) for child in file.read().split()])
                found += children
    return found


def _adopt_orphans() -> None:
    # Children of a measured process that outlive it become ours, so that they can be seen.
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _await_orphans(patience_s: float = 10.0) -> None:
    """What a command left behind ends by itself within moments; its CPU time counts."""
    deadline = time.monotonic() + patience_s
    with contextlib.suppress(ChildProcessError):
        while time.monotonic() < deadline:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                time.sleep(0.02)


def _stop(*_: object) -> None:
    raise SystemExit(143)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _stop)
    json.dump(supervise(**json.load(sys.stdin), log=sys.argv[1]), sys.stdout)
