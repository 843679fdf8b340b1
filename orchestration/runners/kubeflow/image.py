# SPDX-License-Identifier: Apache-2.0
"""The image that pipelines run in: the pinned environment, Penstock, and the user's project.

A folder is filled with all that the image holds, and with a Dockerfile that copies it; so
what was built can be looked at, and built again elsewhere.

The user's code travels inside the compiled pipeline. What the project is in the image for
are files that it reads, and packages of the user's that were not collected.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

from ....utils.errors import ExecutionError, ParameterError
from .ir_transport import IMAGE_PATH

_ENGINES = ("docker", "podman")
_HOME = "/opt/penstock"
#: Debian 12 for the Pythons whose TensorFlow is built for its C library, else Debian 13.
_DEBIAN = {"3.10": "bookworm", "3.11": "bookworm", "3.12": "trixie", "3.13": "trixie"}
#: Of a checkout, what belongs to the package.
_PACKAGE = ("components", "orchestration", "pipelines", "utils")
_LEFT_OUT = shutil.ignore_patterns(
    ".*", "__pycache__", "*.pyc", "*.egg-info", "node_modules", "venv", "metadata.sqlite*"
)


@dataclass(frozen=True)
class ImageSettings:
    """What goes into an image.

    Attributes:
        project: The user's folder; empty for none.
        python: Version of Python, such as `3.11`; by default the one that runs this.
        base: The image to start from; by default the official one of that Python.
        pins: File that names every package with its version; by default the one that
            belongs to Penstock's checkout, else what is installed here.
        requirements: Further requirements, such as `s3fs` for a root on S3. They are
            resolved within the pins.
        system_packages: Packages of Debian's.
        ir: A compiled pipeline to be part of the image, for `ir="image"`.
    """

    project: str = ""
    python: str = ""
    base: str = ""
    pins: str = ""
    requirements: Sequence[str] = field(default_factory=tuple)
    system_packages: Sequence[str] = field(default_factory=tuple)
    ir: str = ""

    @property
    def python_version(self) -> str:
        """The Python of the image."""
        return self.python or f"{sys.version_info.major}.{sys.version_info.minor}"

    @property
    def base_image(self) -> str:
        """The image to start from.

        Raises:
            ParameterError: None is known for that Python.
        """
        if self.base:
            return self.base
        if self.python_version not in _DEBIAN:
            raise ParameterError(
                f"no image is known for Python {self.python_version}",
                expected=", ".join(_DEBIAN),
                fix="name the image to start from: base=…",
            )
        return f"python:{self.python_version}-slim-{_DEBIAN[self.python_version]}"


def dockerfile(settings: ImageSettings) -> str:
    """The text of the Dockerfile.

    What changes seldom comes first, so that building again after a change of the project
    takes seconds.
    """
    pip = "python -m pip install --no-cache-dir --disable-pip-version-check"
    lines = [f"FROM {settings.base_image}", "ENV PYTHONUNBUFFERED=1", f"WORKDIR {_HOME}"]
    if settings.system_packages:
        packages = shlex.join(settings.system_packages)
        lines += [
            "RUN apt-get update \\",
            f" && apt-get install --yes --no-install-recommends {packages} \\",
            " && rm -rf /var/lib/apt/lists/*",
        ]
    lines += [
        "COPY requirements/ requirements/",
        # Packages that come as source are built with the pinned setuptools, not with one
        # that each of them fetches.
        f"RUN {pip} --no-deps -r requirements/build.txt \\",
        f" && {pip} --no-deps --no-build-isolation -r requirements/pins.txt",
    ]
    if settings.requirements:
        lines.append(f"RUN {pip} -c requirements/pins.txt -r requirements/project.txt")
    lines.append("COPY package/ package/")
    if settings.ir:
        lines.append(f"COPY pipeline.json {IMAGE_PATH}")
    if settings.project:
        lines.append("COPY project/ project/")
    lines += [
        f"ENV PYTHONPATH={_HOME}/package:{_HOME}/project",
        # Fails here rather than in every pod.
        "RUN python -m penstock --version",
        "USER 1000:1000",
        "ENV HOME=/tmp",
        'CMD ["python", "-m", "penstock", "--help"]',
    ]
    return "\n".join(lines) + "\n"


def write_context(settings: ImageSettings, folder: str) -> str:
    """Fills a folder with the Dockerfile and all that it copies.

    Args:
        settings: What goes into the image.
        folder: An empty folder, or one that is made.

    Returns:
        Path of the Dockerfile.

    Raises:
        ParameterError: The folder is not empty, or something named does not exist.
    """
    target = Path(folder)
    if target.is_dir() and any(target.iterdir()):
        raise ParameterError("the folder for the image's files is not empty", got=folder)
    requirements = target / "requirements"
    requirements.mkdir(parents=True)
    pins = _pins(settings)
    (requirements / "pins.txt").write_text(pins, encoding="utf-8")
    first = re.findall(r"^(?:packaging|setuptools|wheel)==.*$", pins, re.MULTILINE)
    (requirements / "build.txt").write_text("\n".join(first) + "\n", encoding="utf-8")
    if settings.requirements:
        text = "\n".join(settings.requirements) + "\n"
        (requirements / "project.txt").write_text(text, encoding="utf-8")
    _copy_package(target / "package" / "penstock")
    if settings.project:
        project = _existing(settings.project, "the project")
        # The folder that is being filled may itself lie in the project.
        shutil.copytree(project, target / "project", ignore=_without(target))
    if settings.ir:
        shutil.copyfile(_existing(settings.ir, "the compiled pipeline"), target / "pipeline.json")
    path = target / "Dockerfile"
    path.write_text(dockerfile(settings), encoding="utf-8")
    return str(path)


def build_command(engine: str, tag: str, folder: str, options: Sequence[str] = ()) -> list[str]:
    """The command that builds the image from a folder that `write_context` filled."""
    dockerfile_path = os.path.join(folder, "Dockerfile")
    return [engine, "build", "--tag", tag, "--file", dockerfile_path, *options, folder]


def build_image(
    settings: ImageSettings,
    tag: str,
    folder: str,
    *,
    engine: str = "",
    options: Sequence[str] = (),
) -> list[str]:
    """Builds the image.

    Args:
        settings: What goes into it.
        tag: What it is called, such as `registry/penstock-project:1`.
        folder: An empty folder for its files.
        engine: The program that builds; by default docker or podman, whichever works.
        options: Further options of its `build`.

    Returns:
        The command that built it.

    Raises:
        ParameterError: Something named does not exist.
        ExecutionError: Nothing here can build, or the build failed.
    """
    command = build_command(engine or find_engine(), tag, folder, options)
    write_context(settings, folder)
    ended = subprocess.run(command, check=False)
    if ended.returncode != 0:
        raise ExecutionError(
            "the image could not be built",
            expected="exit code 0",
            got=f"exit code {ended.returncode} of {shlex.join(command)}",
            fix=f"read what it printed; everything that it used lies in {folder}",
        )
    return command


def find_engine() -> str:
    """Path of docker or podman, whichever answers.

    Raises:
        ExecutionError: Neither does.
    """
    for name in _ENGINES:
        found = shutil.which(name)
        # The client may be there without its server.
        if found and not subprocess.run([found, "info"], capture_output=True).returncode:
            return found
    raise ExecutionError(
        "nothing on this machine can build an image",
        expected="docker, with its server running, or podman",
        got="neither answers",
        fix="install one of them, or write the files with --context-only and build elsewhere",
    )


def _pins(settings: ImageSettings) -> str:
    if settings.pins:
        return Path(_existing(settings.pins, "the file of pins")).read_text(encoding="utf-8")
    name = f"py{settings.python_version.replace('.', '')}.txt"
    ours = _package_folder() / "constraints" / name
    if ours.is_file():
        return ours.read_text(encoding="utf-8")
    if settings.python and settings.python != ImageSettings().python_version:
        raise ParameterError(
            f"no versions are pinned for Python {settings.python}",
            expected=f"Python {ImageSettings().python_version}, which runs this, or a file of pins",
            fix="name a file: pins=…",
        )
    return _installed()


def _installed() -> str:
    """What is installed here, as pins."""
    found = {
        f"{each.metadata['Name']}=={each.version}"
        for each in metadata.distributions()
        if each.metadata["Name"] and each.metadata["Name"].lower() not in ("penstock", "pip")
    }
    return "\n".join(sorted(found, key=str.lower)) + "\n"


def _package_folder() -> Path:
    return Path(__file__).resolve().parents[3]


def _copy_package(target: Path) -> None:
    source = _package_folder()
    target.mkdir(parents=True)
    for path in [*source.glob("*.py"), source / "py.typed"]:
        if path.name != "setup.py":
            shutil.copyfile(path, target / path.name)
    for name in _PACKAGE:
        shutil.copytree(source / name, target / name, ignore=_LEFT_OUT)


def _existing(path: str, what: str) -> str:
    if not os.path.exists(path):
        raise ParameterError(f"{what} does not exist", got=path)
    return path


def _without(target: Path) -> Callable[[str, list[str]], set[str]]:
    hidden = target.resolve()

    def names(folder: str, found: list[str]) -> set[str]:
        ours = {name for name in found if Path(folder, name).resolve() == hidden}
        return set(_LEFT_OUT(folder, found)) | ours

    return names
