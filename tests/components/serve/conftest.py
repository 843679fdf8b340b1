# SPDX-License-Identifier: Apache-2.0
"""Starts real model servers on free ports of loopback."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.model_servers import READY_S, Served

from penstock.components.serve.server_process import ServerProcess
from penstock.components.serve.server_settings import ServerSettings


@pytest.fixture(scope="module")
def serve() -> Iterator[Callable[..., Served]]:
    """Starts servers that are ready; they are stopped with the module's last test."""
    started: list[ServerProcess] = []

    def start(location: Path | str, **settings: Any) -> Served:
        events: list[dict[str, Any]] = []
        settings = {"name": "m", "poll_seconds": 0.1, **settings}
        process = ServerProcess(
            ServerSettings(location=str(location), **settings), on_event=events.append
        )
        started.append(process)
        process.wait_ready(READY_S)
        return Served(process, events, settings.get("token", ""))

    yield start
    for process in started:
        process.stop()
