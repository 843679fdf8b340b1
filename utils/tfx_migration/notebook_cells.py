# SPDX-License-Identifier: Apache-2.0
"""Notebooks: the Python in their cells, moved; the file otherwise as it was.

Lines of IPython (`%matplotlib inline`, `!pip install`, `name?`) are no Python. For reading they
are taken out, and their lines kept empty of all but a `pass`, so that positions agree.
"""

from __future__ import annotations

import json
import re
from typing import Any

from .finding import Finding
from .notebook_text import replace_sources
from .python_source import Absence, move_source

#: Magics whose cell is Python.
_PYTHON_MAGICS = ("writefile", "time", "timeit", "capture", "prun", "python", "python3")
_MAGIC_LINE = re.compile(r"^\s*[%!?]|^\s*\w[\w.]*\s*=\s*[%!]|^\s*[\w.]+\?{1,2}\s*$")
#: A cell's magic, after comments.
_CELL_MAGIC = re.compile(r"(\s*(#.*)?\n)*\s*%%(?P<name>\w+)(?P<rest>.*)")
_INSTALL = re.compile(r"\bpip\d?\s+install\b.*\btfx\b")


class CellError(ValueError):
    """A cell does not parse; says which."""


def move_notebook(text: str, absence: Absence | None = None) -> tuple[str, tuple[Finding, ...]]:
    """Rewrites the imports of TFX in a notebook.

    Args:
        text: The notebook, as its file has it.
        absence: See `move_source`.

    Returns:
        Its text after the move, and what needs a hand.

    Raises:
        CellError: It is no notebook, or a cell that names TFX does not parse.
    """
    try:
        notebook: Any = json.loads(text)
        cells = notebook["cells"]
    except (ValueError, KeyError, TypeError):
        raise CellError("it is no notebook of version 4") from None
    findings: list[Finding] = []
    changed: dict[int, str] = {}
    for place, cell in enumerate(cells):
        if cell.get("cell_type") != "code":
            continue
        source = "".join(cell.get("source", ""))
        moved = _move_cell(source, place + 1, absence, findings)
        if moved != source:
            changed[place] = moved
    return replace_sources(text, changed), tuple(sorted(findings))


def _move_cell(source: str, number: int, absence: Absence | None, findings: list[Finding]) -> str:
    if "tfx" not in source and "estimator" not in source and "trainer_fn" not in source:
        return source
    lines = source.split("\n")
    for at, line in enumerate(lines, start=1):
        if _INSTALL.search(line):
            advice = "pip install 'penstock[ml]', by the constraints that its README names"
            findings.append(Finding(number, at, line.strip()[:80], advice))
    first = _CELL_MAGIC.match(source)
    if first and first["name"] not in _PYTHON_MAGICS:
        return source
    # Where the file's name is a variable, what it is shows only from the text.
    named = first["rest"].strip() if first and first["name"] == "writefile" else ".py"
    if not named.endswith((".py", "}")):
        return source
    magics: dict[int, str] = {}
    for at, line in enumerate(lines):
        if _is_magic(lines, at) or (at - 1 in magics and lines[at - 1].rstrip().endswith("\\")):
            magics[at] = line
    plain, indent, last = [], "", ""
    for at, line in enumerate(lines):
        if at in magics:
            if at - 1 not in magics:
                # IPython takes an indented magic outside of any block.
                in_block = last.endswith(":") or last[:1].isspace()
                indent = line[: len(line) - len(line.lstrip())] if in_block else ""
            plain.append(indent + _BLANK)
        else:
            last = line.partition("#")[0].rstrip() or last
            plain.append(line)
    try:
        moved = move_source("\n".join(plain), absence, cell=number)
    except SyntaxError as error:
        if not named.endswith(".py"):
            return source
        raise CellError(f"cell {number}, line {error.lineno}: {error.msg}") from None
    findings += moved.findings
    # A rewritten import may have become several lines; the magics are found by their blanks.
    again = iter(magics.values())
    return "\n".join(
        next(again) if line.endswith(_BLANK) else line for line in moved.text.split("\n")
    )


_BLANK = "pass  # a line of IPython"


def _is_magic(lines: list[str], at: int) -> bool:
    line = lines[at]
    if not _MAGIC_LINE.search(line):
        return False
    # `a = b \` + `% c`, and a text over several lines, are Python: only what does not parse
    # as a line of its own, after a complete line, is taken for a magic.
    return not (at and lines[at - 1].rstrip().endswith(("\\", "(", ",", "[", "{")))
