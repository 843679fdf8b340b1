# SPDX-License-Identifier: Apache-2.0
"""Tables and JSON on standard output."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click

from ...utils.terminal import Paint, is_terminal, width

#: Colours of words that say how something stands.
_STYLES: Mapping[str, tuple[str, ...]] = {
    "complete": ("green",),
    "cached": ("cyan",),
    "running": ("bold",),
    "interrupted": ("yellow",),
    "failed": ("red",),
    "canceled": ("yellow",),
    "skipped": ("dim",),
    "deleted": ("dim",),
    "run": ("green",),
    "reuse": ("cyan",),
    "skip": ("dim",),
    "may run": ("yellow",),
    "changed": ("yellow",),
}


def print_json(value: Any, *, one_line: bool = False) -> None:
    """Prints data as JSON; keys keep their order."""
    click.echo(json.dumps(value, indent=None if one_line else 2, ensure_ascii=False, default=str))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, empty: str = "") -> None:
    """Prints a table: fitted to a terminal, else with every cell whole, for `grep` and `awk`.

    Args:
        columns: Headings; the last column takes what room is left.
        rows: Cells.
        empty: What to say instead where there are no rows, on standard error.
    """
    cells = [[str(cell) for cell in row] for row in rows]
    if not cells and empty:
        click.echo(empty, err=True)
        return
    if is_terminal(sys.stdout):
        _print_fitted(columns, cells)
        return
    widths = [max(map(len, column)) for column in zip(columns, *cells, strict=True)]
    for row in [[name.upper() for name in columns], *cells]:
        line = "  ".join(f"{cell:<{size}}" for cell, size in zip(row, widths, strict=True))
        click.echo(line.rstrip())


def _print_fitted(columns: Sequence[str], cells: Sequence[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(width=width(sys.stdout), highlight=False)
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold", pad_edge=False)
    for index, name in enumerate(columns):
        last = index == len(columns) - 1
        table.add_column(name, overflow="fold", no_wrap=not last and len(columns) > 1)
    for row in cells:
        table.add_row(*(Text(cell, " ".join(_STYLES.get(cell, ()))) for cell in row))
    console.print(table)


def heading(text: str) -> str:
    """Text as a heading on standard output."""
    return Paint(sys.stdout)(text, "bold")


def dim(text: str) -> str:
    """Text that matters less, on standard output."""
    return Paint(sys.stdout)(text, "dim")


def print_pairs(pairs: Iterable[tuple[str, object]]) -> None:
    """Prints names and values below each other; what is None or empty is left out."""
    shown = [(name, str(value)) for name, value in pairs if value not in (None, "")]
    longest = max((len(name) for name, _ in shown), default=0)
    for name, value in shown:
        first, *more = value.splitlines() or [""]
        click.echo(f"{dim(name.ljust(longest))}  {first}")
        for line in more:
            click.echo(" " * (longest + 2) + line)
