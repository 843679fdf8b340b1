# SPDX-License-Identifier: Apache-2.0
"""A small process that outlives the orchestrating process by a moment.

It reads, from its standard input, which process groups are at work (`+PID` and `-PID`, a
line each). The input ends when the orchestrating process does, however that happened; the
groups still listed are then killed, with whatever the executors in them have started.

It is run as a file, without the package and without site-packages, so as to start in
milliseconds and to stay small. A watching thread in each worker could not do its work: it
never gets its turn while C code holds the interpreter's lock, and a worker with a thread
of ours would not be safe to fork for the user's own code.
"""

from __future__ import annotations

import os
import signal
import sys


def main() -> None:
    """Waits for the end of standard input, then kills what is still listed."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # A polite request to stop goes to the orchestrating process, which may need time for it.
        signal.signal(number, signal.SIG_IGN)
    listed: set[int] = set()
    for line in sys.stdin:
        (listed.add if line[0] == "+" else listed.discard)(int(line[1:]))
    for pid in listed:
        # The worker itself too: killed early, it may not lead a group of its own yet.
        for kill in (os.killpg, os.kill):
            try:
                kill(pid, signal.SIGKILL)
            except OSError:
                continue  # it is gone already


if __name__ == "__main__":
    main()
