# SPDX-License-Identifier: Apache-2.0
"""Whether two compiled pipelines are the same, but for where they were written."""

from __future__ import annotations

from typing import Any

from ...utils.errors import GraphError
from ..ir import PipelineIR


def check_same(ours: PipelineIR, written: PipelineIR) -> None:
    """Checks that two compiled pipelines differ at most in where they were written.

    Raises:
        GraphError: They differ; names the node and what about it.
    """
    mine, theirs = without_places(ours), without_places(written)
    if mine == theirs:
        return
    for key in mine:
        if mine[key] == theirs[key]:
            continue
        if key != "nodes":
            raise _different(None, key, mine[key], theirs[key])
        if [node["id"] for node in mine[key]] != [node["id"] for node in theirs[key]]:
            raise _different(
                None, "order of nodes", *([n["id"] for n in i[key]] for i in (mine, theirs))
            )
        for one, other in zip(mine[key], theirs[key], strict=True):
            for name in one:
                if one[name] != other[name]:
                    raise _different(one["id"], name, one[name], other[name])


def without_places(ir: PipelineIR) -> dict[str, Any]:
    """A compiled pipeline as plain data, less the places where its nodes were written."""
    plain = ir.model_dump(mode="json")
    for node in plain["nodes"]:
        del node["location"]
    return plain


def _different(node: str | None, what: str, ours: Any, written: Any) -> GraphError:
    return GraphError(
        f"YAML cannot say the same as this pipeline: its {what} would differ",
        node=node,
        expected=str(ours)[:300],
        got=str(written)[:300],
        fix="where it comes from how the Python is written, write it plainly; else keep it"
        " in Python",
    )
