# SPDX-License-Identifier: Apache-2.0
"""Which channels a node depends on, in whatever way."""

from __future__ import annotations

from collections.abc import Iterator

from ..base.channel import Channel
from ..base.component import expressions_of
from ..base.node import Node


def channels_of(node: Node) -> Iterator[Channel]:
    """Channels of inputs, of parameters' expressions, and of conditions."""
    yield from node.inputs.values()
    for value in node.parameters.values():
        for expression in expressions_of(value):
            yield from expression.channels()
    for condition in node.conditions:
        yield from condition.channels()
