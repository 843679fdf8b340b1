# SPDX-License-Identifier: Apache-2.0
"""An error as a notebook shows it: short, with the user's own line, without a traceback."""

from __future__ import annotations

import linecache
import os
import re
import sys

from ....utils.errors import CodeError, PenstockError
from ....utils.user_code.notebook import CellModule

#: Files that stand for cells: ipykernel's, and what IPython itself names them.
_CELL = re.compile(
    r"(?P<file>\S*ipykernel_\d+[/\\]\d+\.py|<ipython-input-[^>]*>):(?P<line>\d+)(?P<rest>[^\n]*)"
)
#: Where a cell's function that travelled stands: in a module made for it.
_FUNCTION = re.compile(r"notebook cell of (?P<name>\w+):(?P<line>\d+)(?P<rest>(?: in \w+)?)")


def show_short() -> None:
    """Lets notebooks show errors so from now on."""
    PenstockError.cell_lines = staticmethod(lines_of)


def lines_of(error: PenstockError) -> list[str]:
    """Lines to show for an error, in ANSI colours."""
    head, *rest = _FUNCTION.sub(_in_function, _CELL.sub(_named, str(error))).split("\n")
    return [f"\x1b[1;31m{type(error).__name__}\x1b[0m: {head}", *rest]


def _named(match: re.Match[str]) -> str:
    """A place in a cell as its reader knows it, with what stands there."""
    file, line = match["file"], int(match["line"])
    text = linecache.getline(file, line).strip()
    number = _cell_number("".join(linecache.getlines(file)))
    place = f"cell [{number}], line {line}" if number else f"line {line} of the cell"
    return f"{place}{match['rest']}" + (f":  {text}" if text else "")


def _in_function(match: re.Match[str]) -> str:
    """A place in a cell's function as its reader knows it."""
    entry = getattr(sys.modules["__main__"], match["name"], None)
    entry = getattr(entry, "__wrapped__", entry)
    try:
        module = CellModule(entry)  # type: ignore[arg-type]
        line = module.text().split("\n")[int(match["line"]) - 1].strip()
    except (CodeError, AttributeError, IndexError, TypeError):
        return match[0]
    for file, kept in list(linecache.cache.items()):
        if len(kept) < 3 or not _CELL.match(f"{file}:1"):
            continue
        for number, text in enumerate(kept[2], 1):
            if text.strip() == line and _cell_number("".join(kept[2])):
                cell = _cell_number("".join(kept[2]))
                return f"cell [{cell}], line {number}{match['rest']}:  {line}"
    return f"{match[0]}:  {line}"


def _cell_number(source: str) -> int:
    """The number that the cell with a text was run under last; 0 where it is not known."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    if shell is None or not source.strip():
        return 0
    history = shell.user_ns.get("In", [])
    wanted = source.strip().replace(os.linesep, "\n")
    for number in range(len(history) - 1, 0, -1):
        if str(history[number]).strip() == wanted:
            return number
    return 0
