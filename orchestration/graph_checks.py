# SPDX-License-Identifier: Apache-2.0
"""Checks of a whole graph, made when a pipeline is compiled.

Each check is one small function over the graph; the first that finds something raises.
"""

from __future__ import annotations

import typing
from collections.abc import Callable, Iterable, Iterator

from ..components.base.artifact import Artifact, ValueArtifact
from ..components.base.artifact_types import ValueTypes
from ..components.base.component import SpecNode
from ..components.base.expression import (
    ArtifactField,
    Concatenation,
    Expression,
    RunField,
    RuntimeParameter,
)
from ..components.base.node import Node
from ..utils.errors import GraphError, nearest
from ..utils.names import check_node_id
from .graph import Graph

Check = Callable[[Graph], None]


def has_nodes(graph: Graph) -> None:
    """A pipeline without nodes does nothing, which nobody wants."""
    if not graph.nodes:
        raise GraphError(
            f"pipeline {graph.pipeline.name!r} has no nodes",
            location=graph.pipeline.location,
            fix="pass components=[…]",
        )


def ids_are_valid(graph: Graph) -> None:
    """Ids become folder names, so they must be safe as such."""
    for entry in graph.nodes:
        check_node_id(entry.id)


def ids_are_unique(graph: Graph) -> None:
    """Two nodes of one id would write each other's records."""
    seen: dict[str, Node] = {}
    for entry in graph.nodes:
        if entry.id in seen:
            same = seen[entry.id] is entry.node
            raise GraphError(
                f"pipeline {graph.pipeline.name!r} has two nodes with the id {entry.id!r}",
                got="the same node twice"
                if same
                else f"{seen[entry.id].location} and {entry.node.location}",
                location=entry.node.location,
                fix="list it once" if same else "give one of them another id: .with_id('…')",
            )
        seen[entry.id] = entry.node


def channels_are_produced(graph: Graph) -> None:
    """Every artifact read must come from a node of the pipeline."""
    for entry in graph.nodes:
        for what, channel in entry.channels():
            producer = channel.producer
            if producer is None:
                raise GraphError(
                    f"{what} is a channel that no node produces",
                    node=entry.id,
                    expected="the output of a node",
                    got=repr(channel),
                    location=entry.node.location,
                    fix="pass other_node.outputs['…']",
                )
            if graph.id_of(producer) is None:
                raise GraphError(
                    f"{what} comes from a node that is not in the pipeline",
                    node=entry.id,
                    expected=f"{producer.id} among the components of {entry.pipeline.name!r}",
                    got=f"{producer.id}.{channel.key}, built at {producer.location}",
                    suggestion=nearest(producer.id, (other.id for other in graph.nodes)),
                    location=entry.node.location,
                    fix=f"add {producer.id} to components=[…]",
                )


def upstream_nodes_are_present(graph: Graph) -> None:
    """A node cannot wait for one that never runs."""
    for entry in graph.nodes:
        for earlier in entry.after:
            if not graph.ids_within(earlier):
                raise GraphError(
                    "an upstream node is not in the pipeline",
                    node=entry.id,
                    got=f"{earlier.id}, built at {earlier.location}",
                    location=entry.node.location,
                    fix=f"add {earlier.id} to components=[…]",
                )


def runtime_parameters_agree(graph: Graph) -> None:
    """One name is one parameter: its type and default must be the same everywhere."""
    seen: dict[str, tuple[str, RuntimeParameter]] = {}
    for where, parameter in graph.runtime_parameters():
        if isinstance(parameter.default, Expression):
            raise GraphError(
                f"the default of runtime parameter {parameter.name!r} must be a plain value",
                node=where,
            )
        first_where, first = seen.setdefault(parameter.name, (where, parameter))
        if (first.ptype, first.default) != (parameter.ptype, parameter.default):
            raise GraphError(
                f"runtime parameter {parameter.name!r} is declared in two ways",
                node=where,
                expected=f"{first!r}, as {first_where} has it",
                got=repr(parameter),
                fix="declare it once and use the same object in both places",
            )


def run_time_values_fit(graph: Graph) -> None:
    """A text where a number is wanted, or the like, would be found when the node runs."""
    for entry in graph.nodes:
        node = entry.node
        declared = node.spec.parameters if isinstance(node, SpecNode) else {}
        for name, value in node.parameters.items():
            wanted = declared[name].type if name in declared else None
            wanted = typing.get_origin(wanted) or wanted
            what, kind = _known(value)
            if kind is None or wanted not in _KINDS:
                continue
            if wanted in (list, dict) or (kind is str) != (wanted is str):
                raise GraphError(
                    f"parameter {name!r} cannot take {what}",
                    node=entry.id,
                    expected=f"one of type {wanted.__name__}",
                    got=f"one of type {kind.__name__}",
                    location=node.location,
                )


#: Types that hold no other values than their own kind's.
_KINDS = (int, float, bool, str, list, dict)


def _known(value: object) -> tuple[str, type | None]:
    """What a value is that is known only at run time, and its type as far as that is known."""
    if isinstance(value, RuntimeParameter):
        return f"the runtime parameter {value.name!r}", value.ptype
    if isinstance(value, RunField):
        return f"the run's {value.field}", str
    if isinstance(value, Concatenation):
        return "texts joined", str
    if isinstance(value, ArtifactField) and value.field == "uri":
        return "the URI of an artifact", str
    if isinstance(value, ArtifactField) and value.field == "value":
        of = value.channel.type
        for kind in (int, float, str, bool):
            if issubclass(of, ValueTypes.BY_PYTHON_TYPE[kind]):
                return f"the value of an output of type {of.TYPE_NAME}", kind
    return "", None


def values_are_read_of_values(graph: Graph) -> None:
    """Most artifacts are no values, which would be found only when the node is to run."""
    for entry in graph.nodes:
        for read in _fields(entry.expressions()):
            of = read.channel.type
            # An artifact of no type in particular may turn out to be a value.
            if read.field != "value" or issubclass(of, ValueArtifact) or of is Artifact:
                continue
            raise GraphError(
                f"an output of type {of.TYPE_NAME} has no value",
                node=entry.id,
                expected="an output of type Integer, Float, String, Boolean or JsonValue",
                got=repr(read.channel),
                location=entry.node.location,
                fix="use .future().uri or .future().property('…')",
            )


def _fields(expressions: Iterable[Expression]) -> Iterator[ArtifactField]:
    for each in expressions:
        if isinstance(each, ArtifactField):
            yield each
        yield from _fields(each.children())


CHECKS: tuple[Check, ...] = (
    has_nodes,
    ids_are_valid,
    ids_are_unique,
    channels_are_produced,
    upstream_nodes_are_present,
    runtime_parameters_agree,
    run_time_values_fit,
    values_are_read_of_values,
)


def check_graph(graph: Graph) -> None:
    """Runs every check.

    Raises:
        GraphError: The first thing found.
    """
    for check in CHECKS:
        check(graph)
