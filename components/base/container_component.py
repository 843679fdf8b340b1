# SPDX-License-Identifier: Apache-2.0
"""Components that are a container image and a command.

grep = container_component(
    name="grep",
    image="alpine",
    command=["sh", "-c", Text("grep ", ParameterValue("pattern"), " $0/* > $1/out.txt"),
             InputUri("text"), OutputUri("matches")],
    inputs={"text": ExternalArtifact},
    outputs={"matches": ExternalArtifact},
    parameters={"pattern": str},
)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...utils.errors import WiringError, nearest
from ...utils.source_location import caller_location
from .annotations import MISSING, ComponentSpec, InputSpec, ParameterSpec
from .artifact import Artifact
from .component import SpecNode


@dataclass(frozen=True)
class InputUri:
    """Stands for the URI of an input artifact; of a value, for its file."""

    name: str


@dataclass(frozen=True)
class OutputUri:
    """Stands for the URI of an output artifact; of a value, for its file."""

    name: str


@dataclass(frozen=True)
class ParameterValue:
    """Stands for the value of a parameter."""

    name: str


class Text:
    """Stands for texts and placeholders joined into one argument."""

    def __init__(self, *parts: str | InputUri | OutputUri | ParameterValue) -> None:
        self.parts = parts


CommandPart = str | InputUri | OutputUri | ParameterValue | Text

_KINDS = {InputUri: "input_uri", OutputUri: "output_uri", ParameterValue: "parameter"}


class ContainerNode(SpecNode):
    """One use of a container component in a pipeline."""

    executor = "penstock.components.base.container_executor:ContainerExecutor"

    def __init__(self, declared: ContainerComponent, args: tuple[Any, ...], kwargs: Any) -> None:
        super().__init__(declared.name)
        self.declared = declared
        self.bind(declared.spec, args, kwargs)
        self.parameters["container.image"] = declared.image
        self.parameters["container.command"] = [declared.encode(p) for p in declared.command]

    @property
    def type_name(self) -> str:  # type: ignore[override]
        """The component's name."""
        return self.declared.name

    @property
    def description(self) -> str:
        """What runs."""
        return f"Runs {self.declared.image}."


class ContainerComponent:
    """What `container_component` makes: call it to add a node."""

    def __init__(
        self, name: str, image: str, command: Sequence[CommandPart], spec: ComponentSpec
    ) -> None:
        self.name = name
        self.image = image
        self.command = list(command)
        self.spec = spec
        for part in self.command:
            self.encode(part)

    def encode(self, part: CommandPart) -> Any:
        """One part of the command in its JSON form.

        Raises:
            WiringError: It names an input, output or parameter that is not declared.
        """
        if isinstance(part, str):
            return part
        if isinstance(part, Text):
            return {"concat": [self.encode(inner) for inner in part.parts]}
        known: Mapping[str, Any] = {
            InputUri: self.spec.inputs,
            OutputUri: self.spec.outputs,
            ParameterValue: self.spec.parameters,
        }.get(type(part), {})
        if type(part) not in _KINDS or part.name not in known:
            raise WiringError(
                f"the command of container component {self.name!r} names something undeclared",
                expected=", ".join(known) or "a text or a placeholder",
                got=repr(part),
                suggestion=nearest(getattr(part, "name", ""), known),
                location=caller_location(),
            )
        return {_KINDS[type(part)]: part.name}

    def __call__(self, *args: Any, **kwargs: Any) -> ContainerNode:
        """Adds a node that runs the container.

        Raises:
            WiringError: An argument is unknown, missing, or of a wrong artifact type.
            ParameterError: A parameter's value is not acceptable.
        """
        return ContainerNode(self, args, kwargs)


def container_component(
    name: str,
    image: str,
    command: Sequence[CommandPart],
    *,
    inputs: Mapping[str, type[Artifact]] | None = None,
    outputs: Mapping[str, type[Artifact]] | None = None,
    parameters: Mapping[str, type] | None = None,
) -> ContainerComponent:
    """Declares a component that runs a container.

    Args:
        name: Name of the component.
        image: Container image.
        command: Program and arguments, with `InputUri`, `OutputUri`, `ParameterValue` and
            `Text` where values come in.
        inputs: Artifact types by input name.
        outputs: Artifact types by output name.
        parameters: Python types by parameter name.

    Raises:
        WiringError: The command names something that is not declared.
    """
    inputs, outputs, parameters = dict(inputs or {}), dict(outputs or {}), dict(parameters or {})
    spec = ComponentSpec(
        inputs={key: InputSpec(kind) for key, kind in inputs.items()},
        outputs=outputs,
        parameters={key: ParameterSpec(kind, MISSING) for key, kind in parameters.items()},
        order=(*inputs, *parameters),
    )
    return ContainerComponent(name, image, command, spec)
