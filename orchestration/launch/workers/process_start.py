# SPDX-License-Identifier: Apache-2.0
"""Starts processes without running the user's script again, and without being disturbed.

The standard library's `spawn` and `forkserver` run the parent's main script again in every
child. A pipeline script without `if __name__ == "__main__"` would start its pipeline again
in each worker, and workers have no use for it: user code reaches them as code bundles.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from multiprocessing import resource_tracker
from typing import Any

from .isolation import environment

_lock = threading.Lock()

#: Environment that must be there when a worker's interpreter starts.
_ALWAYS = {
    # The order of sets of texts must not differ between runs, or equal inputs give other bytes.
    "PYTHONHASHSEED": "0",
}
#: Environment of workers where the user has set nothing else.
_UNLESS_SET = {
    # Only errors: the rest is notes on how TensorFlow was built.
    "TF_CPP_MIN_LOG_LEVEL": "2",
    # TensorFlow Transform chooses Keras 2 when it is imported, unless someone has chosen.
    "TF_USE_LEGACY_KERAS": "0",
}


def worker_variables() -> dict[str, str]:
    """The environment that a worker's interpreter has to start with, where nothing else is set."""
    return {**_UNLESS_SET, **_ALWAYS}


@contextmanager
def undisturbed_start(extra: Mapping[str, str] | None = None) -> Iterator[dict[str, str]]:
    """Within the block, a process started by `multiprocessing` knows nothing of `__main__`.

    It inherits SIGINT blocked, so that Ctrl-C while it starts does not end it in a
    traceback, and an environment for reproducible work. All of that is as before at the end
    of the block. Only one thread at a time is in such a block; it should last milliseconds.

    Args:
        extra: More variables for its environment.

    Yields:
        The environment that the process inherits.
    """
    main = sys.modules["__main__"]
    with _lock:
        # The standard library's helper process, when it starts, unblocks SIGINT in this thread.
        resource_tracker.ensure_running()
        hidden: dict[str, Any] = {
            name: main.__dict__[name] for name in ("__spec__", "__file__") if name in main.__dict__
        }
        wanted = {**_ALWAYS, **(extra or {})}
        wanted.update({name: _UNLESS_SET[name] for name in _UNLESS_SET if name not in os.environ})
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            main.__spec__ = None
            main.__dict__.pop("__file__", None)
            with environment(wanted):
                yield dict(os.environ)
        finally:
            main.__dict__.update(hidden)
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


def ignore_interrupts() -> None:
    """Ignores Ctrl-C from now on: it is for the orchestrating process to act on."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
