# SPDX-License-Identifier: Apache-2.0
"""A view for a terminal: tables, and histograms of a few characters."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from .html_page import number_text
from .view import (
    Bars,
    Block,
    Cell,
    Code,
    Curves,
    Document,
    Dots,
    Facts,
    Fold,
    Graph,
    Spark,
    Table,
    Toned,
    View,
    Words,
    is_number,
)

if TYPE_CHECKING:
    from rich.console import Console

_LEVELS = " ▁▂▃▄▅▆▇█"
_STYLES = {"plain": "", "dim": "dim", "fine": "green", "warning": "yellow", "error": "bold red"}
_BAR, _MOST_ROWS, _MOST_CHARTS = 30, 60, 6


def print_view(console: Console, view: View) -> None:
    """Prints a view."""
    from rich.text import Text

    console.print(Text(plain(view.title), "bold"))
    if view.subtitle:
        console.print(Text(plain(view.subtitle), "dim"), overflow="fold")
    _print_all(console, view.blocks)


def plain(text: str) -> str:
    """Text without what would act on a terminal."""
    return "".join(
        char if char in "\n\t" or unicodedata.category(char)[0] != "C" else "\ufffd"
        for char in text
    )


def spark_text(shares: Sequence[float]) -> str:
    """Shares as a row of small columns."""
    top = max(shares, default=0) or 1
    return "".join(_LEVELS[max(1, round(share / top * 8)) if share > 0 else 0] for share in shares)


def _print_all(console: Console, blocks: Iterable[Block]) -> None:
    charts = 0
    for block in blocks:
        charts += isinstance(block, (Bars, Dots, Curves))
        if charts > _MOST_CHARTS and isinstance(block, (Bars, Dots, Curves)):
            continue
        _print(console, block)
    if charts > _MOST_CHARTS:
        _say(console, f"… and {charts - _MOST_CHARTS} more charts", "dim")


def _print(console: Console, block: Block) -> None:
    if isinstance(block, Words):
        _say(console, block.text, _STYLES[block.tone])
    elif isinstance(block, Facts):
        _table(console, ("", ""), [pair for pair in block.pairs if pair[1] not in (None, "")])
    elif isinstance(block, Table):
        _heading(console, block.title, block.note)
        _table(console, block.columns, block.rows)
    elif isinstance(block, Bars):
        _bars(console, block)
    elif isinstance(block, Curves):
        _curves(console, block)
    elif isinstance(block, Dots):
        rows = [(name, value, other) for name, value, _, _, other in block.rows]
        _heading(console, block.title)
        _table(console, ("slice", block.label, block.other or "other"), rows)
    elif isinstance(block, Graph):
        _graph(console, block)
    elif isinstance(block, Document):
        _say(console, block.text or f"{block.title}: a page, which --html FILE writes")
    elif isinstance(block, Code):
        _say(console, block.text)
    elif isinstance(block, Fold):
        _heading(console, block.title)
        _print_all(console, block.blocks)


def _say(console: Console, text: str, style: str = "") -> None:
    from rich.text import Text

    console.print(Text(plain(text), style), overflow="fold")


def _heading(console: Console, title: str, note: str = "") -> None:
    if title:
        _say(console, f"\n{title}", "bold")
    if note:
        _say(console, note, "dim")


def _table(console: Console, columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> None:
    from rich.table import Table as Grid

    grid = Grid(
        box=None, padding=(0, 2, 0, 0), header_style="bold", pad_edge=False,
        show_header=any(columns),
    )  # fmt: skip
    for index, name in enumerate(columns):
        number = any(is_number(row[index]) for row in rows)
        grid.add_column(
            plain(name), justify="right" if number else "left", overflow="fold",
            no_wrap=any(isinstance(row[index], Spark) for row in rows),
        )  # fmt: skip
    for row in rows[:_MOST_ROWS]:
        grid.add_row(*map(_cell, row))
    console.print(grid)
    if len(rows) > _MOST_ROWS:
        _say(console, f"… and {len(rows) - _MOST_ROWS} more rows", "dim")


def _cell(value: Cell) -> Any:
    from rich.text import Text

    if isinstance(value, Spark):
        return Text("\n".join(spark_text(side) for side in value.sides))
    if isinstance(value, Toned):
        return Text(plain(value.text), _STYLES[value.tone])
    return Text(plain(number_text(value)), "dim" if value is None else "")


def _bars(console: Console, block: Bars) -> None:
    chart = block.chart
    where = f" ({chart.split})" if chart.split else ""
    _heading(console, f"{chart.feature}{where}", chart.note)
    several = len(chart.sides) > 1
    longest = max((share for side in chart.sides for share in side.shares), default=0) or 1
    rows = []
    for index, label in enumerate(chart.labels):
        for place, side in enumerate(chart.sides):
            share = side.shares[index]
            bar = "█" * round(_BAR * share / longest) or ("▏" if share > 0 else "")
            shown = label if place == 0 else ""
            rows.append((shown, side.name, bar, f"{share:.1%}") if several else
                        (shown, bar, f"{share:.1%}"))  # fmt: skip
    _table(console, ("", "", "", "") if several else ("", "", ""), rows)


def _curves(console: Console, block: Curves) -> None:
    _heading(console, block.title)
    rows = []
    for name, points in block.lines.items():
        values = [y for _, y in points]
        low, high = min(values), max(values)
        step = max(1, len(values) // 40)
        shape = [(value - low) / ((high - low) or 1) + 0.05 for value in values[::step]]
        rows.append((name, Spark([shape]), values[0], values[-1]))
    _table(console, ("series", block.y_label, "first", "last"), rows)


def _graph(console: Console, block: Graph) -> None:
    _heading(console, block.title)
    before: dict[str, list[str]] = {}
    names = {node.key: node.lines[0] for node in block.nodes}
    for source, target, _ in block.edges:
        before.setdefault(target, []).append(names.get(source, source))
    rows = [
        (node.lines[0], ", ".join(node.lines[1:]), ", ".join(before.get(node.key, [])))
        for node in block.nodes
    ]
    _table(console, ("node", "what", "after"), rows)
