# SPDX-License-Identifier: Apache-2.0
"""A candidate in TensorFlow Serving, in a Docker container on this machine."""

from __future__ import annotations

import os
import re
import subprocess
import time
import uuid
from collections.abc import Sequence

from .candidate_server import Loaded
from .infra_specs import LocalDocker
from .server_process import ServerFailed
from .tensorflow_serving_client import REST_PORT, ServedSavedModel, wait_until_loaded

_UNITS = {"B": 1, "kB": 1000, "KiB": 2**10, "MB": 10**6, "MiB": 2**20, "GB": 10**9, "GiB": 2**30}


def docker_run_command(image: str, container: str, folder: str, model_name: str) -> list[str]:
    """The command that serves a model folder in a container, on a free port of loopback.

    The container is removed when it ends. The model is mounted read-only, as version 1.
    """
    target = f"/models/{model_name}/1"
    return [
        "docker", "run", "--rm", "--detach",
        "--name", container,
        "--publish", f"127.0.0.1::{REST_PORT}",
        "--mount", f"type=bind,source={folder},target={target},readonly",
        "--env", f"MODEL_NAME={model_name}",
        image,
    ]  # fmt: skip


class DockerCandidate(ServedSavedModel):
    """Serves one SavedModel in a container.

    Args:
        folder: The model's folder.
        model_name: Its name in the server.
        image: The image.
        docker: How to reach Docker.
    """

    def __init__(self, folder: str, model_name: str, image: str, docker: LocalDocker) -> None:
        super().__init__(folder, model_name)
        self.name = f"{image} in Docker"
        self._folder = os.path.abspath(folder)
        self._image = image
        self._docker = docker
        self._container = f"penstock-infra-{uuid.uuid4().hex[:12]}"
        self._began = 0.0

    def start(self) -> None:
        """See `CandidateServer`."""
        self._began = time.monotonic()
        command = docker_run_command(self._image, self._container, self._folder, self._model_name)
        self._call(command)

    def wait_ready(self, timeout_s: float) -> Loaded:
        """See `CandidateServer`."""
        deadline = self._began + timeout_s
        address = self._call(["docker", "port", self._container, f"{REST_PORT}/tcp"])
        url = "http://" + address.splitlines()[0].strip()
        self._client = wait_until_loaded(url, self._model_name, deadline, self._ended)
        return Loaded(time.monotonic() - self._began, None)

    def memory_bytes(self) -> int | None:
        """See `CandidateServer`."""
        command = ["docker", "stats", "--no-stream", "--format", "{{.MemUsage}}", self._container]
        try:
            return _bytes_of(self._call(command))
        except ServerFailed:
            return None

    def stop(self) -> None:
        """See `CandidateServer`."""
        self.hang_up()
        subprocess.run(
            ["docker", "rm", "--force", self._container],
            env=self._environment(),
            capture_output=True,
            timeout=self._docker.client_timeout_seconds,
            check=False,
        )

    def _ended(self) -> str:
        command = ["docker", "inspect", "--format", "{{.State.Status}}", self._container]
        try:
            state = self._call(command).strip()
        except ServerFailed as error:
            return error.got or error.what  # With --rm it is gone once it has ended.
        return "" if state in ("running", "created") else state

    def _call(self, command: Sequence[str]) -> str:
        """The output of a command.

        Raises:
            ServerFailed: It fails, or there is no Docker.
        """
        try:
            done = subprocess.run(
                command,
                env=self._environment(),
                capture_output=True,
                text=True,
                timeout=self._docker.client_timeout_seconds,
                check=False,
            )
        except FileNotFoundError:
            raise ServerFailed(
                "there is no command 'docker' on this machine",
                expected="Docker, because serving_spec names local_docker",
                fix="install Docker, or leave serving_spec out to validate in KServe's server",
            ) from None
        except subprocess.TimeoutExpired:
            raise ServerFailed(
                "Docker does not answer",
                got=f"{' '.join(command)}: nothing within {self._docker.client_timeout_seconds} s",
            ) from None
        if done.returncode:
            raise ServerFailed(
                "a Docker command failed",
                expected=" ".join(command),
                got=done.stderr.strip()[-500:] or f"exit status {done.returncode}",
                fix="see that its daemon runs, and that the image can be had",
            )
        return done.stdout

    def _environment(self) -> dict[str, str]:
        settings = {
            "DOCKER_HOST": self._docker.client_base_url,
            "DOCKER_API_VERSION": self._docker.client_api_version,
        }
        return {**os.environ, **{name: value for name, value in settings.items() if value}}


def _bytes_of(usage: str) -> int | None:
    """The first amount in what `docker stats` says, such as `123.4MiB / 7.6GiB`."""
    found = re.match(r"\s*([0-9.]+)\s*([A-Za-z]+)", usage)
    if not found or found.group(2) not in _UNITS:
        return None
    return int(float(found.group(1)) * _UNITS[found.group(2)])
