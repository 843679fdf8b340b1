# SPDX-License-Identifier: Apache-2.0
"""What Ctrl-C and SIGTERM do while a run is under way."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator

#: What Ctrl-C and SIGTERM set at the moment, the outermost first.
_to_be_stopped: list[threading.Event] = []


@contextlib.contextmanager
def stopped_by_signals(cancel: threading.Event) -> Iterator[None]:
    """Lets Ctrl-C and SIGTERM stop the run in order: workers end, everything is recorded."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(signum: int, frame: object) -> None:
        # Whoever runs the pipeline again and again is to stop as well.
        for each in _to_be_stopped:
            each.set()

    _to_be_stopped.append(cancel)
    previous = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
        _to_be_stopped.remove(cancel)
