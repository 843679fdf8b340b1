# SPDX-License-Identifier: Apache-2.0
"""Changes of parts of a text, so that all else stays as it is, to the character."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Edit:
    """A part of a text and what to put in its place.

    Attributes:
        start: Offset of its first character.
        end: Offset after its last.
        text: What takes its place.
    """

    start: int
    end: int
    text: str


def apply_edits(source: str, edits: Iterable[Edit]) -> str:
    """The text with its parts replaced. Edits do not overlap."""
    done, at = [], 0
    for edit in sorted(edits):
        done += [source[at : edit.start], edit.text]
        at = edit.end
    return "".join([*done, source[at:]])


class Offsets:
    """Turns the positions of Python's parser and tokenizer into offsets of characters.

    Args:
        source: The text, whose lines end with a line feed.
    """

    def __init__(self, source: str) -> None:
        # Not `splitlines`, which also ends lines where Python's parser does not.
        self._lines = source.split("\n")
        self._starts = [0]
        for line in self._lines:
            self._starts.append(self._starts[-1] + len(line) + 1)

    def of_node(self, node: ast.stmt | ast.expr | ast.alias) -> tuple[int, int]:
        """Where a node of a syntax tree begins and ends."""
        end_line, end_column = node.end_lineno or node.lineno, node.end_col_offset or 0
        return self._in_bytes(node.lineno, node.col_offset), self._in_bytes(end_line, end_column)

    def _in_bytes(self, line: int, column: int) -> int:
        # The parser counts bytes of UTF-8.
        before = self._lines[line - 1].encode("utf-8")[:column]
        return self._starts[line - 1] + len(before.decode("utf-8"))

    def line_start(self, line: int) -> int:
        """Where a line begins."""
        return self._starts[line - 1]
