# SPDX-License-Identifier: Apache-2.0
"""Decisions of people about what an Approval showed them.

A decision is a context of its own, named by the cache key of the node: so it is found in
constant time, holds for that very content in whatever run, and is written in one call.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

from .connection import Connection
from .contexts import Contexts
from .type_names import APPROVAL


@dataclass(frozen=True)
class Decision:
    """What somebody decided.

    Attributes:
        verdict: `approved` or `rejected`.
        by: Who.
        note: Why, in their words.
        decided_at: When: ISO 8601, UTC.
        run_id: The run whose node they were asked by.
        node_id: That node.
    """

    verdict: str
    by: str
    note: str
    decided_at: str
    run_id: str
    node_id: str

    @property
    def approved(self) -> bool:
        """Whether what was shown may go on."""
        return self.verdict == "approved"


class Approvals:
    """Keeps and finds decisions."""

    def __init__(self, connection: Connection, contexts: Contexts) -> None:
        self._connection = connection
        self._contexts = contexts

    def find(self, key: str) -> Decision | None:
        """See `MetadataStore.decision`."""
        with self._connection.holding(writing=False):
            found = self._contexts.find(APPROVAL, key)
        if found is None:
            return None
        kept = {name: value.string_value for name, value in found.custom_properties.items()}
        return Decision(**{name: kept.get(name, "") for name in Decision.__dataclass_fields__})

    def put(self, key: str, decision: Decision) -> None:
        """See `MetadataStore.decide`."""
        with self._connection.holding(writing=True):
            # Known by its id from here on, so that a second decision replaces the first.
            self._contexts.find(APPROVAL, key)
            made = self._contexts.proto(APPROVAL, key)
            for name, value in asdict(decision).items():
                made.custom_properties[name].string_value = value
            self._connection.write("put_contexts", [made])
