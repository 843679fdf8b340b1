# SPDX-License-Identifier: Apache-2.0
"""A project moved from TFX: what would change in each file, and what needs a hand."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from .finding import Finding
from .notebook_cells import CellError, move_notebook
from .project_files import (
    is_requirements,
    modules_beside,
    project_files,
    read_text,
    write_text,
)
from .python_source import Absence, move_source

_REQUIREMENT = re.compile(r"""(^|["'\s])(?P<name>tfx|ml-pipelines-sdk)(\[[\w,-]*\])?"""
                          r"""\s*($|[=<>~!;"',#\\]|\s)""")  # fmt: skip


@dataclass(frozen=True)
class FileMigration:
    """What moving does with one file.

    Attributes:
        path: The file.
        before: Its text.
        after: Its text after the move.
        encoding: Its encoding.
        findings: What needs a hand.
        refused: Why it is left as it is, where it cannot be read; else empty.
    """

    path: str
    before: str = ""
    after: str = ""
    encoding: str = "utf-8"
    findings: tuple[Finding, ...] = ()
    refused: str = ""

    @property
    def changed(self) -> bool:
        """Whether its text changes."""
        return self.after != self.before

    def diff(self) -> str:
        """The change as a unified diff; empty where there is none."""
        name = self.path.replace(os.sep, "/")
        return "".join(
            line if line.endswith("\n") else line + "\n\\ No newline at end of file\n"
            for line in difflib.unified_diff(
                _lines(self.before), _lines(self.after), f"a/{name}", f"b/{name}"
            )
        )

    def write(self) -> None:
        """Writes the file, where its text changes.

        Raises:
            StorageError: It cannot be written.
        """
        if self.changed:
            write_text(self.path, self.after, self.encoding)


def migrate(paths: Iterable[str], absence: Absence | None = None) -> Iterator[FileMigration]:
    """Moves the files at or below some paths; writes nothing.

    Args:
        paths: Files and folders.
        absence: Why the face lacks a name of TFX; by default it is taken to have all.

    Returns:
        The files in which something changes, needs a hand, or cannot be read.

    Raises:
        StorageError: A path does not exist, or cannot be read.
    """
    seen: set[str] = set()
    for path in paths:
        for file in project_files(path):
            if os.path.realpath(file) in seen:
                continue
            seen.add(os.path.realpath(file))
            moved = migrate_file(file, absence)
            if moved.changed or moved.findings or moved.refused:
                yield moved


def migrate_file(path: str, absence: Absence | None = None) -> FileMigration:
    """What moving does with one file; a file that does not parse is left as it is.

    Raises:
        StorageError: It cannot be read.
    """
    try:
        before, encoding = read_text(path)
    except SyntaxError as error:
        return FileMigration(path, refused=str(error.msg))
    findings: list[Finding] = []
    after = before
    if is_requirements(os.path.basename(path)):
        findings += _requirements(before)
    try:
        if path.endswith(".ipynb"):
            after, found = move_notebook(before, absence)
            findings += found
        elif path.endswith(".py"):
            if "\r" in before.replace("\r\n", ""):
                raise CellError("it has line ends of old Macs")
            # A byte order mark is no Python.
            mark = "\ufeff" if before.startswith("\ufeff") else ""
            moved = move_source(before.removeprefix(mark), absence, beside=modules_beside(path))
            after = mark + moved.text
            findings += moved.findings
    except CellError as error:
        return FileMigration(path, refused=str(error))
    except (SyntaxError, ValueError, RecursionError) as error:
        line = f"line {error.lineno}: " if isinstance(error, SyntaxError) and error.lineno else ""
        told = error.msg if isinstance(error, SyntaxError) else str(error)
        return FileMigration(path, refused=f"it does not parse: {line}{told}")
    return FileMigration(path, before, after, encoding, tuple(sorted(findings)))


def _requirements(text: str) -> Iterator[Finding]:
    for line, written in enumerate(text.split("\n"), start=1):
        found = _REQUIREMENT.search(written)
        if found and not written.lstrip().startswith(("#", "import ", "from ")):
            yield Finding(
                0, line, f"the requirement {found['name']}", "penstock[ml], with its constraints"
            )


def _lines(text: str) -> list[str]:
    # Not `splitlines`, which also ends lines at form feeds and the like.
    lines = [line + "\n" for line in text.split("\n")]
    lines[-1] = lines[-1].removesuffix("\n")
    return lines if lines[-1] else lines[:-1]
