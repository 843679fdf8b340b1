# SPDX-License-Identifier: Apache-2.0
"""The webhook against a real web server on loopback."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from penstock.components.base.artifact_types import Model, PushedModel
from penstock.components.base.channel import Channel
from penstock.components.base.executor import Task
from penstock.components.push.push_destination import Webhook
from penstock.components.push.pusher import Pusher
from penstock.components.push.pusher_executor import PusherExecutor
from penstock.components.push.webhook import post, signature
from penstock.utils.errors import ExecutionError, ParameterError


class Server(http.server.ThreadingHTTPServer):
    """Answers with the codes that a test wants, then with 200; keeps what it was sent."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: list[int] = []
        self.received: list[tuple[dict[str, str], bytes]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hook"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.received.append((dict(self.headers.items()), body))
        code = self.server.answers.pop(0) if self.server.answers else 200
        if code == 0:  # Hang up in the middle.
            self.close_connection = True
            return
        self.send_response(code)
        if code == 302:
            self.send_header("Location", self.server.url)
        self.send_header("Content-Length", "4")
        self.end_headers()
        self.wfile.write(b"said")

    def do_GET(self) -> None:
        raise AssertionError("a push was turned into a GET")

    def log_message(self, *arguments: Any) -> None:
        del arguments


@pytest.fixture
def server() -> Iterator[Server]:
    """A server that runs."""
    with Server() as found:
        thread = threading.Thread(target=found.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield found
        found.shutdown()
        thread.join(10)


def hook(server: Server, **settings: Any) -> Webhook:
    """Settings that point to the server."""
    return Webhook(url=server.url, retry_delay_s=0.01, **settings)


def test_message_is_signed_over_time_and_body(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Anybody could tell the server of models that nobody pushed."""
    monkeypatch.setenv("HOOK_SECRET", "s3cret")
    assert post(hook(server, secret_env="HOOK_SECRET"), {"name": "m"}, "key-1") == 1
    ((headers, body),) = server.received
    assert json.loads(body) == {"name": "m"}
    assert headers["Content-Type"] == "application/json"
    assert headers["Idempotency-Key"] == "key-1"
    timestamp = headers["X-Penstock-Timestamp"]
    assert headers["X-Penstock-Signature"] == signature("s3cret", timestamp, body)
    assert signature("other", timestamp, body) != signature("s3cret", timestamp, body)
    # By another program, so that both sides cannot err together:
    # printf '1.{}' | openssl dgst -sha256 -hmac k
    assert signature("k", "1", b"{}") == (
        "sha256=3dd49b2593d0f9a349e9e71c4bde3e2b862c2be4003fe9b4ba81332029310158"
    )


def test_answers_that_mean_later_are_repeated(server: Server) -> None:
    """A server that restarts would never hear of the push."""
    server.answers = [503, 429, 0, 500]
    assert post(hook(server), {}, "k") == 5
    assert {headers["Idempotency-Key"] for headers, _ in server.received} == {"k"}


@pytest.mark.parametrize(("code", "reached"), [(400, 1), (401, 1), (302, 1), (503, 3)])
def test_refusal_is_an_error_with_what_the_server_said(
    server: Server, code: int, reached: int
) -> None:
    """A push of which nobody was told would look done; or a wrong URL be tried for ever."""
    server.answers = [code] * 10
    with pytest.raises(ExecutionError, match="was not told") as caught:
        post(hook(server, retries=2), {}, "k")
    assert str(code) in str(caught.value) and "said" in str(caught.value)
    assert len(server.received) == reached


def test_server_that_is_gone_is_named() -> None:
    """A newcomer would get urllib's traceback."""
    settings = Webhook(url="http://127.0.0.1:9/", retries=1, retry_delay_s=0.01)
    with pytest.raises(ExecutionError, match="attempt 2 of 2"):
        post(settings, {}, "k")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"url": "ftp://x"}, "http"),
        ({"url": "http://user:word@x/"}, "password"),
        ({"url": "http://x", "secret_env": "not a name"}, "environment variable"),
        ({"url": "http://x", "retries": -1}, "retries"),
    ],
)
def test_wrong_settings_are_refused_when_declared(settings: dict[str, Any], words: str) -> None:
    """The mistake would show only after the training; or a password be recorded."""
    with pytest.raises(ParameterError, match=words):
        Pusher(model=Channel(Model, None, "model"), push_destination={"webhook": settings})


def make_task(tmp_path: Path, destination: dict[str, Any], **parameters: Any) -> Task:
    """A push of a small model."""
    model = Model(str(tmp_path / "model"), id=7)
    model.content_digest = "abc"
    (tmp_path / "model" / "Format-Serving").mkdir(parents=True)
    (tmp_path / "model" / "Format-Serving" / "saved_model.pb").write_text("m")
    (tmp_path / "pushed").mkdir()
    pushed = PushedModel(str(tmp_path / "pushed"))
    pushed.custom_properties.update({"model_name": "churn", "model_version": "1.2.0"})
    return Task(
        inputs={"model": [model]},
        outputs={"pushed_model": [pushed]},
        parameters={"push_destination": destination, **parameters},
        pipeline_name="p",
        run_id="r",
    )


def test_pusher_tells_name_version_place_and_digest(server: Server, tmp_path: Path) -> None:
    """The server would not know what was pushed, or where it is."""
    base = tmp_path / "serving"
    destination = {"filesystem": {"base_directory": str(base)}, "webhook": {"url": server.url}}
    returned = PusherExecutor().execute(make_task(tmp_path, destination))
    ((_, body),) = server.received
    number = int(str(returned["pushed_version"]))
    assert json.loads(body) == {
        "event": "model.pushed", "name": "churn", "version": "1.2.0", "number": number,
        "uri": str(base / str(number)), "digest": "abc", "stage": "production", "pipeline": "p",
        "node": "node", "run_id": "r",
    }  # fmt: skip


def test_webhook_alone_names_the_copy_in_the_root(server: Server, tmp_path: Path) -> None:
    """A platform that fetches models itself could not be pushed to."""
    task = make_task(tmp_path, {"webhook": {"url": server.url}})
    returned = PusherExecutor().execute(task)
    assert (returned["pushed"], returned["pushed_destination"]) == (1, "")
    uri = json.loads(server.received[0][1])["uri"]
    assert Path(uri, "saved_model.pb").read_text() == "m"


def test_missing_secret_is_found_before_anything_is_pushed(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The model would be served while the node failed."""
    monkeypatch.delenv("HOOK_SECRET", raising=False)
    destination = {
        "filesystem": {"base_directory": str(tmp_path / "serving")},
        "webhook": {"url": server.url, "secret_env": "HOOK_SECRET"},
    }
    with pytest.raises(ParameterError, match="HOOK_SECRET"):
        PusherExecutor().execute(make_task(tmp_path, destination))
    assert not (tmp_path / "serving").exists() and not server.received
