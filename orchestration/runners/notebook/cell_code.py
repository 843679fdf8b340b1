# SPDX-License-Identifier: Apache-2.0
"""Functions from several cells as the text of one module, so that each keeps its fingerprint.

Each function travels alone, in a module of what it needs (`utils.user_code.notebook`), and its
fingerprint goes over the statements of that module in order. So the parts have to stand here in
an order that agrees with each of those modules.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TypeVar

from ....components.base.function_component import NOTEBOOK, TYPE_MODULE
from ....utils.errors import CodeError
from ....utils.user_code.notebook import CellImport, CellModule

T = TypeVar("T")


class CellCode:
    """What some functions and classes from cells need, together.

    Args:
        modules: What each needs.

    Raises:
        CodeError: Something cannot travel, or two of them mean different things by a name.
    """

    def __init__(self, modules: Sequence[CellModule]) -> None:
        self.imports: dict[str, CellImport] = {}
        self.constants: dict[str, str] = {}
        self.postponed = any(module.postponed for module in modules)
        sources: dict[str, str] = {}
        for module in modules:
            module.check()
            _join(self.imports, module.imports)
            _join(self.constants, module.constants)
            _join(sources, module.sources)
        self.sources = {
            name: sources[name] for name in _ordered([list(each.sources) for each in modules])
        }

    @property
    def names(self) -> set[str]:
        """Every name that it defines or imports."""
        return {*self.imports, *self.constants, *self.sources}

    def body(self) -> str:
        """Constants, then functions and classes."""
        if not self.sources:
            return ""
        head = (
            "# The functions below keep the type that they had in the notebook, so that what was\n"
            f'# computed there is found again.\n{TYPE_MODULE} = "{NOTEBOOK}"\n'
        )
        constants = "".join(f"{name} = {text}\n" for name, text in sorted(self.constants.items()))
        return "\n\n".join(part for part in (head, constants, *self.sources.values()) if part)


def _join(kept: dict[str, T], found: Mapping[str, T]) -> None:
    """Adds names to those that are known.

    Raises:
        CodeError: One is known with another meaning.
    """
    for name, value in found.items():
        if kept.setdefault(name, value) != value:
            raise CodeError(
                f"{name} means different things to functions of this notebook",
                expected="one meaning",
                got=f"{kept[name]} and {value}",
                fix="restart the kernel, run all cells, and export again",
            )


def import_lines(imports: Sequence[CellImport]) -> str:
    """Import statements, those from one module together, none longer than 100 characters."""
    lines: list[str] = []
    grouped: dict[str, list[str]] = {}
    for each in sorted(set(imports)):
        if not each.attribute:
            lines.append(str(each))
            continue
        renamed = "" if each.attribute == each.name else f" as {each.name}"
        if each.module not in grouped:
            grouped[each.module] = []
            lines.append(each.module)
        grouped[each.module].append(each.attribute + renamed)
    text, standard = "", None
    for line in lines:
        top = line.removeprefix("import ").split(" ", 1)[0].partition(".")[0]
        if standard is True and top not in sys.stdlib_module_names:
            text += "\n"
        standard = top in sys.stdlib_module_names
        text += f"{_from(line, grouped.get(line))}\n"
    return text


def _from(line: str, names: list[str] | None) -> str:
    if names is None:
        return line
    short = f"from {line} import {', '.join(names)}"
    if len(short) <= 100:
        return short
    return f"from {line} import (\n" + "".join(f"    {name},\n" for name in names) + ")"


def _ordered(sequences: Sequence[Sequence[str]]) -> list[str]:
    """All names, each after those that stand before it in any of the sequences.

    Where they contradict each other, as two orders of independent functions can, the first
    sequence that has a name decides; that function's fingerprint then changes.
    """
    before: dict[str, list[str]] = {}
    for sequence in sequences:
        for index, name in enumerate(sequence):
            before.setdefault(name, []).extend(sequence[:index])
    done: dict[str, None] = {}
    visiting: set[str] = set()

    def visit(name: str) -> None:
        if name in done or name in visiting:
            return
        visiting.add(name)
        for each in before[name]:
            visit(each)
        done[name] = None

    for name in before:
        visit(name)
    return list(done)
