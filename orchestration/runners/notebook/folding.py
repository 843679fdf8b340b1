# SPDX-License-Identifier: Apache-2.0
"""Long expressions over several lines, as a formatter would lay them out."""

from __future__ import annotations

import io
import itertools
import tokenize

_STEP = "    "


def folded(text: str, width: int, indent: str = "") -> str:
    """An expression whose longest brackets are opened until its lines fit.

    Args:
        text: Source of one expression, or of `name=expression`, on one line.
        width: Longest line, in characters, with the comma that follows.
        indent: What the following lines begin with.
    """
    if len(indent) + len(text) < width or "\n" in text:
        return text
    group = _longest_group(text)
    if group is None:
        return text
    first, last, commas = group
    edges = [first, *commas, last]
    parts = [text[a + 1 : b].strip() for a, b in itertools.pairwise(edges)]
    inner = indent + _STEP
    lines = "".join(f"{inner}{folded(part, width, inner)},\n" for part in parts if part)
    return f"{text[: first + 1]}\n{lines}{indent}{text[last:]}"


def _longest_group(text: str) -> tuple[int, int, list[int]] | None:
    """Where the longest outermost brackets open and close, and the commas directly in them.

    Only brackets in which a comma at the end means nothing: not those of a subscript, nor
    those that merely hold an expression together.
    """
    best: tuple[int, int, list[int]] | None = None
    opened: list[tuple[int, bool]] = []
    commas: list[int] = []
    before = ""
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        column, sign = token.start[1], token.string
        if token.type == tokenize.OP and sign in "([{":
            follows = before.isidentifier() or before in (")", "]") or before[-1:] in ("'", '"')
            opened.append((column, sign == "{" or follows == (sign == "(")))
            if len(opened) == 1:
                commas = []
        elif token.type == tokenize.OP and sign in ")]}":
            first, foldable = opened.pop()
            longer = best is None or column - first > best[1] - best[0]
            if not opened and foldable and longer and column > first + 1:
                best = (first, column, commas)
        elif sign == "," and len(opened) == 1:
            commas.append(column)
        before = sign
    return best
