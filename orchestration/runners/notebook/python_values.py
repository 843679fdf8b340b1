# SPDX-License-Identifier: Apache-2.0
"""Parameters, expressions and channels as Python source."""

from __future__ import annotations

import importlib
import typing
from collections.abc import Callable
from typing import Any

from ....components.base.artifact import Artifact
from ....components.base.channel import Channel
from ....components.base.expression import (
    ArtifactField,
    Comparison,
    Concatenation,
    Expression,
    Literal,
    Logic,
    RunField,
    RuntimeParameter,
)
from ....components.base.node import Node
from ....components.base.parameters import encode
from ....utils.errors import ParameterError, PenstockError
from ...pipeline import InnerChannel

#: Makes a name available in the file: takes an object, answers what it is called there.
Reference = Callable[[Any], str]

_OPERATORS = {"and": " & ", "or": " | "}
_RUN_FIELDS = {
    "run_id": "RUN_ID",
    "pipeline_name": "PIPELINE_NAME",
    "pipeline_root": "PIPELINE_ROOT",
    "failed_nodes": "FAILED_NODES",
}


class PythonValues:
    """Writes values for one file.

    Args:
        public: Makes a public name of Penstock's available: answers the name.
        reference: Makes an object of anybody's available.
        variable: Answers the variable that holds a node.
        parameter: Answers the variable that holds a runtime parameter.
    """

    def __init__(
        self,
        public: Callable[[str], str],
        reference: Reference,
        variable: Callable[[Node], str],
        parameter: Callable[[RuntimeParameter], str],
    ) -> None:
        self._public = public
        self._reference = reference
        self._variable = variable
        self._parameter = parameter

    def channel(self, channel: Channel) -> str:
        """Source of a channel."""
        if isinstance(channel, InnerChannel):
            return self.channel(channel.wrapped)
        sources = channel.sources()
        if channel.producer is None and len(sources) == 1 and sources[0] is channel:
            return f"{self._public('Channel')}({self.kind(channel.type)})"
        if len(sources) > 1 or channel.producer is None:
            joined = ", ".join(self.channel(source) for source in sources)
            return f"{self._public('union')}([{joined}])"
        return f"{self._variable(channel.producer)}.outputs[{_text(channel.key)}]"

    def kind(self, kind: type[Artifact]) -> str:
        """Source of an artifact type."""
        return self._reference(kind)

    def value(self, value: Any, kind: Any = None) -> str:
        """Source of a parameter's value: of the model that it is declared as, where that fits."""
        if isinstance(value, Expression):
            return self.expression(value)
        model = _model_in(kind)
        if model is not None and isinstance(value, dict):
            made = self._model(value, model)
            if made is not None:
                return made
        if isinstance(value, dict):
            inner = (f"{self.value(key)}: {self.value(item)}" for key, item in value.items())
            return "{" + ", ".join(inner) + "}"
        if isinstance(value, (list, tuple)):
            item_kind = (typing.get_args(_plain_kind(kind)) or (None,))[0]
            return "[" + ", ".join(self.value(item, item_kind) for item in value) + "]"
        return _text(value) if isinstance(value, str) else repr(value)

    def _model(self, value: dict[str, Any], model: Any) -> str | None:
        """`TrainArgs(num_steps=3)`; None where that would not say the same."""
        if not is_public(model):
            return None
        fields = model.model_fields
        given = {}
        for name, item in value.items():
            if name not in fields:
                return None
            usual = fields[name].get_default(call_default_factory=True)
            if item != getattr(usual, "value", usual) and item is not None:
                given[name] = item
        try:
            if encode(given, model, name="", node=None, location=None) != value:
                return None
        except PenstockError:
            return None
        inner = (f"{n}={self.value(item, fields[n].annotation)}" for n, item in given.items())
        return f"{self._public(model.__name__)}({', '.join(inner)})"

    def expression(self, found: Expression) -> str:
        """Source of an expression.

        Raises:
            ParameterError: It is of a kind that has no source.
        """
        if isinstance(found, Comparison):
            return (
                f"({self.expression(found.left)} {found.operator} {self.expression(found.right)})"
            )
        if isinstance(found, Logic):
            operands = [self.expression(each) for each in found.operands]
            if found.operator == "not":
                return f"~{operands[0]}"
            return "(" + _OPERATORS[found.operator].join(operands) + ")"
        if isinstance(found, Concatenation):
            return "(" + " + ".join(self.expression(part) for part in found.parts) + ")"
        if isinstance(found, Literal):
            return self.value(found.value)
        if isinstance(found, RunField):
            return self._public(_RUN_FIELDS[found.field])
        if isinstance(found, RuntimeParameter):
            return self._parameter(found)
        if isinstance(found, ArtifactField):
            index = f"[{found.index}]" if found.index else ""
            end = found.field
            if found.field in ("property", "custom_property"):
                end = f"{found.field}({_text(found.key)})"
            return f"{self.channel(found.channel)}.future(){index}.{end}"
        raise ParameterError(
            "an expression of this kind cannot be written down", got=type(found).__name__
        )


def _plain_kind(kind: Any) -> Any:
    """A type without `| None`."""
    members = [each for each in typing.get_args(kind) if each is not type(None)]
    is_union = typing.get_origin(kind) not in (list, dict, tuple) and len(members) == 1
    return members[0] if is_union and type(None) in typing.get_args(kind) else kind


def _model_in(kind: Any) -> Any:
    """The pydantic model that a type is, or holds beside other members."""
    for each in (kind, *typing.get_args(_plain_kind(kind)), *typing.get_args(kind)):
        if isinstance(each, type) and hasattr(each, "model_fields"):
            return each
    return None


def _text(text: str) -> str:
    """A text in double quotes, as formatters have it."""
    plain = repr(text)
    if plain.startswith("'") and '"' not in plain and "\\'" not in plain:
        return f'"{plain[1:-1]}"'
    return plain


def is_public(found: Any) -> bool:
    """Whether Penstock offers a class or function at its root."""
    package = importlib.import_module(__name__.partition(".")[0])
    name = getattr(found, "__name__", "")
    return name in package.__all__ and getattr(package, name) is found
