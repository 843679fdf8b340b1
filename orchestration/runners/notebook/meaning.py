# SPDX-License-Identifier: Apache-2.0
"""Which artifacts somebody means by what they pass: a channel, a result, an artifact."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ....components.base.artifact import Artifact
from ....components.base.channel import Channel
from ....components.base.node import Node
from ....utils.errors import WiringError
from .cell_result import CellResult
from .kept_nodes import KeptNodes, called


def artifacts_of(thing: Any, kept: KeptNodes | None) -> list[Artifact]:
    """The artifacts that something means.

    Args:
        thing: An artifact, a channel, a node, what running one answered, or several of them.
        kept: What was run.

    Raises:
        WiringError: It was not run, or means no artifacts.
    """
    if isinstance(thing, Artifact):
        return [thing]
    if isinstance(thing, Channel):
        return [found for source in thing.sources() for found in _put_out(source, kept)]
    if isinstance(thing, CellResult):
        return [found for each in thing.outputs.values() for found in each]
    if isinstance(thing, Node):
        return [found for channel in thing.outputs.values() for found in _put_out(channel, kept)]
    if isinstance(thing, Mapping):
        return [found for each in thing.values() for found in artifacts_of(each, kept)]
    if isinstance(thing, Iterable) and not isinstance(thing, (str, bytes)):
        return [found for each in thing for found in artifacts_of(each, kept)]
    raise WiringError(
        "this is no artifact, and leads to none",
        expected="an artifact, a channel such as example_gen.outputs['examples'], or what "
        "context.run(...) answered",
        got=f"{thing!r} ({type(thing).__name__})",
    )


def single(found: Sequence[Artifact], thing: Any) -> Artifact:
    """The only one of some artifacts.

    Raises:
        WiringError: There are several, or none.
    """
    if len(found) == 1:
        return found[0]
    raise WiringError(
        "one artifact is needed here",
        expected="a single output, such as result.outputs['examples'][0]",
        got=f"{len(found)}: " + ", ".join(each.TYPE_NAME for each in found)
        if found
        else f"none: {thing!r}",
    )


def _put_out(channel: Channel, kept: KeptNodes | None) -> Sequence[Artifact]:
    producer = channel.producer
    now = kept.get(producer.id) if kept is not None and producer is not None else None
    outputs = kept.outputs(producer.id) if kept is not None and producer is not None else None
    if producer is None or now is not producer or outputs is None:
        name = producer.id if producer is not None else "what this channel stands for"
        raise WiringError(
            f"{name} has not been run in this context"
            if now is None
            else f"{name} was skipped, or another cell has replaced it since",
            got=repr(channel),
            fix=f"run it first: context.run({called(producer) if producer is not None else '…'})",
        )
    return outputs.get(channel.key, [])
