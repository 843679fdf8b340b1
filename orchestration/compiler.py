# SPDX-License-Identifier: Apache-2.0
"""The compiler: from a pipeline object to its IR."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from .. import __version__
from ..components.base.artifact import Artifact
from ..components.base.component import SpecNode
from ..components.base.expression import Expression
from ..components.base.node import Node
from ..utils.errors import ParameterError
from .code_collector import CodeCollector
from .executor_source import executor_source
from .graph import Graph, GraphNode, open_pipeline, ordered
from .graph_checks import check_graph
from .ir import (
    EXPRESSION_KEY,
    ArtifactTypeIR,
    ChannelIR,
    ExecutorIR,
    InputIR,
    NodeIR,
    PipelineIR,
    PolicyIR,
    ResourcesIR,
    RuntimeParameterIR,
)
from .pipeline import Pipeline


def compile_pipeline(pipeline: Pipeline) -> PipelineIR:
    """Compiles a pipeline.

    Raises:
        GraphError: The graph cannot run.
        CodeError: User code cannot be found or read.
        ParameterError: A parameter has no JSON form.
    """
    graph = open_pipeline(pipeline)
    check_graph(graph)
    entries = ordered(graph)
    collector = CodeCollector()
    nodes = [_node(entry, graph, collector) for entry in entries]
    return PipelineIR(
        penstock_version=__version__,
        name=pipeline.name,
        root=encode_expressions(pipeline.root, graph),
        description=pipeline.description,
        runtime_parameters=_runtime_parameters(graph),
        beam_pipeline_args=pipeline.beam_pipeline_args,
        artifact_types=_artifact_types(entries),
        nodes=nodes,
        code=collector.bundles,
    )


def _node(entry: GraphNode, graph: Graph, collector: CodeCollector) -> NodeIR:
    node = entry.node
    code = collector.collect(entry.id, node)
    return NodeIR(
        id=entry.id,
        type_name=node.type_name,
        version=node.version,
        description=node.description,
        executor=ExecutorIR(
            path=node.executor,
            kind=node.kind,  # type: ignore[arg-type]
            preload=list(node.preload),
            source=executor_source(node.executor),
            external_inputs=node.external_inputs,
            verify_cached=node.verify_cached,
            checkpoints=node.keeps_checkpoints,
        ),
        inputs=_inputs(node, graph),
        outputs={key: channel.type.TYPE_NAME for key, channel in node.outputs.items()},
        parameters={
            name: encode_expressions(value, graph) for name, value in node.parameters.items()
        },
        code=code,
        conditions=[condition.encode(graph.name_of) for condition in entry.conditions],
        upstream=[found for node in entry.after for found in graph.ids_within(node)],
        policy=_policy(entry),
        location=node.location,
    )


def _inputs(node: Node, graph: Graph) -> dict[str, InputIR]:
    found: dict[str, InputIR] = {}
    for name, channel in node.inputs.items():
        declared = node.spec.inputs.get(name) if isinstance(node, SpecNode) else None
        found[name] = InputIR(
            type=channel.type.TYPE_NAME,
            channels=[
                ChannelIR(node=producer, output=key)
                for producer, key in map(graph.name_of, channel.sources())
            ],
            optional=declared.optional if declared else node.kind == "control",
            many=declared.many if declared else True,
        )
    return found


def encode_expressions(value: Any, graph: Graph) -> Any:
    """A parameter's value with every expression in its JSON form."""
    if isinstance(value, Expression):
        return {EXPRESSION_KEY: value.encode(graph.name_of)}
    if isinstance(value, dict):
        if EXPRESSION_KEY in value:
            raise ParameterError(
                f"the key {EXPRESSION_KEY!r} has a meaning of its own in a compiled pipeline",
                fix="rename the key",
            )
        return {key: encode_expressions(item, graph) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [encode_expressions(item, graph) for item in value]
    return value


def _policy(entry: GraphNode) -> PolicyIR:
    policy = entry.node.policy
    resources = policy.resources
    return PolicyIR(
        cache=policy.cache or entry.pipeline.cache,
        retries=policy.retries,
        retry_delay_s=policy.retry_delay_s,
        timeout_s=policy.timeout_s,
        resources=ResourcesIR(**asdict(resources)),
        trigger=policy.trigger,
    )


def _runtime_parameters(graph: Graph) -> dict[str, RuntimeParameterIR]:
    return {
        parameter.name: RuntimeParameterIR(
            type=parameter.type_name,  # type: ignore[arg-type]
            default=parameter.default,
            description=parameter.description,
        )
        for _, parameter in graph.runtime_parameters()
    }


def _artifact_types(entries: list[GraphNode]) -> dict[str, ArtifactTypeIR]:
    kinds: dict[str, type[Artifact]] = {}
    for entry in entries:
        channels = [*entry.node.outputs.values(), *entry.node.inputs.values()]
        kinds.update({channel.type.TYPE_NAME: channel.type for channel in channels})
    return {
        name: ArtifactTypeIR(
            properties={key: found.value for key, found in kinds[name].PROPERTIES.items()}
        )
        for name in sorted(kinds)
    }
