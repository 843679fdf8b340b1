# SPDX-License-Identifier: Apache-2.0
"""`penstock watch`, as a process of its own."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from penstock import MetadataStore
from penstock.orchestration.metadata.records import ExecutionState, RunState


def test_command_line_watches_and_stops(tmp_path: Path) -> None:
    """Fails if `penstock watch` does not run at intervals, or SIGTERM leaves it behind."""
    (tmp_path / "watched.py").write_text(
        "from penstock import OutputDict, Pipeline, component\n\n\n@component\n"
        "def say(word: str) -> OutputDict(said=str):\n    return {'said': word}\n\n\n"
        "def create_pipeline():\n    return Pipeline('toy', 'root', [say(word='hello')])\n"
    )

    def penstock(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "penstock", "watch", "watched.py", *words],
            cwd=tmp_path, capture_output=True, text=True, timeout=120,
        )  # fmt: skip

    assert "reads data from outside" in penstock("--once").stderr
    assert "--timezone goes with --cron" in penstock("--timezone", "UTC", "--every", "1h").stderr
    dry = penstock("--every", "1h", "--once", "--dry-run")
    assert (dry.returncode, "due: every 1h" in dry.stdout) == (0, True), dry.stderr
    process = subprocess.Popen(
        [sys.executable, "-m", "penstock", "watch", "watched.py", "--every", "200ms", "-q"],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    ended = 0
    for line in process.stdout:
        ended += "ended well" in line
        if ended == 2:
            break
    process.send_signal(signal.SIGTERM)
    out, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")
    assert out.splitlines()[-1].endswith("stopped watching")
    with MetadataStore(str(tmp_path / "root" / "metadata.sqlite")) as store:
        states = [run.state for run in store.list_runs()]
        assert len(states) >= 2 and RunState.RUNNING not in states
        executions = store.run_executions(store.list_runs()[-1].id)
        assert executions[0].state is ExecutionState.COMPLETE


@pytest.mark.kill
def test_a_killed_watchers_place_is_taken_at_once(tmp_path: Path) -> None:
    """Fails if nobody watches any more after a watcher was killed, or all is done again."""
    (tmp_path / "killed.py").write_text(
        "from penstock import OutputDict, Pipeline, component\n\n\n@component\n"
        "def say(word: str) -> OutputDict(said=str):\n    return {'said': word}\n\n\n"
        "def create_pipeline():\n    return Pipeline('toy', 'root', [say(word='hello')])\n"
    )
    words = [sys.executable, "-m", "penstock", "watch", "killed.py", "--every", "1h", "-q"]

    def once() -> str:
        done = subprocess.run(
            [*words, "--once"], cwd=tmp_path, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    process = subprocess.Popen(words, cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert any("ended well" in line for line in process.stdout)
    assert f"process {process.pid} on " in once()
    process.kill()
    process.communicate()
    said = once()
    assert "waits for the next interval" in said and "standing by" not in said
