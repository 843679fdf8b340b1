# SPDX-License-Identifier: Apache-2.0
"""What a run asks of the store does not grow with what the store holds.

Counts calls and answers instead of time, which depends on the machine;
`benchmarks/store_growth.py` measures time in stores of up to 100,000 executions.
"""

from __future__ import annotations

from typing import Any

from penstock.components.base.artifact_types import Examples
from penstock.orchestration.metadata.connection import Connection
from penstock.orchestration.metadata.records import NodeKey, RunState
from penstock.orchestration.metadata.store import MetadataStore


class Meter:
    """Counts the calls of a connection and the records that they answer."""

    def __init__(self, store: MetadataStore) -> None:
        self.calls: list[str] = []
        self.records = 0
        connection: Connection = store._connection
        self._inner = connection._call
        connection._call = self._count  # type: ignore[method-assign]

    def _count(self, method: str, *arguments: Any, **options: Any) -> Any:
        self.calls.append(method)
        answer = self._inner(method, *arguments, **options)
        self.records += len(answer) if isinstance(answer, list) else 1
        return answer


def one_run(store: MetadataStore, run_id: str) -> None:
    """Everything that a run of three nodes asks, hits and misses of the cache included."""
    for found in store.open_runs("p"):
        store.mark_stale(found.id)
    store.begin_run("p", run_id)
    before: list[Examples] = []
    for number in range(3):
        node = NodeKey("p", run_id, f"n{number}", "test.N")
        assert store.lookup_cache(f"{run_id}{number}") is None
        store.last_execution("p", node.node_id)
        execution = store.register_execution(node, {"x": before}, {})
        made = Examples(f"/{run_id}")
        store.publish_execution(node, execution, {"x": [made]}, cache_key=f"{run_id}{number}")
        before = [made]
    hit = store.lookup_cache(f"{run_id}0")
    assert hit is not None
    cached = NodeKey("p", run_id, "cached", "test.N")
    store.publish_cached(cached, {}, hit.outputs, cached_from=hit.execution.id)
    store.outputs_of(hit.execution.id)
    assert store.node_execution(run_id, "cached") is not None
    store.latest_artifacts("Examples", pipeline="p")
    store.latest_blessed_model("p")
    store.record_skipped(NodeKey("p", run_id, "skipped", "test.N"), "no")
    store.end_run(run_id, RunState.COMPLETE)


def cost_of_a_run(path: str, run_id: str) -> tuple[list[str], int]:
    """The calls that a run makes, and how many records they answer."""
    with MetadataStore(path) as store:
        meter = Meter(store)
        one_run(store, run_id)
    return meter.calls, meter.records


def test_a_run_costs_the_same_after_many_others(store_path: str) -> None:
    """Fails if a step of a run lists what earlier runs left."""
    with MetadataStore(store_path) as store:
        for number in range(12):
            one_run(store, f"early{number}")
    calls, records = cost_of_a_run(store_path, "measured early")
    with MetadataStore(store_path) as store:
        for number in range(30):
            one_run(store, f"late{number}")
    later_calls, later_records = cost_of_a_run(store_path, "measured late")
    assert later_calls == calls
    assert later_records == records
    assert not {"get_executions_by_context", "get_artifacts_by_context"} & set(calls)
    # Two writes for a node that works, one for another, and a few to begin and end a run.
    writes = [call for call in calls if call.startswith("put_") and not call.endswith("_type")]
    assert len(writes) == 2 * 3 + 2 + 3
