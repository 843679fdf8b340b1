# SPDX-License-Identifier: Apache-2.0
"""The contexts of TFX: of a pipeline, of a run, of a node; and how they are found."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from ...utils.errors import MetadataError, nearest
from .codec import check_name
from .connection import Connection
from .library import library
from .records import NodeKey
from .type_names import NODE, PIPELINE, PIPELINE_RUN, node_context_name
from .type_registry import TypeRegistry

#: Custom properties of a pipeline's context that begin with this say how far its numbered
#: series had come when a run ended, so that a search for their end can start there.
_REACHED = "reached_"


class Contexts:
    """Finds contexts by name and remembers their ids.

    Call it while the connection is held, as its memory has no lock of its own.
    """

    def __init__(self, connection: Connection, types: TypeRegistry) -> None:
        self._connection = connection
        self._types = types
        self._ids: dict[tuple[str, str], int] = {}
        self._reached: dict[str, int] = {}

    def find(self, type_name: str, name: str) -> Any | None:
        """The context with a name, as it is now; None where there is none."""
        found = self._connection.read("get_context_by_type_and_name", type_name, name)
        if found is not None and found.name != name:
            raise MetadataError(
                "the metadata store's database does not tell upper and lower case apart",
                expected=name,
                got=f"{found.name}, which is there already",
                location=self._connection.config.url,
                fix="choose a name that differs in more than case; or make the database with "
                "CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
            )
        if found is not None:
            self._ids[type_name, name] = found.id
            for key, value in found.custom_properties.items():
                if key.startswith(_REACHED):
                    self._reached[key] = max(value.int_value, self._reached.get(key, 0))
        return found

    def reached(self, pipeline: str, prefix: str) -> int:
        """A number that a series of a pipeline's records has reached at least."""
        if (PIPELINE, pipeline) not in self._ids:
            self.find(PIPELINE, pipeline)
        return self._reached.get(reached_key(prefix), 0)

    def proto(self, type_name: str, name: str) -> Any:
        """A message that names a context: by id where that is known.

        Passed to `put_execution` with the options to reuse contexts, it makes the context
        where it is missing, and never changes one that is there.
        """
        check_name(name)
        made = library().protos.Context(type_id=self._types.context_type_id(type_name), name=name)
        known = self._ids.get((type_name, name))
        if known is not None:
            made.id = known
        return made

    def remember(self, protos: Sequence[Any], ids: Sequence[int], types: Sequence[str]) -> None:
        """Keeps the ids that a call answered for contexts."""
        for proto, found, type_name in zip(protos, ids, types, strict=True):
            self._ids[type_name, proto.name] = found

    def of_node(self, node: NodeKey) -> list[Any]:
        """Messages for the contexts of a node's execution, in the order that TFX has.

        Raises:
            MetadataError: The run was not begun.
        """
        if (PIPELINE_RUN, node.run_id) not in self._ids:
            self.run(node.run_id)
        return [
            self.proto(PIPELINE, node.pipeline),
            self.proto(PIPELINE_RUN, node.run_id),
            self.proto(NODE, node_context_name(node.pipeline, node.node_id)),
        ]

    def run(self, run_id: str) -> Any:
        """The context of a run, as it is now.

        Raises:
            MetadataError: There is no such run.
        """
        found = self.find(PIPELINE_RUN, run_id)
        if found is None:
            raise MetadataError(
                f"the metadata store has no run {run_id!r}",
                suggestion=nearest(run_id, self._newest_run_ids()),
                location=self._connection.config.url,
                fix="list the runs there are: penstock runs list",
            )
        return found

    def _newest_run_ids(self) -> list[str]:
        mlmd = library().mlmd
        newest = mlmd.ListOptions(limit=500, order_by=mlmd.OrderByField.ID, is_asc=False)
        found = self._connection.read("get_contexts", newest)
        return [context.name for context in found if context.type == PIPELINE_RUN]


def reached_key(prefix: str) -> str:
    """Name of the property that says how far a series had come."""
    # A digest, because the path of a mask cannot hold every character.
    return _REACHED + hashlib.sha256(prefix.encode()).hexdigest()[:16]
