# SPDX-License-Identifier: Apache-2.0
"""Our records have the names of TFX 1.16's, read here with ML Metadata alone.

The tables are transcribed from TFX 1.16.0: `tfx/types/standard_artifacts.py` (artifact types,
properties, system types), `tfx/types/standard_component_specs.py` (`TYPE_ANNOTATION`: system
types of executions), `tfx/dsl/compiler/constants.py` and `node_contexts_compiler.py` (contexts
and their names), `tfx/orchestration/portable/mlmd/event_lib.py` (paths of events),
`tfx/orchestration/portable/cache_utils.py` (cache contexts), `tfx/types/artifact.py` (system
properties) and `tfx/types/standard_artifact_utils.py` (`tfx_version`). See also
https://www.tensorflow.org/tfx/guide/mlmd.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from penstock.components.base.artifact import Artifact
from penstock.components.base.artifact_types import (
    ExampleAnomalies,
    Examples,
    ExampleStatistics,
    Model,
    ModelBlessing,
    ModelEvaluation,
    ModelRun,
    PushedModel,
    Schema,
    TransformGraph,
)
from penstock.orchestration.metadata.records import ExecutionState, NodeKey
from penstock.orchestration.metadata.store import MetadataStore

mlmd = pytest.importorskip("ml_metadata")
protos = pytest.importorskip("ml_metadata.proto.metadata_store_pb2")

INT, STRING = 1, 3

ARTIFACT_TYPES: dict[str, tuple[dict[str, int], str | None]] = {
    "Examples": ({"span": INT, "version": INT, "split_names": STRING}, "DATASET"),
    "ExampleStatistics": ({"span": INT, "split_names": STRING}, "STATISTICS"),
    "ExampleAnomalies": ({"span": INT, "split_names": STRING}, None),
    "Schema": ({}, None),
    "TransformGraph": ({}, None),
    "Model": ({}, "MODEL"),
    "ModelRun": ({}, None),
    "ModelEvaluation": ({}, None),
    "ModelBlessing": ({}, None),
    "PushedModel": ({}, "MODEL"),
}

#: Node id, execution type, its system type, inputs, outputs.
NODES: list[tuple[str, str, str | None, list[str], dict[str, type[Artifact]]]] = [
    ("CsvExampleGen", "tfx.components.example_gen.csv_example_gen.component.CsvExampleGen",
     None, [], {"examples": Examples}),
    ("StatisticsGen", "tfx.components.statistics_gen.component.StatisticsGen",
     "PROCESS", ["examples"], {"statistics": ExampleStatistics}),
    ("SchemaGen", "tfx.components.schema_gen.component.SchemaGen",
     "PROCESS", ["statistics"], {"schema": Schema}),
    ("ExampleValidator", "tfx.components.example_validator.component.ExampleValidator",
     None, ["statistics", "schema"], {"anomalies": ExampleAnomalies}),
    ("Transform", "tfx.components.transform.component.Transform",
     "TRANSFORM", ["examples", "schema"], {"transform_graph": TransformGraph}),
    ("Trainer", "tfx.components.trainer.component.Trainer",
     "TRAIN", ["examples", "transform_graph", "schema"],
     {"model": Model, "model_run": ModelRun}),
    ("Evaluator", "tfx.components.evaluator.component.Evaluator",
     "EVALUATE", ["examples", "model"],
     {"evaluation": ModelEvaluation, "blessing": ModelBlessing}),
    ("Pusher", "tfx.components.pusher.component.Pusher",
     "DEPLOY", ["model", "blessing"], {"pushed_model": PushedModel}),
]  # fmt: skip

RUN = "2026-11-20T10:00:00.000001"


def record_run(store: MetadataStore) -> None:
    """Records a run of the standard components."""
    store.begin_run("taxi", RUN)
    known: dict[str, Artifact] = {}
    for node_id, type_name, _, inputs, outputs in NODES:
        node = NodeKey("taxi", RUN, node_id, type_name)
        read = {name: [known[name]] for name in inputs}
        found = store.register_execution(node, read, {"exclude_splits": "[]"})
        made = {name: cls(f"/outputs/{node_id}/{name}/{found}") for name, cls in outputs.items()}
        if node_id == "CsvExampleGen":
            made["examples"].properties.update(span=1, version=0, split_names='["train", "eval"]')
        if node_id == "Evaluator":
            made["blessing"].custom_properties.update(
                blessed=1, current_model_id=known["model"].id or 0
            )
        published = {name: [artifact] for name, artifact in made.items()}
        store.publish_execution(node, found, published, cache_key=f"{node_id:0<64}")
        known.update(made)


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """ML Metadata's own client on a store that we wrote."""
    path: Path = tmp_path_factory.mktemp("tfx") / "metadata.sqlite"
    with MetadataStore(str(path)) as store:
        record_run(store)
    config = protos.ConnectionConfig()
    config.sqlite.filename_uri = str(path)
    config.sqlite.connection_mode = protos.SqliteMetadataSourceConfig.READWRITE
    yield mlmd.MetadataStore(config)


def base_type(found: Any) -> str | None:
    """Name of a type's system type."""
    if not found.HasField("base_type"):
        return None
    return str(type(found).SystemDefinedBaseType.Name(found.base_type))


def test_artifact_types_are_tfx_s(raw: Any) -> None:
    """Fails if a reader does not recognise our artifacts as Examples, Model and so on."""
    found = {
        kind.name: (dict(kind.properties), base_type(kind))
        for kind in raw.get_artifact_types()
        if not kind.name.startswith("mlmd.")
    }
    assert found == ARTIFACT_TYPES


def test_execution_types_are_tfx_s(raw: Any) -> None:
    """Fails if a reader does not recognise which component an execution was of."""
    found = {
        kind.name: (dict(kind.properties), base_type(kind))
        for kind in raw.get_execution_types()
        if not kind.name.startswith("mlmd.")
    }
    assert found == {type_name: ({}, base) for _, type_name, base, _, _ in NODES}


def test_contexts_are_tfx_s(raw: Any) -> None:
    """Fails if a reader does not find executions by pipeline, run or node."""
    found: dict[str, set[str]] = {}
    for context in raw.get_contexts():
        found.setdefault(context.type, set()).add(context.name)
    assert found == {
        "pipeline": {"taxi"},
        "pipeline_run": {RUN},
        "node": {f"taxi.{node_id}" for node_id, *_ in NODES},
        "execution_cache": {f"{node_id:0<64}" for node_id, *_ in NODES},
    }
    assert all(not kind.properties for kind in raw.get_context_types())
    run = raw.get_context_by_type_and_name("pipeline_run", RUN)
    assert [parent.name for parent in raw.get_parent_contexts_by_context(run.id)] == ["taxi"]


@pytest.mark.parametrize("node_id, type_name, _base, inputs, outputs", NODES)
def test_node_s_records_are_found_as_tfx_finds_them(
    raw: Any,
    node_id: str,
    type_name: str,
    _base: str | None,
    inputs: list[str],
    outputs: dict[str, type[Artifact]],
) -> None:
    """Fails if TFX's way from a node to its artifacts, by contexts and events, is broken."""
    node = raw.get_context_by_type_and_name("node", f"taxi.{node_id}")
    run = raw.get_context_by_type_and_name("pipeline_run", RUN)
    (execution,) = raw.get_executions_by_context(node.id)
    assert execution.id in {found.id for found in raw.get_executions_by_context(run.id)}
    assert execution.type == type_name
    assert execution.last_known_state == protos.Execution.COMPLETE
    assert execution.custom_properties["exclude_splits"].string_value == "[]"
    ours = {name for name in execution.custom_properties if name != "exclude_splits"}
    # TFX takes what begins with two underscores for internal (execution_lib.is_internal_key).
    assert all(name.startswith("__") for name in ours)
    events: dict[int, dict[str, int]] = {protos.Event.INPUT: {}, protos.Event.OUTPUT: {}}
    for event in raw.get_events_by_execution_ids([execution.id]):
        key, index = event.path.steps
        assert (key.WhichOneof("value"), index.WhichOneof("value")) == ("key", "index")
        assert index.index == 0
        events[event.type][key.key] = event.artifact_id
    assert set(events[protos.Event.INPUT]) == set(inputs)
    assert set(events[protos.Event.OUTPUT]) == set(outputs)
    # An artifact belongs to the contexts of those that wrote it and of those that read it.
    of_node = {found.id for found in raw.get_artifacts_by_context(node.id)}
    assert of_node == {*events[protos.Event.INPUT].values(), *events[protos.Event.OUTPUT].values()}
    for name, artifact_id in events[protos.Event.OUTPUT].items():
        (artifact,) = raw.get_artifacts_by_id([artifact_id])
        assert (artifact.type, artifact.state) == (outputs[name].TYPE_NAME, protos.Artifact.LIVE)
        assert artifact.uri == f"/outputs/{node_id}/{name}/{execution.id}"
        custom = artifact.custom_properties
        # Readers choose the layout of the payload by this; 0.29 and later have today's.
        assert custom["tfx_version"].string_value == "1.16.0"
        assert custom["producer_component"].string_value == node_id
        assert custom["pipeline_name"].string_value == "taxi"


def test_properties_are_read_as_tfx_reads_them(raw: Any) -> None:
    """Fails if span, splits or the verdict of a blessing cannot be read from our store."""
    (examples,) = raw.get_artifacts_by_type("Examples")
    assert examples.properties["span"].int_value == 1
    assert json.loads(examples.properties["split_names"].string_value) == ["train", "eval"]
    (blessing,) = raw.get_artifacts_by_type("ModelBlessing")
    (model,) = raw.get_artifacts_by_type("Model")
    assert blessing.custom_properties["blessed"].int_value == 1
    assert blessing.custom_properties["current_model_id"].int_value == model.id


def test_failed_and_cached_executions_are_tfx_s(tmp_path: Path) -> None:
    """Fails if a reader of TFX stores does not see why a node failed, or what was reused."""
    with MetadataStore(str(tmp_path / "m.sqlite")) as store:
        store.begin_run("taxi", "r")
        node = NodeKey("taxi", "r", "Trainer", NODES[5][1])
        failed = store.register_execution(node, {}, {})
        store.fail_execution(failed, ExecutionState.FAILED, "no memory")
        first = store.register_execution(node, {}, {})
        model = Model("/m", name="the model")
        store.publish_execution(node, first, {"model": [model]})
        cached = store.publish_cached(node, {}, {"model": [model]})
        read = store._connection.read
        states = [e.last_known_state for e in read("get_executions_by_id", [failed, first, cached])]
        assert states == [
            protos.Execution.FAILED, protos.Execution.COMPLETE, protos.Execution.CACHED,
        ]  # fmt: skip
        result = read("get_executions_by_id", [failed])[0].custom_properties["__execution_result__"]
        # The JSON form of tfx/proto/orchestration/execution_result.proto.
        assert json.loads(result.string_value) == {"resultMessage": "no memory", "code": 2}
        (event,) = read("get_events_by_execution_ids", [cached])
        assert (event.type, event.artifact_id) == (protos.Event.OUTPUT, model.id)
        (recorded,) = read("get_artifacts_by_id", [model.id])
        assert recorded.custom_properties["name"].string_value == "the model"
        assert recorded.name == ""
