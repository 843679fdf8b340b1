# SPDX-License-Identifier: Apache-2.0
"""A model server in a process of its own: started, waited for, watched and stopped.

Settings go in through the process's standard input, so that a token stands in no list of
processes. Standard input stays open as a lifeline: when it ends, because whoever started
the server is gone, the server stops. What happens comes back as lines of JSON.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import IO, Any

from ...utils.errors import ExecutionError
from .server_settings import ServerSettings

_MODULE = f"{__package__}.server_main"
_STOP_SECONDS = 5.0

#: Called with each event: a dict with `event` and `time` (seconds since 1970).
OnEvent = Callable[[dict[str, Any]], None]


class ServerFailed(ExecutionError):
    """A model server did not start, or did not load the model it was given.

    Args:
        loaded: False where the model is to blame, None where it never came to that.
    """

    def __init__(self, what: str, *, loaded: bool | None = None, **parts: Any) -> None:
        super().__init__(what, **parts)
        self.loaded = loaded


class NotReady(ServerFailed):
    """A model server was not ready in time; it may be later."""


class ServerProcess:
    """One running model server.

    Args:
        settings: What to serve, and where.
        on_event: Told what happens, in a thread of its own.
        stderr: File for the server's log; this process's standard error where not given.
        env: Environment variables that the server has besides those of this process.
    """

    def __init__(
        self,
        settings: ServerSettings,
        *,
        on_event: OnEvent | None = None,
        stderr: IO[bytes] | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.settings = settings
        self.url = ""
        self.started_at = time.time()
        self._on_event = on_event
        self._events: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._process = subprocess.Popen(
            [sys.executable, "-m", _MODULE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            # Only TensorFlow's errors: the rest is notes on how it was built.
            env={"TF_CPP_MIN_LOG_LEVEL": "2", **os.environ, **(env or {})},
            # Ctrl-C in a terminal reaches the whole group: this process decides what it means.
            start_new_session=True,
        )
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(settings.to_json().encode() + b"\n")
            self._process.stdin.flush()
        self._reader = threading.Thread(target=self._read, daemon=True, name="server-events")
        self._reader.start()

    def __enter__(self) -> ServerProcess:
        """Gives the server."""
        return self

    def __exit__(self, *failure: object) -> None:
        """Stops it."""
        self.stop()

    @property
    def pid(self) -> int:
        """Id of the process."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the process is alive."""
        return self._process.poll() is None

    def wait_ready(self, timeout_s: float) -> dict[str, Any]:
        """Waits until the server can answer.

        Returns:
            The event `ready`, with `versions`, `load_seconds` and `features`.

        Raises:
            NotReady: Time ran out; it can be waited for again.
            ServerFailed: The model cannot be loaded, or the process ended.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                event = self._events.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                raise NotReady(
                    "the model server is not ready in time",
                    loaded=False if self.url else None,
                    expected=f"ready within {timeout_s:g} s",
                    got="the model is still being loaded" if self.url else "nothing",
                    location=self.settings.location,
                ) from None
            if event is None:
                raise ServerFailed(
                    "the model server ended before it was ready",
                    loaded=False if self.url else None,
                    expected="a server that answers",
                    got=_ending(self._process.wait()),
                    location=self.settings.location,
                )
            if event["event"] == "ready":
                return event
            if event["event"] == "unavailable":
                raise ServerFailed(
                    "the model server cannot load the model",
                    loaded=False,
                    expected="a model that loads",
                    got=_inside(event["reason"]),
                    location=event.get("path") or self.settings.location,
                )
            if event["event"] == "refused":
                raise ServerFailed("the model server cannot start", got=_inside(event["reason"]))

    def wait(self) -> int:
        """Waits until the process ends; gives its exit status."""
        return self._process.wait()

    def stop(self) -> int:
        """Lets requests end, then ends the process; gives its exit status."""
        if self.running:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(self.settings.drain_seconds + _STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
        status = self._process.wait()
        assert self._process.stdin is not None and self._process.stdout is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        self._reader.join(_STOP_SECONDS)
        self._process.stdout.close()
        return status

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            try:
                event = json.loads(line)
            except ValueError:
                event = None
            if not isinstance(event, dict) or "event" not in event:
                continue  # A library that was imported greets.
            if event["event"] == "listening":
                self.url = event["url"]
            if self._on_event is not None:
                self._on_event(event)
            self._events.put(event)
        self._events.put(None)


def _inside(reason: str) -> str:
    """An error's text within another's: lines of its own stand further in."""
    return reason.replace("\n", "\n    ")


def _ending(status: int) -> str:
    if status < 0:
        return f"the process was ended by {signal.Signals(-status).name}"
    return f"exit status {status}"
