# SPDX-License-Identifier: Apache-2.0
"""One piece of Python: its imports rewritten, and what in it needs a hand."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import TypeGuard

from .finding import Finding
from .import_rewriter import copied_modules, import_edits, is_tfx
from .name_uses import name_uses, public_name
from .text_edit import apply_edits
from .unsupported import FUNCTION_RULES, argument_advice, name_rule

#: Why Penstock's face lacks a name of TFX, as `tfx.components.Trainer`, and what to do instead;
#: None where it has the name.
Absence = Callable[[str], "tuple[str, str] | None"]

_DOTTED_TFX = re.compile(r"tfx(\.\w+)+(:\w+)?")
#: Names of types in the metadata store, which are the same in Penstock.
_TYPE_NAME = re.compile(r"tfx\.(components|dsl)\..*\.(component|importer|resolver)\.\w+")


@dataclass(frozen=True)
class MovedSource:
    """A piece of Python after the move.

    Attributes:
        text: The text, the same where there was nothing to change.
        findings: What needs a hand.
    """

    text: str
    findings: tuple[Finding, ...]


def move_source(
    source: str,
    absence: Absence | None = None,
    *,
    cell: int = 0,
    beside: Collection[str] = (),
) -> MovedSource:
    """Rewrites the imports of TFX in a piece of Python.

    Args:
        source: The text.
        absence: Why the face lacks a name; by default it is taken to have all.
        cell: Number of the notebook's cell that it is.
        beside: Names of the modules in the file's folder.

    Raises:
        SyntaxError: It does not parse.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the user's own strings
        tree = ast.parse(source)
    copied = {
        public_name(module) for node in ast.walk(tree) for module in copied_modules(node, beside)
    }
    found = {
        Finding(cell, line, what, instead)
        for line, what, instead in _findings(tree, absence, copied)
    }
    edits = import_edits(source, tree, beside)
    return MovedSource(apply_edits(source, edits), tuple(sorted(found)))


def _findings(
    tree: ast.Module, absence: Absence | None, copied: set[str]
) -> Iterator[tuple[int, str, str]]:
    told: set[str] = set()
    for use in name_uses(tree):
        if _told(use.name, copied):
            continue
        rule = name_rule(use.name)
        asked = absence is not None and use.name.startswith("tfx.")
        why = absence(use.name) if absence is not None and asked else None
        if rule is not None and (rule.always or why or not asked):
            why = rule.what, rule.instead
        if why is not None:
            # An import tells of all that comes from it.
            if use.imported or not _told(use.name, told):
                what, instead = why
                yield use.line, f"{use.name}: {what}", instead
            told.add(use.name)
            continue
        for argument in use.arguments:
            advice = argument_advice(use.name, argument) if use.name.startswith("tfx.") else ""
            if advice:
                yield use.line, f"the argument {argument} of {use.name}", advice
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name in FUNCTION_RULES:
            yield node.lineno, *FUNCTION_RULES[node.name]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            if _DOTTED_TFX.fullmatch(node.value) and not _TYPE_NAME.fullmatch(node.value):
                yield (
                    node.lineno,
                    f"the text {node.value!r}",
                    "where it names a module to import, write penstock." + node.value,
                )
        elif _takes_all(node):
            yield node.lineno, f"from {node.module} import *", "import the names one by one"


def _takes_all(node: ast.AST) -> TypeGuard[ast.ImportFrom]:
    """Whether a node is `from tfx.… import *`."""
    return (
        isinstance(node, ast.ImportFrom)
        and node.names[0].name == "*"
        and not node.level
        and is_tfx(public_name(node.module or ""))
    )


def _told(name: str, told: set[str]) -> bool:
    return any(name == each or name.startswith(each + ".") for each in told)
