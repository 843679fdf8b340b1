# SPDX-License-Identifier: Apache-2.0
"""What stands before every request: a token, a limit of size, a limit of time."""

from __future__ import annotations

import asyncio
import hmac
import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

#: Paths that need no token: they tell nothing but whether the server lives and is ready.
_OPEN = ("/", "/v2/health/live", "/v2/health/ready")
_BODY_SECONDS = 60.0


class RequestGuard:
    """An ASGI application around another.

    Args:
        app: The application.
        token: What `Authorization: Bearer …` must say; empty where nothing is asked.
        max_bytes: Largest body.
    """

    def __init__(self, app: App, token: str, max_bytes: int) -> None:
        self._app = app
        self._token = token.encode()
        self._max_bytes = max_bytes

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answers a request, or refuses it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        if scope["path"] not in _OPEN and not self._allowed(headers.get(b"authorization", b"")):
            await _refuse(
                send,
                401,
                "this server asks for a token: send the header 'Authorization: Bearer <token>'",
                [(b"www-authenticate", b"Bearer")],
            )
            return
        coding = headers.get(b"content-encoding", b"identity").decode("latin-1")
        if coding.lower() != "identity":
            reason = f"bodies with the Content-Encoding {coding!r} are not taken: send plain JSON"
            await _refuse(send, 415, reason, [(b"connection", b"close")])
            return
        length = headers.get(b"content-length", b"0")
        if not length.isdigit() or int(length) > self._max_bytes:
            await self._too_large(send)
            return
        try:
            body = await asyncio.wait_for(self._body(receive), _BODY_SECONDS)
        except asyncio.TimeoutError:
            await _refuse(send, 408, f"the body did not arrive within {_BODY_SECONDS:.0f} s")
            return
        except ConnectionError:
            return  # Nobody waits for an answer.
        if body is None:
            await self._too_large(send)
            return
        await self._app(scope, _replay(body, receive), send)

    def _allowed(self, given: bytes) -> bool:
        if not self._token:
            return True
        kind, _, token = given.partition(b" ")
        return kind.lower() == b"bearer" and hmac.compare_digest(token.strip(), self._token)

    async def _body(self, receive: Receive) -> bytes | None:
        """The whole body; None where it is too large.

        Raises:
            ConnectionResetError: The client is gone.
        """
        parts, size = [], 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ConnectionResetError("the client went away before its request was sent")
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > self._max_bytes:
                return None
            if not message.get("more_body"):
                break
        return b"".join(parts)

    async def _too_large(self, send: Send) -> None:
        limit = f"{self._max_bytes / 2**20:g} MiB"
        await _refuse(
            send,
            413,
            f"the body is too large: at most {limit} are taken; send fewer records at a time",
            [(b"connection", b"close")],
        )


def _replay(body: bytes, receive: Receive) -> Receive:
    sent = False

    async def again() -> Message:
        nonlocal sent
        if sent:
            return await receive()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


async def _refuse(
    send: Send, status: int, reason: str, headers: list[tuple[bytes, bytes]] | None = None
) -> None:
    body = json.dumps({"error": reason}).encode()
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [
                (b"content-type", b"application/json"),
                (b"content-length", str(len(body)).encode()),
                *(headers or []),
            ],
        }
    )
    await send({"type": "http.response.body", "body": body})
