# SPDX-License-Identifier: Apache-2.0
"""Explains the cache: what a node's key is made of now, and was made of last time.

`plan` says in one clause what would happen; this lays the ingredients side by side.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ...components.base.artifact import Artifact
from ...utils.hashing import FileDigestCache
from ..ir import NodeIR, PipelineIR
from ..metadata.records import ExecutionRecord
from ..metadata.store import MetadataStore
from .evaluation import Scope, ValueUnavailable
from .fingerprint import cache_key
from .input_resolution import ResolvedNode, resolve_node
from .plan import KnownOutputs, NodeForecast, forecast
from .reuse import INGREDIENTS, STATEMENTS
from .run import Run, RunFacts

Verdict = Literal["same", "changed", "new", "gone", "unknown"]

_LONGEST_VALUE = 60


@dataclass(frozen=True)
class IngredientRow:
    """One ingredient of the cache key.

    Attributes:
        ingredient: Its name; see `fingerprint`.
        verdict: How it compares; `unknown` where an earlier node has to run first.
        before: What it was at the last success, for people; empty where it was not there.
        now: What it is, for people.
    """

    ingredient: str
    verdict: Verdict
    before: str
    now: str


@dataclass(frozen=True)
class CacheExplanation:
    """Why a node would run or be reused.

    Attributes:
        forecast: What would happen, and why.
        rows: The ingredients, those that differ first.
        last: The node's last success, which they are compared with.
        key: The cache key; empty where it is not known before something else runs.
    """

    forecast: NodeForecast
    rows: list[IngredientRow] = field(default_factory=list)
    last: ExecutionRecord | None = None
    key: str = ""


def explain_cache(ir: PipelineIR, run: Run, store: MetadataStore, node_id: str) -> CacheExplanation:
    """Lays out why a node would run or be reused. Records nothing.

    Raises:
        IRError: There is no such node.
        DataError: An input file cannot be found.
        ParameterError: An expression cannot be evaluated.
    """
    node = ir.node(node_id)
    known = KnownOutputs()
    nodes = _up_to(ir, node_id)
    mine = forecast(ir, run, store, nodes, known)[-1]
    last = store.last_execution(run.pipeline, node_id)
    if node.executor.kind == "control" or mine.action == "skip":
        return CacheExplanation(mine, [], last)
    facts = RunFacts(run)
    scope = Scope(run.parameters, facts, known)
    waits_for = set(node.predecessors()) - set(known.known)
    if waits_for:
        resolved = _resolve_part(node, scope, waits_for)
    else:
        resolved = resolve_node(node, scope, FileDigestCache(run.local_folder("digests")))
    key = cache_key(node, resolved)
    rows = _compare(node, key.ingredients, resolved, last, waits_for)
    return CacheExplanation(mine, rows, last, "" if waits_for else key.key)


def _up_to(ir: PipelineIR, node_id: str) -> list[str]:
    """A node and those before it, in order; the node is the last."""
    before = {node.id: node.predecessors() for node in ir.nodes}
    kept, waiting = set[str](), [node_id]
    while waiting:
        current = waiting.pop()
        if current not in kept:
            kept.add(current)
            waiting.extend(before[current])
    return [node.id for node in ir.nodes if node.id in kept]


def _resolve_part(node: NodeIR, scope: Scope, waits_for: set[str]) -> ResolvedNode:
    """What can be told of a node while nodes before it have yet to run."""
    parameters: dict[str, Any] = {}
    for name, value in node.parameters.items():
        try:
            parameters[name] = scope.resolve(value)
        except ValueUnavailable:
            continue
    inputs: dict[str, list[Artifact]] = {}
    for name, wanted in node.inputs.items():
        if not any(channel.node in waits_for for channel in wanted.channels):
            found = [(scope.upstream.outputs(c.node) or {}).get(c.output) for c in wanted.channels]
            inputs[name] = [artifact for each in found for artifact in each or ()]
    return ResolvedNode(inputs, parameters)


def _compare(
    node: NodeIR,
    now: Mapping[str, str],
    resolved: ResolvedNode,
    last: ExecutionRecord | None,
    waits_for: set[str],
) -> list[IngredientRow]:
    before = _kept(last, INGREDIENTS)
    names = list(dict.fromkeys([*now, *before, *(f"input.{name}" for name in node.inputs)]))
    rows: list[IngredientRow] = []
    for name in names:
        if name not in now and name not in before and not waits_for:
            continue  # an optional input that is not connected
        verdict = _verdict(before.get(name), now.get(name), bool(waits_for))
        shown = _show_now(node, name, now.get(name, ""), resolved, last)
        if verdict == "unknown":
            shown = f"known when {', '.join(sorted(waits_for))} has run"
        rows.append(IngredientRow(name, verdict, _show_before(name, before, last), shown))
    order = ("changed", "new", "gone", "unknown", "same")
    return sorted(rows, key=lambda row: order.index(row.verdict))


def _verdict(before: str | None, now: str | None, partly: bool) -> Verdict:
    if now is None:
        return "unknown" if partly else "gone"
    if before is None:
        return "new"
    return "same" if before == now else "changed"


def _show_now(
    node: NodeIR, name: str, digest: str, resolved: ResolvedNode, last: ExecutionRecord | None
) -> str:
    kind, _, key = name.partition(".")
    if kind == "parameter" and key in resolved.parameters:
        return _shortened(resolved.parameters[key])
    if kind == "input" and key in resolved.inputs:
        return _artifacts(resolved.inputs[key], digest)
    if kind == "code" and key in node.code:
        before: dict[str, str] = _kept(last, STATEMENTS).get(key, {})  # type: ignore[assignment]
        now = node.code[key].statements
        changed = [each for each in sorted({*before, *now}) if before.get(each) != now.get(each)]
        if before and changed:
            more = f" and {len(changed) - 3} more" if len(changed) > 3 else ""
            return f"differs in {', '.join(changed[:3])}{more}"
    return digest


def _show_before(name: str, before: Mapping[str, str], last: ExecutionRecord | None) -> str:
    if name not in before or last is None:
        return ""
    kind, _, key = name.partition(".")
    if kind == "parameter":
        return _shortened(last.parameters.get(key))
    if kind == "input" and last.inputs.get(key):
        return _artifacts(list(last.inputs[key]), before[name])
    return before[name]


def _artifacts(found: list[Artifact], digest: str) -> str:
    ids = ", ".join(str(artifact.id) for artifact in found[:5])
    more = ", …" if len(found) > 5 else ""
    return f"{digest} ({found[0].TYPE_NAME} {ids}{more})" if found else digest


def _shortened(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 1] + "…"


def _kept(last: ExecutionRecord | None, name: str) -> dict[str, str]:
    if last is None:
        return {}
    found: dict[str, str] = json.loads(str(last.custom_properties.get(name, "{}")))
    return found
