# SPDX-License-Identifier: Apache-2.0
"""How much memory a process has held at most."""

from __future__ import annotations

import sys


def peak_memory(pid: int | None = None) -> int:
    """The most memory that a process has held at a time, in bytes; 0 if unknown.

    Args:
        pid: The process; None for this one. Of other processes it is known on Linux only.
    """
    try:
        with open(f"/proc/{pid or 'self'}/status", "rb") as file:
            for line in file:
                if line.startswith(b"VmHWM:"):
                    return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        # Not Linux, or the process is gone.
        pass
    return 0 if pid else _own_peak()


def _own_peak() -> int:
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def reset_peak_memory() -> None:
    """Lets `peak_memory` of this process count from now, where the system can (Linux)."""
    try:
        with open("/proc/self/clear_refs", "wb", buffering=0) as file:
            file.write(b"5")
    except OSError:
        # The peak of the process's whole life remains: still an upper bound.
        return
