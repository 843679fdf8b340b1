# SPDX-License-Identifier: Apache-2.0
"""`ComponentSpec`: what a component declared as a class takes and gives, in TFX's form."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, ClassVar, get_origin

from ...utils.errors import ParameterError, WiringError, nearest
from ...utils.source_location import caller_location
from ..base.artifact import Artifact
from ..base.channel import Channel
from ..base.expression import Expression
from .messages import is_message


class ExecutionParameter:
    """A parameter of a component.

    Args:
        type: Python type, or class of a message.
        optional: Whether it may be left out.
        use_proto: Whether the executor gets a message itself, or its JSON text.
    """

    def __init__(self, type: Any = None, optional: bool = False, use_proto: bool = False) -> None:
        self.type = type
        self.optional = optional
        self.use_proto = use_proto

    @property
    def is_message(self) -> bool:
        """Whether the parameter is a protocol buffer."""
        return isinstance(self.type, type) and is_message(self.type)

    def check(self, name: str, value: Any) -> None:
        """Checks the type of a value.

        Raises:
            ParameterError: It is of another type.
        """
        wanted = get_origin(self.type) or self.type
        known = isinstance(wanted, (type, tuple))
        if isinstance(value, (Expression, Channel)) or not known or self.is_message:
            return
        if wanted is float and isinstance(value, int):
            return
        if not isinstance(value, wanted):
            raise ParameterError(
                f"parameter {name!r} has the wrong type",
                expected=getattr(self.type, "__name__", str(self.type)),
                got=f"{value!r} ({type(value).__name__})",
                location=caller_location(),
            )

    def encode(self, value: Any) -> Any:
        """The value as it is recorded, and as an executor gets it: messages are JSON texts."""
        if is_message(value):
            from google.protobuf.json_format import MessageToJson

            return MessageToJson(value, preserving_proto_field_name=True, sort_keys=True)
        if self.is_message and isinstance(value, dict):
            return json.dumps(value, sort_keys=True)
        return value


class ChannelParameter:
    """An input or output of a component.

    Args:
        type: Artifact type.
        optional: Whether an input may be left out.
        allow_empty: Whether an input may hold no artifact.
    """

    def __init__(
        self,
        type: type[Artifact],
        optional: bool = False,
        allow_empty: bool | None = None,
    ) -> None:
        self.type = type
        self.optional = optional
        self.allow_empty = bool(allow_empty)


class ComponentSpec:
    """Subclasses declare `PARAMETERS`, `INPUTS` and `OUTPUTS`; an instance holds values.

    Raises, on construction:
        WiringError: An argument is unknown or missing.
        ParameterError: A parameter is of another type.
    """

    PARAMETERS: ClassVar[Mapping[str, ExecutionParameter]] = {}
    INPUTS: ClassVar[Mapping[str, ChannelParameter]] = {}
    OUTPUTS: ClassVar[Mapping[str, ChannelParameter]] = {}
    TYPE_ANNOTATION: ClassVar[Any] = None

    def __init__(self, **kwargs: Any) -> None:
        known = {**self.PARAMETERS, **self.INPUTS, **self.OUTPUTS}
        for name in kwargs:
            if name not in known:
                raise WiringError(
                    f"{type(self).__name__} has no argument {name!r}",
                    expected=", ".join(known) or "no arguments",
                    got=name,
                    suggestion=nearest(name, known),
                    location=caller_location(),
                )
        self.exec_properties: dict[str, Any] = {}
        self.inputs: dict[str, Channel] = {}
        self.outputs: dict[str, Any] = {}
        for name, declared in known.items():
            value = kwargs.get(name)
            if value is not None or self._is_absent(name, declared, kwargs):
                self._take(name, declared, value)

    def _is_absent(self, name: str, declared: Any, given: Mapping[str, Any]) -> bool:
        """False for what may be left out, and is."""
        if declared.optional or (name in self.OUTPUTS and name in given):
            return False
        raise WiringError(
            f"{type(self).__name__} needs the argument {name!r}",
            expected=getattr(declared.type, "__name__", str(declared.type)),
            got="nothing" if name not in given else "None",
            location=caller_location(),
            fix=f"pass {name}=…, or declare it with optional=True",
        )

    def _take(self, name: str, declared: Any, value: Any) -> None:
        if name in self.PARAMETERS:
            declared.check(name, value)
            self.exec_properties[name] = declared.encode(value)
        elif name in self.INPUTS:
            self.inputs[name] = value
        else:
            self.outputs[name] = value
