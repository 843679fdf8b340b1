# SPDX-License-Identifier: Apache-2.0
"""Importer and Resolver with TFX's arguments, and strategies of one's own."""

from __future__ import annotations

import abc
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ...utils.errors import WiringError
from ...utils.source_location import caller_location
from ..base.artifact import Artifact, PropertyValue
from ..base.channel import Channel
from ..base.control import ControlContext
from ..base.expression import Expression
from ..base.expression import RuntimeParameter as NativeRuntimeParameter
from ..base.node import Node
from ..control.importer import Importer as NativeImporter
from ..control.resolver import Resolver as NativeResolver
from ..control.strategies import Strategy
from .channels import Channel as TfxChannel
from .messages import plain

#: How many artifacts of a type a strategy of one's own is given to choose from.
_CANDIDATES = 1000


class _ControlNode(Node):
    """What TFX's nodes can do beside the native ones."""

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

    @property
    def exec_properties(self) -> dict[str, Any]:
        """Parameters by name."""
        return self.parameters


class Importer(_ControlNode, NativeImporter):
    """Brings what lies at a URI into the pipeline; see the native one."""

    def __init__(
        self,
        source_uri: str | Expression,
        artifact_type: type[Artifact],
        reimport: bool | None = False,
        properties: Mapping[str, PropertyValue] | None = None,
        custom_properties: Mapping[str, PropertyValue] | None = None,
        output_key: str | None = None,
    ) -> None:
        super().__init__(
            source_uri,
            artifact_type,
            reimport=bool(reimport),
            properties=properties,
            custom_properties=custom_properties,
            output_key=output_key or "result",
        )


class ResolverStrategy(Strategy):
    """Base of strategies of one's own: `resolve_artifacts(store, input_dict)` chooses.

    `config` of the resolver becomes arguments of the constructor. What is returned by name is
    what the resolver puts out; None means nothing. `store` answers the questions of
    `ControlContext.store`; it is no ML Metadata store.
    """

    @abc.abstractmethod
    def resolve_artifacts(
        self, store: Any, input_dict: dict[str, list[Artifact]]
    ) -> dict[str, list[Artifact]] | None:
        """Chooses among artifacts, of which the newest come first."""

    def resolve(self, context: ControlContext) -> Mapping[str, Sequence[Artifact]]:
        """See `Strategy.resolve`."""
        config = dict(context.parameters["config"])
        config.pop("node_id", None)
        candidates = {
            name: list(context.inputs.get(name) or ())
            or context.store.latest_artifacts(
                type_name, pipeline=context.pipeline_name, limit=_CANDIDATES
            )
            for name, type_name in context.outputs.items()
        }
        chosen = type(self)(**config).resolve_artifacts(context.store, candidates)
        return chosen or {}


class Resolver(_ControlNode, NativeResolver):
    """Looks artifacts of earlier runs up; see the native one.

    Args:
        strategy_class: How to choose.
        config: Arguments of the strategy; messages in it are taken as the dicts they are.
        **channels: The types to look for, by output name; `producer_component_id` of a
            `Channel` narrows the search to one node's artifacts.
    """

    def __init__(
        self,
        strategy_class: type[Strategy] | None = None,
        config: Mapping[str, Any] | None = None,
        **channels: Any,
    ) -> None:
        if strategy_class is None:
            raise WiringError(
                "the resolver needs a strategy",
                expected="strategy_class=LatestBlessedModelStrategy, for instance",
                got="nothing",
                location=caller_location(),
            )
        settings = plain(dict(config or {}))
        for channel in channels.values():
            producer = getattr(channel, "producer_component_id", None)
            if isinstance(channel, TfxChannel) and producer:
                settings.setdefault("node_id", producer)
        super().__init__(strategy_class, config=settings, **channels)


def RuntimeParameter(
    name: str, ptype: type | None = None, default: Any = None, description: str | None = None
) -> NativeRuntimeParameter:
    """A parameter of the whole pipeline, given when a run starts.

    Args:
        name: Its name.
        ptype: int, float, str or bool; by default that of `default`, else str.
        default: Value where the run gives none.
        description: What it is for.

    Raises:
        ParameterError: `ptype` is not a scalar type, or `default` is not of it.
    """
    known = (int, float, str, bool)
    kind = ptype or (type(default) if type(default) in known else str)
    return NativeRuntimeParameter(name, kind, default, description or "")


def is_resolver_of(channel: Channel | None, strategy: type[Strategy]) -> NativeResolver | None:
    """The resolver that a channel comes from, if it uses a strategy."""
    producer = channel.producer if channel is not None else None
    if isinstance(producer, NativeResolver) and issubclass(producer.strategy, strategy):
        return producer
    return None
