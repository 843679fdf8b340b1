# SPDX-License-Identifier: Apache-2.0
"""A module as the list of its top-level statements: the units of which slices are made."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator

from .imports import is_never_imported
from .normal_form import is_constant_statement, tree_digest
from .scopes import Uses, chain_of, uses_of
from .sources import parse


class Statement:
    """One top-level statement, or one name of an import statement.

    Attributes:
        node: Its syntax tree.
        label: What people call it: `f()`, `class A`, `LIMIT`, `import numpy as np`.
    """

    def __init__(self, node: ast.stmt) -> None:
        self.node = node
        self.label = _label(node)

    @functools.cached_property
    def uses(self) -> Uses:
        """Names that it binds and uses."""
        return uses_of(self.node)

    @functools.cached_property
    def digest(self) -> str:
        """Digest of its normal form."""
        return tree_digest(self.node)


@functools.lru_cache(maxsize=256)
def read_statements(text: str, display: str) -> tuple[Statement, ...]:
    """The statements that run when a module is imported.

    Left out are mere constants (docstrings) and the bodies of `if TYPE_CHECKING:` and
    `if __name__ == "__main__":`.

    Raises:
        CodeError: The text is not valid Python.
    """
    return tuple(map(Statement, _flatten(parse(text, display).body)))


def _flatten(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    for node in body:
        if is_constant_statement(node):
            continue
        if isinstance(node, ast.If) and is_never_imported(node):
            yield from _flatten(node.orelse)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                yield ast.copy_location(ast.Import(names=[alias]), node)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                part = ast.ImportFrom(module=node.module, names=[alias], level=node.level)
                yield ast.copy_location(part, node)
        else:
            yield node


def _label(node: ast.stmt) -> str:
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return f"{node.name}()"
    if isinstance(node, ast.ClassDef):
        return f"class {node.name}"
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return ast.unparse(node)
    if isinstance(node, ast.Assign):
        return " = ".join(ast.unparse(target) for target in node.targets)
    if isinstance(node, (ast.AnnAssign, ast.AugAssign)):
        return ast.unparse(node.target)
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        called = chain_of(node.value.func)
        return f"call of {'.'.join(called)}()" if called else "call"
    word = type(node).__name__.lower()
    return f"{word} statement"
