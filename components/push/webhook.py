# SPDX-License-Identifier: Apache-2.0
"""Tells a web server of a push or promotion: a POST of JSON, signed, repeated until it is taken.

The signature is that of https://docs.github.com/webhooks and the like, with the time in it so
that an old message cannot be sent again: `X-Penstock-Signature` is `sha256=` and the
hexadecimal HMAC-SHA256, under the secret, of `X-Penstock-Timestamp`, a full stop, and the body.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import os
import random
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

from ...utils.errors import ExecutionError, ParameterError
from ...utils.logs import get_logger
from .push_destination import Webhook

_log = get_logger(__name__)

SIGNATURE_HEADER = "X-Penstock-Signature"
TIMESTAMP_HEADER = "X-Penstock-Timestamp"
#: Equal for every repetition of one message, so that the server can tell.
KEY_HEADER = "Idempotency-Key"

#: Answers that mean "not now".
_LATER = frozenset({408, 425, 429})

_LONGEST_DELAY_S = 60.0
_SHOWN = 300


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """What `X-Penstock-Signature` holds for a body."""
    message = timestamp.encode() + b"." + body
    return "sha256=" + hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()


def secret_of(settings: Webhook) -> str | None:
    """The secret to sign with; None where nothing is to be signed.

    Raises:
        ParameterError: The environment does not hold it.
    """
    if settings.secret_env is None:
        return None
    secret = os.environ.get(settings.secret_env, "")
    if not secret:
        raise ParameterError(
            f"the webhook's secret is not in the environment: {settings.secret_env}",
            expected=f"the environment variable {settings.secret_env}",
            got="an empty text" if settings.secret_env in os.environ else "no such variable",
            fix=f"export {settings.secret_env}=… where the pipeline's nodes run",
        )
    return secret


def post(settings: Webhook, message: Mapping[str, Any], key: str) -> int:
    """Sends a message until the server takes it; answers how many attempts that took.

    Args:
        settings: Where to, and how.
        message: JSON-compatible data.
        key: Tells the server which messages are one and the same.

    Raises:
        ParameterError: The secret is not in the environment.
        ExecutionError: The server refused it, or did not take it in time.
    """
    secret = secret_of(settings)
    body = json.dumps(message, sort_keys=True).encode()
    delay = settings.retry_delay_s
    attempts = settings.retries + 1
    said = ""
    for attempt in range(1, attempts + 1):
        said, again = _once(settings, body, key, secret)
        if not said:
            return attempt
        if not again or attempt == attempts:
            break
        _log.warning("webhook: %s; again in %.1f s", said, delay)
        # Jitter: pushes that failed together do not come back together.
        time.sleep(delay * random.uniform(0.8, 1.2))
        delay = min(2 * delay, _LONGEST_DELAY_S)
    raise ExecutionError(
        "the webhook was not told",
        expected="an answer of 2xx",
        got=f"{said} (attempt {attempt} of {attempts})",
        location=settings.url,
        fix="see that the server runs, and what it says; the model itself is in its place, and "
        "doing it again only tells it again",
    )


def _once(settings: Webhook, body: bytes, key: str, secret: str | None) -> tuple[str, bool]:
    """What went wrong, or nothing; and whether to try again."""
    timestamp = str(int(time.time()))
    headers = {
        **settings.headers,
        "Content-Type": "application/json",
        "User-Agent": "penstock",
        KEY_HEADER: key,
        TIMESTAMP_HEADER: timestamp,
    }
    if secret is not None:
        headers[SIGNATURE_HEADER] = signature(secret, timestamp, body)
    request = urllib.request.Request(settings.url, data=body, headers=headers, method="POST")
    try:
        with _opener().open(request, timeout=settings.timeout_s) as answer:
            answer.read(_SHOWN)
            return "", False
    except urllib.error.HTTPError as error:
        with error:
            told = error.read(_SHOWN).decode("utf-8", "replace").strip()
        text = f"{error.code} {error.reason}" + (f": {told}" if told else "")
        return text, error.code >= 500 or error.code in _LATER
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        return f"{type(error).__name__}: {reason}", True


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirect would turn the POST into a GET, and hand the signature to another server."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        """Follows none; the answer is then an error."""
        del args, kwargs


def _opener() -> urllib.request.OpenerDirector:
    return urllib.request.build_opener(_NoRedirects)
