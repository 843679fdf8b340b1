# SPDX-License-Identifier: Apache-2.0
"""Sends what a process prints to a log file, at the level of file descriptors.

What C++ libraries print does not pass through `sys.stderr`, so the descriptors
themselves are replaced.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from typing import Any, TextIO

_OUT = 1
_ERR = 2


def make_line_buffered(stream: TextIO | Any) -> None:
    """Makes every line printed reach its descriptor at once, whatever its characters."""
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)


def send_output_to(path: str) -> None:
    """Appends what this process and its children print from now on to the file at `path`.

    Raises:
        OSError: The file or its folder cannot be made.
    """
    flush_output()
    os.makedirs(os.path.dirname(path) or os.curdir, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        os.dup2(descriptor, _OUT)
        os.dup2(descriptor, _ERR)
    finally:
        os.close(descriptor)


def flush_output() -> None:
    """Hands over what was printed but is still held in memory, by Python or by C."""
    import ctypes

    for stream in (sys.stdout, sys.stderr):
        # The disk that the log lies on may be full: then the rest of the log is lost, not the run.
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()
    ctypes.CDLL(None).fflush(None)


def last_lines(path: str | None, count: int = 25, limit: int = 16_384) -> list[str]:
    """The last lines of the file at `path`, without empty ones; none if it cannot be read.

    Args:
        path: The file.
        count: How many lines at most.
        limit: How many bytes at most to read.
    """
    if not path:
        return []
    try:
        with open(path, "rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - limit))
            text = file.read().decode("utf-8", errors="replace")
    except OSError:
        return []
    return [line for line in text.splitlines() if line.strip()][-count:]
