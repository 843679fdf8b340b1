# SPDX-License-Identifier: Apache-2.0
"""Resolvers: artifacts of earlier runs, chosen by a strategy.

    baseline = Resolver(
        strategy=LatestBlessedModelStrategy,
        model=Channel(Model),
        model_blessing=Channel(ModelBlessing),
    ).excluding(trainer.outputs["model"])

See `tfx.v1.dsl.Resolver`
(https://www.tensorflow.org/tfx/api_docs/python/tfx/v1/dsl/Resolver).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...utils.errors import WiringError, nearest
from ...utils.source_location import caller_location
from ..base.channel import Channel
from ..base.node import Node, OutputMapping
from .strategies import Strategy


class Resolver(Node):
    """Looks artifacts up in the metadata store.

    Args:
        strategy: How to choose among the artifacts of earlier runs: `LatestArtifactStrategy`,
            `LatestBlessedModelStrategy` or your own `Strategy`.
        config: Arguments of the strategy, JSON-compatible.
        channels: The types to look for, by output name. A channel with a producer is
            looked up among what that node put out, in this run or an earlier one; one
            without among all artifacts of its type in this pipeline.

    Raises:
        WiringError: There is no channel, or `strategy` is not a strategy, or lacks a method.
    """

    type_name = "tfx.dsl.components.common.resolver.Resolver"
    kind = "control"

    def __init__(
        self,
        strategy: type[Strategy],
        *,
        config: Mapping[str, Any] | None = None,
        **channels: Channel,
    ) -> None:
        super().__init__(type(self).__name__)
        if not (isinstance(strategy, type) and issubclass(strategy, Strategy)) or not channels:
            raise WiringError(
                "a resolver needs a strategy and at least one channel",
                node=self.id,
                expected="Resolver(strategy=LatestArtifactStrategy, model=Channel(Model))",
                got=f"strategy={strategy!r} and {len(channels)} channels",
                location=caller_location(),
            )
        for missing in sorted(strategy.__abstractmethods__):
            defined = [name for name in vars(strategy) if not name.startswith("_")]
            like = nearest(missing, defined)
            raise WiringError(
                f"strategy {strategy.__name__} does not define {missing}()",
                node=self.id,
                expected=f"a method {missing}",
                got=", ".join(defined) or "no methods",
                location=caller_location(),
                fix=f"rename {like} to {missing}" if like else None,
            )
        self.strategy = strategy
        self.parameters["config"] = dict(config or {})
        for name, value in channels.items():
            channel = self.check_input(name, value, value.type)
            if channel.producer is not None:
                self.inputs[name] = channel
        self.outputs = OutputMapping(
            self, {name: Channel(found.type, self, name) for name, found in channels.items()}
        )

    @property
    def executor(self) -> str:  # type: ignore[override]
        """Dotted path of the strategy."""
        return f"{self.strategy.__module__}:{self.strategy.__qualname__}"

    @property
    def description(self) -> str:
        """What the strategy does."""
        return (self.strategy.__doc__ or "").strip().split("\n", 1)[0]

    def excluding(self, channel: Channel) -> Resolver:
        """Passes over artifacts with the content of those in `channel`. Returns the resolver.

        A model is so compared with the last one blessed *before* it, also when a run that
        changes nothing comes across the model itself.
        """
        self.inputs["excluding"] = channel
        return self
