# SPDX-License-Identifier: Apache-2.0
"""What the tests of worker processes share."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

import penstock
from penstock.components.base.artifact_types import Examples
from penstock.orchestration.launch.workers.messages import WorkSpec
from penstock.orchestration.launch.workers.pool import WorkerPool

HERE = Path(__file__).parent
#: Where a script finds `penstock` and the sample executors.
SCRIPT_PATH = [str(Path(penstock.__file__).parent.parent), str(HERE)]


@pytest.fixture(autouse=True)
def _sample_executors_importable(monkeypatch):
    monkeypatch.syspath_prepend(str(HERE))


@pytest.fixture
def make_spec(tmp_path):
    """Makes the spec of an execution of a sample executor."""

    def make(executor, *, output=False, **parts):
        parameters = parts.pop("parameters", {})
        outputs = {}
        if output:
            folder = tmp_path / f"out-{time.monotonic_ns()}"
            folder.mkdir()
            outputs = {"out": [Examples(str(folder)).to_dict()]}
        return WorkSpec(
            executor=f"worker_sample_executors:{executor}",
            node_id="Node",
            outputs=outputs,
            parameters=parameters,
            **{"log_path": str(tmp_path / "logs" / "node.log"), **parts},
        )

    return make


@pytest.fixture
def pool():
    """A pool that runs up to two executions at once."""
    with WorkerPool(max_workers=2) as found:
        yield found


@pytest.fixture
def start_script(tmp_path):
    """Starts a Python script as an orchestrating process; ends it after the test."""
    started = []

    def start(text, **options):
        path = tmp_path / f"script{len(started)}.py"
        path.write_text(text)
        environ = {**os.environ, "PYTHONPATH": os.pathsep.join(SCRIPT_PATH)}
        process = subprocess.Popen(
            [sys.executable, str(path)],
            env=environ,
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            **options,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def run_script(start_script):
    """Runs a Python script, which prints one JSON value last, and returns that value."""

    def run(text):
        process = start_script(text)
        output, _ = process.communicate(timeout=60)
        assert process.returncode == 0, output
        return json.loads(output.splitlines()[-1])

    return run


@pytest.fixture
def wait_for():
    """Gives the text of a file, once it is there."""

    def wait(path, seconds=20.0):
        deadline = time.monotonic() + seconds
        while not Path(path).exists():
            assert time.monotonic() < deadline, f"{path} did not appear"
            time.sleep(0.01)
        return Path(path).read_text()

    return wait


def _running(pid):
    # A zombie has ended: it only waits to be noticed.
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.fixture
def assert_all_end():
    """Fails if any of the processes is still running after some time."""

    def check(pids, seconds=3.0):
        deadline = time.monotonic() + seconds
        while left := [pid for pid in pids if _running(pid)]:
            assert time.monotonic() < deadline, f"still running: {left}"
            time.sleep(0.01)

    return check
