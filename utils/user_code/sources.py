# SPDX-License-Identifier: Apache-2.0
"""Reads and parses source files, each once for as long as it does not change."""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.util
import os
import time
import warnings
from dataclasses import dataclass, field

from ..errors import CodeError
from ..source_location import display_path
from ..storage_errors import storage_errors

#: A file changed more recently than this may change again within one tick of its clock.
_SETTLED_NS = 2_000_000_000


@dataclass(frozen=True)
class SourceFile:
    """The text of one source file.

    Attributes:
        path: Where it was read.
        text: Its text, with line feeds at line ends.
        digest: SHA-256 of the text.
    """

    path: str
    text: str
    digest: str = field(compare=False)


@dataclass
class _Kept:
    state: tuple[int, int, int]
    settled: bool
    source: SourceFile


_kept: dict[str, _Kept] = {}


def text_digest(text: str) -> str:
    """SHA-256 of a text."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def read_source(path: str) -> SourceFile:
    """Reads a source file, honouring its encoding declaration.

    A file that was read before and has the same size and times is not read again; equal
    text gives the identical object, so that what was derived from it is found again.

    Raises:
        CodeError: It is not text in its declared encoding.
        StorageError: It cannot be read.
    """
    now = time.time_ns()
    with storage_errors(path, "read"):
        found = os.stat(path)
        state = (found.st_mtime_ns, found.st_size, found.st_ino)
        kept = _kept.get(path)
        if kept is not None and kept.settled and kept.state == state:
            return kept.source
        with open(path, "rb") as file:
            data = file.read()
    try:
        text = importlib.util.decode_source(data)
    except (SyntaxError, UnicodeDecodeError) as error:
        raise CodeError(
            f"{display_path(path)} is not readable as Python source",
            got=str(error),
            location=display_path(path),
            fix="save the file as UTF-8",
        ) from None
    source = SourceFile(path, text, text_digest(text))
    if kept is not None and kept.source == source:
        source = kept.source
    _kept[path] = _Kept(state, now - found.st_mtime_ns > _SETTLED_NS, source)
    return source


def parse(text: str, display: str) -> ast.Module:
    """The syntax tree of a source text.

    Args:
        text: The source.
        display: The file's name, for messages.

    Raises:
        CodeError: The text is not valid Python, with file and line.
    """
    try:
        return _parse(text)
    except SyntaxError as error:
        line = f":{error.lineno}" if error.lineno else ""
        raise CodeError(
            f"syntax error in {display}: {error.msg}",
            got=(error.text or "").strip() or None,
            location=f"{display}{line}",
            fix="correct the line",
        ) from None
    except (ValueError, RecursionError) as error:
        raise CodeError(
            f"{display} cannot be parsed: {error or type(error).__name__}", location=display
        ) from None


@functools.lru_cache(maxsize=128)
def _parse(text: str) -> ast.Module:
    with warnings.catch_warnings():
        # An odd escape in the user's text is for the user's own run to report.
        warnings.simplefilter("ignore")
        return ast.parse(text)
