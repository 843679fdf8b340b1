# SPDX-License-Identifier: Apache-2.0
"""Processes that tests start, and all that those start in turn, wherever they end up."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import uuid
from collections.abc import Sequence
from pathlib import Path

import pytest

import penstock

#: Names, in a process's environment, the test that it belongs to: children inherit it, and
#: unlike a parent's id it does not change when the parent is killed.
_MARK = "PENSTOCK_TEST_FAMILY"


class Family:
    """A process, its workers, and theirs.

    Args:
        words: The command line, after the Python interpreter.
        folder: Where it runs, and where its output is kept.
        environ: More variables for its environment.
    """

    def __init__(
        self, words: Sequence[str], folder: Path, environ: dict[str, str] | None = None
    ) -> None:
        if not os.path.isdir("/proc/self"):
            pytest.skip("finds processes by /proc, which this machine does not have")
        self._mark = f"{_MARK}={uuid.uuid4().hex}"
        name, _, value = self._mark.partition("=")
        paths = [str(Path(penstock.__file__).parents[1]), str(Path(__file__).parents[1])]
        # To files: a worker that outlives the process would keep a pipe open.
        self._out = folder / f"{value}.out"
        self._err = folder / f"{value}.err"
        with open(self._out, "w") as out, open(self._err, "w") as err:
            self.process = subprocess.Popen(
                [sys.executable, *words],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                cwd=folder,
                env={
                    **os.environ,
                    "PYTHONPATH": os.pathsep.join(paths),
                    name: value,
                    **(environ or {}),
                },
            )

    @property
    def out(self) -> str:
        """What was written to standard output so far."""
        return self._out.read_text()

    @property
    def err(self) -> str:
        """What was written to standard error so far."""
        return self._err.read_text()

    def wait_for(self, text: str, seconds: float = 60.0) -> None:
        """Waits until standard output holds `text`, or the process has ended."""
        deadline = time.monotonic() + seconds
        while text not in self.out and self.process.poll() is None:
            assert time.monotonic() < deadline, f"{text!r} did not come: {self.out}{self.err}"
            time.sleep(0.005)

    def wait(self, seconds: float = 120.0) -> int:
        """Waits for the process itself; its exit code."""
        return self.process.wait(seconds)

    def members(self, of: str = "") -> list[int]:
        """Ids of the processes that are at work, oldest first.

        Args:
            of: Only those whose command line holds this.
        """
        found = [int(name) for name in os.listdir("/proc") if name.isdecimal()]
        return [pid for pid in sorted(found) if self._is_member(pid, of.encode())]

    def _is_member(self, pid: int, of: bytes) -> bool:
        try:
            place = Path(f"/proc/{pid}")
            # A zombie, which has ended, has no environment any more.
            kept = place.joinpath("environ").read_bytes().split(b"\0")
            return self._mark.encode() in kept and of in place.joinpath("cmdline").read_bytes()
        except OSError:
            return False

    def assert_gone(self, seconds: float = 10.0) -> None:
        """Fails if any of the processes is still at work after some time."""
        deadline = time.monotonic() + seconds
        while left := self.members():
            assert time.monotonic() < deadline, [
                Path(f"/proc/{pid}/cmdline").read_bytes() for pid in left
            ]
            time.sleep(0.02)
