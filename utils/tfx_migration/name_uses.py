# SPDX-License-Identifier: Apache-2.0
"""Which names of TFX, and of libraries that belong to it, a file uses, and on which lines."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from .import_rewriter import FACE, TFX, is_tfx


@dataclass(frozen=True)
class NameUse:
    """One use of a dotted name.

    Attributes:
        name: The whole name, as in `tfx.components.Trainer`; without `v1`.
        line: Where it is used.
        arguments: Names of the arguments where it is called.
        imported: Whether it is an import that names it.
    """

    name: str
    line: int
    arguments: tuple[str, ...] = ()
    imported: bool = False


def name_uses(tree: ast.Module) -> list[NameUse]:
    """The dotted names that a file imports and uses, in order of lines.

    What a name is bound to is taken from the file's imports, wherever they stand.
    """
    bound: dict[str, str] = {}
    uses = []
    for node in ast.walk(tree):
        for local, name in _bindings(node):
            bound[local] = name
            uses.append(NameUse(name, getattr(node, "lineno", 1), imported=True))
    inner: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = _dotted(node.func, bound)
            if name:
                arguments = tuple(each.arg for each in node.keywords if each.arg)
                uses.append(NameUse(name, node.lineno, arguments))
                inner.update(map(id, ast.walk(node.func)))
        elif isinstance(node, (ast.Attribute, ast.Name)) and id(node) not in inner:
            name = _dotted(node, bound)
            if name:
                uses.append(NameUse(name, node.lineno))
                inner.update(map(id, ast.walk(node)))
    return sorted(set(uses), key=lambda use: (use.line, use.name, use.arguments))


def public_name(name: str) -> str:
    """A name as TFX has it, without `v1`; also where the import is Penstock's already."""
    if name == FACE or name.startswith(FACE + "."):
        name = TFX + name[len(FACE) :]
    if name == "tfx.v1" or name.startswith("tfx.v1."):
        name = TFX + name[len("tfx.v1") :]
    return name


def _bindings(node: ast.AST) -> Iterator[tuple[str, str]]:
    """Local names that an import binds, with what they stand for."""
    if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
        for alias in node.names:
            if alias.name != "*":
                yield alias.asname or alias.name, public_name(f"{node.module}.{alias.name}")
    elif isinstance(node, ast.Import):
        for alias in node.names:
            if alias.asname:
                yield alias.asname, public_name(alias.name)
            else:
                first = alias.name.partition(".")[0]
                yield first, first
                if is_tfx(alias.name) and alias.name != first:
                    # Not bound, but imported: a module that may not be there.
                    yield f"import {alias.name}", public_name(alias.name)


def _dotted(node: ast.expr, bound: dict[str, str]) -> str:
    """The whole name of `a.b.c` where `a` is bound by an import; empty for all else."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name) or node.id not in bound:
        return ""
    return public_name(".".join([bound[node.id], *reversed(parts)]))
