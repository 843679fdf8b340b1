# SPDX-License-Identifier: Apache-2.0
"""What was measured, as a file to read on with, and as a table."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterable, Mapping
from typing import Any

from .comparison import PENSTOCK, TFX
from .rows import Row

NAME = "comparison"


def ratio(row: Row, what: str = "wall") -> float | None:
    """How many times as much TFX needs; None where one side was not measured."""
    try:
        theirs, ours = row.measured[TFX][what]["median"], row.measured[PENSTOCK][what]["median"]
    except KeyError:
        return None
    if not (ours and theirs):
        return None
    more_is_better = what == "wall" and row.unit == "krows/s"
    return ours / theirs if more_is_better else theirs / ours


def holds(row: Row, stored: Row | None = None) -> bool | None:
    """Whether the row's targets are met; None where it has none, or cannot tell."""
    verdicts: list[bool] = []
    if row.at_most is not None:
        verdicts.append(row.measured[PENSTOCK]["wall"]["median"] <= row.at_most)
    for wanted, what in ((row.faster, "wall"), (row.leaner, "memory")):
        if wanted is not None:
            found = ratio(row, what)
            found = ratio(stored, what) if found is None and stored else found
            if found is None:
                return None
            verdicts.append(found >= wanted)
    return all(verdicts) if verdicts else None


def read(path: str) -> tuple[dict[str, Any], list[Row]]:
    """What an earlier run wrote: (machine and versions, rows); nothing where there is none."""
    try:
        with open(path, encoding="utf-8") as file:
            found = json.load(file)
    except FileNotFoundError:
        return {}, []
    return found, [Row(**row) for row in found.pop("rows")]


def merged(old: Iterable[Row], new: Iterable[Row]) -> list[Row]:
    """The old rows, those measured again in place of their predecessors, others behind them."""
    rows = {row.title: row for row in old}
    rows.update({row.title: row for row in new})
    return list(rows.values())


def write(folder: str, facts: Mapping[str, Any], rows: list[Row]) -> None:
    """Writes both."""
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, f"{NAME}.json"), "w", encoding="utf-8") as file:
        json.dump({**facts, "rows": [dataclasses.asdict(row) for row in rows]}, file, indent=1)
        file.write("\n")
    with open(os.path.join(folder, f"{NAME}.md"), "w", encoding="utf-8") as file:
        file.write(markdown(facts, rows))


def markdown(facts: Mapping[str, Any], rows: Iterable[Row]) -> str:
    """The table, with what it was measured on."""
    size = facts.get("machine", {})
    lines = [
        "# Penstock and TFX, side by side",
        "",
        f"{size.get('processor')}, {size.get('cores')} cores, {size.get('memory_gib')} GiB, "
        f"{size.get('system')}; load when it began: {size.get('load_before')}.",
        "",
    ]
    for side, found in facts.get("versions", {}).items():
        lines.append(f"- {side}: " + ", ".join(f"{name} {it}" for name, it in found.items()))
    lines += [
        "",
        "Median and range of wall time; CPU time and peak memory (pages that processes share "
        "count once) are medians. Sides took turns. Where the machine was busy, CPU times tell "
        "more than wall times.",
        "",
        "| | Penstock | TFX | times as fast | CPU s: Penstock, TFX | MiB: Penstock, TFX "
        "| target | met |",
        "|---|---|---|---|---|---|---|---|",
    ]
    lines += [_line(row) for row in rows]
    return "\n".join(lines) + "\n"


def _line(row: Row) -> str:
    found = ratio(row)
    verdict = holds(row)
    cells = [
        row.title,
        _wall(row, PENSTOCK),
        _wall(row, TFX) or row.note,
        f"{found:.1f}×" if found else "",
        _pair(row, "cpu", 1, ".3g"),
        _pair(row, "memory", 2**20, ".0f"),
        target(row),
        "" if verdict is None else "yes" if verdict else "**no**",
    ]
    return "| " + " | ".join(cells) + " |"


def _wall(row: Row, side: str) -> str:
    wall = row.measured.get(side, {}).get("wall")
    if wall is None:
        return ""
    if wall["runs"] == 1:
        return f"{wall['median']:.3g} {row.unit}"
    return f"{wall['median']:.3g} {row.unit} ({wall['least']:.3g} to {wall['most']:.3g})"


def _pair(row: Row, what: str, unit: float, form: str) -> str:
    found = [row.measured.get(side, {}).get(what) for side in (PENSTOCK, TFX)]
    if not any(found):
        return ""
    text = ", ".join(f"{each['median'] / unit:{form}}" if each else "?" for each in found)
    times = ratio(row, what)
    return f"{text} ({times:.1f}×)" if times else text


def target(row: Row) -> str:
    """What the row has to reach, in words."""
    wanted = []
    if row.at_most is not None:
        wanted.append(f"at most {row.at_most:g} {row.unit}")
    if row.faster is not None:
        wanted.append(f"{row.faster:g}× as fast")
    if row.leaner is not None:
        wanted.append(f"1/{row.leaner:g} of the memory")
    return ", ".join(wanted)
