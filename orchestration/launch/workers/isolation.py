# SPDX-License-Identifier: Apache-2.0
"""Keeps one execution in a reused worker from being felt by the next."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress


@contextmanager
def environment(extra: Mapping[str, str]) -> Iterator[None]:
    """Sets environment variables for the block.

    Args:
        extra: The variables to set.
    """
    before = {name: os.environ.get(name) for name in extra}
    os.environ.update(extra)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def temporary_files() -> Iterator[None]:
    """Lets this process make its temporary files in a folder that goes at the end of the block.

    For processes that end without Python's own clearing up, as forked ones do: TensorFlow
    leaves a file for every function that it traces, Beam folders.
    """
    before = tempfile.tempdir
    # Not below the root: sockets lie there too, whose paths must be short.
    folder = tempfile.mkdtemp(prefix="penstock-")
    tempfile.tempdir = folder
    try:
        with environment({"TMPDIR": folder}):
            yield
    finally:
        tempfile.tempdir = before
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def isolated() -> Iterator[None]:
    """Undoes, at its end, what the block changed in the state of this process.

    That is: environment, working folder, `sys.argv`, `sys.path`, standard streams,
    signal handlers, file mode mask, and the root logger's handlers and level.
    """
    environ = dict(os.environ)
    folder = os.getcwd()
    argv, path = list(sys.argv), list(sys.path)
    streams = sys.stdin, sys.stdout, sys.stderr
    handlers = {number: signal.getsignal(number) for number in signal.valid_signals()}
    mask = os.umask(0o022)
    os.umask(mask)
    root = logging.getLogger()
    logs, level = list(root.handlers), root.level
    try:
        yield
    finally:
        root.handlers[:] = logs
        root.setLevel(level)
        os.umask(mask)
        for number, handler in handlers.items():
            if signal.getsignal(number) is not handler and handler is not None:
                signal.signal(number, handler)
        sys.stdin, sys.stdout, sys.stderr = streams
        sys.argv[:], sys.path[:] = argv, path
        with suppress(FileNotFoundError):
            os.chdir(folder)
        if os.environ != environ:
            os.environ.clear()
            os.environ.update(environ)


def has_leftovers() -> bool:
    """Whether threads or child processes are still at work in this process.

    Daemon threads do not count: libraries keep such threads for themselves.
    """
    if any(not thread.daemon for thread in threading.enumerate() if not _is_main(thread)):
        return True
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return False
        if pid == 0:
            return True


def _is_main(thread: threading.Thread) -> bool:
    return thread is threading.main_thread()
