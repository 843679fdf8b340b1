# SPDX-License-Identifier: Apache-2.0
"""A digest of code that changes when its meaning may, and not when only its looks do.

The syntax tree is written out field by field: layout, comments, quotes, parentheses and
numerals' notation are not in the tree to begin with. Left out on top of that are statements
that are a mere constant (docstrings, notes, `...`), and fields that are empty, so that
fields which newer Pythons add do not disturb. Strings with placeholders are joined up, as
Pythons cut them differently. Python 3.10 to 3.13 agree; a test compares them.

`NORMAL_FORM_VERSION` is part of every digest: raise it when anything here changes.
"""

from __future__ import annotations

import ast
import functools
import hashlib
from typing import Any

NORMAL_FORM_VERSION = b"penstock-ast-1\n"

#: Fields that say nothing beyond the node's place in the tree, or nothing at run time.
_SKIPPED = frozenset({"ctx", "kind", "type_comment", "type_ignores"})


def tree_digest(*nodes: ast.AST) -> str:
    """SHA-256 of the normal form of some statements."""
    parts: list[bytes] = [NORMAL_FORM_VERSION]
    for node in nodes:
        _write(node, parts)
    return hashlib.sha256(b"".join(parts)).hexdigest()


def _write(value: Any, parts: list[bytes]) -> None:
    if isinstance(value, ast.Constant):
        # Marked: the key of `{**a}` is None as well, without being the constant.
        parts.append(b"#")
        _write_constant(value.value, parts)
    elif isinstance(value, ast.JoinedStr):
        parts.append(b"(JoinedStr")
        for piece in _joined(value):
            _write(piece, parts)
        parts.append(b")")
    elif isinstance(value, ast.AST):
        kind: Any = type(value)
        head, fields = _layout(kind)
        parts.append(head)
        for name, label in fields:
            item = getattr(value, name, None)
            if item is not None and item != []:
                parts.append(label)
                _write(item, parts)
        parts.append(b")")
    elif isinstance(value, list):
        parts.append(b"[")
        for item in value:
            if not is_constant_statement(item):
                _write(item, parts)
        parts.append(b"]")
    else:
        _write_constant(value, parts)


@functools.cache
def _layout(kind: type[ast.AST]) -> tuple[bytes, tuple[tuple[str, bytes], ...]]:
    """How a node of some kind begins, and its fields with what stands before each."""
    names = [name for name in kind._fields if name not in _SKIPPED]
    return b"(%b" % kind.__name__.encode(), tuple((n, b" %b=" % n.encode()) for n in names)


def is_constant_statement(node: Any) -> bool:
    """Whether a statement is a mere constant: a docstring, a note, `...`."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _joined(node: ast.JoinedStr) -> list[ast.expr]:
    """The pieces of a string with placeholders, neighbouring texts joined, empty ones left out."""
    pieces: list[ast.expr] = []
    for piece in node.values:
        text = piece.value if isinstance(piece, ast.Constant) else None
        last = pieces[-1] if pieces else None
        if isinstance(text, str) and isinstance(last, ast.Constant):
            pieces[-1] = ast.Constant(f"{last.value!s}{text}")
        elif text != "":
            pieces.append(piece)
    return pieces


def _write_constant(value: Any, parts: list[bytes]) -> None:
    # Each kind has a tag and says its length, so that none can pass for another.
    if isinstance(value, str):
        text = value.encode("utf-8", "surrogatepass")
        parts.append(b"s%d:%b" % (len(text), text))
    elif isinstance(value, bytes):
        parts.append(b"y%d:%b" % (len(value), value))
    elif isinstance(value, int) and not isinstance(value, bool):
        # Hexadecimal: Python refuses to write more than 4,300 decimal digits.
        parts.append(b"i%b;" % format(value, "x").encode())
    else:
        # None, True, False, ..., floating-point and complex numbers.
        parts.append(b"%b:%b;" % (type(value).__name__.encode(), repr(value).encode()))
