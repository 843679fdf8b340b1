# SPDX-License-Identifier: Apache-2.0
"""Digest of an executor's source, as it takes part in cache keys.

Covered are the executor's module and the modules of Penstock's components that it imports,
transitively. The framework below them (`components/base`, `utils`) is not: it moves data,
it does not make it; a component whose results change for another reason says so by its
`version`.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import os

_PACKAGE_DIR = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_PACKAGE = __name__.split(".", 1)[0]


def is_framework_path(path: str) -> bool:
    """Whether a dotted path lies in this package."""
    return path.startswith(_PACKAGE + ".")


@functools.lru_cache(maxsize=256)
def executor_source(path: str) -> str:
    """Digest of the source behind a dotted path of this package; "" for any other path."""
    if not is_framework_path(path):
        return ""
    module = path.split(":", 1)[0]
    seen: dict[str, str] = {}
    _visit(module.split(".")[1:], seen)
    whole = hashlib.sha256()
    for name in sorted(seen):
        whole.update(f"{name}\0{seen[name]}\n".encode())
    return whole.hexdigest()


def _visit(parts: list[str], seen: dict[str, str]) -> None:
    name = ".".join(parts)
    if name in seen or parts[:1] != ["components"] or parts[1:2] == ["base"]:
        return
    file = os.path.join(_PACKAGE_DIR, *parts) + ".py"
    if not os.path.isfile(file):
        return
    with open(file, encoding="utf-8") as opened:
        text = opened.read()
    seen[name] = hashlib.sha256(text.encode()).hexdigest()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = parts[: len(parts) - node.level] + (node.module or "").split(".")
            base = [part for part in base if part]
            _visit(base, seen)
            for alias in node.names:
                _visit([*base, alias.name], seen)
