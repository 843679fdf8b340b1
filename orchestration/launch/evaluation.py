# SPDX-License-Identifier: Apache-2.0
"""Evaluates expressions: values that are known only now, when the node is about to run."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from ...components.base.artifact import Artifact, ValueArtifact
from ...utils.errors import ParameterError, nearest
from ..ir import EXPRESSION_KEY, PipelineIR

_SCALARS: dict[str, tuple[type, ...]] = {
    "int": (int,),
    "float": (float, int),
    "str": (str,),
    "bool": (bool,),
}

_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class Upstream(Protocol):
    """Knows what earlier nodes put out."""

    def outputs(self, node_id: str) -> Mapping[str, list[Artifact]] | None:
        """Artifacts by output name; None where the node was skipped or is not known yet."""


class ValueUnavailable(Exception):
    """An expression reads an output that is not there: the node was skipped."""

    def __init__(self, node_id: str, output: str) -> None:
        super().__init__(f"{node_id}.{output} is not there")
        self.node_id = node_id
        self.output = output


@dataclass(frozen=True)
class Scope:
    """What expressions can see.

    Attributes:
        runtime_parameters: Values of the run's parameters.
        run: Facts of the run: `run_id`, `pipeline_name`, `pipeline_root`, `failed_nodes`.
        upstream: Outputs of earlier nodes.
    """

    runtime_parameters: Mapping[str, Any]
    run: Mapping[str, str]
    upstream: Upstream

    def resolve(self, value: Any) -> Any:
        """A parameter's value with every expression in it evaluated.

        Raises:
            ValueUnavailable: An output that it reads is not there.
        """
        if isinstance(value, dict):
            if set(value) == {EXPRESSION_KEY}:
                return self.evaluate(value[EXPRESSION_KEY])
            return {key: self.resolve(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.resolve(item) for item in value]
        return value

    def evaluate(self, expression: Mapping[str, Any]) -> Any:
        """The value of one expression.

        Raises:
            ValueUnavailable: An output that it reads is not there.
            ParameterError: It compares what cannot be compared.
        """
        kind = expression["kind"]
        if kind == "literal":
            return expression["value"]
        if kind == "runtime_parameter":
            return self.runtime_parameters[expression["name"]]
        if kind == "run":
            return self.run[expression["field"]]
        if kind == "concat":
            return "".join(str(self.evaluate(part)) for part in expression["parts"])
        if kind == "logic":
            return self._logic(expression)
        if kind == "compare":
            left, right = self.evaluate(expression["left"]), self.evaluate(expression["right"])
            try:
                return _COMPARISONS[expression["operator"]](left, right)
            except TypeError as error:
                raise ParameterError(
                    "a condition compares what cannot be compared", got=str(error)
                ) from None
        return self._artifact_field(expression)

    def _logic(self, expression: Mapping[str, Any]) -> bool:
        operands = (self.evaluate(operand) for operand in expression["operands"])
        if expression["operator"] == "not":
            return not next(operands)
        return all(operands) if expression["operator"] == "and" else any(operands)

    def _artifact_field(self, expression: Mapping[str, Any]) -> Any:
        node_id, output, index = expression["node"], expression["output"], expression["index"]
        found = (self.upstream.outputs(node_id) or {}).get(output) or []
        if index >= len(found):
            raise ValueUnavailable(node_id, output)
        artifact, field, key = found[index], expression["field"], expression["key"]
        if field == "uri":
            return artifact.uri
        if field == "value":
            if not isinstance(artifact, ValueArtifact):
                raise ParameterError(
                    f"{node_id}.{output} holds no value",
                    expected="an output of type Integer, Float, String, Boolean or JsonValue",
                    got=artifact.TYPE_NAME,
                    fix="use .future().uri or .future().property('…')",
                )
            return artifact.read()
        kept = artifact.properties if field == "property" else artifact.custom_properties
        if key not in kept:
            raise ParameterError(
                f"{node_id}.{output} has no {field.replace('_', ' ')} {key!r}",
                expected=", ".join(kept) or "none at all",
                got=key,
                suggestion=nearest(key, kept),
            )
        return kept[key]


def runtime_values(ir: PipelineIR, given: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a run's parameters: those given, else the defaults.

    Texts are read as the declared type, since command lines and engines give texts.

    Raises:
        ParameterError: A name is unknown, a value missing, or of another type.
    """
    declared = ir.runtime_parameters
    for name in given:
        if name not in declared:
            raise ParameterError(
                f"pipeline {ir.name!r} has no runtime parameter {name!r}",
                expected=", ".join(declared) or "no runtime parameters at all",
                got=name,
                suggestion=nearest(name, declared),
            )
    values: dict[str, Any] = {}
    for name, parameter in declared.items():
        value = given.get(name, parameter.default)
        if value is None:
            raise ParameterError(
                f"runtime parameter {name!r} has no value",
                expected=parameter.type,
                fix=f"give it: --param {name}=…",
            )
        values[name] = _read_scalar(name, value, parameter.type)
    return values


def _read_scalar(name: str, value: Any, kind: str) -> Any:
    read: Any = value
    if isinstance(value, str) and kind == "bool":
        read = {"true": True, "1": True, "false": False, "0": False}.get(value.lower())
    elif isinstance(value, str) and kind in ("int", "float"):
        try:
            read = int(value) if kind == "int" else float(value)
        except ValueError:
            read = None
    fits: bool = isinstance(read, _SCALARS[kind]) and (kind == "bool") == isinstance(read, bool)
    if fits:
        return float(read) if kind == "float" else read
    raise ParameterError(
        f"runtime parameter {name!r} has the wrong type", expected=kind, got=repr(value)
    )
