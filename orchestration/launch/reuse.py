# SPDX-License-Identifier: Apache-2.0
"""Phase 3: whether an earlier result is used again, and why or why not."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ...components.base.artifact import Artifact
from ...utils import storage
from ...utils.module_loading import load_object
from ..ir import NodeIR
from ..metadata.records import ExecutionRecord
from ..metadata.store import MetadataStore
from .fingerprint import CacheKey, short
from .input_resolution import ResolvedNode
from .run import Run

#: Custom properties of an execution that explain later misses.
INGREDIENTS = "cache_ingredients"
STATEMENTS = "cache_statements"

#: How the ingredient of a file outside the pipeline begins.
_FILE = "external."


@dataclass(frozen=True)
class ReuseDecision:
    """Whether to reuse, with the reason.

    Attributes:
        reason: One clause for people: why it is reused, or why it has to run.
        execution: The execution whose outputs are used again; None where the node has to run.
        outputs: Those outputs.
    """

    reason: str
    execution: ExecutionRecord | None = None
    outputs: Mapping[str, list[Artifact]] | None = None

    @property
    def hit(self) -> bool:
        """Whether an earlier result is used again."""
        return self.execution is not None


def cache_policy(node: NodeIR, run: Run) -> str:
    """The policy in force for a node: the run's where it has one, else the node's."""
    return run.cache or node.policy.cache


def decide(
    node: NodeIR, resolved: ResolvedNode, key: CacheKey, run: Run, store: MetadataStore
) -> ReuseDecision:
    """Looks the key up and checks that what it finds still holds."""
    if node.policy.trigger == "always":
        # It tells how this run ended, which no earlier result does.
        return ReuseDecision("it runs at the end of every run")
    if run.resumed:
        done = _done_before(node, key, run, store)
        if done is not None:
            return done
    if cache_policy(node, run) == "off":
        return ReuseDecision("the cache is off")
    found = store.lookup_cache(key.key)
    if found is None:
        return ReuseDecision(explain_miss(node, key, store.last_execution(run.pipeline, node.id)))
    gone = _gone(node, resolved, found.outputs)
    if gone:
        return ReuseDecision(gone)
    return ReuseDecision(
        f"nothing changed since run {found.execution.run_id}", found.execution, found.outputs
    )


def _done_before(
    node: NodeIR, key: CacheKey, run: Run, store: MetadataStore
) -> ReuseDecision | None:
    """What the node did in this very run before it was interrupted, whatever the cache policy."""
    last = store.node_execution(run.id, node.id)
    if last is None or not last.succeeded:
        return None
    if last.custom_properties.get(INGREDIENTS) != _ingredients(key):
        return None
    outputs = store.outputs_of(last.id)
    if any(not storage.exists(found.uri) for kept in outputs.values() for found in kept):
        return None
    return ReuseDecision("it was done before the run was interrupted", last, outputs)


def _ingredients(key: CacheKey) -> str:
    return json.dumps(dict(key.ingredients), sort_keys=True)


def _gone(
    node: NodeIR, resolved: ResolvedNode, outputs: Mapping[str, list[Artifact]]
) -> str | None:
    for name, artifacts in outputs.items():
        for artifact in artifacts:
            if not storage.exists(artifact.uri):
                return f"the files of output {name!r} are gone from {artifact.uri}"
    if node.executor.verify_cached:
        reason: str | None = load_object(node.executor.verify_cached)(outputs, resolved.parameters)
        return reason
    return None


def explain_miss(node: NodeIR, key: CacheKey, last: ExecutionRecord | None) -> str:
    """Why a key has no entry, by comparison with the node's last success."""
    if last is None:
        return "it has not run before"
    before: dict[str, str] = json.loads(str(last.custom_properties.get(INGREDIENTS, "{}")))
    if not before:
        return f"its last execution, {last.id}, kept nothing to compare with"
    changed = [
        part
        for part in sorted({*before, *key.ingredients})
        if before.get(part) != key.ingredients.get(part)
    ]
    changes = [_change(node, part, last) for part in changed if not part.startswith(_FILE)]
    changes += _changed_files(before, key.ingredients, changed)
    if not changes:
        return f"its result of run {last.run_id} was not kept in the cache"
    return "; ".join(changes)


def _change(node: NodeIR, part: str, last: ExecutionRecord) -> str:
    kind, _, name = part.partition(".")
    if kind == "code":
        return _changed_code(node, name, last)
    if kind == "input":
        sources = node.inputs.get(name)
        origin = ", ".join(f"{c.node}.{c.output}" for c in sources.channels) if sources else ""
        return f"input {name} changed" + (f" ({origin})" if origin else "")
    return {
        "component": "the component's version changed",
        "executor": "the component's own code changed",
        "parameter": f"parameter {name} changed",
    }.get(kind, f"{part} changed")


def _changed_files(
    before: Mapping[str, str], now: Mapping[str, str], changed: Sequence[str]
) -> list[str]:
    """One clause each for files that changed, are new, or are no longer read."""
    found: dict[tuple[str, str], list[str]] = {}
    for part in changed:
        if part.startswith(_FILE):
            verdict = ("is new", "are new") if part not in before else ("changed", "changed")
            verdict = ("is no longer read", "are no longer read") if part not in now else verdict
            found.setdefault(verdict, []).append(part.removeprefix(_FILE))
    return [
        f"file {paths[0]} {one}"
        if len(paths) == 1
        else f"{len(paths):,} files {many} ({paths[0]}, …)"
        for (one, many), paths in found.items()
    ]


def code_changes(node: NodeIR, last: ExecutionRecord | None) -> list[str]:
    """Which of the node's own code changed since its last success."""
    if last is None:
        return []
    before = json.loads(str(last.custom_properties.get(INGREDIENTS, "{}")))
    return [
        _changed_code(node, entry, last)
        for entry, code in node.code.items()
        if before.get(f"code.{entry}") not in (None, short(code.fingerprint))
    ]


def _changed_code(node: NodeIR, entry: str, last: ExecutionRecord) -> str:
    kept = json.loads(str(last.custom_properties.get(STATEMENTS, "{}")))
    before: dict[str, str] = kept.get(entry, {})
    now = dict(node.code[entry].statements) if entry in node.code else {}
    changed = [name for name in sorted({*before, *now}) if before.get(name) != now.get(name)]
    if not changed or not before:
        return f"the code of {entry} changed"
    shown = ", ".join(changed[:3]) + (f" and {len(changed) - 3} more" if len(changed) > 3 else "")
    return f"code changed: {shown}"


def explanation_properties(node: NodeIR, key: CacheKey) -> dict[str, str]:
    """What to keep with an execution so that a later miss can be explained."""
    statements = {entry: dict(code.statements) for entry, code in node.code.items()}
    kept = {INGREDIENTS: _ingredients(key)}
    if statements:
        kept[STATEMENTS] = json.dumps(statements, sort_keys=True)
    return kept
