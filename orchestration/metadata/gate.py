# SPDX-License-Identifier: Apache-2.0
"""One writer at a time for a SQLite store, whoever it is on this machine.

SQLite locks its file itself, but ML Metadata answers a lock with sleeps of 100 to 300 ms
and, when two transactions that began by reading both want to write, with an error. A
shared or exclusive `flock` on a file beside the database lets processes queue instead.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import random
import time
from collections.abc import Iterator
from typing import Protocol

from ...utils.errors import MetadataError


class Gate(Protocol):
    """Admits many readers or one writer."""

    def admit(self, *, writing: bool) -> contextlib.AbstractContextManager[None]:
        """Holds the gate for as long as the context lasts."""

    def close(self) -> None:
        """Gives up what the gate holds."""


class OpenGate:
    """Admits everyone: for stores that arbitrate themselves."""

    @contextlib.contextmanager
    def admit(self, *, writing: bool) -> Iterator[None]:
        """See `Gate.admit`."""
        del writing
        yield

    def close(self) -> None:
        """See `Gate.close`."""


class FileGate:
    """A gate between processes, made of a lock on a file.

    The lock ends with the process that holds it, however that ends. The file stays; it is
    empty and may be deleted while no process uses the store.

    Args:
        path: The file to lock; created where it is missing.
        timeout_s: Seconds to wait before giving up.

    Raises:
        OSError: The file cannot be created or opened.
    """

    def __init__(self, path: str, *, timeout_s: float = 120.0) -> None:
        self._path = path
        self._timeout_s = timeout_s
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)

    @contextlib.contextmanager
    def admit(self, *, writing: bool) -> Iterator[None]:
        """See `Gate.admit`.

        Raises:
            MetadataError: Another process held the store for longer than the timeout.
        """
        self._lock(fcntl.LOCK_EX if writing else fcntl.LOCK_SH)
        try:
            yield
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)

    def _lock(self, kind: int) -> None:
        # A plain blocking lock could not be given up; short random naps lose little, as a
        # transaction takes one or two milliseconds.
        end = time.monotonic() + self._timeout_s
        nap = 0.0005
        while True:
            try:
                fcntl.flock(self._file, kind | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                if time.monotonic() > end:
                    raise MetadataError(
                        f"another process has held the metadata store for {self._timeout_s:g} s",
                        location=self._path,
                        fix=f"see which one it is (fuser {self._path}) and end it",
                    ) from None
            time.sleep(random.uniform(0.0, nap))
            nap = min(2 * nap, 0.01)

    def close(self) -> None:
        """See `Gate.close`."""
        os.close(self._file)
