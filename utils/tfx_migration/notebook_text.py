# SPDX-License-Identifier: Apache-2.0
"""A notebook's file as text: where its cells' sources stand, and how to change some.

Notebooks are written by many programs, each with its own indentation, some with several. So a
file is not written anew: only the strings of the lines that change are.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping
from typing import Any

from .text_edit import Edit, apply_edits

_DECODER = json.JSONDecoder(strict=False)
_SPACE = re.compile(r"[ \t\r\n]*")
_OTHER = re.compile(r"[^\s,\]}]+")


def replace_sources(text: str, changed: Mapping[int, str]) -> str:
    """The notebook with the sources of some cells replaced.

    Args:
        text: The file's text: valid JSON, whose top is an object with `cells`.
        changed: Sources after the change, by the cell's place from 0.
    """
    places = _Places(text)
    ascii_only = text.isascii()
    edits = []
    for place, after in changed.items():
        edits += _edits(text, places.sources[place], after, ascii_only)
    return apply_edits(text, edits)


def _edits(
    text: str, strings: list[tuple[int, int, str]], after: str, ascii_only: bool
) -> list[Edit]:
    def written(line: str) -> str:
        return json.dumps(line, ensure_ascii=ascii_only)

    before = [value for _, _, value in strings]
    lines = after.splitlines(keepends=True)
    if not _is_list(text, strings[0][0]):
        return [Edit(strings[0][0], strings[0][1], written(after))]
    # What stands between two strings, so that a new line is set like the others.
    between = text[strings[0][1] : strings[1][0]] if len(strings) > 1 else ", "
    changes = difflib.SequenceMatcher(None, before, lines, autojunk=False).get_opcodes()
    if any(kind == "delete" for kind, *_ in changes):
        # Two lines have become alike; as one list they are told apart.
        changes = [("replace", 0, len(before), 0, len(lines))]
    edits = []
    for kind, i1, i2, j1, j2 in changes:
        new = between.join(map(written, lines[j1:j2]))
        if kind == "replace":
            edits.append(Edit(strings[i1][0], strings[i2 - 1][1], new))
        elif kind == "insert" and i1 < len(strings):
            edits.append(Edit(strings[i1][0], strings[i1][0], new + between))
        elif kind == "insert":
            edits.append(Edit(strings[-1][1], strings[-1][1], between + new))
    return edits


def _is_list(text: str, start: int) -> bool:
    """Whether the string at an offset is the first of a list, not a value by itself."""
    return text[:start].rstrip().endswith("[")


class _Places:
    """Where the strings of each cell's source stand in the file."""

    def __init__(self, text: str) -> None:
        self._text = text
        #: Start, end and value of each string, by cell.
        self.sources: dict[int, list[tuple[int, int, str]]] = {}
        self._walk(_skip(text, 0), ())

    def _walk(self, at: int, path: tuple[Any, ...]) -> int:
        """Passes over the value at an offset, noting sources; where it ends."""
        text = self._text
        opening = text[at]
        if opening == '"':
            value, end = _read(text, at)
            if path[:1] == ("cells",) and path[2:3] == ("source",):
                self.sources.setdefault(path[1], []).append((at, end, value))
            return end
        if opening not in "[{":
            found = _OTHER.match(text, at)
            return found.end() if found else at + 1
        at, number = _skip(text, at + 1), 0
        while text[at] not in "]}":
            key: Any = number
            if opening == "{":
                key, at = _read(text, at)
                at = _skip(text, _skip(text, at) + 1)  # the colon
            at = _skip(text, self._walk(at, (*path, key)))
            if text[at] == ",":
                at = _skip(text, at + 1)
            number += 1
        return at + 1


def _read(text: str, at: int) -> tuple[str, int]:
    """The string at an offset, and where it ends."""
    value, end = _DECODER.raw_decode(text, at)
    return str(value), end


def _skip(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at
