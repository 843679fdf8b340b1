# SPDX-License-Identifier: Apache-2.0
"""Writes a pipeline object as YAML, from which `reader` builds an equal one.

That it is equal is checked: what was written is read again, and both are compiled.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from ...components.base.annotations import MISSING
from ...components.base.channel import Channel
from ...components.base.component import SpecNode
from ...components.base.container_component import ContainerNode
from ...components.base.expression import Expression, RuntimeParameter
from ...components.base.function_component import FunctionNode
from ...components.base.node import Node, NodePolicy, Resources
from ...components.base.parameters import encode
from ...utils import storage
from ...utils.errors import GraphError, ParameterError, PenstockError
from ...utils.module_loading import load_object
from ..graph import open_pipeline
from ..pipeline import InnerChannel, Pipeline
from .document_text import document_text
from .expression_text import escaped, expression_text, value_text
from .named_objects import name_of_object
from .node_builder import PARAMETER_TYPES
from .reader import read_yaml_pipeline
from .sameness import check_same
from .scope import EXPRESSION

_MODULE_FILE = "module_file"
_IMPORTER = "penstock.components.control.importer:Importer"
_RESOLVER = "penstock.components.control.resolver:Resolver"


def export_yaml(pipeline: Pipeline, path: str) -> str:
    """Writes a pipeline to a YAML file that compiles to the same IR.

    Args:
        pipeline: The pipeline.
        path: The file; modules that the pipeline uses are named as seen from its folder.

    Returns:
        The text that was written.

    Raises:
        CodeError: Something was defined where YAML cannot name it, as in a notebook.
        ParameterError: Something has no form in YAML.
        GraphError: The pipeline does not compile, or YAML would not say the same.
        StorageError: The file cannot be written.
    """
    text = yaml_text(pipeline, path)
    storage.write_bytes_atomic(path, text.encode())
    return text


def yaml_text(pipeline: Pipeline, path: str) -> str:
    """The text that `export_yaml` writes, checked.

    Raises:
        PenstockError: See `export_yaml`.
    """
    text = document_text(_Writer(pipeline, os.path.dirname(os.path.abspath(path))).document())
    check_same(pipeline.compile(), read_yaml_pipeline(text, path).compile())
    return text


class _Writer:
    """Turns one pipeline into plain data."""

    def __init__(self, pipeline: Pipeline, folder: str) -> None:
        self.pipeline = pipeline
        self.folder = folder
        self.ids = open_pipeline(pipeline).ids
        self._pipelines: dict[int, str] = {}
        # The pipeline that is being written, and what ids in it begin with.
        self._within, self._prefix = pipeline, ""

    def document(self) -> dict[str, Any]:
        """The whole document."""
        pipeline = self.pipeline
        found: dict[str, Any] = {"pipeline": pipeline.name}
        self._describe(pipeline, found)
        if not isinstance(pipeline.root, str) or pipeline.root:
            found["root"] = self._value(pipeline.root, "")
        if pipeline.metadata:
            found["metadata"] = pipeline.metadata
        if pipeline.beam_pipeline_args:
            found["beam_pipeline_args"] = pipeline.beam_pipeline_args
        declared = {
            parameter.name: self._runtime_parameter(parameter)
            for _, parameter in open_pipeline(pipeline).runtime_parameters()
        }
        if declared:
            found["parameters"] = declared
        found.update(self._nodes(pipeline, "", []))
        return found

    def _runtime_parameter(self, parameter: RuntimeParameter) -> dict[str, Any]:
        made: dict[str, Any] = {"type": parameter.type_name}
        if parameter.default is not None:
            made["default"] = parameter.default
        if parameter.description:
            made["description"] = parameter.description
        return made

    @staticmethod
    def _describe(pipeline: Pipeline, found: dict[str, Any]) -> None:
        if pipeline.text:
            found["description"] = pipeline.text
        if pipeline.cache != "on":
            found["cache"] = pipeline.cache

    def _nodes(self, pipeline: Pipeline, prefix: str, around: list[Any]) -> dict[str, Any]:
        last = _exit_of(pipeline)
        nodes = {
            node.id: self._node(node, prefix, around, pipeline, is_exit=node is last)
            for node in pipeline.components
        }
        return {"nodes": nodes, **({"on_exit": last.id} if last is not None else {})}

    def _node(
        self, node: Node, prefix: str, around: list[Any], within: Pipeline, *, is_exit: bool
    ) -> dict[str, Any]:
        path = prefix + node.id
        try:
            made = self._made_from(node, prefix, around)
            known = {id(condition) for condition in around}
            when = [
                _bare(expression_text(condition, self._channel_name))
                for condition in node.conditions
                if id(condition) not in known
            ]
            if when:
                made["when"] = when[0] if len(when) == 1 else when
            after = [self._path_of(each) for each in self._upstream(node, within, is_exit)]
            if after:
                made["after"] = after
            policy = self._policy(node.policy, is_exit)
            if policy:
                made["policy"] = policy
            space = {name: each.to_dict() for name, each in node.search_space.items()}
            if space:
                made["search_space"] = space
            return made
        except PenstockError as error:
            error.node, error.location = error.node or path, error.location or node.location
            raise

    def _made_from(self, node: Node, prefix: str, around: list[Any]) -> dict[str, Any]:
        if isinstance(node, Pipeline):
            return {"pipeline": self._inner(node, prefix, around)}
        if isinstance(node, ContainerNode):
            return self._with({"container": self._container(node)}, self._arguments(node))
        if isinstance(node, FunctionNode):
            name = name_of_object(node.declared, self.folder, "the function")
            return self._with({"component": name}, self._arguments(node))
        name = name_of_object(type(node), self.folder, "the component")
        if isinstance(node, SpecNode):
            return self._with({"component": name}, self._arguments(node))
        if type(node) is load_object(_IMPORTER):
            return self._with({"component": name}, self._importer(node))
        if isinstance(node, load_object(_RESOLVER)):
            return self._resolver(name, node)
        raise ParameterError(
            "a node of this kind cannot be written in YAML",
            expected="a component, importer, resolver or pipeline",
            got=type(node).__name__,
        )

    @staticmethod
    def _with(made: dict[str, Any], arguments: dict[str, Any]) -> dict[str, Any]:
        return {**made, "with": arguments} if arguments else made

    def _inner(self, node: Pipeline, prefix: str, around: list[Any]) -> dict[str, Any]:
        found: dict[str, Any] = {"name": node.name} if node.name != node.id else {}
        self._describe(node, found)
        if node.inputs:
            found["inputs"] = {
                name: self._reference(_unwrapped(channel)) for name, channel in node.inputs.items()
            }
        conditions = [*around, *node.conditions]
        before = self._within, self._prefix
        self._within, self._prefix = node, f"{prefix}{node.id}."
        try:
            found.update(self._nodes(node, self._prefix, conditions))
            if node.outputs:
                found["outputs"] = {
                    name: self._reference(_unwrapped(channel))
                    for name, channel in node.outputs.items()
                }
        finally:
            self._within, self._prefix = before
        return found

    def _arguments(self, node: SpecNode) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name in node.spec.order:
            if name in node.inputs:
                found[name] = self._reference(node.inputs[name])
            elif name in node.user_code:
                given = node.user_code[name]
                found[name] = (
                    given
                    if isinstance(given, str)
                    else name_of_object(given, self.folder, "the function")
                )
            elif name in node.parameters:
                value = node.parameters[name]
                declared = node.spec.parameters[name]
                if isinstance(value, Expression) or not _is_default(value, declared):
                    found[name] = self._value(_brief(value, declared.type), name)
        return found

    def _importer(self, node: Node) -> dict[str, Any]:
        (channel,) = node.outputs.values()
        usual: dict[str, Any] = {
            "reimport": False, "properties": {}, "custom_properties": {}, "output_key": "result",
        }  # fmt: skip
        found = {
            "source_uri": self._value(node.parameters["source_uri"], "source_uri"),
            "artifact_type": self._type(channel.type),
        }
        for name, default in usual.items():
            if node.parameters[name] != default:
                found[name] = self._value(node.parameters[name], name)
        return found

    def _resolver(self, name: str, node: Any) -> dict[str, Any]:
        arguments = {"strategy": name_of_object(node.strategy, self.folder, "the strategy")}
        if node.parameters["config"]:
            arguments["config"] = self._value(node.parameters["config"], "config")
        for key, channel in node.outputs.items():
            read = node.inputs.get(key)
            arguments[key] = self._reference(read) if read else self._type(channel.type)
        made: dict[str, Any] = {"component": name, "with": arguments}
        if "excluding" in node.inputs:
            made["excluding"] = self._reference(node.inputs["excluding"])
        return made

    def _container(self, node: ContainerNode) -> dict[str, Any]:
        declared = node.declared
        names = {kind: name for name, kind in PARAMETER_TYPES.items()}
        parameters: dict[str, str] = {}
        for name, each in declared.spec.parameters.items():
            if each.type not in names:
                raise ParameterError(
                    f"parameter {name!r} of a container has a type that YAML does not name",
                    expected=", ".join(PARAMETER_TYPES),
                    got=str(each.type),
                )
            parameters[name] = names[each.type]
        found: dict[str, Any] = {
            "name": declared.name,
            "image": declared.image,
            "command": [declared.encode(part) for part in declared.command],
            "inputs": {n: self._type(each.type) for n, each in declared.spec.inputs.items()},
            "outputs": {n: self._type(each) for n, each in declared.spec.outputs.items()},
            "parameters": parameters,
        }
        return {name: value for name, value in found.items() if value}

    def _type(self, kind: type) -> str:
        return name_of_object(kind, self.folder, "the artifact type")

    # What refers to other nodes.

    def _upstream(self, node: Node, within: Pipeline, is_exit: bool) -> list[Node]:
        return node.upstream[: -len(within.components) + 1] if is_exit else node.upstream

    def _path_of(self, node: Node) -> str:
        """A node's id, seen from the pipeline that is being written."""
        if isinstance(node, Pipeline):
            return self._pipeline_paths()[id(node)].removeprefix(self._prefix)
        if id(node) not in self.ids:
            raise GraphError(f"{node.id} is not in the pipeline", got=f"built at {node.location}")
        return self.ids[id(node)].removeprefix(self._prefix)

    def _pipeline_paths(self) -> dict[int, str]:
        def walk(pipeline: Pipeline, prefix: str) -> Iterator[tuple[int, str]]:
            for node in pipeline.components:
                if isinstance(node, Pipeline):
                    yield id(node), prefix + node.id
                    yield from walk(node, f"{prefix}{node.id}.")

        if not self._pipelines:
            self._pipelines = dict(walk(self.pipeline, ""))
        return self._pipelines

    def _reference(self, channel: Channel) -> Any:
        sources = getattr(channel, "channels", None)
        if sources is not None:
            return [self._reference(each) for each in sources]
        return "${" + self._channel_name(channel) + "}"

    def _channel_name(self, channel: Channel) -> str:
        """A channel's name as the pipeline that is being written knows it."""
        producer = channel.producer
        if isinstance(channel, InnerChannel) and producer is None:
            if any(channel is each for each in self._within.inputs.values()):
                return f"inputs.{channel.key}"
            return self._channel_name(channel.wrapped)
        if producer is None:
            raise ParameterError("a channel that no node produces cannot be written", got=channel)
        return f"{self._path_of(producer)}.outputs.{channel.key}"

    # Values.

    def _value(self, value: Any, name: str) -> Any:
        if isinstance(value, Expression):
            text = value_text(value, self._channel_name)
            return text or {EXPRESSION: expression_text(value, self._channel_name)}
        if isinstance(value, str):
            return self._text(value, name)
        if isinstance(value, dict):
            return {key: self._value(item, "") for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self._value(item, "") for item in value]
        return value

    def _text(self, text: str, name: str) -> str:
        folder = self.folder.rstrip(os.sep) + os.sep
        if text.startswith(folder):
            # What lies beside the file moves with it.
            return "${here}/" + escaped(text[len(folder) :])
        if name == _MODULE_FILE and not os.path.isabs(text) and storage.is_local(text):
            return os.path.relpath(os.path.abspath(text), self.folder).replace(os.sep, "/")
        return escaped(text)

    @staticmethod
    def _policy(policy: NodePolicy, is_exit: bool) -> dict[str, Any]:
        usual = NodePolicy()
        found = {
            name: getattr(policy, name)
            for name in NodePolicy.__dataclass_fields__
            if getattr(policy, name) != getattr(usual, name)
        }
        if "resources" in found:
            found["resources"] = {
                name: getattr(policy.resources, name)
                for name in Resources.__dataclass_fields__
                if getattr(policy.resources, name) != getattr(Resources(), name)
            }
        if is_exit:
            found.pop("trigger", None)
        return found


def _unwrapped(channel: Channel) -> Channel:
    return channel.wrapped if isinstance(channel, InnerChannel) else channel


def _exit_of(pipeline: Pipeline) -> Node | None:
    """The node that was given as `on_exit`, as far as it still looks like one."""
    if len(pipeline.components) < 2:
        return None
    *others, last = pipeline.components
    before = last.upstream[-len(others) :]
    follows = len(before) == len(others) and all(
        a is b for a, b in zip(before, others, strict=True)
    )
    is_exit = last.policy.trigger == "always" and follows and not isinstance(last, Pipeline)
    return last if is_exit else None


def _is_default(value: Any, declared: Any) -> bool:
    if declared.default is MISSING:
        return False
    usual = encode(declared.default, declared.type, name="", node=None, location=None)
    return bool(type(value) is type(usual) and value == usual)


def _brief(value: Any, kind: Any) -> Any:
    """A parameter's value without what says nothing: fields that are not set."""
    shorter = _without_none(value)
    try:
        same = encode(shorter, kind, name="", node=None, location=None) == value
    except PenstockError:
        same = False
    return shorter if same else value


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_without_none(item) for item in value]
    return value


def _bare(text: str) -> str:
    """The text of a condition, which parentheses are around."""
    return text[1:-1] if text.startswith("(") else text
