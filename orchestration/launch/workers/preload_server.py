# SPDX-License-Identifier: Apache-2.0
"""The fork server: one process that has heavy libraries imported, and forks workers.

It is the standard library's (`multiprocessing`'s `forkserver`), of which there is one in a
process. So it outlives worker pools: a second run in the same process finds it ready.
"""

from __future__ import annotations

import json
import multiprocessing
import multiprocessing.forkserver
import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ....utils.logs import get_logger
from . import preload_setup
from .lifeline import kill_group
from .process_start import undisturbed_start, worker_variables
from .redirect import last_lines

_log = get_logger(__name__)

#: How long the server may take, in seconds, from its start to the first sign of life.
_FIRST_SIGN = 15.0


@dataclass(frozen=True)
class PreloadReport:
    """How the server's start went.

    Attributes:
        modules: What it was to import.
        seconds: How long that took.
        failed: What could not be imported, each with the error.
        serving: Whether there is a server at all. Where not, heavy workers are started
            like light ones, and import for themselves what they need.
    """

    modules: tuple[str, ...]
    seconds: float
    failed: dict[str, str] = field(default_factory=dict)
    serving: bool = True


class PreloadServer:
    """The one fork server of this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users: set[int] = set()
        self._folder: str | None = None
        self._started = 0.0
        self._modules: tuple[str, ...] = ()
        self._report: PreloadReport | None = None
        self._keras = ""

    def start(self, modules: Sequence[str], user: object) -> None:
        """Starts the server in the background; does nothing where it is already running.

        Args:
            modules: What it imports before it serves. A server that runs does not import
                more: workers then import for themselves what it lacks.
            user: Whoever will say `abandon` when it needs the server no more.
        """
        with self._lock:
            self._users.add(id(user))
            if self._report is not None and not self._report.serving:
                return
            if self._keras != _chosen_keras() and self._users == {id(user)}:
                # What it imported has settled which Keras its workers get.
                self._end()
            if not self._running():
                # One that was ready and then died had proved its modules good.
                known = self._modules if self._report is not None else ()
                self._start(tuple(dict.fromkeys([*known, *modules])))

    def wait(self, check: Callable[[], None]) -> PreloadReport:
        """Waits until the started server can fork workers, or proves not to start.

        Args:
            check: Called again and again meanwhile; may raise to stop the waiting.
        """
        while True:
            check()
            with self._lock:
                report = self._look()
            if report is not None:
                return report
            time.sleep(0.01)

    def abandon(self, user: object) -> None:
        """Ends a server that is not ready yet, if nobody else wants it. One that is stays."""
        with self._lock:
            self._users.discard(id(user))
            if self._users or self._folder is None or self._look_for_report() is not None:
                return
            self._end()
            self._forget()

    def _end(self) -> None:
        while self._folder is not None and self._running():
            raw = _read(self._path(preload_setup.PID_FILE))
            if raw is not None:
                kill_group(int(raw))
            time.sleep(0.005)

    def _start(self, modules: tuple[str, ...]) -> None:
        if self._started == 0.0 and _started_by_others():
            self._do_without("this process already uses a fork server for something else")
            return
        self._forget()
        folder = tempfile.mkdtemp(prefix="penstock-preload-")
        sys_path = [os.path.abspath(entry) for entry in sys.path]
        told = {
            "folder": folder,
            "modules": modules,
            "parent": os.getpid(),
            "sys_path": sys_path,
        }
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([preload_setup.__name__])
        extra = {
            preload_setup.PRELOAD_VARIABLE: json.dumps(told),
            # The server looks for its first module before it is told this process's path.
            "PYTHONPATH": os.pathsep.join(sys_path),
        }
        with undisturbed_start(extra):
            multiprocessing.forkserver.ensure_running()
        self._folder, self._modules, self._started = folder, modules, time.monotonic()
        self._keras = _chosen_keras()

    def _look(self) -> PreloadReport | None:
        report = self._look_for_report()
        if report is not None and (self._running() or not report.serving):
            return report
        if not self._running():
            if report is not None:
                self._start(self._modules)
            elif self._modules:
                # A library that takes the whole process down must not take all nodes with it.
                said = " / ".join(last_lines(self._path(preload_setup.LOG_FILE), 3))
                _log.warning("preloading %s failed: %s", ", ".join(self._modules), said)
                self._start(())
            else:
                self._do_without("it does not start")
        return None

    def _do_without(self, reason: str) -> None:
        self._forget()
        _log.warning("no fork server, so heavy nodes start slowly: %s", reason)
        self._report = PreloadReport((), 0.0, serving=False)

    def _look_for_report(self) -> PreloadReport | None:
        if self._report is None and self._folder is not None:
            raw = _read(self._path(preload_setup.REPORT_FILE))
            if raw is not None:
                self._report = PreloadReport(self._modules, **json.loads(raw))
        return self._report

    def _running(self) -> bool:
        if self._folder is None:
            return False
        raw = _read(self._path(preload_setup.PID_FILE))
        if raw is None:
            return time.monotonic() - self._started < _FIRST_SIGN
        return _alive(int(raw))

    def _path(self, name: str) -> str:
        return os.path.join(self._folder or "", name)

    def _forget(self) -> None:
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
        self._folder = self._report = None
        self._modules = ()


def _alive(pid: int) -> bool:
    if not hasattr(os, "waitid"):
        return True
    try:
        # Leaves the end of the process to be noticed by the standard library as well.
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
    except ChildProcessError:
        return False


def _chosen_keras() -> str:
    """Which Keras TensorFlow's users get, as the environment of workers says."""
    return os.environ.get("TF_USE_LEGACY_KERAS", worker_variables()["TF_USE_LEGACY_KERAS"])


def _started_by_others() -> bool:
    # The standard library does not tell; where its inside changes, one waits `_FIRST_SIGN`.
    server = getattr(multiprocessing.forkserver, "_forkserver", None)
    return getattr(server, "_forkserver_pid", None) is not None


def _read(path: str) -> str | None:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return None


#: The server that all pools of this process share.
SERVER = PreloadServer()
