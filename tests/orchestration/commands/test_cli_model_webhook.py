# SPDX-License-Identifier: Apache-2.0
"""Promotions and roll-backs are told to the webhook that a version was pushed with."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from support.model_project import write_model_project
from support.user_project import forgetting_imports

from penstock.cli import cli


class Receiver(http.server.ThreadingHTTPServer):
    """Keeps what it is sent, and answers with `code`."""

    code = 200

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.received: list[tuple[str, Any]] = []


class Handler(http.server.BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.received.append((self.headers["Idempotency-Key"], json.loads(body)))
        self.send_response(self.server.code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *arguments: Any) -> None:
        del arguments


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A web server that runs."""
    with Receiver() as found:
        thread = threading.Thread(target=found.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield found
        found.shutdown()
        thread.join(10)


def penstock(*words: str) -> Result:
    """Runs a command line in this process."""
    with forgetting_imports():
        return CliRunner().invoke(cli, words, prog_name="penstock")


def test_webhook_is_told_what_is_in_production_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, receiver: Receiver
) -> None:
    """If it fails, whoever deploys by the webhook goes on with a model that was rolled back."""
    monkeypatch.chdir(tmp_path)
    path = write_model_project(tmp_path)
    hook = (
        f"webhook={{'url': 'http://127.0.0.1:{receiver.server_port}/', 'secret_env': 'HOOK', "
        "'retries': 0},"
    )
    path.write_text(path.read_text().replace("filesystem=", hook + " filesystem="))
    monkeypatch.setenv("HOOK", "secret")
    for epochs in (3, 4):
        assert penstock("run", "-q", "--set", f"train.epochs={epochs}").exit_code == 0
    assert [sent["event"] for _, sent in receiver.received] == ["model.pushed"] * 2
    answer = penstock("models", "rollback", "toy", "--by", "ada", "--note", "odd scores")
    assert answer.exit_code == 0, answer.output
    _, told = receiver.received[-1]
    place = told.pop("uri")
    assert int(Path(place).name) == told.pop("number")
    assert {name: told[name] for name in ("event", "version", "before", "stage", "by", "note")} == {
        "event": "model.rolled_back", "version": "1.0.0", "before": "1.1.0",
        "stage": "production", "by": "ada", "note": "odd scores",
    }  # fmt: skip
    # What it refuses is told, and told again under the same key when it is done again.
    receiver.code = 400
    refused = penstock("models", "promote", "toy", "1.1.0")
    assert refused.exit_code == 1 and "production is 1.1.0" in refused.stdout
    assert "error: the webhook was not told" in refused.stderr
    receiver.code = 200
    assert penstock("models", "promote", "toy", "1.1.0").exit_code == 0
    (first, one), (second, two) = receiver.received[-2:]
    assert first == second and one["event"] == two["event"] == "model.promoted"
    assert penstock("models", "promote", "toy", "1.0.0", "--no-webhook").exit_code == 0
    assert len(receiver.received) == 5
    # A missing secret is found before anything is changed.
    monkeypatch.delenv("HOOK")
    assert "HOOK" in penstock("models", "promote", "toy", "1.1.0").stderr
    assert "stage        production" in penstock("models", "show", "toy", "1.0.0").stdout
