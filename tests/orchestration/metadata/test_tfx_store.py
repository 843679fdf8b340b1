# SPDX-License-Identifier: Apache-2.0
"""A store that TFX wrote, read; and gone on with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.tfx_store import (
    FIRST_MODEL,
    NEWEST_MODEL,
    NEWEST_SCHEMA,
    OLDER_MODEL,
    PIPELINE,
    RUNS,
    SCHEMA,
    write_tfx_store,
)

from penstock.components.base.artifact_types import Model, ModelBlessing, Schema
from penstock.orchestration.metadata import foreign_records
from penstock.orchestration.metadata.connection import Connection
from penstock.orchestration.metadata.records import ExecutionState, NodeKey, RunState
from penstock.orchestration.metadata.store import MetadataStore


@pytest.fixture
def tfx(tmp_path: Path) -> Iterator[MetadataStore]:
    """TFX's store, opened as a run opens it."""
    with MetadataStore(str(write_tfx_store(tmp_path)), create=False) as store:
        yield store


def test_runs_of_tfx_tell_how_they_went(tfx: MetadataStore) -> None:
    """Runs that TFX recorded are not listed, or all of them as of unknown state."""
    runs = tfx.list_runs()
    assert [run.id for run in runs] == list(RUNS)
    assert [run.state for run in runs] == [RunState.COMPLETE, RunState.COMPLETE, RunState.FAILED]
    assert {run.pipeline for run in runs} == {PIPELINE}
    assert all(run.ended_at is not None and run.ended_at > run.started_at for run in runs)
    assert runs[2].error == "BulkInferrer failed"
    assert tfx.get_run(RUNS[0]) == runs[0]
    assert tfx.list_runs("another") == []


def test_nodes_of_a_run_of_tfx(tfx: MetadataStore) -> None:
    """Executions of TFX's runs have no node, or their parameters are not what they were."""
    found = {each.node_id: each for each in tfx.run_executions(RUNS[0], with_artifacts=True)}
    assert list(found)[:3] == [
        "CsvExampleGen",
        "CsvExampleGen_Unlabelled",
        "latest_blessed_model_resolver",
    ]
    assert found["CsvExampleGen"].state is ExecutionState.CACHED
    trainer = found["Trainer"]
    assert (trainer.pipeline, trainer.run_id) == (PIPELINE, RUNS[0])
    assert trainer.type_name == "tfx.components.trainer.component.Trainer"
    assert [each.id for each in trainer.outputs["model"]] == [NEWEST_MODEL]
    assert [each.id for each in found["Evaluator"].inputs["baseline_model"]] == [OLDER_MODEL]
    assert found["Transform"].parameters["disable_statistics"] == 0


def test_an_error_of_tfx_begins_with_what_happened(tfx: MetadataStore) -> None:
    """The reason of a failed node is the first line of a traceback, which says nothing."""
    failed = [e for e in tfx.run_executions(RUNS[2]) if e.state is ExecutionState.FAILED]
    reasons = {each.node_id: each.error.partition("\n")[0] for each in failed}
    assert "InputResolutionError" in reasons["transform_cache_resolver"]


def test_artifacts_of_tfx_know_their_maker(tfx: MetadataStore) -> None:
    """Artifacts that TFX recorded have no pipeline or node, or the wrong one."""
    record = tfx.get_artifact(SCHEMA)
    assert (record.pipeline, record.node_id) == (PIPELINE, "SchemaGen")
    # A resolver put it out as well, and later runs took it from the cache.
    assert tfx.get_artifact(OLDER_MODEL).node_id == "Trainer"
    models = tfx.list_artifacts("Model", pipeline=PIPELINE)
    assert [each.artifact.id for each in models] == [NEWEST_MODEL, OLDER_MODEL, FIRST_MODEL]
    assert tfx.list_artifacts(pipeline="another") == []
    assert len(tfx.list_artifacts(pipeline=PIPELINE, limit=None)) == 44


def test_the_newest_artifacts_of_tfx_are_found(tfx: MetadataStore) -> None:
    """A resolver finds nothing in a store that TFX began."""

    def ids(type_name: str, **wanted: Any) -> list[int | None]:
        return [each.id for each in tfx.latest_artifacts(type_name, **wanted)]

    assert ids("Model") == ids("Model", pipeline=PIPELINE) == [NEWEST_MODEL]
    assert ids("Model", pipeline="another") == []
    assert ids("Schema", limit=1) == [NEWEST_SCHEMA]
    assert ids("Schema", pipeline=PIPELINE, node_id="SchemaGen", limit=9) == [SCHEMA]
    pushed = tfx.latest_artifacts("PushedModel")[0].custom_properties["pushed_destination"]
    assert ids("PushedModel", where={"pushed_destination": pushed}) == [44]
    assert ids("Model", pipeline="it's \\ odd") == []


def test_the_blessed_models_of_tfx_are_found(tfx: MetadataStore) -> None:
    """A ported pipeline compares with no baseline, or with one that was not blessed."""
    blessed = tfx.blessed_models(PIPELINE)
    assert [(model.id, blessing.id) for model, blessing in blessed] == [
        (NEWEST_MODEL, 42),
        (OLDER_MODEL, 28),
    ]
    assert tfx.latest_blessed_model("another") is None


def test_lineage_through_tfx(tfx: MetadataStore) -> None:
    """The lineage of what TFX made has no names of nodes or stops somewhere."""
    graph = tfx.lineage([NEWEST_MODEL])
    nodes = {each.node_id for each in graph.executions.values()}
    assert {"Trainer", "Transform", "SchemaGen", "StatisticsGen", "CsvExampleGen"} <= nodes
    assert {each.run_id for each in graph.executions.values()} == set(RUNS)


def test_a_run_goes_on_where_tfx_stopped(tfx: MetadataStore) -> None:
    """After the first own run TFX's runs and artifacts are lost, or come before newer ones."""
    tfx.begin_run(PIPELINE, "own")
    node = NodeKey(PIPELINE, "own", "Trainer", "test.Trainer")
    schema = tfx.get_artifact(SCHEMA).artifact
    execution = tfx.register_execution(node, {"schema": [schema]}, {})
    model = Model("/own/model")
    tfx.publish_execution(node, execution, {"model": [model]})
    judge = NodeKey(PIPELINE, "own", "Evaluator", "test.Evaluator")
    execution = tfx.register_execution(judge, {"model": [model]}, {})
    verdict = {"blessed": 1, "current_model_id": model.id or 0}
    blessing = ModelBlessing("/own/blessing", custom_properties=verdict)
    tfx.publish_execution(judge, execution, {"blessing": [blessing]})
    tfx.end_run("own", RunState.COMPLETE)

    assert [run.id for run in tfx.list_runs()] == ["own", *RUNS]
    assert [run.id for run in tfx.list_runs(limit=1)] == ["own"]
    newest = tfx.latest_artifacts("Model", pipeline=PIPELINE, limit=2)
    assert [each.id for each in newest] == [model.id, NEWEST_MODEL]
    assert [m.id for m, _ in tfx.blessed_models(PIPELINE)] == [model.id, NEWEST_MODEL, OLDER_MODEL]
    assert "artifact:4" in tfx.lineage([model.id or 0]).artifacts


def test_a_store_without_tfx_is_asked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Looking for TFX's records costs every look-up in stores that have none."""
    asked: list[str] = []
    read = Connection.read

    def counted(self: Connection, method: str, *arguments: Any, **options: Any) -> Any:
        asked.append(method)
        return read(self, method, *arguments, **options)

    with MetadataStore(str(tmp_path / "own.sqlite")) as store:
        store.begin_run("p", "r")
        node = NodeKey("p", "r", "n", "test.N")
        store.publish_execution(
            node, store.register_execution(node, {}, {}), {"schema": [Schema("/s")]}
        )
        monkeypatch.setattr(Connection, "read", counted)
        for _ in range(3):
            assert store.latest_artifacts("Schema", pipeline="p")
    assert asked.count("get_artifacts") == 1


def test_older_artifacts_are_found_beyond_the_first_few(
    tfx: MetadataStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of many artifacts of TFX only the newest are found, or some twice."""
    whole = [each.id for each in tfx.latest_artifacts("Schema", limit=99)]
    assert len(whole) == 7 and whole == sorted(whole, reverse=True)  # type: ignore[type-var]
    monkeypatch.setattr(foreign_records, "_FIRST", 2)
    assert [each.id for each in tfx.latest_artifacts("Schema", limit=99)] == whole
    assert [each.id for each in tfx.latest_artifacts("Schema", pipeline=PIPELINE, limit=3)] == (
        whole[:3]
    )
