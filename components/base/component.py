# SPDX-License-Identifier: Apache-2.0
"""Components declared as classes.

A component is declared once, by annotations; its constructor, its entry in the compiled
pipeline and its checks come from them::

    class StatisticsGen(Component):
        \"\"\"Computes statistics of every split of `examples`.\"\"\"

        executor = "package.statistics_executor:StatisticsExecutor"

        examples: Input[Examples]
        exclude_splits: Parameter[list[str]] = []
        statistics: Output[ExampleStatistics] = output()
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from typing_extensions import dataclass_transform

from ...utils.errors import WiringError, nearest
from ...utils.source_location import caller_location
from .annotations import MISSING, ComponentSpec, SpecReader, output, read_annotations
from .channel import Channel
from .expression import Expression
from .node import Node, OutputMapping
from .parameters import encode, holds_expression

_RESERVED = frozenset(
    {"id", "inputs", "outputs", "parameters", "user_code", "conditions", "policy", "location"}
)


class SpecNode(Node):
    """A node whose inputs, outputs and parameters a `ComponentSpec` describes."""

    spec: ComponentSpec = ComponentSpec()

    def bind(self, spec: ComponentSpec, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        """Checks arguments against `spec` and takes them in.

        Raises:
            WiringError: An argument is unknown, missing, given twice, or of a wrong type.
            ParameterError: A parameter's value is not acceptable.
        """
        self.spec = spec
        given = self._named(spec, args, kwargs)
        entry_points = {name.rstrip("?") for name in self.entry_points}
        for name in spec.order:
            if name in spec.inputs:
                self._bind_input(spec, name, given.get(name))
            elif name in entry_points:
                self._bind_user_code(name, given.get(name))
            else:
                self._bind_parameter(spec, name, given.get(name, MISSING))
        channels = {key: Channel(kind, self, key) for key, kind in spec.outputs.items()}
        self.outputs = OutputMapping(self, channels)

    def _named(
        self, spec: ComponentSpec, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> dict[str, Any]:
        if len(args) > len(spec.order):
            raise WiringError(
                "too many arguments",
                node=self.id,
                expected=f"at most {len(spec.order)}: {', '.join(spec.order)}",
                got=str(len(args)),
                location=caller_location(),
            )
        given = dict(zip(spec.order, args, strict=False))
        for name, value in kwargs.items():
            if name in given or name not in spec.order:
                raise WiringError(
                    f"argument {name!r} is given twice"
                    if name in given
                    else f"unknown argument {name!r}",
                    node=self.id,
                    expected=", ".join(spec.order) or "no arguments",
                    got=name,
                    suggestion=None if name in given else nearest(name, spec.order),
                    location=caller_location(),
                )
            given[name] = value
        return given

    def _bind_input(self, spec: ComponentSpec, name: str, value: Any) -> None:
        wanted = spec.inputs[name]
        if value is None:
            if wanted.optional:
                return
            raise WiringError(
                f"input {name!r} is missing",
                node=self.id,
                expected=f"a channel of {wanted.type.TYPE_NAME}",
                got="nothing",
                location=caller_location(),
                fix=f"pass {name}=other_node.outputs['…']",
            )
        self.inputs[name] = self.check_input(name, value, wanted.type, many=wanted.many)

    def _bind_user_code(self, name: str, value: Any) -> None:
        if value is None:
            return
        if not callable(value) and not isinstance(value, str):
            raise WiringError(
                f"{name!r} needs a function",
                node=self.id,
                expected="a function, or its dotted name as text",
                got=f"{value!r} ({type(value).__name__})",
                location=caller_location(),
            )
        self.user_code[name] = value

    def _bind_parameter(self, spec: ComponentSpec, name: str, value: Any) -> None:
        declared = spec.parameters[name]
        if value is MISSING:
            if declared.required:
                raise WiringError(
                    f"parameter {name!r} is missing",
                    node=self.id,
                    expected=getattr(declared.type, "__name__", str(declared.type)),
                    got="nothing",
                    location=caller_location(),
                )
            value = declared.default
        if isinstance(value, Channel):
            value = value.future().value
        if holds_expression(value):
            self.parameters[name] = value
            return
        self.parameters[name] = encode(
            value, declared.type, name=name, node=self.id, location=self.location
        )


@dataclass_transform(kw_only_default=False, field_specifiers=(output,))
class Component(SpecNode):
    """Base of components declared as classes: see the module's docstring.

    Raises, on construction:
        WiringError: An argument is unknown, missing, or of a wrong artifact type.
        ParameterError: A parameter's value is not acceptable.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        frame = sys._getframe(1)
        location = f"{frame.f_code.co_filename}:{frame.f_lineno}"
        reader = SpecReader(cls.__name__, location)
        for base in reversed(cls.__mro__[1:]):
            inherited = base.__dict__.get("spec")
            if isinstance(inherited, ComponentSpec):
                reader.inputs.update(inherited.inputs)
                reader.outputs.update(inherited.outputs)
                reader.parameters.update(inherited.parameters)
                reader.order.extend(n for n in inherited.order if n not in reader.order)
        for name, annotation in read_annotations(cls, frame.f_locals).items():
            default = cls.__dict__.get(name, MISSING)
            reader.read(name, annotation, default, bare_is_parameter=False)
        clashing = _RESERVED & {*reader.order, *reader.outputs}
        if clashing:
            raise WiringError(
                f"{cls.__name__}: {sorted(clashing)[0]!r} is a name that every node already has",
                location=location,
                fix="choose another name",
            )
        cls.spec = reader.spec()
        if "type_name" not in cls.__dict__:
            cls.type_name = f"{cls.__module__}.{cls.__qualname__}"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(type(self).__name__)
        self.bind(self.spec, args, kwargs)
        for name in self.spec.inputs:
            self.__dict__[name] = self.inputs.get(name)
        for name in self.spec.parameters:
            self.__dict__[name] = self.parameters.get(name, self.user_code.get(name))
        for name, channel in self.outputs.items():
            self.__dict__[name] = channel


def expressions_of(value: Any) -> list[Expression]:
    """Every expression inside a parameter's value."""
    if isinstance(value, Expression):
        return [value]
    items = value.values() if isinstance(value, dict) else value
    if isinstance(items, (list, tuple)) or isinstance(value, dict):
        return [found for item in items for found in expressions_of(item)]
    return []
