# SPDX-License-Identifier: Apache-2.0
"""The rule by which a model gets its version: what changed, and how much that means.

=======  ==========================================================================
part     goes up where, against the version before,
=======  ==========================================================================
major    what callers depend on changed: the features of the schema, their types, or
         the model's signature
minor    how it is made changed: user code, parameters (features, architecture,
         hyperparameters), the nodes, a schema's allowed values, Penstock's own code
patch    only the data changed, or nothing: it was trained again
=======  ==========================================================================

Only what leads to the model counts: an edited Evaluator or Pusher changes no version.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ..metadata.records import ExecutionRecord
from .recipe import Recipe, ingredients_of, statements_of
from .semantic_version import BUMPS, Bump

#: Parameters of nodes that bring data in which say what is read, not how.
_SOURCE_PARAMETERS = frozenset(
    {
        "input_base", "input_config", "range_config", "query", "uri", "source_uri", "span",
        "version", "resolved_span", "resolved_version", "resolved_spans", "resolved_files",
    }
)  # fmt: skip

#: What people want to know first comes first.
_KINDS = ("schema", "signature", "code", "parameter", "nodes", "framework", "data")

_MOST_NAMES = 3


@dataclass(frozen=True)
class Change:
    """One thing that differs between two versions.

    Attributes:
        bump: Which part of the version it raises.
        kind: `schema`, `signature`, `code`, `parameter`, `nodes`, `framework` or `data`.
        what: What it is, in one clause.
        node: The node concerned; empty where there is none.
    """

    bump: Bump
    kind: str
    what: str
    node: str = ""

    def to_dict(self) -> dict[str, Any]:
        """As JSON-compatible data."""
        return asdict(self)


#: Gives the records of executions by id; those that are gone are left out.
ExecutionsById = Callable[[list[int]], Mapping[int, ExecutionRecord]]


def changes_between(old: Recipe, new: Recipe, executions: ExecutionsById) -> list[Change]:
    """What changed from one recipe to another, what means most first."""
    found = [
        *(_interface_changes(old, new) if old.form == new.form else ()),
        *_node_changes(old, new),
        *_execution_changes(old, new, executions),
        *_data_changes(old, new),
    ]
    unique = list(dict.fromkeys(found))
    return sorted(unique, key=lambda each: (BUMPS.index(each.bump), _KINDS.index(each.kind)))


def bump_for(changes: list[Change]) -> tuple[Bump, str]:
    """Which part of the version goes up, and why, in one clause."""
    if not changes:
        return "patch", "trained again; nothing that leads to it changed"
    bump = changes[0].bump
    telling = [change.what for change in changes if change.bump == bump]
    more = f" and {len(telling) - _MOST_NAMES} more" if len(telling) > _MOST_NAMES else ""
    return bump, "; ".join(telling[:_MOST_NAMES]) + more


def _interface_changes(old: Recipe, new: Recipe) -> Iterator[Change]:
    yield from _schema_changes(old, new)
    yield from _signature_changes(old, new)


def _schema_changes(old: Recipe, new: Recipe) -> Iterator[Change]:
    before, now = _interface(old), _interface(new)
    if not before or not now:
        return
    yield from (
        Change("major", "schema", f"feature {name} was added")
        for name in sorted(now.keys() - before.keys())
    )
    yield from (
        Change("major", "schema", f"feature {name} was removed")
        for name in sorted(before.keys() - now.keys())
    )
    same = True
    for name in sorted(before.keys() & now.keys()):
        if before[name] != now[name]:
            same = False
            yield Change(
                "major", "schema", f"feature {name} changed: {_how(before[name], now[name])}"
            )
    written = [not each["inferred"] for each in new.schemas.values()]
    digests = [{each["digest"] for each in recipe.schemas.values()} for recipe in (old, new)]
    if same and before.keys() == now.keys() and any(written) and digests[0] != digests[1]:
        yield Change("minor", "schema", "the schema's allowed values changed")


def _interface(recipe: Recipe) -> dict[str, list[Any]]:
    """Features of all schemas; one that was written says more than one inferred."""
    found: dict[str, list[Any]] = {}
    for each in sorted(recipe.schemas.values(), key=lambda schema: not schema["inferred"]):
        found.update(each["interface"])
    return found


def _how(before: list[Any], now: list[Any]) -> str:
    if before[0] != now[0]:
        return f"{before[0]} became {now[0]}"
    if len(before) == len(now) > 1 and before[1] != now[1]:
        return "it is required now" if now[1] else "it is not required any more"
    return "its shape is another"


def _signature_changes(old: Recipe, new: Recipe) -> Iterator[Change]:
    if old.signature is None or new.signature is None or old.signature == new.signature:
        return
    before, now = (_flat(recipe.signature) for recipe in (old, new))
    names = sorted(
        name for name in {*before, *now} if before.get(name, _NOTHING) != now.get(name, _NOTHING)
    )
    said = ", ".join(names[:_MOST_NAMES]) + (", …" if len(names) > _MOST_NAMES else "")
    yield Change("major", "signature", f"the model's signature changed: {said}")


_NOTHING = object()


def _flat(value: Any, path: str = "") -> dict[str, Any]:
    """Leaves of nested objects by path."""
    if not isinstance(value, dict) or not value or path.count(".") >= 3:
        return {path: value}
    found: dict[str, Any] = {}
    for key, item in value.items():
        found.update(_flat(item, f"{path}.{key}" if path else str(key)))
    return found


def _node_changes(old: Recipe, new: Recipe) -> Iterator[Change]:
    for node in sorted(new.executions.keys() - old.executions.keys()):
        yield Change("minor", "nodes", f"node {node} is new", node)
    for node in sorted(old.executions.keys() - new.executions.keys()):
        yield Change("minor", "nodes", f"node {node} is gone", node)


def _execution_changes(old: Recipe, new: Recipe, executions: ExecutionsById) -> Iterator[Change]:
    both = sorted(old.executions.keys() & new.executions.keys())
    other = [node for node in both if old.executions[node] != new.executions[node]]
    records = executions(
        [each for node in other for each in (old.executions[node], new.executions[node])]
    )
    sources = {key.rpartition(".")[0] for key in new.data}
    for node in other:
        before, now = records.get(old.executions[node]), records.get(new.executions[node])
        if before is not None and now is not None:
            yield from _ingredient_changes(node, before, now, brings_data=node in sources)


def _ingredient_changes(
    node: str, before: ExecutionRecord, now: ExecutionRecord, *, brings_data: bool
) -> Iterator[Change]:
    old, new = ingredients_of(before), ingredients_of(now)
    if not old or not new:
        return
    for part in sorted({*old, *new}):
        if old.get(part) == new.get(part):
            continue
        kind, _, name = part.partition(".")
        if kind == "code":
            for what in _statement_changes(name, before, now):
                yield Change("minor", "code", f"{node}: {what}", node)
        elif kind == "parameter" and not (brings_data and name in _SOURCE_PARAMETERS):
            yield Change("minor", "parameter", f"{node}: {_parameter(name, before, now)}", node)
        elif kind in ("executor", "component"):
            yield Change("minor", "framework", f"{node}: the component's own code changed", node)


def _statement_changes(entry: str, before: ExecutionRecord, now: ExecutionRecord) -> list[str]:
    """Which functions and other statements of user code differ."""
    old, new = (statements_of(each).get(entry, {}) for each in (before, now))
    changed = [name for name in sorted({*old, *new}) if old.get(name) != new.get(name)]
    if not old or not new or not changed:
        return [f"the code of {entry} changed"]
    words = {(True, True): "changed", (False, True): "is new", (True, False): "is gone"}
    return [f"{name} {words[name in old, name in new]}" for name in changed]


def _parameter(name: str, before: ExecutionRecord, now: ExecutionRecord) -> str:
    old, new = (_leaves(name, each.parameters.get(name)) for each in (before, now))
    changed = [key for key in sorted({*old, *new}) if old.get(key) != new.get(key)]
    if not changed:
        return f"{name} changed"
    shown = [
        f"{key}: {_short(old.get(key))} → {_short(new.get(key))}" for key in changed[:_MOST_NAMES]
    ]
    more = f" and {len(changed) - _MOST_NAMES} more" if len(changed) > _MOST_NAMES else ""
    return ", ".join(shown) + more


def _leaves(path: str, value: Any) -> dict[str, Any]:
    if isinstance(value, dict) and value:
        return {
            leaf: found
            for key, item in value.items()
            for leaf, found in _leaves(f"{path}.{key}", item).items()
        }
    return {path: value}


def _short(value: Any) -> str:
    text = "none" if value is None else str(value)
    return text if len(text) <= 40 else text[:37] + "…"


def _data_changes(old: Recipe, new: Recipe) -> Iterator[Change]:
    for key in sorted({*old.data, *new.data}):
        before, now = old.data.get(key, {}), new.data.get(key, {})
        if before.get("digest") != now.get("digest"):
            spans = [each.get("span") for each in (before, now)]
            said = f", span {spans[0]} → {spans[1]}" if spans[0] != spans[1] else ""
            yield Change("patch", "data", f"the data changed ({key}{said})", key.rpartition(".")[0])
    for use in sorted({*old.given, *new.given}):
        if old.given.get(use) != new.given.get(use):
            yield Change("patch", "data", f"what {use} began with changed", use.rpartition(".")[0])
