# SPDX-License-Identifier: Apache-2.0
"""Expressions as text, in YAML.

    ${train.outputs.accuracy} > 0.8 and not ${parameters.dry}

What stands in `${…}` is a reference, which the reader resolves; around it are comparisons,
`and`, `or`, `not`, `+`, numbers, quoted texts, `true`, `false`, `null`, and parentheses. The
text is parsed, never evaluated, as Python's grammar has it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from typing import Any

from ...components.base.channel import Channel
from ...components.base.expression import (
    ArtifactField,
    Comparison,
    Concatenation,
    Expression,
    Literal,
    Logic,
    Predicate,
    RunField,
    RuntimeParameter,
)
from ...utils.errors import ParameterError

#: A reference, or the two characters escaped by a third.
REFERENCE = re.compile(r"\$\$\{|\$\{([^{}]*)\}")

_COMPARISONS: dict[type[ast.cmpop], str] = {
    ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=",
}  # fmt: skip
_CONSTANTS = {"true": True, "false": False, "null": None}
_EXPECTED = "a comparison such as ${train.outputs.accuracy} > 0.8, joined by and, or, not"

#: What a reference's text stands for.
Resolve = Callable[[str], Any]
#: How a channel is named in a reference.
NameOf = Callable[[Channel], str]


def parse_expression(text: str, resolve: Resolve) -> Expression:
    """The expression that a text describes.

    Raises:
        ParameterError: It is none.
    """
    found: list[Expression] = []

    def stand_in(match: re.Match[str]) -> str:
        if match.group(1) is None:
            return "${"
        found.append(_as_value(resolve(match.group(1))))
        return f" _reference_{len(found) - 1} "

    try:
        tree = ast.parse(REFERENCE.sub(stand_in, text).strip(), mode="eval")
    except (SyntaxError, ValueError) as error:
        raise _unreadable(text, getattr(error, "msg", str(error))) from None
    return _Reader(text, found).read(tree.body)


def _as_value(found: Any) -> Expression:
    """What a reference means as a value: the first value of a channel."""
    if isinstance(found, Channel):
        return found.future().value
    return found if isinstance(found, Expression) else Literal(found)


def parse_text(text: str, resolve: Resolve) -> Any:
    """A text in which `${…}` stands for values: a plain text, or an expression.

    A reference alone is what it stands for, a channel perhaps.
    """
    parts: list[Any] = []
    end = 0
    for match in REFERENCE.finditer(text):
        parts.append(text[end : match.start()])
        parts.append("${" if match.group(1) is None else _Found(resolve(match.group(1))))
        end = match.end()
    parts.append(text[end:])
    parts = [part for part in _joined(parts) if part != ""]
    if len(parts) == 1 and isinstance(parts[0], _Found):
        return parts[0].value
    if not any(isinstance(part, _Found) for part in parts):
        return "".join(parts)
    values = [_as_value(part.value if isinstance(part, _Found) else part) for part in parts]
    whole = values[0]
    for value in values[1:]:
        # Nested as Python nests `a + b + c`.
        whole = Concatenation([whole, value])
    return whole


class _Found:
    def __init__(self, value: Any) -> None:
        self.value = value


def _joined(parts: list[Any]) -> list[Any]:
    """Texts side by side as one, and texts that references stood for among them."""
    joined: list[Any] = []
    for part in parts:
        if isinstance(part, _Found) and isinstance(part.value, str):
            part = part.value
        if joined and isinstance(part, str) and isinstance(joined[-1], str):
            joined[-1] += part
        else:
            joined.append(part)
    return joined


class _Reader:
    """Reads the tree of one text."""

    def __init__(self, text: str, found: list[Expression]) -> None:
        self.text = text
        self.found = found

    def read(self, node: ast.expr) -> Expression:
        if isinstance(node, ast.Compare):
            return self._comparison(node)
        if isinstance(node, ast.BoolOp):
            operator = "and" if isinstance(node.op, ast.And) else "or"
            return Logic(operator, [self._predicate(value) for value in node.values])
        if isinstance(node, ast.UnaryOp):
            if isinstance(node.op, ast.Not):
                return Logic("not", [self._predicate(node.operand)])
            if isinstance(node.op, ast.USub) and isinstance(node.operand, ast.Constant):
                return Literal(-node.operand.value)  # type: ignore[operator]
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            return Concatenation([self.read(node.left), self.read(node.right)])
        if isinstance(node, ast.Constant) and not isinstance(node.value, (bytes, complex)):
            return Literal(node.value)
        if isinstance(node, ast.Name):
            if node.id.startswith("_reference_"):
                return self.found[int(node.id.removeprefix("_reference_"))]
            if node.id in _CONSTANTS:
                return Literal(_CONSTANTS[node.id])
        raise _unreadable(self.text, f"{ast.unparse(node)!r} is not understood")

    def _comparison(self, node: ast.Compare) -> Predicate:
        values = [self.read(value) for value in (node.left, *node.comparators)]
        made: list[Predicate] = []
        for operator, left, right in zip(node.ops, values, values[1:], strict=False):
            if type(operator) not in _COMPARISONS:
                raise _unreadable(self.text, "only == != < <= > >= compare")
            made.append(Comparison(_COMPARISONS[type(operator)], left, right))
        return made[0] if len(made) == 1 else Logic("and", made)

    def _predicate(self, node: ast.expr) -> Predicate:
        found = self.read(node)
        if not isinstance(found, Predicate):
            raise _unreadable(self.text, f"{ast.unparse(node)!r} is neither true nor false")
        return found


def _unreadable(text: str, why: str) -> ParameterError:
    said = re.sub(r"_reference_\d+", "${…}", why)
    return ParameterError(
        "this expression cannot be read", expected=_EXPECTED, got=f"{text}: {said}"
    )


def expression_text(expression: Expression, name_of: NameOf) -> str:
    """The text that `parse_expression` reads as this expression.

    Raises:
        ParameterError: There is none.
    """
    if isinstance(expression, Comparison):
        left, right = (expression_text(e, name_of) for e in (expression.left, expression.right))
        return f"({left} {expression.operator} {right})"
    if isinstance(expression, Logic):
        operands = [expression_text(operand, name_of) for operand in expression.operands]
        if expression.operator == "not":
            return f"(not {operands[0]})"
        return "(" + f" {expression.operator} ".join(operands) + ")"
    if isinstance(expression, Concatenation) and len(expression.parts) == 2:
        return "(" + " + ".join(expression_text(part, name_of) for part in expression.parts) + ")"
    if isinstance(expression, Literal):
        words = {True: "true", False: "false", None: "null"}
        plain = isinstance(expression.value, bool) or expression.value is None
        return words[expression.value] if plain else escaped(repr(expression.value))
    return "${" + reference(expression, name_of) + "}"


def reference(expression: Expression, name_of: NameOf) -> str:
    """What stands in `${…}` for an expression that reads one thing.

    Raises:
        ParameterError: It is no such expression.
    """
    if isinstance(expression, RuntimeParameter):
        return f"parameters.{expression.name}"
    if isinstance(expression, RunField):
        return f"run.{expression.field}"
    if isinstance(expression, ArtifactField):
        index = f"[{expression.index}]" if expression.index else ""
        field = {"value": "", "uri": ".uri"}.get(
            expression.field, f".{expression.field}.{expression.key}"
        )
        return name_of(expression.channel) + index + field
    raise ParameterError(
        "an expression of this kind cannot be written in YAML", got=type(expression).__name__
    )


def value_text(expression: Expression, name_of: NameOf) -> str | None:
    """An expression as a text with `${…}` in it; None where only `parse_expression` has a form."""
    parts: list[Expression] = []

    def flatten(found: Expression) -> bool:
        if isinstance(found, Concatenation) and len(found.parts) == 2:
            parts.insert(0, found.parts[1])
            return flatten(found.parts[0])
        parts.insert(0, found)
        return True

    flatten(expression)
    written: list[str] = []
    previous_literal = False
    for part in parts:
        literal = isinstance(part, Literal)
        if isinstance(part, Literal):
            if not isinstance(part.value, str) or not part.value or previous_literal:
                return None
            written.append(escaped(part.value))
        elif isinstance(part, (RuntimeParameter, RunField, ArtifactField)):
            if written and written[-1].endswith("$"):
                return None
            written.append("${" + reference(part, name_of) + "}")
        else:
            return None
        previous_literal = literal
    return "".join(written) if any(not isinstance(part, Literal) for part in parts) else None


def escaped(text: str) -> str:
    """A plain text as YAML has it, so that `${` in it means nothing."""
    return text.replace("${", "$${")
