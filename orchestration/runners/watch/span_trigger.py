# SPDX-License-Identifier: Apache-2.0
"""Runs a pipeline when there is new data: a new span or version, or changed files."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

from ....utils import storage
from ....utils.errors import DataError, GraphError, nearest
from ....utils.module_loading import load_object
from ....utils.readable import counted
from ...ir import NodeIR, PipelineIR
from ...launch.evaluation import Scope
from ...launch.run import NoOutputs, Run, RunFacts
from .triggers import Due, Quiet

_UNTELLING = "does not tell whether it has changed"


class NewSpans:
    """Looks at what the nodes that read from outside would read now.

    A node has news when the spans and versions that it would read are not those of the last
    run that this trigger began; where its pattern has no spans, when files came, went, or
    changed size or date. What is not there yet is waited for.

    Args:
        ir: The compiled pipeline.
        run: Describes the runs to begin: their runtime parameters may be part of patterns.
        nodes: Ids of the nodes; by default all that read from outside and follow no other.
        settled_s: Files younger than so many seconds may not be whole yet: they are waited
            for. 0 takes files as they are, for those who move them into place.

    Raises:
        GraphError: There is no such node, or none that reads from outside.
    """

    key = "spans"

    def __init__(
        self, ir: PipelineIR, run: Run, nodes: Sequence[str] = (), *, settled_s: float = 0.0
    ) -> None:
        readers = {node.id: node for node in ir.nodes if node.executor.external_inputs}
        for name in nodes:
            if name not in readers:
                raise GraphError(
                    f"{name!r} is no node that reads data from outside",
                    expected=", ".join(readers) or "a pipeline that has one",
                    got=name,
                    suggestion=nearest(name, readers),
                )
        first = [name for name, node in readers.items() if not node.predecessors()]
        self.nodes = [readers[name] for name in nodes or first]
        if not self.nodes:
            raise GraphError(
                f"no first node of pipeline {ir.name!r} reads data from outside",
                expected="an example generator, whose new spans can be waited for",
                fix="watch by the clock (--every, --cron) or for alarms (--on-alarm)",
            )
        self.run = run
        self.settled_s = settled_s

    def check(self, state: Any, now: float) -> Due | Quiet:
        """See `Trigger.check`."""
        seen: Mapping[str, Any] = state if isinstance(state, dict) else {}
        found: dict[str, Any] = {}
        news: list[str] = []
        for node in self.nodes:
            try:
                looked, young = self._look(node, now)
            except DataError as error:
                if _UNTELLING in error.what:
                    raise
                return Quiet(state, waits_for=f"data of {node.id}: {error.what}")
            if young and looked != seen.get(node.id):
                return Quiet(state, now + self.settled_s, f"{node.id}: {young} to be whole")
            found[node.id] = looked
            if looked != seen.get(node.id):
                news.append(f"{node.id}: {_news(looked, seen.get(node.id))}")
        if news:
            return Due("; ".join(news), found)
        return Quiet(state, waits_for="new data")

    def after_run(self, state: Any) -> Any:
        """See `Trigger.after_run`."""
        return state

    def _look(self, node: NodeIR, now: float) -> tuple[dict[str, Any], str]:
        """What a node would read now, and which of its files may not be whole yet."""
        scope = Scope(self.run.parameters, RunFacts(self.run), NoOutputs())
        parameters = {name: scope.resolve(value) for name, value in node.parameters.items()}
        named = load_object(node.executor.external_inputs)(parameters)
        if not named.files and named != load_object(node.executor.external_inputs)(parameters):
            raise DataError(
                f"the data of {node.id} {_UNTELLING}",
                node=node.id,
                expected="the same answer to the same question, until there is new data",
                fix="ask it something by which news can be told: version_query='select max(…) …'",
            )
        spans = named.parameters.get("resolved_spans") or []
        facts: list[Any] = []
        young: list[str] = []
        for path in named.files:
            if not storage.is_local(path):
                facts.append([path, storage.remote_version(path)])
                continue
            stat = os.stat(storage.local_path(path))
            facts.append([path, stat.st_size, stat.st_mtime_ns])
            if self.settled_s and now - stat.st_mtime < self.settled_s:
                young.append(path)
        # A database has no files; what its node asks it for tells whether it has changed.
        whole = [facts, named.parameters]
        text = json.dumps(whole, sort_keys=True, default=str)
        looked = {
            "spans": spans if spans != [[0, 0]] else [],
            "files": len(named.files),
            "digest": hashlib.sha256(text.encode()).hexdigest()[:32],
        }
        return looked, young[0] if young else ""


def _news(looked: Mapping[str, Any], before: Mapping[str, Any] | None) -> str:
    spans = [tuple(pair) for pair in looked["spans"]]
    known = {tuple(pair) for pair in (before or {}).get("spans", [])}
    new = [pair for pair in spans if pair not in known]
    if not spans:
        files = counted(looked["files"], "file")
        return f"{files} changed" if before else f"{files} there"
    if not new:
        return (
            f"files of span {spans[-1][0]} changed"
            if known == set(spans)
            else (f"spans are now {spans[0][0]} to {spans[-1][0]}")
        )
    shown = [f"{span}" + (f" (version {version})" if version else "") for span, version in new]
    more = f"{shown[0]} to {shown[-1]}" if len(shown) > 3 else ", ".join(shown)
    return f"span{'s' if len(shown) > 1 else ''} {more} {'is' if len(shown) == 1 else 'are'} new"
