# SPDX-License-Identifier: Apache-2.0
"""A pipeline object as a tidy Python file."""

from __future__ import annotations

import inspect
import keyword
import os
import sys
from types import FunctionType, ModuleType
from typing import Any

from ....components.base.annotations import MISSING
from ....components.base.component import SpecNode
from ....components.base.container_component import ContainerNode, Text
from ....components.base.expression import Expression, Predicate, RuntimeParameter
from ....components.base.function_component import FunctionNode
from ....components.base.node import Node, NodePolicy, Resources
from ....components.base.parameters import encode
from ....components.control.importer import Importer
from ....components.control.resolver import Resolver
from ....components.control.store_importer import StoreImporter
from ....utils.errors import CodeError, ParameterError, PenstockError
from ....utils.user_code.notebook import CellImport, CellModule
from ...pipeline import Pipeline
from .cell_code import CellCode, import_lines
from .folding import folded
from .kept_nodes import variable_name
from .python_values import PythonValues, _text, is_public

_FACTORY = "create_pipeline"
#: What the file may import that looks like a variable.
_FUNCTIONS = ("component", "container_component", "output", "union")
_LINE = 96


class PipelineSource:
    """Writes one pipeline.

    Args:
        pipeline: The pipeline.

    Raises:
        CodeError: A function cannot travel.
        ParameterError: Something has no form in Python.
    """

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._imports: dict[str, CellImport] = {}
        self.cells = CellCode([CellModule(each) for each in cell_objects(pipeline)])
        self._taken = {*self.cells.names, *_FUNCTIONS, _FACTORY}
        self._variables: dict[int, str] = {}
        #: Statements that make the runtime parameters, by the parameters' names.
        self._parameters: dict[str, str] = {}
        self._parameter_names: dict[str, str] = {}
        self._values = PythonValues(
            self._public, self._reference, self._variable, self._runtime_parameter
        )
        # Before any variable is named: one called as a function is would hide it.
        for _, node in pipeline.nodes():
            for each in _referred(node):
                self._taken.add(self._reference(each))

    def text(self, title: str, file: str) -> str:
        """The file's text.

        Args:
            title: What the file is, for its first line.
            file: Its name.
        """
        body = self._body()
        imports = [*self.cells.imports.values(), *self._imports.values()]
        future = "from __future__ import annotations\n\n" if self.cells.postponed else ""
        head = (
            f'"""{title}\n\n    penstock run {file}\n\n'
            'Relative paths start at the folder in which it is run.\n"""\n\n'
        )
        parts = [head + future + import_lines(imports), self.cells.body(), body]
        return "\n\n".join(part.strip("\n") + "\n" for part in parts if part)

    def _body(self) -> str:
        lines: list[str] = []
        self._nodes(self._pipeline, lines, [])
        lines = [*self._parameters.values(), *lines]
        made = self._new_pipeline(self._pipeline, outer=True)
        told = '    """The pipeline."""\n'
        text = "".join(f"    {line}\n" if line else "\n" for line in lines)
        name = self._public("Pipeline")
        made = made.replace("\n", "\n    ")
        return f"def {_FACTORY}() -> {name}:\n{told}{text}    return {made}\n"

    def _nodes(self, pipeline: Pipeline, lines: list[str], around: list[Predicate]) -> None:
        for node in pipeline.components:
            own = [each for each in node.conditions if not any(each is a for a in around)]
            indent = ""
            for condition in own:
                name = self._public("Cond")
                lines.append(f"{indent}with {name}({self._values.expression(condition)}):")
                indent += "    "
            inside: list[str] = []
            if isinstance(node, Pipeline):
                self._nodes(node, inside, [*around, *own])
            is_last = node is _last_of(pipeline)
            made = self._finished(node, self._made(node), is_last)
            inside += f"{self._variable(node)} = {made}".split("\n")
            upstream = self._upstream(node, pipeline)
            if upstream:
                names = ", ".join(self._variable(each) for each in upstream)
                inside.append(f"{self._variable(node)}.add_upstream_nodes([{names}])")
            lines += [indent + line for line in inside]

    def _made(self, node: Node) -> str:
        try:
            if isinstance(node, Pipeline):
                return self._new_pipeline(node, outer=False)
            if isinstance(node, ContainerNode):
                return self._call(self._container(node), self._arguments(node))
            if isinstance(node, (Importer, StoreImporter)):
                return self._importer(node)
            if isinstance(node, Resolver):
                return self._resolver(node)
            if isinstance(node, FunctionNode):
                return self._call(self._reference(node.declared), self._arguments(node))
            if isinstance(node, SpecNode):
                return self._call(self._reference(type(node)), self._arguments(node))
        except PenstockError as error:
            error.node, error.location = error.node or node.id, error.location or node.location
            raise
        raise ParameterError("a node of this kind cannot be written down", node=node.id)

    def _arguments(self, node: SpecNode) -> list[str]:
        found = []
        for name in node.spec.order:
            if name in node.inputs:
                found.append(f"{name}={self._values.channel(node.inputs[name])}")
            elif name in node.user_code:
                given = node.user_code[name]
                text = _text(given) if isinstance(given, str) else self._reference(given)
                found.append(f"{name}={text}")
            elif name in node.parameters:
                declared = node.spec.parameters[name]
                value = node.parameters[name]
                if not _is_usual(value, declared):
                    found.append(f"{name}={self._values.value(value, declared.type)}")
        return found

    def _container(self, node: ContainerNode) -> str:
        declared = node.declared
        kinds = {
            "inputs": {name: self._values.kind(e.type) for name, e in declared.spec.inputs.items()},
            "outputs": {name: self._values.kind(e) for name, e in declared.spec.outputs.items()},
            "parameters": {name: e.type.__name__ for name, e in declared.spec.parameters.items()},
        }
        command = ", ".join(self._part(part) for part in declared.command)
        arguments = [f"name={_text(declared.name)}", f"image={_text(declared.image)}"]
        arguments.append(f"command=[{command}]")
        for name, found in kinds.items():
            inner = ", ".join(f"{_text(key)}: {kind}" for key, kind in found.items())
            arguments += [f"{name}={{{inner}}}"] if found else []
        return self._call(self._public("container_component"), arguments)

    def _part(self, part: Any) -> str:
        if isinstance(part, str):
            return _text(part)
        name = self._public(type(part).__name__)
        inner = (
            ", ".join(map(self._part, part.parts)) if isinstance(part, Text) else _text(part.name)
        )
        return f"{name}({inner})"

    def _importer(self, node: Node) -> str:
        """An importer: its arguments are its parameters, and the type of its only output."""
        (channel,) = node.outputs.values()
        arguments = []
        for name, declared in inspect.signature(type(node)).parameters.items():
            if name == "artifact_type":
                arguments.append(self._values.kind(channel.type))
                continue
            if name not in node.parameters:
                raise ParameterError(
                    f"argument {name!r} of this node is not kept, so it cannot be written down",
                    node=node.id,
                )
            value = node.parameters[name]
            usual = declared.default
            # Expressions are not compared: that would make another expression.
            if not isinstance(value, Expression) and (
                value == usual or (usual is None and not value)
            ):
                continue
            keyword_only = declared.kind is declared.KEYWORD_ONLY
            text = self._values.value(value)
            arguments.append(f"{name}={text}" if keyword_only else text)
        return self._call(self._reference(type(node)), arguments)

    def _resolver(self, node: Resolver) -> str:
        arguments = [f"strategy={self._reference(node.strategy)}"]
        if node.parameters["config"]:
            arguments.append(f"config={self._values.value(node.parameters['config'])}")
        for key, channel in node.outputs.items():
            read = node.inputs.get(key)
            text = self._values.channel(read) if read is not None else None
            kind = f"{self._public('Channel')}({self._values.kind(channel.type)})"
            arguments.append(f"{key}={text or kind}")
        made = self._call(self._public("Resolver"), arguments)
        if "excluding" in node.inputs:
            made += f".excluding({self._values.channel(node.inputs['excluding'])})"
        return made

    def _new_pipeline(self, pipeline: Pipeline, *, outer: bool) -> str:
        arguments = [_text(pipeline.name)]
        if outer and not (isinstance(pipeline.root, str) and not pipeline.root):
            arguments.append(self._values.value(pipeline.root))
        last = _last_of(pipeline)
        names = ", ".join(self._variable(each) for each in pipeline.components if each is not last)
        arguments.append(f"components=[{names}]")
        if last is not None:
            arguments.append(f"on_exit={self._variable(last)}")
        if pipeline.inputs:
            inner = ", ".join(
                f"{name}={self._values.channel(found)}" for name, found in pipeline.inputs.items()
            )
            arguments.append(f"inputs={self._public('PipelineInputs')}({inner})")
        if pipeline.outputs:
            inner = ", ".join(
                f"{_text(name)}: {self._values.channel(found)}"
                for name, found in pipeline.outputs.items()
            )
            arguments.append(f"outputs={{{inner}}}")
        for name, usual in (("metadata", ""), ("cache", "on"), ("beam_pipeline_args", [])):
            if getattr(pipeline, name) != usual:
                arguments.append(f"{name}={self._values.value(getattr(pipeline, name))}")
        if pipeline.text:
            arguments.append(f"description={_text(pipeline.text)}")
        return self._call(self._public("Pipeline"), arguments)

    @staticmethod
    def _upstream(node: Node, pipeline: Pipeline) -> list[Node]:
        """What a node waits for, but for what a pipeline's last node waits for anyway."""
        if node is not _last_of(pipeline):
            return node.upstream
        return node.upstream[: len(node.upstream) - len(pipeline.components) + 1]

    def _finished(self, node: Node, made: str, is_last: bool) -> str:
        usual = node.name if isinstance(node, Pipeline) else _usual_id(node)
        if node.id != usual:
            made += f".with_id({_text(node.id)})"
        changes = []
        for name in NodePolicy.__dataclass_fields__:
            value = getattr(node.policy, name)
            if value == getattr(NodePolicy(), name) or (is_last and name == "trigger"):
                continue
            text = self._resources(value) if name == "resources" else repr(value)
            changes.append(f"{name}={text}")
        if changes:
            inner = ", ".join(changes)
            if len(made.rpartition("\n")[2]) + len(inner) > _LINE - 40:
                inner = "\n" + "".join(f"    {each},\n" for each in changes)
            made += f".with_policy({inner})"
        space = {path: domain.to_dict() for path, domain in node.search_space.items()}
        return made + (f".with_search_space({self._values.value(space)})" if space else "")

    def _resources(self, value: Resources) -> str:
        given = [
            f"{name}={getattr(value, name)!r}"
            for name in Resources.__dataclass_fields__
            if getattr(value, name) != getattr(Resources(), name)
        ]
        return f"{self._public('Resources')}({', '.join(given)})"

    def _call(self, name: str, arguments: list[str]) -> str:
        short = f"{name}({', '.join(arguments)})"
        if len(short) < _LINE - 24 and "\n" not in short:
            return short
        # Inside a function's body and a call's brackets.
        lines = [folded(each, _LINE - 8) for each in arguments]
        inner = "".join(
            f"    {each},\n".replace("\n", "\n    ", each.count("\n")) for each in lines
        )
        return f"{name}(\n{inner})"

    def _variable(self, node: Node) -> str:
        if id(node) not in self._variables:
            name = variable_name(node.id)
            if not name or keyword.iskeyword(name):
                name = "node"
            if name in self._taken:
                name += "_node"
            free, count = name, 1
            while free in self._taken:
                count += 1
                free = f"{name}_{count}"
            self._taken.add(free)
            self._variables[id(node)] = free
        return self._variables[id(node)]

    def _runtime_parameter(self, found: RuntimeParameter) -> str:
        """The variable that holds a runtime parameter."""
        if found.name not in self._parameters:
            free = found.name if found.name.isidentifier() else "parameter"
            while free in self._taken or keyword.iskeyword(free):
                free += "_parameter"
            self._taken.add(free)
            self._parameter_names[found.name] = free
            more = "" if found.default is None else f", {self._values.value(found.default)}"
            told = f", description={_text(found.description)}" if found.description else ""
            name = self._public("RuntimeParameter")
            made = f"{free} = {name}({_text(found.name)}, {found.type_name}{more}{told})"
            self._parameters[found.name] = made
        return self._parameter_names[found.name]

    def _public(self, name: str) -> str:
        known = self.cells.imports.get(name)
        root = __name__.partition(".")[0]
        if known is None or known[:2] != (root, name):
            self._imports[name] = CellImport(root, name, name)
        return name

    def _reference(self, found: Any) -> str:
        """The name under which a class or function is at hand in the file."""
        function = getattr(found, "function", found)
        name = str(getattr(function, "__name__", ""))
        module = str(getattr(function, "__module__", ""))
        if is_from_cell(function):
            return name
        if is_public(found):
            return self._public(name)
        if module == "__main__":
            # A script is imported by its own name, as workers do.
            module = os.path.splitext(os.path.basename(getattr(_main(), "__file__", "")))[0]
        if (not module.isidentifier() and "." not in module) or "<" in str(
            getattr(function, "__qualname__", "<")
        ):
            raise CodeError(
                f"{name or found!r} cannot be imported by a file",
                expected="something defined at the top level of a cell or module",
                got=f"{module}.{getattr(function, '__qualname__', name)}",
            )
        kept = self._imports.get(name) or self.cells.imports.get(name)
        wanted = CellImport(module, name, name)
        if kept is not None and kept[:2] != wanted[:2]:
            wanted = CellImport(module, name, f"{module.rpartition('.')[2]}_{name}")
        if kept is None or kept[:2] != wanted[:2]:
            self._imports[wanted.name] = wanted
        return wanted.name


def is_from_cell(found: Any) -> bool:
    """Whether a function or class was typed into a cell."""
    return (
        isinstance(found, (FunctionType, type))
        and found.__module__ == "__main__"
        and not hasattr(_main(), "__file__")
    )


def _main() -> ModuleType:
    return sys.modules["__main__"]


def cell_objects(pipeline: Pipeline) -> list[FunctionType | type]:
    """Functions and classes from cells that a pipeline uses, each once."""
    found: dict[int, FunctionType | type] = {}
    for _, node in pipeline.nodes():
        candidates = [type(node), *node.user_code.values()]
        candidates.append(getattr(node, "strategy", None))
        candidates += [channel.type for channel in node.outputs.values()]
        for each in candidates:
            each = inspect.unwrap(each) if isinstance(each, FunctionType) else each
            if is_from_cell(each):
                found.setdefault(id(each), each)
    return list(found.values())


def _referred(node: Node) -> list[Any]:
    """The classes and functions that a node is made of."""
    made: list[Any] = [node.declared] if isinstance(node, FunctionNode) else []
    made += [each for each in node.user_code.values() if callable(each)]
    return made


def _last_of(pipeline: Pipeline) -> Node | None:
    """The node that a pipeline was given as `on_exit`, as far as it still looks like one."""
    if len(pipeline.components) < 2 or isinstance(pipeline.components[-1], Pipeline):
        return None
    *others, last = pipeline.components
    waits = last.upstream[-len(others) :]
    follows = len(waits) == len(others) and all(
        one is other for one, other in zip(waits, others, strict=True)
    )
    return last if follows and last.policy.trigger == "always" else None


def _usual_id(node: Node) -> str:
    if isinstance(node, FunctionNode):
        return node.declared.__name__
    return node.declared.name if isinstance(node, ContainerNode) else type(node).__name__


def _is_usual(value: Any, declared: Any) -> bool:
    if declared.default is MISSING or isinstance(value, Predicate):
        return False
    try:
        usual = encode(declared.default, declared.type, name="", node=None, location=None)
    except PenstockError:
        return False
    return type(value) is type(usual) and bool(value == usual)
