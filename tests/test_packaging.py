# SPDX-License-Identifier: Apache-2.0
"""What gets installed, from where, with which versions, and what is said when it cannot be."""

from __future__ import annotations

import ast
import importlib
import os
import re
import shutil
import subprocess
import sys
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

import penstock

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ["components", "orchestration", "pipelines", "utils"]
NOT_PACKAGED = shutil.ignore_patterns(".*", "build", "dist", "*.egg-info", "__pycache__")
SUPPORTED = ["3.10", "3.11", "3.12", "3.13"]


def _modules() -> set[str]:
    """Every module that must be in the wheel, as a path below the root."""
    below = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")]
    top = [path for path in ROOT.glob("*.py") if path.name != "setup.py"]
    return {path.relative_to(ROOT).as_posix() for path in below + top}


def _data() -> set[str]:
    """Every other file that pipelines and components need at run time."""
    kinds = [".yaml", ".json", ".csv.gz", ".pbtxt"]
    below = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.is_file()]
    found = {
        path.relative_to(ROOT).as_posix() for path in below if path.name.endswith(tuple(kinds))
    }
    return found | {"py.typed"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """A wheel built from a copy of the checkout in a folder whose name is no identifier."""
    source = tmp_path_factory.mktemp("copy") / "my-checkout 2"
    shutil.copytree(ROOT, source, ignore=NOT_PACKAGED)
    out = source.parent / "out"
    command = [sys.executable, "-m", "pip", "wheel", "-qq", "--no-deps", "--no-build-isolation"]
    done = subprocess.run(
        [*command, "-w", str(out), str(source)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return zipfile.ZipFile(next(out.glob("*.whl")))


@pytest.fixture(scope="module")
def metadata(wheel: zipfile.ZipFile) -> Message:
    """The wheel's METADATA."""
    (name,) = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
    return Parser().parsestr(wheel.read(name).decode())


def test_every_folder_of_modules_is_a_package() -> None:
    """If it fails, a folder lacks `__init__.py`, and neither wheels nor import-linter see it."""
    folders = {(ROOT / module).parent for module in _modules()}
    lacking = [str(folder) for folder in folders if not (folder / "__init__.py").is_file()]
    assert not lacking, f"no __init__.py in {lacking}"


def test_every_package_at_the_root_is_declared() -> None:
    """If it fails, a new top folder is a package but setup.py does not install it."""
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert packages == set(FOLDERS)


def test_wheel_has_every_module_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    """If it fails, an installed Penstock lacks modules, or ships tests and the like."""
    inside = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert all(name.startswith("penstock/") for name in inside)
    assert {name.removeprefix("penstock/") for name in inside if name.endswith(".py")} == _modules()


def test_wheel_has_the_data_of_pipelines(wheel: zipfile.ZipFile) -> None:
    """If it fails, an installed pipeline misses its configuration, its data, or a schema."""
    inside = {name.removeprefix("penstock/") for name in wheel.namelist()}
    assert _data() <= inside
    others = {name for name in inside if not name.endswith(".py") and ".dist-info/" not in name}
    assert not {name for name in others - _data() if not name.endswith(".md")}


def test_wheel_has_command_and_license(wheel: zipfile.ZipFile) -> None:
    """If it fails, installing gives no `penstock` command, or no license text."""
    (entry,) = [name for name in wheel.namelist() if name.endswith("entry_points.txt")]
    assert "penstock = penstock.cli:main" in wheel.read(entry).decode()
    (text,) = [name for name in wheel.namelist() if name.endswith("licenses/LICENSE")]
    assert "Apache License" in wheel.read(text).decode()


def test_version_is_stated_once(metadata: Message) -> None:
    """If it fails, the package and its metadata disagree on the version."""
    assert metadata["Version"] == penstock.__version__


def test_pythons_are_those_with_a_closure(metadata: Message) -> None:
    """If it fails, setup.py admits a Python that the constraints do not cover, or refuses one."""
    assert metadata["Requires-Python"].replace(" ", "") in (">=3.10,<3.14", "<3.14,>=3.10")
    closures = {path.stem for path in (ROOT / "constraints").glob("py*.txt")}
    assert closures == {"py" + version.replace(".", "") for version in SUPPORTED}


def _pins(*files: str) -> dict[str, Version]:
    """The versions that constraint files pin, by normalized name."""
    lines = [
        line for file in files for line in (ROOT / "constraints" / file).read_text().split("\n")
    ]
    # Behind a semicolon: the system that the pin is for.
    pins = [line.partition(";")[0] for line in lines if line and not line.startswith("#")]
    pairs = [pin.split("==") for pin in pins]
    assert all(len(pair) == 2 for pair in pairs), "each line is name==version"
    assert len({name for name, _ in pairs}) == len(pairs), "no name is pinned twice"
    return {re.sub(r"[-_.]+", "-", name).lower(): Version(version) for name, version in pairs}


@pytest.mark.parametrize("python", SUPPORTED)
def test_closures_satisfy_every_declared_range(python: str, metadata: Message) -> None:
    """If it fails, a pinned environment contradicts setup.py, or lacks something it names."""
    pins = _pins(f"py{python.replace('.', '')}.txt", "dev.txt", "frameworks.txt")
    # The closures take TensorFlow's CPU build, which is a distribution of its own.
    pins["tensorflow"] = pins["tensorflow-cpu"]
    for line in metadata.get_all("Requires-Dist", []):
        requirement = Requirement(line)
        name = re.sub(r"[-_.]+", "-", requirement.name).lower()
        if name == "apache-airflow":
            continue  # for an environment of its own
        assert name in pins, f"{line}: not pinned for Python {python}"
        assert pins[name] in requirement.specifier, f"{line}: Python {python} pins {pins[name]}"


def test_setup_refuses_other_pythons_in_one_sentence() -> None:
    """If it fails, a too old or too new Python answers with a traceback or a broken install."""
    source = (ROOT / "setup.py").read_text(encoding="utf-8")
    # The oldest syntax that the parser can be told to accept.
    ast.parse(source, feature_version=(3, 4))
    for version in ("(2, 7, 18)", "(3, 9, 2)", "(3, 14, 0)"):
        code = f"import runpy, sys; sys.version_info = {version}; runpy.run_path('setup.py')"
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert done.returncode == 1
        assert re.fullmatch(
            r"Penstock needs Python 3\.10, .*; this is Python \d\.\d+\.\n", done.stderr
        )


def _python_that_says(folder: Path, name: str, version: str) -> Path:
    """An executable that answers the question for its version, and nothing else."""
    path = folder / name
    path.write_text(f"#!/bin/sh\necho {version}\n")
    path.chmod(0o755)
    return path


def _install(*arguments: str, path: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/sh", str(ROOT / "constraints" / "install.sh"), *arguments],
        env={"PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("version", ["3.9", "3.14", "2.7"])
def test_make_refuses_a_named_other_python_in_one_sentence(version: str, tmp_path: Path) -> None:
    """If it fails, `make PYTHON=...` with an unsupported Python breaks somewhere later."""
    other = _python_that_says(tmp_path, "python", version)
    done = _install(str(tmp_path / "venv"), str(other), path=os.environ["PATH"])
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert f"is Python {version}, which is not supported" in done.stderr
    assert not (tmp_path / "venv").exists()


def test_make_without_a_supported_python_says_so_in_one_sentence(tmp_path: Path) -> None:
    """If it fails, a machine with only an old Python gives a newcomer no hint."""
    tools = tmp_path / "bin"
    tools.mkdir()
    for tool in ("dirname", "tr", "uname", "getconf", "cut"):
        (tools / tool).symlink_to(shutil.which(tool) or pytest.skip(f"no {tool}"))
    _python_that_says(tools, "python3", "3.9")
    done = _install(str(tmp_path / "venv"), path=str(tools))
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "no supported Python found on PATH; install Python 3." in done.stderr


def _make(folder: Path, *arguments: str) -> str:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MAKE")}
    done = subprocess.run(
        ["make", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_make_reuses_the_environment_until_what_it_is_made_from_changes(tmp_path: Path) -> None:
    """If it fails, each `make` installs anew, or one works in an outdated environment."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / "setup.py").touch()
    constraints = tmp_path / "constraints"
    constraints.mkdir()
    (constraints / "py311.txt").touch()
    # Stands in for minutes of installing; the Makefile's part is when to call it.
    script = constraints / "install.sh"
    script.write_text('#!/bin/sh\nmkdir -p "$1"; echo installing; echo 3.11 >"$1/.installed"\n')
    script.chmod(0o755)
    assert _make(tmp_path, "env") == "installing\n"
    assert "installing" not in _make(tmp_path, "env")
    os.utime(tmp_path / ".venv" / ".installed", (0, 0))
    assert _make(tmp_path, "env") == "installing\n"
    same = _python_that_says(tmp_path, "same", "3.11")
    assert "installing" not in _make(tmp_path, "env", f"PYTHON={same}")
    other = _python_that_says(tmp_path, "other", "3.10")
    assert _make(tmp_path, "env", f"PYTHON={other}") == "installing\n"


def test_public_names_agree_and_resolve() -> None:
    """If it fails, a public name is missing for the interpreter, for editors, or in `__all__`."""
    tree = ast.parse((ROOT / "__init__.py").read_text(encoding="utf-8"))
    typed = {
        alias.asname or alias.name: "." + (node.module or "")
        for block in tree.body
        if isinstance(block, ast.If)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert typed == penstock._HOME
    assert sorted(penstock.__all__) == sorted([*penstock._HOME, "__version__"])
    for name, home in penstock._HOME.items():
        assert getattr(penstock, name) is getattr(importlib.import_module(home, "penstock"), name)
    assert set(penstock.__all__) <= set(dir(penstock))
    with pytest.raises(AttributeError, match="has no attribute 'Artefact'"):
        penstock.__getattr__("Artefact")


def test_every_component_folder_is_in_the_import_contracts() -> None:
    """If it fails, a new folder of components escapes the rule on who may import it."""
    configuration = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    folders = {path.parent.name for path in (ROOT / "components").glob("*/__init__.py")} - {"base"}
    lacking = [name for name in folders if f'"penstock.components.{name}"' not in configuration]
    assert not lacking, f"add {lacking} to protected_modules in pyproject.toml"
