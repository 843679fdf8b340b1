# SPDX-License-Identifier: Apache-2.0
"""The annotations by which components declare inputs, outputs and parameters.

To a type checker `Input[Examples]` *is* `Examples`: wiring one component's output to
another's input is checked by the editor, and inside a function component the argument is
the artifact. At run time the annotation also says which of the three it is.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, TypeVar

from ...utils.errors import WiringError
from .artifact import Artifact
from .artifact_types import ValueTypes

T = TypeVar("T")


@dataclass(frozen=True)
class Marker:
    """What an annotation declares: `input`, `optional_input`, `output` or `parameter`."""

    kind: str


Input = Annotated[T, Marker("input")]
OptionalInput = Annotated[T | None, Marker("optional_input")]
Output = Annotated[T, Marker("output")]
Parameter = Annotated[T, Marker("parameter")]


class _Missing:
    def __repr__(self) -> str:
        return "(required)"


#: Stands for "no default".
MISSING: Any = _Missing()


def output(*, init: Literal[False] = False) -> Any:
    """Default of an output, so that type checkers leave it out of the constructor."""
    del init
    return MISSING


@dataclass(frozen=True)
class InputSpec:
    """One input: its artifact type, and whether it may be absent or hold several."""

    type: type[Artifact]
    optional: bool = False
    many: bool = False


@dataclass(frozen=True)
class ParameterSpec:
    """One parameter: its Python type and default."""

    type: Any
    default: Any = MISSING

    @property
    def required(self) -> bool:
        """Whether a value must be given."""
        return self.default is MISSING


@dataclass(frozen=True)
class ComponentSpec:
    """What a component takes and gives, read from its annotations."""

    inputs: Mapping[str, InputSpec] = field(default_factory=dict)
    outputs: Mapping[str, type[Artifact]] = field(default_factory=dict)
    parameters: Mapping[str, ParameterSpec] = field(default_factory=dict)
    #: Outputs that a function component returns instead of writing.
    returned: Mapping[str, type] = field(default_factory=dict)
    #: Names in the order in which the constructor takes them.
    order: tuple[str, ...] = ()


class OutputValues(type):
    """The type that `OutputDict(...)` makes: names and Python types of returned values."""

    values: dict[str, type]


def OutputDict(**values: type) -> OutputValues:
    """Return annotation of a function component that returns values, by name.

    `-> OutputDict(loss=float)`: each name becomes an output whose value later nodes take
    as a parameter. A value that may be None is declared as `Optional[float]`.
    """
    made = OutputValues("OutputDict", (dict,), {})
    made.values = values
    return made


def without_none(kind: Any) -> Any:
    """The type `T` of an `Optional[T]`; any other type as it is."""
    members = [member for member in typing.get_args(kind) if member is not type(None)]
    optional = len(members) < len(typing.get_args(kind))
    return members[0] if optional and len(members) == 1 else kind


def _unwrap(annotation: Any) -> tuple[str | None, Any]:
    """(what the annotation declares, the type inside)."""
    if typing.get_origin(annotation) is Annotated:
        for extra in annotation.__metadata__:
            if isinstance(extra, Marker):
                return extra.kind, annotation.__origin__
    return None, annotation


def _artifact_type(annotation: Any, owner: str, name: str, location: str) -> tuple[Any, bool]:
    """(artifact class, whether a list of them)."""
    arguments = [a for a in typing.get_args(annotation) if a is not type(None)]
    many = False
    if typing.get_origin(annotation) is list:
        annotation, many = arguments[0], True
    elif arguments and not isinstance(annotation, type):
        return _artifact_type(arguments[0], owner, name, location)
    if not (isinstance(annotation, type) and issubclass(annotation, Artifact)):
        raise WiringError(
            f"{owner}: {name!r} is not annotated with an artifact type",
            expected="a subclass of penstock.Artifact, as in Input[Examples]",
            got=repr(annotation),
            location=location,
        )
    return annotation, many


class SpecReader:
    """Collects declarations one by one into a `ComponentSpec`."""

    def __init__(self, owner: str, location: str) -> None:
        self.owner = owner
        self.location = location
        self.inputs: dict[str, InputSpec] = {}
        self.outputs: dict[str, type[Artifact]] = {}
        self.parameters: dict[str, ParameterSpec] = {}
        self.returned: dict[str, type] = {}
        self.order: list[str] = []

    def read(self, name: str, annotation: Any, default: Any, *, bare_is_parameter: bool) -> None:
        """Takes in one annotated name."""
        kind, inner = _unwrap(annotation)
        if kind is None and not bare_is_parameter:
            return
        if kind in ("input", "optional_input"):
            cls, many = _artifact_type(inner, self.owner, name, self.location)
            optional = kind == "optional_input" or default is None
            self.inputs[name] = InputSpec(cls, optional=optional, many=many)
            self.order.append(name)
        elif kind == "output":
            self.outputs[name] = _artifact_type(inner, self.owner, name, self.location)[0]
        else:
            self.parameters[name] = ParameterSpec(inner, default)
            self.order.append(name)

    def read_returned(self, annotation: Any) -> None:
        """Takes in a function's return annotation."""
        if annotation in (None, type(None), inspect.Signature.empty):
            return
        if isinstance(annotation, OutputValues):
            self.returned = dict(annotation.values)
        elif typing.is_typeddict(annotation):
            self.returned = dict(typing.get_type_hints(annotation))
        else:
            raise WiringError(
                f"{self.owner}: the return annotation is not understood",
                expected="none, OutputDict(name=type, …) or a TypedDict",
                got=repr(annotation),
                location=self.location,
                fix="-> OutputDict(result=int), and return {'result': 3}",
            )
        for name, kind in self.returned.items():
            inner = without_none(kind)
            found = ValueTypes.BY_PYTHON_TYPE.get(typing.get_origin(inner) or inner)
            if found is None:
                raise WiringError(
                    f"{self.owner}: returned value {name!r} has an unsupported type",
                    expected=", ".join(t.__name__ for t in ValueTypes.BY_PYTHON_TYPE),
                    got=getattr(kind, "__name__", repr(kind)),
                    location=self.location,
                )
            self.outputs[name] = found

    def spec(self) -> ComponentSpec:
        """What was read."""
        return ComponentSpec(
            self.inputs, self.outputs, self.parameters, self.returned, tuple(self.order)
        )


def read_annotations(
    target: Callable[..., Any] | type, local_names: Mapping[str, Any]
) -> dict[str, Any]:
    """Annotations of a class or function, with strings evaluated.

    Args:
        target: The class or function.
        local_names: Names of the scope it is defined in, for types that are local.

    Raises:
        WiringError: An annotation names something that does not exist.
    """
    module = inspect.getmodule(target)
    global_names = dict(vars(module)) if module else dict(getattr(target, "__globals__", {}))
    try:
        return inspect.get_annotations(
            target, globals=global_names, locals=dict(local_names), eval_str=True
        )
    except NameError as error:
        raise WiringError(
            f"{target.__name__}: an annotation cannot be evaluated",
            got=str(error),
            fix="import the type where the component is defined, outside `if TYPE_CHECKING:`",
        ) from error
