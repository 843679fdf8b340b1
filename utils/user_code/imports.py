# SPDX-License-Identifier: Apache-2.0
"""Which modules a source text imports, found without running it."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from dataclasses import dataclass

from .sources import parse

_IMPORT_FUNCTIONS = frozenset({"import_module", "__import__"})


@dataclass(frozen=True)
class Import:
    """One imported thing.

    `import a.b` has module `a.b` and no name; `from ..a import b` has level 2, module `a`
    and name `b`; `from . import b` has level 1, an empty module and name `b`.

    Attributes:
        level: Number of leading dots.
        module: The module as written, without dots in front.
        name: What is taken from the module; `*` for everything; None for the module itself.
        line: Line of the statement.
        optional: Whether failure is caught by a `try` around it.
    """

    level: int
    module: str
    name: str | None
    line: int
    optional: bool


@functools.lru_cache(maxsize=1024)
def scan_imports(text: str, display: str) -> tuple[Import, ...]:
    """Every import of a source text, also those inside functions.

    Left out are the bodies of `if TYPE_CHECKING:` and `if __name__ == "__main__":`, which
    never run when the module is imported. `import_module("name")` counts where the name is
    written out.

    Raises:
        CodeError: The text is not valid Python.
    """
    found: list[Import] = []
    lines = text.split("\n")
    stack: list[tuple[ast.AST, bool]] = [
        (statement, False)
        for statement in parse(text, display).body
        # Most functions import nothing, and need not be walked through.
        if any("import" in line for line in lines[statement.lineno - 1 : statement.end_lineno])
    ]
    while stack:
        node, optional = stack.pop()
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            found.extend(_imports_of(node, optional))
        elif isinstance(node, ast.Call):
            found.extend(_dynamic_import(node))
        for child, inside_try in _children(node):
            stack.append((child, optional or inside_try))
    return tuple(sorted(set(found), key=lambda found: (found.line, found.module, found.name or "")))


def is_type_checking_test(test: ast.expr) -> bool:
    """Whether an `if`'s test is `TYPE_CHECKING`."""
    return (isinstance(test, ast.Name) and test.id == "TYPE_CHECKING") or (
        isinstance(test, ast.Attribute) and test.attr == "TYPE_CHECKING"
    )


def is_main_test(test: ast.expr) -> bool:
    """Whether an `if`'s test is `__name__ == "__main__"`."""
    if not (
        isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.ops[0], ast.Eq)
    ):
        return False
    sides = [test.left, test.comparators[0]]
    return any(isinstance(side, ast.Name) and side.id == "__name__" for side in sides) and any(
        isinstance(side, ast.Constant) and side.value == "__main__" for side in sides
    )


def is_never_imported(node: ast.AST) -> bool:
    """Whether `node` is an `if` whose body never runs when the module is imported."""
    return isinstance(node, ast.If) and (
        is_type_checking_test(node.test) or is_main_test(node.test)
    )


def _children(node: ast.AST) -> Iterator[tuple[ast.AST, bool]]:
    """(child, whether an exception raised in it is caught)."""
    if isinstance(node, ast.If) and is_never_imported(node):
        for statement in node.orelse:
            yield statement, False
        return
    # `try … except*` has a class of its own since Python 3.11.
    handled = bool(getattr(node, "handlers", None))
    for name, value in ast.iter_fields(node):
        for child in value if isinstance(value, list) else (value,):
            if isinstance(child, ast.AST):
                yield child, handled and name == "body"


def _imports_of(node: ast.Import | ast.ImportFrom, optional: bool) -> Iterator[Import]:
    for alias in node.names:
        if isinstance(node, ast.Import):
            yield Import(0, alias.name, None, node.lineno, optional)
        else:
            yield Import(node.level, node.module or "", alias.name, node.lineno, optional)


def _dynamic_import(node: ast.Call) -> Iterator[Import]:
    name = getattr(node.func, "attr", None) or getattr(node.func, "id", None)
    if name in _IMPORT_FUNCTIONS and node.args and isinstance(node.args[0], ast.Constant):
        module = node.args[0].value
        if isinstance(module, str) and module and not module.startswith("."):
            yield Import(0, module, None, node.lineno, True)
