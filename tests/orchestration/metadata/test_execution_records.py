# SPDX-License-Identifier: Apache-2.0
"""Executions in the metadata store, from registration to whatever becomes of them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from penstock.components.base.artifact import Artifact
from penstock.components.base.artifact_types import Examples, Model, Schema
from penstock.orchestration.metadata.records import (
    ArtifactState,
    ExecutionState,
    NodeKey,
)
from penstock.orchestration.metadata.store import MetadataStore
from penstock.utils.errors import MetadataError

Execute = Callable[..., int]
NodeOf = Callable[..., NodeKey]


def test_published_execution_is_read_back_whole(store: MetadataStore, execute: Execute) -> None:
    """Fails if what a node did cannot be looked up afterwards."""
    examples = Examples("/e", name="first", custom_properties={"content_digest": "d"})
    examples.span, examples.splits = 7, ["train", "eval"]
    gen = execute("r", "Gen", {"examples": [examples]}, properties={"rows": 10})
    models = [Model("/m0"), Model("/m1")]
    trainer = execute(
        "r", "Trainer", {"model": models}, {"examples": [examples], "base": [examples]},
        parameters={"steps": 5}, custom={"cache_ingredients": "{}"}, properties={"loss": 0.25},
    )  # fmt: skip
    record = store.get_execution(trainer)
    assert (record.pipeline, record.run_id, record.node_id) == ("taxi", "r", "Trainer")
    assert (record.state, record.attempt, record.error) == (ExecutionState.COMPLETE, 1, "")
    assert record.parameters == {"steps": 5}
    assert record.results == {"loss": 0.25}
    assert record.custom_properties == {"cache_ingredients": "{}"}
    assert record.started_at <= record.updated_at
    assert {name: [a.id for a in found] for name, found in record.inputs.items()} == {
        "examples": [examples.id], "base": [examples.id],
    }  # fmt: skip
    assert record.outputs == {"model": models}
    assert store.outputs_of(gen) == {"examples": [examples]}
    kept = store.get_artifact(examples.id or 0)
    assert kept.artifact == examples
    assert (kept.state, kept.pipeline, kept.node_id) == (ArtifactState.LIVE, "taxi", "Gen")
    producer = store.producer_of(examples.id or 0)
    assert producer is not None and producer.id == gen
    assert [found.id for found in store.consumers_of(examples.id or 0)] == [trainer]


def test_nothing_is_visible_before_publication(
    store: MetadataStore, store_path: str, node_of: NodeOf
) -> None:
    """Fails if an artifact could be read before its execution is complete."""
    store.begin_run("taxi", "r")
    execution_id = store.register_execution(node_of("r"), {}, {})
    with MetadataStore(store_path) as other:
        assert other.list_artifacts() == []
        assert other.get_execution(execution_id).state is ExecutionState.RUNNING
        store.publish_execution(node_of("r"), execution_id, {"x": [Examples("/e")]})
        assert [record.state for record in other.list_artifacts()] == [ArtifactState.LIVE]
        assert other.get_execution(execution_id).state is ExecutionState.COMPLETE


def test_failed_publication_leaves_no_trace(
    store: MetadataStore, execute: Execute, node_of: NodeOf
) -> None:
    """Fails if a publication that cannot be recorded leaves artifacts or gaps behind."""
    execute("r", "Gen", {"x": [Examples("/0")]})
    execution_id = store.register_execution(node_of("r", "Bad"), {}, {})
    bad = Examples("/2", custom_properties={"payload": object()})  # type: ignore[dict-item]
    with pytest.raises(MetadataError, match="'payload' cannot be recorded"):
        store.publish_execution(node_of("r", "Bad"), execution_id, {"x": [Examples("/1"), bad]})
    assert store.get_execution(execution_id).state is ExecutionState.RUNNING
    assert len(store.list_artifacts()) == 1
    execute("r", "Good", {"x": [Examples("/3")]})
    assert [a.uri for a in store.latest_artifacts("Examples", limit=9)] == ["/3", "/0"]


def test_execution_marked_stale_cannot_be_published(
    store: MetadataStore, store_path: str, execute: Execute, node_of: NodeOf
) -> None:
    """Fails if a process that was given up for dead can make half-deleted outputs live."""
    execute("r", "Done")
    slow = store.register_execution(node_of("r", "Slow"), {}, {})
    with MetadataStore(store_path) as other:
        assert [found.id for found in other.mark_stale("r")] == [slow]
        assert other.mark_stale("r") == []
    late = Examples("/late")
    with pytest.raises(MetadataError, match=r"Slow: .*already ended(?s:.*)interrupted"):
        store.publish_execution(node_of("r", "Slow"), slow, {"x": [late]})
    assert late.id is None
    assert store.list_artifacts() == []
    states = {found.node_id: found.state for found in store.run_executions("r")}
    assert states == {"Done": ExecutionState.COMPLETE, "Slow": ExecutionState.FAILED}
    store.fail_execution(slow, ExecutionState.FAILED, "too late to say")
    assert "interrupted" in store.get_execution(slow).error


def test_failure_is_recorded_with_its_reason(store: MetadataStore, node_of: NodeOf) -> None:
    """Fails if the reason of a failure is lost or replaced by a later one."""
    store.begin_run("taxi", "r")
    execution_id = store.register_execution(node_of("r"), {}, {"rate": 1e-7}, {"why": "x"})
    store.fail_execution(
        execution_id, ExecutionState.FAILED, 'division by zero\0 "quoted"', log_path="/log"
    )
    store.fail_execution(execution_id, ExecutionState.CANCELED, "second")
    record = store.get_execution(execution_id)
    assert (record.state, record.log_path) == (ExecutionState.FAILED, "/log")
    assert record.error == 'division by zero\0 "quoted"'
    assert record.parameters == {"rate": 1e-7}
    assert record.custom_properties["why"] == "x"
    with pytest.raises(MetadataError, match="already ended"):
        store.publish_execution(node_of("r"), execution_id, {})
    with pytest.raises(ValueError, match="does not fail with state complete"):
        store.fail_execution(execution_id, ExecutionState.COMPLETE, "")
    with pytest.raises(MetadataError, match="no execution 999"):
        store.fail_execution(999, ExecutionState.FAILED, "")


def test_complete_execution_cannot_fail(store: MetadataStore, execute: Execute) -> None:
    """Fails if a late cancellation could turn a published node into a failed one."""
    execution_id = execute("r", "Gen")
    with pytest.raises(MetadataError, match="already ended"):
        store.fail_execution(execution_id, ExecutionState.CANCELED, "Ctrl-C")
    assert store.get_execution(execution_id).succeeded


def test_long_errors_keep_both_ends(store: MetadataStore, node_of: NodeOf) -> None:
    """Fails if a huge traceback is recorded whole, or without its beginning or end."""
    store.begin_run("taxi", "r")
    execution_id = store.register_execution(node_of("r"), {}, {})
    error = "first line\n" + "x" * 100_000 + "\nlast line"
    store.fail_execution(execution_id, ExecutionState.FAILED, error)
    kept = store.get_execution(execution_id).error
    assert kept.startswith("first line") and kept.endswith("last line")
    assert len(kept) < 21_000


def test_attempts_are_counted_and_success_counts(
    store: MetadataStore, store_path: str, node_of: NodeOf
) -> None:
    """Fails if a retried or resumed node is represented by the wrong execution."""
    store.begin_run("taxi", "r")
    assert store.node_execution("r", "Gen") is None
    ids = []
    for attempt in range(1, 6):
        # A new store each time: as if every attempt were another process's.
        with MetadataStore(store_path) as other:
            ids.append(other.register_execution(node_of("r"), {}, {}))
            assert other.get_execution(ids[-1]).attempt == attempt
            if attempt == 4:
                other.publish_execution(node_of("r"), ids[-1], {"x": [Examples("/e")]})
            else:
                other.fail_execution(ids[-1], ExecutionState.FAILED, f"attempt {attempt}")
        found = store.node_execution("r", "Gen")
        assert found is not None and found.id == ids[min(attempt, 4) - 1]
    assert [found.id for found in store.run_executions("r")] == ids


def test_cache_finds_the_newest_live_result(
    store: MetadataStore, execute: Execute, node_of: NodeOf
) -> None:
    """Fails if the cache returns an old, failed or deleted result, or none at all."""
    assert store.lookup_cache("key") is None
    first = execute("r1", "Gen", {"x": [Examples("/1"), Examples("/2")]}, cache_key="key")
    found = store.lookup_cache("key")
    assert found is not None and found.execution.id == first
    assert [artifact.uri for artifact in found.outputs["x"]] == ["/1", "/2"]
    second = execute("r2", "Gen", {"x": [Examples("/3")]}, cache_key="key")
    found = store.lookup_cache("key")
    assert found is not None and found.execution.id == second
    failed = store.register_execution(node_of("r2", "Gen"), {}, {})
    store.fail_execution(failed, ExecutionState.FAILED, "no")
    assert store.lookup_cache("key") == found
    store.mark_deleted([found.outputs["x"][0].id or 0])
    assert store.lookup_cache("key") is None
    execute("r2", "Empty", {}, cache_key="no outputs")
    empty = store.lookup_cache("no outputs")
    assert empty is not None and empty.outputs == {}
    execute("r2", "Uncached", {"x": [Examples("/4")]})
    assert store.lookup_cache("") is None


def test_cached_execution_points_to_existing_artifacts(
    store: MetadataStore, execute: Execute, node_of: NodeOf
) -> None:
    """Fails if reuse copies artifacts, or loses what explains later misses."""
    examples = Examples("/e")
    execute("r1", "Gen", {"x": [examples]}, cache_key="g")
    made = execute("r1", "Next", {"y": [Schema("/s")]}, {"x": [examples]}, cache_key="n",
                   custom={"cache_ingredients": "kept"}, properties={"rows": 3})  # fmt: skip
    found = store.lookup_cache("n")
    assert found is not None
    store.begin_run("taxi", "r2")
    again = store.publish_cached(
        node_of("r2", "Next"), {"x": [examples]}, found.outputs,
        parameters={"steps": 1}, cached_from=found.execution.id,
    )  # fmt: skip
    record = store.get_execution(again)
    assert (record.state, record.cached_from) == (ExecutionState.CACHED, made)
    assert record.succeeded and record.parameters == {"steps": 1}
    assert record.outputs == found.outputs and record.inputs == {"x": [examples]}
    assert len(store.list_artifacts()) == 2
    last = store.last_execution("taxi", "Next")
    assert last is not None and last.id == again
    assert last.custom_properties == {"cache_ingredients": "kept"}
    assert last.results == {"rows": 3}
    node = store.node_execution("r2", "Next")
    assert node is not None and node.id == again
    producer = store.producer_of(found.outputs["y"][0].id or 0)
    assert producer is not None and producer.id == made


def test_last_execution_goes_back_through_runs(
    store: MetadataStore, execute: Execute, node_of: NodeOf
) -> None:
    """Fails if a node that later runs left out counts as never having run."""
    first = execute("r0", "Rare")
    for number in range(1, 40):
        execute(f"r{number}", "Often")
    failed = store.register_execution(node_of("r39", "Rare"), {}, {})
    store.fail_execution(failed, ExecutionState.FAILED, "no")
    rare = store.last_execution("taxi", "Rare")
    assert rare is not None and rare.id == first
    often = store.last_execution("taxi", "Often")
    assert often is not None and often.run_id == "r39"
    assert store.last_execution("taxi", "Never") is None
    assert store.last_execution("unknown", "Often") is None


def test_skipped_node_is_recorded_as_skipped(store: MetadataStore, node_of: NodeOf) -> None:
    """Fails if a node whose condition was false looks like one that failed or never came up."""
    store.begin_run("taxi", "r")
    execution_id = store.record_skipped(node_of("r", "Pusher"), "its condition is false")
    record = store.get_execution(execution_id)
    assert (record.state, record.error) == (ExecutionState.SKIPPED, "its condition is false")
    assert not record.succeeded and record.state.finished
    assert store.mark_stale("r") == []


def test_resolver_and_importer_are_recorded_as_tfx_does(
    store: MetadataStore, execute: Execute, node_of: NodeOf
) -> None:
    """Fails if a resolver seems to have made what it chose, or an importer not."""
    model = Model("/m")
    made = execute("r", "Trainer", {"model": [model]})
    resolver = node_of("r", "Latest", type_name="tfx.dsl.components.common.resolver.Resolver")
    chosen = store.publish_resolved(resolver, {}, {"model": [model]}, parameters={"config": {}})
    record = store.get_execution(chosen)
    assert (record.state, record.outputs) == (ExecutionState.COMPLETE, {"model": [model]})
    producer = store.producer_of(model.id or 0)
    assert producer is not None and producer.id == made
    nothing = store.publish_resolved(resolver, {}, {"model": []})
    assert store.outputs_of(nothing) == {}

    importer = node_of("r", "Import", type_name="tfx.dsl.components.common.importer.Importer")
    outside = Schema("/outside", custom_properties={"is_external": 1})
    first = store.get_execution(store.publish_resolved(importer, {}, {"result": [outside]}))
    assert first.state is ExecutionState.COMPLETE and outside.id is not None
    again = store.get_execution(store.publish_resolved(importer, {}, {"result": [outside]}))
    assert (again.state, again.outputs) == (ExecutionState.CACHED, {"result": [outside]})
    assert store.artifacts_by_uri("/outside") == [outside]


def test_unpublished_inputs_and_unknown_runs_are_refused(
    store: MetadataStore, node_of: NodeOf
) -> None:
    """Fails if an execution could be recorded that leads nowhere."""
    with pytest.raises(MetadataError, match="no run 'nope'"):
        store.register_execution(node_of("nope"), {}, {})
    store.begin_run("taxi", "r")
    with pytest.raises(MetadataError, match="'x' holds an artifact that was never published"):
        store.register_execution(node_of("r"), {"x": [Examples("/e")]}, {})
    assert store.run_executions("r") == []
    with pytest.raises(MetadataError, match="no execution 5"):
        store.get_execution(5)
    with pytest.raises(MetadataError, match="no artifact 5"):
        store.get_artifact(5)


def test_one_artifact_under_two_outputs_is_recorded_once(
    store: MetadataStore, execute: Execute
) -> None:
    """Fails if an artifact that a node puts out twice becomes two, or loses a name."""
    shared: Artifact = Examples("/e")
    found = execute("r", "Gen", {"a": [shared, Examples("/f")], "b": [shared]})
    outputs = store.outputs_of(found)
    assert [artifact.uri for artifact in outputs["a"]] == ["/e", "/f"]
    assert outputs["b"] == [shared]
    assert len(store.list_artifacts()) == 2


def test_large_runs_are_read_whole(node_of: NodeOf) -> None:
    """Fails if a run of more nodes than ML Metadata's page shows only some of them."""
    before: list[Artifact] = []
    with MetadataStore("sqlite:///:memory:") as store:
        store.begin_run("taxi", "big")
        for number in range(230):
            node, made = node_of("big", f"n{number}"), Examples(f"/{number}")
            found = store.register_execution(node, {"x": before}, {})
            store.publish_execution(node, found, {"x": [made]})
            before = [made]
        records = store.run_executions("big", with_artifacts=True)
    assert [record.node_id for record in records] == [f"n{number}" for number in range(230)]
    assert all(len(record.outputs["x"]) == 1 for record in records)
    assert all(len(record.inputs["x"]) == 1 for record in records[1:])
