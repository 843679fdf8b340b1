# SPDX-License-Identifier: Apache-2.0
"""Limits of what comes before a request's body: nobody has shown a token yet by then.

Uvicorn (https://www.uvicorn.org) takes headers without end, and waits for them for ever.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

from uvicorn.protocols.http.auto import AutoHTTPProtocol

#: Bytes of a request's first line and headers at most, and seconds that they may take.
HEAD_BYTES = 64 * 1024
HEAD_SECONDS = 60.0

_REASONS = {400: "Bad Request", 408: "Request Timeout", 431: "Request Header Fields Too Large"}


class HeadLimits(AutoHTTPProtocol):  # type: ignore[misc,valid-type]  # httptools' or h11's
    """Uvicorn's side of one connection, which refuses heads that are too large or too slow."""

    _size = 0
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Waits for the first request."""
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Waits no longer."""
        self._head_is_there()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Takes in a piece of a request."""
        before: Any = self.cycle
        in_body = before is not None and before.more_body
        super().data_received(data)
        if self.cycle is not before:
            self._head_is_there()
        elif not in_body and not self.transport.is_closing():
            self._await_head()
            self._size += len(data)
            if self._size > HEAD_BYTES:
                self._refuse(431, f"the headers are larger than {HEAD_BYTES // 1024} KiB")

    def send_400_response(self, msg: str) -> None:
        """Answers what is no HTTP."""
        self._refuse(400, msg)

    def _await_head(self) -> None:
        if self._timer is None:
            reason = f"the headers did not arrive within {HEAD_SECONDS:.0f} s"
            self._timer = self.loop.call_later(HEAD_SECONDS, self._refuse, 408, reason)

    def _head_is_there(self) -> None:
        self._size = 0
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _refuse(self, status: int, reason: str) -> None:
        if self.transport.is_closing():
            return
        body = json.dumps({"error": reason}).encode()
        self.transport.write(
            f"HTTP/1.1 {status} {_REASONS[status]}\r\ncontent-type: application/json\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n".encode()
            + body
        )
        self.transport.close()
