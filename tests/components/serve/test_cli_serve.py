# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from support.model_servers import save_constant

from penstock.cli import cli
from penstock.orchestration.metadata.store import MetadataStore


class Command:
    """`penstock serve` in a process, as somebody types it.

    Args:
        words: What follows `serve`.
        folder: Where it runs; its output is kept there.
    """

    def __init__(self, words: list[str], folder: Path) -> None:
        self._out, self._err = folder / "out.txt", folder / "err.txt"
        environ = {k: v for k, v in os.environ.items() if k != "PENSTOCK_METADATA"}
        with open(self._out, "wb") as out, open(self._err, "wb") as err:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "penstock", "serve", *words, "--port", "0"],
                stdout=out, stderr=err, cwd=folder, env=environ, start_new_session=True,
            )  # fmt: skip

    @property
    def output(self) -> str:
        """What it has printed."""
        return self._out.read_text()

    @property
    def errors(self) -> str:
        """What it has said on standard error."""
        return self._err.read_text()

    def wait_for(self, text: str, seconds: float = 120.0) -> str:
        """The output, once it holds a text.

        Raises:
            AssertionError: It never does.
        """
        deadline = time.monotonic() + seconds
        while text not in self.output:
            assert self.process.poll() is None and time.monotonic() < deadline, self.errors
            time.sleep(0.05)
        return self.output


@pytest.fixture
def command(tmp_path: Path) -> Iterator[type[Command]]:
    """Starts commands; whatever runs at the end is stopped."""
    started: list[Command] = []

    class Started(Command):
        def __init__(self, *words: str) -> None:
            super().__init__(list(words), tmp_path)
            started.append(self)

    yield Started
    for each in started:
        if each.process.poll() is None:
            each.process.terminate()
            each.process.wait(60)


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_what_it_prints_can_be_copied_and_it_ends_when_asked(
    command: type[Command], tmp_path: Path, ending: signal.Signals
) -> None:
    """If it fails, a newcomer's first request does not work, or Ctrl-C leaves a server."""
    save_constant(tmp_path / "prices" / "1700000000", 4.0)
    serving = command("prices", "--log", "asked")
    output = serving.wait_for("metrics:")
    assert "version 1700000000 (production)" in output
    copied = output[output.index("curl ") : output.index("\n\nhealth:")]
    assert "Authorization: Bearer " in copied
    if shutil.which("curl"):
        done = subprocess.run(
            ["bash", "-c", copied], capture_output=True, text=True, check=True, timeout=60
        )
        answer = json.loads(done.stdout)
        assert answer["model_version"] == "1700000000"
        assert answer["predictions"] == pytest.approx([4.0])
    serving.process.send_signal(ending)
    assert serving.process.wait(60) == 0, serving.errors
    assert "Traceback" not in serving.errors
    if shutil.which("curl"):
        assert len(list((tmp_path / "asked" / "prices").glob("*/*.parquet"))) == 1


def test_a_model_that_cannot_be_served_ends_with_the_reason(
    command: type[Command], tmp_path: Path
) -> None:
    """If it fails, a newcomer sees a server that never answers, or a traceback."""
    (tmp_path / "prices").mkdir()
    (tmp_path / "prices" / "model.pkl").write_bytes(b"")
    serving = command("prices")
    assert serving.process.wait(120) == 2
    assert "error: the model server cannot load the model" in serving.errors
    assert "model.pkl is a pickle" in serving.errors
    assert "Traceback" not in serving.errors


def test_mistakes_are_told_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If it fails, a typing error costs the time to start a server, or says nothing useful."""
    monkeypatch.chdir(tmp_path)
    store = tmp_path / "metadata.sqlite"
    with MetadataStore(str(store)) as opened:
        opened.add_model_event(
            "complaints", lambda number: ("push", {"version": "1.0.0", "stage": "production"})
        )
    (tmp_path / "odd name").mkdir()
    for words, told in [
        (["complaint", "--metadata", str(store)], "did you mean: complaints"),
        (["odd name/"], "--name"),
        (["x/", "--label", "candidate"], "LABEL=VERSION"),
        (["x/", "--sample", "0"], "--sample"),
        (["complaints"], "there is no folder 'complaints' either"),
    ]:
        answer = CliRunner().invoke(cli, ["serve", *words], prog_name="penstock")
        assert answer.exit_code == 2, answer.output
        assert told in re.sub(" +", " ", answer.output)
