# SPDX-License-Identifier: Apache-2.0
"""Asks a model server over HTTP, on one connection that is kept open."""

from __future__ import annotations

import http.client
import json
import urllib.parse
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from ...utils.errors import ExecutionError


class RequestFailed(ExecutionError):
    """A server did not answer, or refused.

    Args:
        status: HTTP status; 0 where there was no answer at all.
    """

    def __init__(self, what: str, *, status: int = 0, **parts: Any) -> None:
        super().__init__(what, **parts)
        self.status = status


class ServerClient:
    """A client of one server.

    Args:
        url: `http://host:port`.
        token: Bearer token; empty for none.
        timeout_s: How long an answer may take.
    """

    def __init__(self, url: str, token: str = "", timeout_s: float = 60.0) -> None:
        parts = urllib.parse.urlsplit(url)
        self.url = url
        self._connection = http.client.HTTPConnection(
            parts.hostname or "", parts.port, timeout=timeout_s
        )
        self._headers = {"Content-Type": "application/json"}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"

    def __enter__(self) -> ServerClient:
        """Gives the client."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Closes the connection."""
        self.close()

    def close(self) -> None:
        """Closes the connection; the next request would open another."""
        self._connection.close()

    def get(self, path: str) -> Any:
        """What the server answers to a GET.

        Raises:
            RequestFailed: It refuses, or does not answer.
        """
        return json.loads(self._send("GET", path, None))

    def post(self, path: str, body: Mapping[str, Any] | bytes) -> Any:
        """What the server answers to a POST of JSON.

        Raises:
            RequestFailed: It refuses, or does not answer.
        """
        sent = body if isinstance(body, bytes) else json.dumps(body, allow_nan=False).encode()
        return json.loads(self._send("POST", path, sent))

    def _send(self, method: str, path: str, body: bytes | None) -> bytes:
        try:
            self._connection.request(method, path, body, self._headers)
            answer = self._connection.getresponse()
            found = answer.read()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            raise RequestFailed(
                "the server does not answer",
                expected=f"an answer to {method} {path}",
                got=f"{type(error).__name__}: {error}",
                location=self.url,
            ) from error
        if answer.status != 200:
            raise RequestFailed(
                "the server refused a request",
                status=answer.status,
                got=f"{answer.status}: {_reason(found)}",
                location=self.url + path,
            )
        return found


def _reason(body: bytes) -> str:
    try:
        found = json.loads(body)
    except ValueError:
        return body[:300].decode(errors="replace")
    return str(found.get("error", found) if isinstance(found, dict) else found)[:500]
