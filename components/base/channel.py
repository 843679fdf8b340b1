# SPDX-License-Identifier: Apache-2.0
"""Channels: what flows from one node's output to another node's input."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ...utils.errors import WiringError
from .artifact import Artifact
from .expression import ArtifactFuture

if TYPE_CHECKING:
    from .node import Node


class Channel:
    """Artifacts of one type that a node will have produced.

    Args:
        type: Type of the artifacts.
        producer: The node whose output this is; None for a channel that only names a
            type, as a resolver takes it.
        key: Name of the output.
    """

    def __init__(
        self,
        type: type[Artifact],
        producer: Node | None = None,
        key: str = "",
    ) -> None:
        self.type = type
        self.producer = producer
        self.key = key

    def future(self) -> ArtifactFuture:
        """The first artifact as an expression, for conditions and parameters."""
        return ArtifactFuture(self)

    def sources(self) -> Sequence[Channel]:
        """The channels of single outputs that this one is made of."""
        return (self,)

    def __repr__(self) -> str:
        origin = f"{self.producer.id}.{self.key}" if self.producer else "no producer"
        return f"Channel[{self.type.TYPE_NAME}]({origin})"


class UnionChannel(Channel):
    """Several channels of one type read as one, in the order given."""

    def __init__(self, channels: Sequence[Channel]) -> None:
        kinds = {channel.type.TYPE_NAME for channel in channels}
        if len(kinds) != 1:
            raise WiringError(
                "a union needs one or more channels of one artifact type",
                got=", ".join(sorted(kinds)) or "no channels",
            )
        super().__init__(channels[0].type)
        self.channels = list(channels)

    def sources(self) -> Sequence[Channel]:
        """See `Channel.sources`."""
        return [source for channel in self.channels for source in channel.sources()]


def union(channels: Sequence[Channel]) -> UnionChannel:
    """Reads several channels of one type as one.

    Raises:
        WiringError: There is no channel, or they differ in type.
    """
    return UnionChannel(channels)
