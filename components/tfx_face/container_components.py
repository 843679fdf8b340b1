# SPDX-License-Identifier: Apache-2.0
"""`create_container_component` and the placeholders of its command."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..base.artifact import Artifact
from ..base.container_component import (
    CommandPart,
    ContainerComponent,
    ContainerNode,
    InputUri,
    OutputUri,
    ParameterValue,
    Text,
    container_component,
)
from .class_component import TfxNode

InputUriPlaceholder = InputUri
OutputUriPlaceholder = OutputUri
InputValuePlaceholder = ParameterValue


class ConcatPlaceholder(Text):
    """Texts and placeholders joined: `ConcatPlaceholder(["--rate=", …])`."""

    def __init__(self, items: Sequence[Any]) -> None:
        super().__init__(*items)


class TfxContainerNode(TfxNode, ContainerNode):
    """One use of a container component in a pipeline."""


class TfxContainerComponent(ContainerComponent):
    """What `create_container_component` makes: call it to add a node."""

    def __call__(self, *args: Any, **kwargs: Any) -> TfxContainerNode:
        """Adds a node that runs the container.

        Raises:
            WiringError: An argument is unknown, missing, or of a wrong artifact type.
            ParameterError: A parameter's value is not acceptable.
        """
        return TfxContainerNode(self, args, kwargs)


def create_container_component(
    name: str,
    image: str,
    command: Sequence[CommandPart],
    inputs: Mapping[str, type[Artifact]] | None = None,
    outputs: Mapping[str, type[Artifact]] | None = None,
    parameters: Mapping[str, type] | None = None,
) -> TfxContainerComponent:
    """Declares a component that runs a container.

    Args:
        name: Name of the component.
        image: Container image.
        command: Program and arguments, with placeholders where values come in.
        inputs: Artifact types by input name.
        outputs: Artifact types by output name.
        parameters: Python types by parameter name.

    Raises:
        WiringError: The command names something that is not declared.
    """
    made = container_component(
        name, image, command, inputs=inputs, outputs=outputs, parameters=parameters
    )
    return TfxContainerComponent(made.name, made.image, made.command, made.spec)
