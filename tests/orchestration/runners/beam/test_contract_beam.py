# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest
from support.pipelines import diamond, read
from support.runner_contract import Ran, RunnerContract

from penstock import Pipeline
from penstock.orchestration.runners.beam.beam_dag_runner import BeamDagRunner

pytestmark = [pytest.mark.beam, pytest.mark.heavy, pytest.mark.slow]

pytest.importorskip("apache_beam")


class _BeamContract(RunnerContract):
    flags: ClassVar[list[str]]

    def run(
        self,
        pipeline: Pipeline,
        *,
        parameters: Mapping[str, Any] | None = None,
        resume: str | None = None,
    ) -> Ran:
        runner = BeamDagRunner(beam_pipeline_args=self.flags)
        result = runner.run(pipeline, parameters=parameters, resume=resume)
        return Ran(result.run.id, result.metadata)


class TestDirectRunner(_BeamContract):
    """Beam's DirectRunner, with two worker processes."""

    flags: ClassVar[list[str]] = [
        "--runner=DirectRunner",
        "--direct_running_mode=multi_processing",
        "--direct_num_workers=2",
    ]


class TestPortableRunner(_BeamContract):
    """A job service in a process of its own, which has the nodes run in this process."""

    @pytest.fixture(autouse=True)
    def _service(self, job_service: int) -> None:
        type(self).flags = [
            "--runner=PortableRunner",
            f"--job_endpoint=localhost:{job_service}",
            "--environment_type=LOOPBACK",
        ]


def test_nodes_run_on_workers_that_others_provide(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, job_service: int
) -> None:
    """Without it, no cluster's workers could run nodes: only the submitting process could."""
    module = "apache_beam.runners.worker.worker_pool_main"
    with _serving(module, "--service_port", tmp_path_factory.mktemp("workers")) as port:
        runner = BeamDagRunner(
            beam_pipeline_args=[
                "--runner=PortableRunner",
                f"--job_endpoint=localhost:{job_service}",
                "--environment_type=EXTERNAL",
                f"--environment_config=localhost:{port}",
            ]
        )
        result = runner.run(diamond(tmp_path)).raise_for_failure()
    assert read(result.outcomes["join"].outputs["joined"][0]) == "ab-lab-r"


@pytest.fixture(scope="module")
def job_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a job service."""
    folder = tmp_path_factory.mktemp("job_service")
    module = "apache_beam.runners.portability.local_job_service_main"
    with _serving(module, "--port", folder, "--staging_dir", str(folder / "staging")) as port:
        yield port


@contextlib.contextmanager
def _serving(module: str, port_flag: str, folder: Path, *options: str) -> Iterator[int]:
    """Runs a service of Beam's in a process of its own; its port."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port: int = free.getsockname()[1]
    # Beam starts workers as `python`: the one that runs this.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    words = [sys.executable, "-m", module, f"{port_flag}={port}", *options]
    with open(folder / "log", "w") as log:
        service = subprocess.Popen(words, stdout=log, stderr=log, env={**os.environ, "PATH": path})
    try:
        _wait_for(port, service, folder / "log")
        yield port
    finally:
        service.terminate()
        service.wait(30)


def _wait_for(port: int, service: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while True:
        with socket.socket() as trial:
            if trial.connect_ex(("localhost", port)) == 0:
                return
        assert service.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.1)
