# SPDX-License-Identifier: Apache-2.0
"""What a command costs: wall time, CPU time and peak memory of it and all it starts."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from . import supervisor


class CommandFailedError(RuntimeError):
    """A measured command ended with an error; the message holds the end of its output."""


@dataclass(frozen=True)
class Cost:
    """What a command cost.

    Attributes:
        wall: Seconds from start to end.
        cpu: Seconds of user and system time, of all its processes.
        memory: Most bytes in use at once, of all its processes. Pages that several of them
            share count once (Linux's proportional set size), so that forked processes are
            not held against anybody.
    """

    wall: float
    cpu: float
    memory: int


def measure(
    command: Sequence[str], *, folder: str, environment: Mapping[str, str], log: str
) -> Cost:
    """Runs a command to its end, under a supervisor of its own.

    What else this process has started, or starts meanwhile, is no part of the cost.

    Args:
        command: The program and its arguments.
        folder: Folder in which it runs.
        environment: Its whole environment.
        log: File for its output.

    Raises:
        CommandFailedError: Its exit code is not 0.
    """
    request = {"command": list(command), "folder": folder, "environment": dict(environment)}
    watching = subprocess.Popen(
        [sys.executable, "-I", "-S", supervisor.__file__, log],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        answer, _ = watching.communicate(json.dumps(request).encode())
    except BaseException:
        watching.terminate()
        watching.wait()
        raise
    if watching.returncode:
        raise CommandFailedError(f"{' '.join(command)}: its supervisor failed")
    found = json.loads(answer)
    if found.pop("exit_code"):
        with open(log, encoding="utf-8", errors="replace") as file:
            raise CommandFailedError(f"{' '.join(command)}: {file.read()[-2000:]}")
    return Cost(**found)
