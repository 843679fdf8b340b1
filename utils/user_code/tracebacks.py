# SPDX-License-Identifier: Apache-2.0
"""Tracebacks as the author of the code knows it: own files by own names, nothing else.

Code that travelled runs from a folder named by digest. Beside each such folder lies
`<folder>.origins.json`, which says what file of the author's each of its files was.
"""

from __future__ import annotations

import functools
import inspect
import json
import os
import re
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import TracebackType
from typing import Any

from ..source_location import display_path

ORIGINS_SUFFIX = ".origins.json"

_BUNDLE_FILE = re.compile(r"(?P<folder>.*[/\\][0-9a-f]{64})[/\\](?P<file>.+)\Z", re.DOTALL)
#: How libraries that rewrite functions (TensorFlow's AutoGraph) name the original lines.
_QUOTED_FRAME = re.compile(
    r'^\s*File "(?P<file>[^"]+)", line (?P<line>\d+), in (?P<name>\S+)', re.M
)


def user_frames(
    raised: BaseException | TracebackType | None, roots: Iterable[str | os.PathLike[str]]
) -> list[str]:
    """The entries of a traceback that lie in the user's code, innermost last.

    Args:
        raised: An exception or a traceback. Of an exception without such entries, its
            message (where AutoGraph quotes them) and then what caused it are looked at.
        roots: Folders or files of the user's code: what `materialize` returned, folders of
            module files.

    Returns:
        `file:line in function` for each, with the file's name at its author's.
    """
    folders = [os.path.abspath(root) for root in roots]
    if not isinstance(raised, BaseException):
        return _frames(raised, folders)
    for error in _chain(raised):
        found = _frames(error.__traceback__, folders) + _quoted(error, folders)
        if found:
            return found
    return []


def function_location(function: Callable[..., Any]) -> str | None:
    """`file:line` where a function begins, if it is known; the file as its author knows it."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    return f"{original_path(code.co_filename)}:{code.co_firstlineno}" if code else None


def original_path(file: str) -> str:
    """The author's name of a file that may lie in a bundle's folder."""
    match = _BUNDLE_FILE.match(file)
    if match is None:
        return display_path(file)
    inside = match["file"].replace(os.sep, "/")
    origin = _origins(match["folder"]).get(inside)
    return origin if origin is not None else display_path(file)


def bundle_folder(file: str) -> str | None:
    """The bundle's folder that a file lies in, if any."""
    match = _BUNDLE_FILE.match(file)
    if match is None or not os.path.isfile(match["folder"] + ORIGINS_SUFFIX):
        return None
    return match["folder"]


def encode_origins(origins: Mapping[str, str]) -> str:
    """The content of an origins file."""
    return json.dumps(dict(sorted(origins.items())), indent=1) + "\n"


def _frames(trace: TracebackType | None, folders: list[str]) -> list[str]:
    return [
        f"{original_path(frame.filename)}:{frame.lineno} in {frame.name}"
        for frame in traceback.extract_tb(trace)
        if _below(frame.filename, folders)
    ]


def _quoted(error: BaseException, folders: list[str]) -> list[str]:
    return [
        f"{original_path(match['file'])}:{match['line']} in {match['name']}"
        for match in _QUOTED_FRAME.finditer(str(error))
        if _below(match["file"], folders)
    ]


def _below(file: str, folders: list[str]) -> bool:
    full = os.path.abspath(file)
    return any(
        full == folder or full.startswith(folder.rstrip(os.sep) + os.sep) for folder in folders
    )


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        hidden = current.__suppress_context__
        current = current.__cause__ or (None if hidden else current.__context__)


def _origins(folder: str) -> Mapping[str, str]:
    try:
        return _read_origins(folder + ORIGINS_SUFFIX, os.stat(folder + ORIGINS_SUFFIX).st_mtime_ns)
    except (OSError, ValueError):
        return {}


@functools.lru_cache(maxsize=64)
def _read_origins(path: str, modified: int) -> Mapping[str, str]:
    del modified
    with open(path, encoding="utf-8") as file:
        raw = json.load(file)
    return {str(key): str(value) for key, value in raw.items()}
