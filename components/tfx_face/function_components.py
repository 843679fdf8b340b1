# SPDX-License-Identifier: Apache-2.0
"""TFX's decorator for function components, and its annotations.

@tfx.dsl.components.component
def MyComponent(
model: tfx.dsl.components.InputArtifact[Model],
report: tfx.dsl.components.OutputArtifact[Report],
threshold: tfx.dsl.components.Parameter[float] = 0.5,
) -> tfx.dsl.components.OutputDict(score=float): ...
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Annotated, Any

from ..base.annotations import Input, Marker, Output, OutputDict, Parameter, read_annotations
from ..base.function_component import FunctionComponent, FunctionNode
from .class_component import TfxNode
from .executor_bases import BEAM_ARGS

InputArtifact: Any = Input
OutputArtifact: Any = Output
#: Outputs are published when the node ends, whoever waits for them.
AsyncOutputArtifact: Any = Output

__all__ = [
    "AsyncOutputArtifact",
    "BeamComponentParameter",
    "InputArtifact",
    "OutputArtifact",
    "OutputDict",
    "Parameter",
    "component",
]


class BeamComponentParameter:
    """`BeamComponentParameter[beam.Pipeline] = None`: the function gets a Beam pipeline."""

    def __class_getitem__(cls, kind: Any) -> Any:
        """The annotation; what is in the brackets is for readers."""
        del kind
        return Annotated[Any, Marker("parameter"), cls]


class TfxFunctionNode(TfxNode, FunctionNode):
    """One use of a function component in a pipeline."""

    executor = "penstock.components.tfx_face.function_executor:TfxFunctionExecutor"

    def with_beam_pipeline_args(self, beam_pipeline_args: list[str]) -> Any:
        """Gives the node's Beam pipelines flags beside the pipeline's own. Returns the node."""
        self.parameters[BEAM_ARGS] = list(beam_pipeline_args)
        return self


class TfxFunctionComponent(FunctionComponent):
    """What `@component` makes of a function: call it to add a node."""

    def __init__(
        self, function: Callable[..., Any], preload: tuple[str, ...], local_names: dict[str, Any]
    ) -> None:
        super().__init__(function, preload, local_names)
        #: Names of the arguments that get a Beam pipeline.
        self.beam_parameters = [
            name
            for name, annotation in read_annotations(function, local_names).items()
            if BeamComponentParameter in getattr(annotation, "__metadata__", ())
        ]

    def __call__(self, *args: Any, **kwargs: Any) -> TfxFunctionNode:
        """Adds a node that runs the function.

        Raises:
            WiringError: An argument is unknown, missing, or of a wrong artifact type.
            ParameterError: A parameter's value is not acceptable.
        """
        return TfxFunctionNode(self, args, kwargs)

    def test_call(self, *args: Any, **kwargs: Any) -> Any:
        """Calls the function itself, as a unit test does."""
        return self.function(*args, **kwargs)


def component(
    func: Callable[..., Any] | None = None,
    /,
    *,
    component_annotation: Any = None,
    use_beam: bool = False,
) -> Any:
    """Makes a component of a function: see the module's docstring.

    Args:
        func: The function, when used as `@component`.
        component_annotation: What kind of work it does, in TFX's words; not recorded.
        use_beam: Whether an argument is a `BeamComponentParameter`.

    Raises:
        WiringError: The signature cannot be read as a component's.
    """
    del component_annotation
    local_names = dict(sys._getframe(1).f_locals)
    preload = ("apache_beam",) if use_beam else ()
    if func is not None:
        return TfxFunctionComponent(func, preload, local_names)
    return lambda found: TfxFunctionComponent(found, preload, local_names)
