# SPDX-License-Identifier: Apache-2.0
"""Folders for checkpoints, which outlive the attempt that wrote them.

An execution's outputs are its own, and are deleted with it when it fails. Its checkpoints
lie elsewhere, by cache key: whoever does the same work again, be it a retry, a resumed run
or a new one, finds them, and work that differs in anything never does.

    <root>/.checkpoints/<node>/<key>         what the executor keeps
    <root>/.checkpoints/<node>/<key>.lock    held by the process whose attempt it is
"""

from __future__ import annotations

import fcntl
import glob
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress

from .run import Run

#: Checkpoints that nobody came back for may be deleted after so many seconds.
_FORGOTTEN = 7 * 24 * 3600.0
_FOLDER = "checkpoints"
_LOCK = ".lock"
_KEY_LENGTH = 32


class CheckpointFolder:
    """The checkpoints of one attempt; a context manager that lets go of them at its end.

    Where another process is at the same work, or files cannot be locked, the folder is the
    attempt's own, and gone with it.

    Args:
        run: The run.
        node_id: The node.
        key: The cache key.
        execution_id: Id of the execution.
        shared: Whether later runs may go on from them; else only this run may.
    """

    def __init__(
        self, run: Run, node_id: str, key: str, execution_id: int, *, shared: bool = True
    ) -> None:
        parent = os.path.join(run.local_folder(_FOLDER), node_id)
        name = key[:_KEY_LENGTH] if shared else f"{key[:_KEY_LENGTH]}-{run.id}"
        os.makedirs(parent, exist_ok=True)
        self._lock = _lock(os.path.join(parent, name + _LOCK))
        if self._lock is None:
            name = f"{name}-{execution_id}"
        self.path = os.path.join(parent, name)
        os.makedirs(self.path, exist_ok=True)

    def clear(self) -> None:
        """Deletes them: what they were for is published."""
        shutil.rmtree(self.path, ignore_errors=True)
        if self._lock is not None:
            with suppress(OSError):
                os.unlink(self.path + _LOCK)

    def __enter__(self) -> CheckpointFolder:
        return self

    def __exit__(self, *_: object) -> None:
        if self._lock is None:
            shutil.rmtree(self.path, ignore_errors=True)
            return
        with suppress(OSError):
            if not os.listdir(self.path):
                self.clear()
        os.close(self._lock)


def forgotten_checkpoints(run: Run) -> Iterator[str]:
    """Checkpoints below a run's root that nobody uses, or has used for a week."""
    for found in sorted(glob.glob(os.path.join(glob.escape(run.local_folder(_FOLDER)), "*", "*"))):
        path = found.removesuffix(_LOCK)
        if path != found and os.path.isdir(path):
            continue
        lock = _lock(path + _LOCK)
        if lock is None:
            continue
        if path != found:
            os.unlink(found)  # of a folder that was deleted
        elif time.time() - _last_written(path) > _FORGOTTEN:
            yield path
        os.close(lock)


def _last_written(folder: str) -> float:
    times = [os.stat(folder).st_mtime]
    for parent, _, files in os.walk(folder):
        for name in files:
            with suppress(FileNotFoundError):
                times.append(os.stat(os.path.join(parent, name)).st_mtime)
    return max(times)


def _lock(path: str) -> int | None:
    """An open, locked file; the system unlocks it when this process ends, however it does."""
    while True:
        try:
            held = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError:
            return None
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.stat(path).st_ino == os.fstat(held).st_ino:
                return held
        except FileNotFoundError:
            pass  # its holder deleted it between the two calls
        except OSError:
            os.close(held)
            return None
        os.close(held)
