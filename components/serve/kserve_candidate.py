# SPDX-License-Identifier: Apache-2.0
"""A candidate in Penstock's own model server, KServe's, on this machine's loopback."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from typing import IO, Any

from ...utils.peak_memory import peak_memory
from .candidate_server import Loaded, Requests
from .infra_specs import KServeServing
from .server_client import ServerClient
from .server_process import ServerFailed, ServerProcess
from .server_settings import ServerSettings

_TAIL = 2_000


class KServeCandidate:
    """Serves one model folder.

    Args:
        folder: The model's folder.
        model_name: Its name in the server.
        serving: Settings of the server.
        schema: Schema file to check requests against; empty for none.
        signature: Signature of a SavedModel; empty for its default.
        trusted_types: Types that the model may be made of.
        log_path: Where the server's log goes.
    """

    name = "KServe's Python server"

    def __init__(
        self,
        folder: str,
        model_name: str,
        serving: KServeServing,
        *,
        schema: str,
        signature: str,
        trusted_types: Sequence[str],
        log_path: str,
    ) -> None:
        self._settings = ServerSettings(
            name=model_name,
            location=folder,
            token=os.urandom(16).hex(),
            threads=serving.threads,
            schema=schema,
            signature=signature,
            trusted_types=tuple(trusted_types),
            poll_seconds=3600.0,
            drain_seconds=2.0,
            verbosity=1,
        )
        self._env: Mapping[str, str] = serving.env
        self._log_path = log_path
        self._log: IO[bytes] | None = None
        self._server: ServerProcess | None = None
        self._client: ServerClient | None = None
        self._began = 0.0

    def start(self) -> None:
        """See `CandidateServer`."""
        self._log = open(self._log_path, "wb")  # noqa: SIM115  # closed by `stop`
        self._began = time.monotonic()
        self._server = ServerProcess(self._settings, stderr=self._log, env=self._env)

    def wait_ready(self, timeout_s: float) -> Loaded:
        """See `CandidateServer`."""
        assert self._server is not None
        try:
            ready = self._server.wait_ready(timeout_s)
        except ServerFailed as error:
            tail = self._tail()
            if not self._server.running and tail:
                error.got = f"{error.got}; the end of its log:\n{tail}"
            raise
        seconds = time.monotonic() - self._began
        self._client = ServerClient(self._server.url, self._settings.token)
        return Loaded(seconds, float(ready["load_seconds"]))

    def encode(self, requests: Requests) -> bytes:
        """See `CandidateServer`."""
        return json.dumps({"instances": list(requests.records)}, allow_nan=False).encode()

    def ask(self, body: bytes) -> list[Any]:
        """See `CandidateServer`."""
        assert self._client is not None
        path = f"/v1/models/{self._settings.name}:predict"
        found: list[Any] = self._client.post(path, body)["predictions"]
        return found

    def memory_bytes(self) -> int | None:
        """See `CandidateServer`."""
        assert self._server is not None
        return peak_memory(self._server.pid) or None

    def stop(self) -> None:
        """See `CandidateServer`."""
        if self._client is not None:
            self._client.close()
        if self._server is not None:
            self._server.stop()
        if self._log is not None:
            self._log.close()

    def _tail(self) -> str:
        try:
            with open(self._log_path, "rb") as file:
                return file.read()[-_TAIL:].decode(errors="replace").strip()
        except OSError:
            return ""
