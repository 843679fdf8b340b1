# SPDX-License-Identifier: Apache-2.0
"""The image of pipelines: its files, the command that builds it, and a real build."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support import pipelines

from penstock.orchestration.runners.kubeflow import image
from penstock.orchestration.runners.kubeflow.image import (
    ImageSettings,
    build_command,
    build_image,
    dockerfile,
    write_context,
)
from penstock.utils.errors import ExecutionError, ParameterError

pytestmark = pytest.mark.kubeflow


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A user's folder, with what does not belong into an image."""
    folder = tmp_path / "project"
    for name in ("data/rows.csv", "pipeline.py", ".git/config", ".venv/bin/python",
                 "__pycache__/pipeline.pyc", ".penstock/p/x"):  # fmt: skip
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    return folder


def _files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_dockerfile(checkout: Path) -> None:
    """If it fails, the image is built otherwise than it was: read the difference."""
    settings = ImageSettings(
        project=".", python="3.12", requirements=["s3fs"], system_packages=["g++"], ir="p.json"
    )
    assert dockerfile(settings) == (
        """\
FROM python:3.12-slim-trixie
ENV PYTHONUNBUFFERED=1
WORKDIR /opt/penstock
RUN apt-get update \\
 && apt-get install --yes --no-install-recommends g++ \\
 && rm -rf /var/lib/apt/lists/*
COPY requirements/ requirements/
RUN python -m pip install --no-cache-dir --disable-pip-version-check --no-deps \
-r requirements/build.txt \\
 && python -m pip install --no-cache-dir --disable-pip-version-check --no-deps \
--no-build-isolation -r requirements/pins.txt
RUN python -m pip install --no-cache-dir --disable-pip-version-check \
-c requirements/pins.txt -r requirements/project.txt
COPY package/ package/
COPY pipeline.json /opt/penstock/pipeline.json
COPY project/ project/
ENV PYTHONPATH=/opt/penstock/package:/opt/penstock/project
RUN python -m penstock --version
USER 1000:1000
ENV HOME=/tmp
CMD ["python", "-m", "penstock", "--help"]
"""
    )


def test_what_is_in_the_image(project: Path, tmp_path: Path, checkout: Path) -> None:
    """If it fails, pods lack the user's files, or hold repositories and environments."""
    folder = project / "build"  # may lie in the project itself
    write_context(ImageSettings(project=str(project), python="3.11"), str(folder))
    found = _files(folder)
    assert {name for name in found if name.startswith("project/")} == {
        "project/data/rows.csv",
        "project/pipeline.py",
    }
    assert "package/penstock/orchestration/launch/launcher.py" in found
    assert not [name for name in found if "tests" in Path(name).parts or name.endswith(".pyc")]
    pins = (folder / "requirements" / "pins.txt").read_text()
    assert pins == (checkout / "constraints" / "py311.txt").read_text()
    build = (folder / "requirements" / "build.txt").read_text()
    assert [line.partition("==")[0] for line in build.splitlines()] == [
        "packaging", "setuptools", "wheel"]  # fmt: skip


def test_pins_without_a_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If it fails, an installed Penstock builds images with whatever is newest."""
    source = tmp_path / "penstock"
    for name in ("components", "orchestration", "pipelines", "utils"):
        (source / name).mkdir(parents=True)
    (source / "py.typed").touch()
    monkeypatch.setattr(image, "_package_folder", lambda: source)
    write_context(ImageSettings(), str(tmp_path / "image"))
    pins = (tmp_path / "image" / "requirements" / "pins.txt").read_text().splitlines()
    import click

    assert f"click=={image.metadata.version('click')}" in pins, click
    assert not [line for line in pins if line.startswith("penstock==")]
    other = "3.10" if sys.version_info[:2] != (3, 10) else "3.11"
    with pytest.raises(ParameterError, match="no versions are pinned"):
        write_context(ImageSettings(python=other), str(tmp_path / "other"))


def test_wrong_settings_are_refused(tmp_path: Path) -> None:
    """If it fails, a wrong setting is met as an error of docker's, or files are overwritten."""
    with pytest.raises(ParameterError, match=r"no image is known for Python 2\.7"):
        dockerfile(ImageSettings(python="2.7"))
    with pytest.raises(ParameterError, match="the project does not exist"):
        write_context(ImageSettings(project=str(tmp_path / "gone")), str(tmp_path / "a"))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    with pytest.raises(ParameterError, match="not empty"):
        write_context(ImageSettings(), str(tmp_path / "full"))


def test_build_command() -> None:
    """If it fails, docker is asked for something else."""
    assert build_command("docker", "team/project:1", "/b", ["--pull"]) == [
        "docker", "build", "--tag", "team/project:1", "--file", "/b/Dockerfile", "--pull", "/b",
    ]  # fmt: skip


def test_failed_build_says_so(tmp_path: Path) -> None:
    """If it fails, a pipeline is deployed with the image of yesterday."""
    with pytest.raises(ExecutionError, match="could not be built"):
        build_image(ImageSettings(), "p:1", str(tmp_path / "i"), engine=shutil.which("false") or "")


@pytest.mark.slow
@pytest.mark.heavy
def test_real_build(project: Path, tmp_path: Path) -> None:
    """If it fails, the Dockerfile does not build, or Penstock does not start in its image."""
    podman = shutil.which("podman")
    if podman is None:
        pytest.skip("podman is not installed")
    base, tag = "penstock-test-base", "penstock-test-image"
    # This machine's own Python stands in for the official image's, which cannot be fetched
    # everywhere; everything that is to be installed is there already.
    shown = ["/usr", "/lib", "/lib64", "/bin", sys.base_prefix, sys.prefix, *_checkouts()]
    mounts = [f"--volume={path}:{path}:ro" for path in shown if os.path.exists(path)]
    _make_base(podman, base, tmp_path / "base")
    ir = tmp_path / "pipeline.json"
    pipelines.diamond(Path("/data")).compile().save(str(ir))
    settings = ImageSettings(base=base, project=str(project), ir=str(ir))
    options = ["--isolation=chroot", "--layers=false", *mounts]
    try:
        try:
            build_image(settings, tag, str(tmp_path / "i"), engine=podman, options=options)
        except ExecutionError:
            if not _runs(podman, base, mounts, tmp_path / "probe"):
                pytest.skip("podman runs no commands in builds here")
            raise
        ended = subprocess.run(
            [podman, "image", "inspect", "--format", "{{.Config.User}} {{.Config.Cmd}}", tag],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert ended.stdout.strip() == "1000:1000 [python -m penstock --help]"
    finally:
        subprocess.run([podman, "rmi", "--force", tag, base], capture_output=True)


def _checkouts() -> list[str]:
    """Where packages lie that are installed in place."""
    import penstock

    return [str(Path(str(penstock.__file__)).resolve().parent)]


def _make_base(podman: str, tag: str, folder: Path) -> None:
    for name in ("usr", "lib", "lib64", "bin", "tmp", "etc", "proc", "sys", "dev", "opt"):
        (folder / "rootfs" / name).mkdir(parents=True)
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    (folder / "Dockerfile").write_text(f"FROM scratch\nCOPY rootfs/ /\nENV PATH={path}\n")
    subprocess.run(
        [podman, "build", "--quiet", "--layers=false", "--tag", tag, str(folder)], check=True
    )


def _runs(podman: str, base: str, mounts: list[str], folder: Path) -> bool:
    """Whether podman can run anything at all while it builds."""
    folder.mkdir()
    (folder / "Dockerfile").write_text(f"FROM {base}\nRUN python --version\n")
    command = [podman, "build", "--isolation=chroot", *mounts, str(folder)]
    return subprocess.run(command, capture_output=True).returncode == 0
