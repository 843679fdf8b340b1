# SPDX-License-Identifier: Apache-2.0
"""The process of a model server: `python -m penstock.components.serve.server_main`.

Reads its settings as one line of JSON from standard input, writes what happens as lines of
JSON to standard output, and its log to standard error. Ends with SIGTERM, SIGINT, or when
standard input ends, after the requests under way have their answers.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any

import uvicorn

from ...utils import logs
from ...utils.errors import PenstockError, StorageError
from ..validate.schema_text import parse_schema
from .kserve_model import ModelTable
from .model_server import make_app
from .prediction_log import PredictionLog
from .request_guard import RequestGuard
from .request_head import HeadLimits
from .request_schema import RequestSchema
from .served_version import LoadedVersion, VersionLoader
from .server_settings import ServerSettings
from .version_follower import Table, VersionFollower
from .version_source import open_source

_BACKLOG = 1024


class _Events:
    """Lines of JSON on what was standard output; that itself leads to the log from now on."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._file = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)

    def tell(self, kind: str, facts: Mapping[str, object]) -> None:
        """Writes one event."""
        line = json.dumps({"event": kind, "time": time.time(), **facts}, default=str)
        with self._lock, contextlib.suppress(OSError):
            self._file.write(line + "\n")
            self._file.flush()


class _Server(uvicorn.Server):
    """Uvicorn, which leaves signals to this module."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Captures none."""
        yield

    def install_signal_handlers(self) -> None:
        """Installs none (older releases ask here)."""


def main() -> int:
    """Serves until told to stop; gives the exit status."""
    events = _Events()
    settings = ServerSettings.from_json(sys.stdin.readline())
    logs.configure(settings.verbosity)
    # What clients do wrong is told to them; it must not fill the log.
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    try:
        listening = _listen(settings)
        serving = _Serving(settings, events)
    except PenstockError as error:
        events.tell("refused", {"reason": str(error)})
        return 2
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(settings, listening, serving, events))
    serving.close()
    events.tell("stopped", {})
    # Threads of a model that still compute, or are being loaded, keep nothing alive.
    sys.stderr.flush()
    os._exit(0)


class _Serving:
    """Everything behind the web application."""

    def __init__(self, settings: ServerSettings, events: _Events) -> None:
        self._events = events
        schema = RequestSchema(parse_schema(settings.schema)) if settings.schema else None
        source = open_source(settings)
        self.log = PredictionLog(settings.name, settings.log) if settings.log else None
        self.models = ModelTable(settings.name, lambda: self.table, self.log, settings.threads)
        self._loader = VersionLoader(
            settings.signature,
            settings.max_rows,
            schema,
            settings.trusted_types,
            self.models.recent,
        )
        self.follower = VersionFollower(source, self._load, self._notice, settings.poll_seconds)

    @property
    def table(self) -> Table:
        """What is served now."""
        return self.follower.table

    def close(self) -> None:
        """Stops following, and writes the rest of the log."""
        self.follower.stop()
        if self.log is not None:
            self.log.close()

    def _load(self, name: str, path: str) -> LoadedVersion:
        return self._loader.load(name, path)

    def _notice(self, kind: str, facts: Mapping[str, object]) -> None:
        told = dict(facts)
        if kind == "load_failed":
            self.models.metrics.load_failed(str(facts["version"]))
        elif kind == "serving":
            self.models.metrics.switched()
        elif kind == "ready":
            loaded = self.table.default or next(iter(self.table.versions.values()))
            told["load_seconds"] = loaded.load_seconds
            told["default"] = self.table.default.name if self.table.default else ""
            told["flavor"] = loaded.predictor.flavor
            told["example"] = loaded.example()
        self._events.tell(kind, told)


def _listen(settings: ServerSettings) -> socket.socket:
    """A socket that listens.

    Raises:
        StorageError: The address cannot be had.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    # With the protocol named asyncio sends small answers at once: else each waits 40 ms.
    found = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((settings.host, settings.port))
        found.listen(_BACKLOG)
    except (OSError, OverflowError) as error:
        found.close()
        raise StorageError(
            "the server cannot listen",
            expected="a free port at an address of this machine",
            got=f"{settings.host}:{settings.port}: {error}",
            fix="choose another --port (0 takes one that is free), or stop what uses it",
        ) from None
    return found


async def _serve(
    settings: ServerSettings, listening: socket.socket, serving: _Serving, events: _Events
) -> None:
    app = make_app(serving.models, lambda: serving.table)
    guarded: Any = RequestGuard(app, settings.token, int(settings.max_body_mib * 2**20))
    server = _Server(
        uvicorn.Config(
            guarded,
            http=HeadLimits,
            log_config=None,
            access_log=False,
            lifespan="off",
            timeout_graceful_shutdown=int(settings.drain_seconds) or 1,
            server_header=False,
        )
    )
    loop = asyncio.get_running_loop()

    def stop() -> None:
        server.should_exit = True

    for each in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(each, stop)
    threading.Thread(target=_watch_lifeline, args=(loop, stop), daemon=True).start()
    host, port = listening.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    events.tell("listening", {"url": f"http://{shown}:{port}", "pid": os.getpid()})
    serving.follower.start()
    await server.serve(sockets=[listening])


def _watch_lifeline(loop: asyncio.AbstractEventLoop, stop: Any) -> None:
    """Stops the server when whoever started it is gone."""
    with contextlib.suppress(OSError, ValueError):
        sys.stdin.read()
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(stop)


if __name__ == "__main__":
    sys.exit(main())
