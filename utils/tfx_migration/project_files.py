# SPDX-License-Identifier: Apache-2.0
"""The files of a project: found, read as they are, and written back whole or not at all."""

from __future__ import annotations

import io
import os
import tempfile
import tokenize
from collections.abc import Iterator

from ..errors import StorageError
from ..storage_errors import storage_errors

#: Folders that hold no code of the project.
_PASSED_OVER = frozenset({
    "__pycache__", "node_modules", "site-packages", "venv", "env", "build", "dist",
})  # fmt: skip

#: Files that say what to install.
REQUIREMENTS = ("setup.py", "setup.cfg", "pyproject.toml", "Dockerfile", "Pipfile",
                "environment.yml", "environment.yaml", "conda.yaml", "conda.yml")  # fmt: skip


def project_files(path: str) -> Iterator[str]:
    """Files of Python, notebooks and lists of requirements at or below a path, sorted.

    Folders that are hidden, installed or built are passed over; links are not followed.

    Raises:
        StorageError: There is nothing there, or it cannot be read.
    """
    if os.path.isfile(path):
        yield path
        return
    if not os.path.isdir(path):
        raise StorageError(
            "there is nothing to migrate",
            expected="a file or a folder",
            got=path,
            fix="name the project's folder: penstock migrate my_project",
        )
    for folder, inner, files in os.walk(path):
        inner[:] = sorted(
            name
            for name in inner
            if not name.startswith(".")
            and name not in _PASSED_OVER
            and not os.path.exists(os.path.join(folder, name, "pyvenv.cfg"))
        )
        for name in sorted(files):
            whole = os.path.join(folder, name)
            wanted = name.endswith((".py", ".ipynb")) or is_requirements(name)
            if wanted and not os.path.islink(whole):
                yield whole


def modules_beside(path: str) -> set[str]:
    """Names of the modules and packages in a file's folder."""
    folder = os.path.dirname(path) or "."
    return {
        name.removesuffix(".py")
        for name in os.listdir(folder)
        if name.endswith(".py") or os.path.isfile(os.path.join(folder, name, "__init__.py"))
    }


def is_requirements(name: str) -> bool:
    """Whether a file, by its name, says what to install."""
    return name in REQUIREMENTS or (name.startswith("requirements") and name.endswith(".txt"))


def read_text(path: str) -> tuple[str, str]:
    """A file's text, line ends as they are, and its encoding.

    Raises:
        StorageError: It cannot be read.
        SyntaxError: It is not text in the encoding that it has or names.
    """
    with storage_errors(path, "read"), open(path, "rb") as file:
        data = file.read()
    encoding = "utf-8"
    if path.endswith(".py"):
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
    try:
        return data.decode(encoding), encoding
    except UnicodeDecodeError as error:
        raise SyntaxError(f"it is not text in {encoding}: {error.reason}") from None


def write_text(path: str, text: str, encoding: str) -> None:
    """Replaces a file's text; a process that is killed leaves the one or the other.

    Raises:
        StorageError: It cannot be written.
    """
    with storage_errors(path, "write"):
        handle, beside = tempfile.mkstemp(dir=os.path.dirname(path) or ".", prefix=".migrate-")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(text.encode(encoding))
            os.chmod(beside, os.stat(path).st_mode & 0o7777)
            os.replace(beside, path)
        except BaseException:
            os.unlink(beside)
            raise
