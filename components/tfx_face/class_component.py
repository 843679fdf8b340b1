# SPDX-License-Identifier: Apache-2.0
"""Components declared as classes in TFX's form: a spec, an executor, a constructor.

class Hello(BaseComponent):
SPEC_CLASS = HelloSpec
EXECUTOR_SPEC = ExecutorClassSpec(Executor)

def __init__(self, data, name=None):
super().__init__(HelloSpec(input_data=data, output_data=Channel(Examples), name=name))
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from ...utils.errors import WiringError
from ...utils.source_location import caller_location
from ..base.annotations import ComponentSpec as NativeSpec
from ..base.annotations import InputSpec, ParameterSpec
from ..base.component import SpecNode
from ..base.container_component import ContainerComponent
from ..base.node import Node
from ..train.needed_libraries import uses_tensorflow
from .component_spec import ComponentSpec
from .executor_bases import BEAM_ARGS, EXTRA_FLAGS, MESSAGES, TEXTS
from .executor_spec import BeamExecutorSpec, ExecutorClassSpec, ExecutorContainerSpec

#: Base of every node, for type hints.
BaseNode = Node

_HEAVY = ("penstock.components.train.tensor_dataset",)


class TfxNode(SpecNode):
    """What TFX's nodes can do beside the native ones."""

    @property
    def id(self) -> str:
        """The node's id, unique in its pipeline."""
        return self._id

    @id.setter
    def id(self, value: str) -> None:
        self.with_id(value)

    @property
    def component_id(self) -> str:
        """The node's id."""
        return self._id

    @property
    def exec_properties(self) -> dict[str, Any]:
        """Parameters by name."""
        return self.parameters

    @property
    def upstream_nodes(self) -> list[Node]:
        """Nodes that must end first."""
        sources = [source for found in self.inputs.values() for source in found.sources()]
        return [*self.upstream, *(each.producer for each in sources if each.producer is not None)]

    def add_upstream_node(self, upstream_node: Node) -> None:
        """Makes the node wait for another."""
        self.add_upstream_nodes([upstream_node])

    def add_downstream_node(self, downstream_node: Node) -> None:
        """Makes another node wait for this one."""
        downstream_node.add_upstream_nodes([self])

    def add_downstream_nodes(self, downstream_nodes: Iterable[Node]) -> None:
        """Makes other nodes wait for this one."""
        for each in downstream_nodes:
            each.add_upstream_nodes([self])

    def with_platform_config(self, config: Any) -> Any:
        """Changes nothing: see `with_policy` and the runners' settings. Returns the node."""
        del config
        return self


class BaseComponent(TfxNode):
    """Base of components declared as classes: see the module's docstring.

    Raises, on construction:
        WiringError: The spec or the executor is missing, or an input of a wrong type.
        ParameterError: A parameter's value is not acceptable.
    """

    SPEC_CLASS: ClassVar[type[ComponentSpec]] = ComponentSpec
    EXECUTOR_SPEC: ClassVar[Any] = None
    DRIVER_CLASS: ClassVar[Any] = None

    def __init__(self, spec: ComponentSpec, custom_executor_spec: Any = None, **_: Any) -> None:
        super().__init__(type(self).__name__)
        if not isinstance(spec, ComponentSpec):
            raise WiringError(
                f"{type(self).__name__} needs a spec",
                expected="super().__init__(spec=…) with a ComponentSpec",
                got=repr(spec),
                location=caller_location(),
            )
        self.tfx_spec = spec
        values = {**spec.inputs, **spec.exec_properties}
        self.bind(_native_spec(spec), (), values)
        messages = {
            name: declared.type.DESCRIPTOR.full_name
            for name, declared in spec.PARAMETERS.items()
            if declared.use_proto and declared.is_message and name in spec.exec_properties
        }
        if messages:
            self.parameters[MESSAGES] = messages
        self._take_executor(custom_executor_spec or self.EXECUTOR_SPEC)

    @property
    def type_name(self) -> str:  # type: ignore[override]
        """Module and name of the class."""
        return f"{type(self).__module__}.{type(self).__qualname__}"

    def with_beam_pipeline_args(self, beam_pipeline_args: Iterable[str]) -> Any:
        """Gives the node's Beam pipelines flags beside the pipeline's own. Returns the node."""
        self.parameters[BEAM_ARGS] = [
            *self.parameters.get(BEAM_ARGS, ()),
            *beam_pipeline_args,
        ]
        return self

    def _take_executor(self, spec: Any) -> None:
        if isinstance(spec, ExecutorContainerSpec):
            declared = ContainerComponent(self.id, spec.image, spec.command, self.spec)
            vars(self)["executor"] = "penstock.components.base.container_executor:ContainerExecutor"
            self.parameters["container.image"] = spec.image
            self.parameters["container.command"] = [declared.encode(p) for p in spec.command]
            return
        if not isinstance(spec, ExecutorClassSpec):
            raise WiringError(
                f"{type(self).__name__} names no executor",
                node=self.id,
                expected="EXECUTOR_SPEC = ExecutorClassSpec(Executor)",
                got=repr(spec),
                location=caller_location(),
            )
        adopt_executor(self, spec)


def adopt_executor(node: Node, spec: ExecutorClassSpec) -> None:
    """Lets a node be executed by a class with a `Do` method."""
    found = spec.executor_class
    if found.__module__.startswith(__name__.split(".", 1)[0] + "."):
        vars(node)["executor"] = f"{found.__module__}:{found.__qualname__}"
    else:
        # Under this name the user's own executor travels with the pipeline.
        vars(node)["executor"] = "penstock.components.tfx_face.executor_bases:BaseExecutor"
        node.user_code["executor"] = found
    if spec.extra_flags:
        node.parameters[EXTRA_FLAGS] = list(spec.extra_flags)
    if isinstance(spec, BeamExecutorSpec) and spec.beam_pipeline_args:
        node.parameters[BEAM_ARGS] = list(spec.beam_pipeline_args)
    if isinstance(spec, BeamExecutorSpec) or uses_tensorflow(found):
        vars(node)["preload"] = _HEAVY


def replace_executor(node: Node, spec: ExecutorClassSpec) -> None:
    """Lets a standard component be executed by a class with a `Do` method."""
    adopt_executor(node, spec)
    node.parameters[TEXTS] = True


def _native_spec(spec: ComponentSpec) -> NativeSpec:
    """The declaration of a spec; what was left out and has no value is left out of it."""
    given: Mapping[str, Any] = {**spec.inputs, **spec.exec_properties}
    inputs = {
        name: InputSpec(
            declared.type, optional=declared.optional or declared.allow_empty, many=True
        )
        for name, declared in spec.INPUTS.items()
        if name in given
    }
    parameters = {
        name: ParameterSpec(Any) for name in spec.PARAMETERS if name in spec.exec_properties
    }
    outputs = {
        name: declared.type
        for name, declared in spec.OUTPUTS.items()
        if not declared.optional or name in spec.outputs
    }
    return NativeSpec(inputs, outputs, parameters, order=(*inputs, *parameters))


class BaseBeamComponent(BaseComponent):
    """Base of components whose executors start Beam pipelines."""
