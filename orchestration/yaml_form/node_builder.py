# SPDX-License-Identifier: Apache-2.0
"""Builds one node of a YAML pipeline, and says where what is wrong with it stands."""

from __future__ import annotations

import contextlib
import inspect
import re
from collections.abc import Iterator, Mapping
from typing import Any

from ...components.base.annotations import MISSING, ComponentSpec
from ...components.base.artifact import Artifact, is_artifact_type
from ...components.base.channel import Channel
from ...components.base.component import SpecNode
from ...components.base.container_component import (
    InputUri,
    OutputUri,
    ParameterValue,
    Text,
    container_component,
)
from ...components.base.expression import Predicate
from ...components.base.node import Node, NodePolicy, Resources
from ...utils.errors import (
    CodeError,
    ParameterError,
    PenstockError,
    UserCodeError,
    WiringError,
    nearest,
)
from ...utils.yaml_places import Place
from ..user_traceback import raised_in_user_code
from .named_objects import function_reference, is_component, load_named
from .scope import Scope, check_keys, mapping_of

#: What a node is made from: exactly one of them is given.
_SOURCES = ("component", "container", "pipeline")
NODE_KEYS = (*_SOURCES, "with", "excluding", "when", "after", "policy", "search_space")
INNER_KEYS = ("name", "inputs", "nodes", "outputs", "cache", "description")
CONTAINER_KEYS = ("name", "image", "command", "inputs", "outputs", "parameters")
#: Types of parameters that a container component may have.
PARAMETER_TYPES: dict[str, type] = {
    "int": int, "float": float, "str": str, "bool": bool, "list": list, "dict": dict,
}  # fmt: skip
_PARTS = {"input_uri": InputUri, "output_uri": OutputUri, "parameter": ParameterValue}
_MODULE_FILE = "module_file"


@contextlib.contextmanager
def blaming(place: Place, *within: str, node: str = "") -> Iterator[None]:
    """Gives errors the line of the YAML file that is to blame."""
    try:
        yield
    except PenstockError as error:
        if node:
            error.node = node
        # An error in the user's own Python has its place there.
        theirs = isinstance(error, (CodeError, UserCodeError)) and error.location
        placed = error.location and str(error.location).startswith(place.source + ":")
        if not theirs and not placed:
            error.location = place.at(*_path_to(error, place, within))
        raise


def _path_to(error: PenstockError, place: Place, within: tuple[str, ...]) -> list[str]:
    """Where below a place an error lies, as far as its words tell."""
    inside = place.value
    for step in within:
        inside = inside.get(step) if isinstance(inside, dict) else None
    if not isinstance(inside, dict):
        return list(within)
    named = [*re.findall(r"'([^']+)'", error.what), error.got or ""]
    key = next((name for name in named if name in inside), None)
    if key is None:
        return []
    # Checks of structured values say where in them: `splits.0.pattern: ...`.
    path = (error.got or "").partition(":")[0].split(".")
    return [*within, key, *path]


def build_node(scope: Scope, node_id: str) -> Node:
    """Builds a node with everything that YAML says of it but what it follows.

    Raises:
        PenstockError: It cannot be built; the error names file and line.
    """
    place, path = scope.nodes[node_id], scope.prefix + node_id
    with blaming(place, "with", node=path):
        check_keys(place, "a node", NODE_KEYS)
        given = [key for key in _SOURCES if key in place.value]
        if len(given) != 1:
            raise ParameterError(
                "a node is made from one thing",
                expected=" or ".join(_SOURCES),
                got=", ".join(given) or "none of these",
            )
        if given == ["pipeline"]:
            node: Node = _inner_pipeline(scope, node_id, place)
        else:
            declared = _declared(scope, place, given[0])
            with_ = mapping_of(place["with"], "arguments by name") if "with" in place.value else {}
            node = _call(scope, declared, place, dict(with_), path)
        if node.id != node_id:
            node.with_id(node_id)
        node.location = place.location
        _finish(scope, node, place, path)
    return node


def _declared(scope: Scope, place: Place, source: str) -> Any:
    if source == "container":
        return _container(scope, place["container"])
    with blaming(place, "component"):
        return load_named(
            place.value["component"], scope.document.folder, "component", is_component
        )


def _call(scope: Scope, declared: Any, place: Place, arguments: dict[str, Any], path: str) -> Node:
    """A node of a component."""
    spec = getattr(declared, "spec", None)
    if not isinstance(spec, ComponentSpec) or (
        isinstance(declared, type) and not issubclass(declared, SpecNode)
    ):
        converted = _by_signature(scope, declared, place, arguments, path)
    else:
        converted = _by_spec(scope, declared, spec, place, arguments, path)
    try:
        made = declared(**converted)
    except PenstockError:
        raise
    except Exception as error:
        raise raised_in_user_code(error, f"building {path} failed") from error
    assert isinstance(made, Node)
    return made


def _by_spec(
    scope: Scope,
    declared: Any,
    spec: ComponentSpec,
    place: Place,
    arguments: dict[str, Any],
    path: str,
) -> dict[str, Any]:
    entry_points = {name.rstrip("?") for name in getattr(declared, "entry_points", ())}
    converted: dict[str, Any] = {}
    for name, raw in arguments.items():
        where = place.at("with", name)
        if name in entry_points and isinstance(raw, str):
            converted[name] = function_reference(raw, scope.document.folder)
            continue
        value = scope.value(raw, where, channels=name in spec.inputs, asking=path)
        if name == _MODULE_FILE and isinstance(value, str):
            value = scope.document.file(value)
        converted[name] = value
    for name in spec.order:
        needed = name in spec.inputs and not spec.inputs[name].optional
        needed = needed or (name in spec.parameters and spec.parameters[name].default is MISSING)
        if needed and name not in converted:
            kind = "input" if name in spec.inputs else "parameter"
            raise WiringError(
                f"{kind} {name!r} is missing",
                expected=f"{name}: " + ("${node.outputs.key}" if kind == "input" else "a value"),
                got=", ".join(converted) or "nothing",
                suggestion=nearest(name, [n for n in converted if n not in spec.order]),
                location=place.at("with"),
            )
    return converted


def _by_signature(
    scope: Scope, declared: Any, place: Place, arguments: dict[str, Any], path: str
) -> dict[str, Any]:
    """Arguments of a node that is no component: an importer, a resolver, one of the user's."""
    parameters = inspect.signature(declared).parameters
    named = [n for n, p in parameters.items() if p.kind is not p.VAR_KEYWORD]
    rest = next((p for p in parameters.values() if p.kind is p.VAR_KEYWORD), None)
    converted: dict[str, Any] = {}
    for name, raw in arguments.items():
        where = place.at("with", name)
        if name not in named and rest is None:
            raise WiringError(
                f"unknown argument {name!r}",
                expected=", ".join(named),
                got=name,
                suggestion=nearest(name, named),
                location=where,
            )
        annotation = str(parameters[name].annotation if name in named else rest.annotation)  # type: ignore[union-attr]
        with blaming(place, "with", name):
            converted[name] = _by_annotation(scope, annotation, raw, where, path)
    for name in named:
        if parameters[name].default is inspect.Parameter.empty and name not in converted:
            raise WiringError(
                f"argument {name!r} is missing",
                expected=", ".join(named),
                got=", ".join(converted) or "nothing",
                location=place.at("with"),
            )
    return converted


def _by_annotation(scope: Scope, annotation: str, raw: Any, where: str, path: str) -> Any:
    folder = scope.document.folder
    if annotation.startswith("type[Artifact]"):
        return load_named(raw, folder, "artifact type", is_artifact_type)
    if annotation.startswith("type["):
        return load_named(raw, folder, "strategy", lambda found: isinstance(found, type))
    if annotation == "Channel" and isinstance(raw, str) and "${" not in raw:
        return Channel(load_named(raw, folder, "artifact type", is_artifact_type))
    return scope.value(raw, where, channels=annotation == "Channel", asking=path)


def _inner_pipeline(scope: Scope, node_id: str, place: Place) -> Node:
    body = place["pipeline"]
    check_keys(body, "an inner pipeline", INNER_KEYS, needed=("nodes",))
    inner = scope._inner(node_id)
    if inner is None:
        raise ParameterError(
            "an inner pipeline has nodes", expected="nodes by id", location=body.at("nodes")
        )
    inputs = inner.inputs()
    inner.build_all()
    outputs = {
        name: inner.value(raw, body.at("outputs", name), channels=True)
        for name, raw in (body.value.get("outputs") or {}).items()
    }
    settings = {key: body.value[key] for key in ("cache", "description") if key in body.value}
    name = str(body.value.get("name", node_id))
    return inner.pipeline(name, inputs=inputs, outputs=outputs, **settings)


def _container(scope: Scope, place: Place) -> Any:
    check_keys(place, "a container component", CONTAINER_KEYS, needed=("name", "image", "command"))
    raw, folder = place.value, scope.document.folder

    def types(key: str) -> dict[str, type[Artifact]]:
        return {
            name: load_named(kind, folder, "artifact type", is_artifact_type)
            for name, kind in (raw.get(key) or {}).items()
        }

    parameters: dict[str, type] = {}
    for name, kind in (raw.get("parameters") or {}).items():
        if kind not in PARAMETER_TYPES:
            raise ParameterError(
                f"parameter {name!r} of a container has an unsupported type",
                expected=", ".join(PARAMETER_TYPES),
                got=repr(kind),
                location=place.at("parameters", name),
            )
        parameters[name] = PARAMETER_TYPES[kind]
    command = [_part(part, place.at("command", n)) for n, part in enumerate(raw["command"])]
    return container_component(
        raw["name"], raw["image"], command, inputs=types("inputs"), outputs=types("outputs"),
        parameters=parameters,
    )  # fmt: skip


def _part(raw: Any, where: str) -> Any:
    if isinstance(raw, str):
        return raw
    if isinstance(raw, dict) and len(raw) == 1:
        ((key, value),) = raw.items()
        if key in _PARTS:
            return _PARTS[key](str(value))
        if key == "concat" and isinstance(value, list):
            return Text(*(_part(part, where) for part in value))
    raise ParameterError(
        "part of a container's command is not understood",
        expected="a text, or {input_uri: …}, {output_uri: …}, {parameter: …}, {concat: […]}",
        got=repr(raw),
        location=where,
    )


def _finish(scope: Scope, node: Node, place: Place, path: str) -> None:
    """Conditions, policy, and what else is said of any node."""
    raw: Mapping[str, Any] = place.value
    if "excluding" in raw:
        where = place.at("excluding")
        channel = scope.value(raw["excluding"], where, channels=True, asking=path)
        if not hasattr(node, "excluding") or not isinstance(channel, Channel):
            raise WiringError(
                "'excluding' is for resolvers, and names an output",
                expected="excluding: ${trainer.outputs.model}",
                got=repr(raw["excluding"]),
                location=where,
            )
        node.excluding(channel)
    when = raw.get("when", [])
    for index, text in enumerate(when if isinstance(when, list) else [when]):
        where = place.at("when", index)
        condition = scope.expression(text, where, path)
        if not isinstance(condition, Predicate):
            raise ParameterError(
                "a condition is true or false",
                expected="a comparison such as ${train.outputs.accuracy} > 0.8",
                got=str(text),
                location=where,
            )
        node.conditions.append(condition)
    if "policy" in raw:
        check_keys(place["policy"], "a policy", tuple(NodePolicy.__dataclass_fields__))
        policy = dict(place["policy"].value)
        if "resources" in policy:
            known = tuple(Resources.__dataclass_fields__)
            check_keys(place["policy"]["resources"], "resources", known)
            policy["resources"] = Resources(**policy["resources"])
        with blaming(place, "policy"):
            node.with_policy(**policy)
    if "search_space" in raw:
        with blaming(place, "search_space"):
            node.with_search_space(mapping_of(place["search_space"], "ranges by parameter"))
