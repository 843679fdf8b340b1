# SPDX-License-Identifier: Apache-2.0
"""Channels as TFX's users make them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ...utils.errors import WiringError
from ..base.artifact import Artifact
from ..base.channel import Channel as NativeChannel
from ..base.channel import UnionChannel
from ..base.channel import union as native_union

#: What TFX's type hints name.
BaseChannel = NativeChannel
OutputChannel = NativeChannel


class Channel(NativeChannel):
    """A channel that names a type, and perhaps who made its artifacts.

    Args:
        type: Type of the artifacts.
        additional_properties: Properties that artifacts must have; see `Resolver`.
        additional_custom_properties: Custom properties that they must have.
        artifacts: Artifacts that are known already, in a test.
        producer_component_id: Id of the node that made them, in an earlier run.
        output_key: Name of its output.
    """

    def __init__(
        self,
        type: type[Artifact],
        additional_properties: Mapping[str, Any] | None = None,
        additional_custom_properties: Mapping[str, Any] | None = None,
        artifacts: Iterable[Artifact] | None = None,
        producer_component_id: str | None = None,
        output_key: str | None = None,
    ) -> None:
        super().__init__(type, None, output_key or "")
        self.additional_properties = dict(additional_properties or {})
        self.additional_custom_properties = dict(additional_custom_properties or {})
        self.producer_component_id = producer_component_id
        self._artifacts = list(artifacts or ())

    @property
    def type_name(self) -> str:
        """Name of the artifacts' type."""
        return self.type.TYPE_NAME

    @property
    def output_key(self) -> str:
        """Name of the producer's output."""
        return self.key

    def set_artifacts(self, artifacts: Iterable[Artifact]) -> Channel:
        """Sets the artifacts that are known already. Returns the channel."""
        self._artifacts = list(artifacts)
        return self

    def get(self) -> list[Artifact]:
        """The artifacts that are known already."""
        return self._artifacts


def as_channel(artifacts: Iterable[Artifact]) -> Channel:
    """A channel of artifacts that are known already; their type is the channel's.

    Raises:
        WiringError: There is no artifact.
    """
    known = list(artifacts)
    if not known:
        raise WiringError(
            "a channel needs at least one artifact, to know its type from", got="an empty list"
        )
    return Channel(type(known[0]), artifacts=known)


def unwrap_channel_dict(channels: Mapping[str, Channel]) -> dict[str, list[Artifact]]:
    """The artifacts of each channel."""
    return {name: channel.get() for name, channel in channels.items()}


def get_individual_channels(channel: NativeChannel) -> list[NativeChannel]:
    """The channels that a channel is made of."""
    return list(channel.sources())


def union(channels: Iterable[NativeChannel]) -> UnionChannel:
    """Reads several channels of one type as one.

    Raises:
        WiringError: There is no channel, or they differ in type.
    """
    return native_union(list(channels))


def artifact_query(
    artifact_type: type[Artifact],
    *,
    producer_component_id: str | None = None,
    output_key: str | None = None,
) -> Channel:
    """The artifacts of a type that a node of this pipeline made, for a `Resolver`."""
    return Channel(
        artifact_type, producer_component_id=producer_component_id, output_key=output_key
    )
