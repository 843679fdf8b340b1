# SPDX-License-Identifier: Apache-2.0
"""The plan: what would run, what would be reused, and why, before anything runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from ...components.base.artifact import Artifact
from ...utils.errors import PenstockError
from ...utils.hashing import FileDigestCache
from ..ir import NodeIR, PipelineIR
from ..metadata.store import MetadataStore
from .evaluation import Scope
from .fingerprint import cache_key
from .input_resolution import resolve_node
from .reuse import code_changes, decide
from .run import Run, RunFacts
from .steering import steer
from .work import declare_types

Action = Literal["run", "reuse", "skip", "after"]


@dataclass(frozen=True)
class NodeForecast:
    """What would become of one node.

    Attributes:
        node_id: Id of the node.
        action: `run`; `reuse`; `skip` (its condition is false, or what it needs is
            skipped); `after` (it follows a node that runs: it runs too, unless that node
            writes exactly what it wrote before).
        reason: Why.
    """

    node_id: str
    action: Action
    reason: str


class KnownOutputs:
    """Outputs as far as they are known without running anything."""

    def __init__(self) -> None:
        self.known: dict[str, Mapping[str, list[Artifact]] | None] = {}

    def outputs(self, node_id: str) -> Mapping[str, list[Artifact]] | None:
        """See `Upstream.outputs`."""
        return self.known.get(node_id)


def forecast(
    ir: PipelineIR,
    run: Run,
    store: MetadataStore,
    chosen: Sequence[str],
    upstream: KnownOutputs | None = None,
) -> list[NodeForecast]:
    """What a run would do with each of the chosen nodes. Records nothing.

    Args:
        ir: The compiled pipeline.
        run: The run that might be.
        store: What is known of earlier runs.
        chosen: Ids of the nodes.
        upstream: Takes in the outputs that are known without running anything.

    Raises:
        DataError: An input file cannot be found.
        ParameterError: An expression cannot be evaluated.
    """
    declare_types(ir)
    upstream = upstream or KnownOutputs()
    facts = RunFacts(run)
    scope = Scope(run.parameters, facts, upstream)
    files = FileDigestCache(run.local_folder("digests"))
    kept, running = set(chosen), set[str]()
    forecasts: list[NodeForecast] = []
    for node in ir.nodes:
        if node.id not in kept:
            last = store.last_execution(ir.name, node.id)
            upstream.known[node.id] = store.outputs_of(last.id) if last else None
            continue
        try:
            found = _one(node, run, store, scope, files, running, upstream)
        except PenstockError as error:
            error.node = error.node or node.id
            raise
        if found.action in ("run", "after"):
            running.add(node.id)
        forecasts.append(found)
    return forecasts


def _one(
    node: NodeIR,
    run: Run,
    store: MetadataStore,
    scope: Scope,
    files: FileDigestCache,
    running: set[str],
    upstream: KnownOutputs,
) -> NodeForecast:
    before = [earlier for earlier in node.predecessors() if earlier in running]
    if before:
        last = store.last_execution(run.pipeline, node.id)
        own = code_changes(node, last)
        if last is None and not node.conditions:
            own = ["it has not run before"]
        after = f"{', '.join(before)} {'runs' if len(before) == 1 else 'run'} first"
        if own:
            return NodeForecast(node.id, "run", "; ".join([*own, after]))
        return NodeForecast(node.id, "after", after)
    resolved = resolve_node(node, scope, files)
    if resolved.skip:
        return NodeForecast(node.id, "skip", resolved.skip)
    if node.executor.kind == "control":
        upstream.known[node.id] = steer(node, resolved, run, store)
        found = sum(len(artifacts) for artifacts in (upstream.known[node.id] or {}).values())
        return NodeForecast(node.id, "reuse", f"finds {found} artifact{'s' * (found != 1)}")
    key = cache_key(node, resolved)
    decision = decide(node, resolved, key, run, store)
    if not decision.hit and node.executor.kind == "approval":
        given = store.decision(key.key)
        told = f"{given.by} {given.verdict} it" if given else "somebody has to approve it"
        return NodeForecast(node.id, "run", told)
    if not decision.hit:
        return NodeForecast(node.id, "run", decision.reason)
    upstream.known[node.id] = decision.outputs
    return NodeForecast(node.id, "reuse", decision.reason)
