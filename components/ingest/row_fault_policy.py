# SPDX-License-Identifier: Apache-2.0
"""What example generators do with records that cannot be read, and where they work."""

from __future__ import annotations

from typing import Literal

from ..base.node import Node

#: End with an error at the first faulty record, or put such records aside and go on.
RowFaults = Literal["fail", "quarantine"]

#: Where the work is done.
Engine = Literal["auto", "local", "beam"]

#: Name of the output with the records that were left out.
REJECTED = "rejected"


def without_rejects(node: Node) -> None:
    """Takes the output for rejected records from a node that does not reject any."""
    if node.parameters.get("row_faults") == "fail":
        del node.outputs[REJECTED]
