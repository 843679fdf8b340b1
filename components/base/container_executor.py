# SPDX-License-Identifier: Apache-2.0
"""Runs a container component with the container engine of this machine."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Mapping
from typing import Any

from ...utils.errors import ExecutionError
from .artifact import PropertyValue, ValueArtifact
from .executor import Task

_ENGINES = ("docker", "podman")
#: With which both end where it is not the container that failed, but they themselves.
_NOT_STARTED = 125
#: Names another container engine with Docker's command line, or gives the beginning of the
#: command that runs a container, with options: `podman --log-level=error run --network=none`.
ENGINE_VARIABLE = "PENSTOCK_CONTAINER_ENGINE"


def container_command() -> list[str]:
    """The beginning of the command that runs a container, up to its own options.

    Raises:
        ExecutionError: There is no container engine.
    """
    wanted = os.environ.get(ENGINE_VARIABLE, "").strip()
    for command in (wanted,) if wanted else _ENGINES:
        program, *options = shlex.split(command)
        found = shutil.which(program)
        if found:
            return [found, *options, *([] if "run" in options else ["run"])]
    raise ExecutionError(
        "no container engine was found",
        expected=" or ".join(_ENGINES),
        got=f"{wanted!r} ({ENGINE_VARIABLE})" if wanted else "neither",
        fix=f"install Docker or Podman, or set {ENGINE_VARIABLE}",
    )


class ContainerExecutor:
    """Runs the image with the folders of all artifacts mounted at their own paths."""

    def execute(self, task: Task) -> Mapping[str, PropertyValue] | None:
        """Runs the container of `task` and waits for it.

        Raises:
            ExecutionError: There is no engine, or the container ended with an error.
        """
        image = str(task.parameters["container.image"])
        command = [self._fill(part, task) for part in task.parameters["container.command"]]
        mounts: list[str] = []
        for artifacts, mode in ((task.inputs, "ro"), (task.outputs, "rw")):
            for found in artifacts.values():
                for artifact in found:
                    mounts += ["--volume", f"{artifact.uri}:{artifact.uri}:{mode}"]
        user = ["--user", f"{os.getuid()}:{os.getgid()}"]
        full = [*container_command(), "--rm", *user, *mounts, image, *command]
        print("+", shlex.join(full), flush=True)
        ended = subprocess.run(full, check=False)
        if ended.returncode == _NOT_STARTED:
            raise ExecutionError(
                f"{os.path.basename(full[0])} could not start the container",
                node=task.node_id,
                got=f"exit code {_NOT_STARTED}, for image {image}",
                fix="read the log for why: does the engine run, and is there such an image? "
                f"{ENGINE_VARIABLE} names another engine",
            )
        if ended.returncode != 0:
            raise ExecutionError(
                f"the container ended with exit code {ended.returncode}",
                node=task.node_id,
                expected="exit code 0",
                got=f"{image} {' '.join(command)}",
                fix="read the log for what the container printed",
            )
        return {"container.image": image}

    def _fill(self, part: Any, task: Task) -> str:
        if isinstance(part, str):
            return part
        ((kind, name),) = part.items()
        if kind == "concat":
            return "".join(self._fill(inner, task) for inner in name)
        if kind == "parameter":
            return str(task.parameters[name])
        source = task.inputs if kind == "input_uri" else task.outputs
        found = source[name][0]
        return found.value_file if isinstance(found, ValueArtifact) else found.uri
