# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import gc
import os
import shutil
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError
from support.model_servers import SCHEMA, save_constant

from penstock.components.base.artifact_types import (
    Examples,
    InfraBlessing,
    Model,
    PushedModel,
    Schema,
)
from penstock.components.base.channel import Channel
from penstock.components.base.executor import Task
from penstock.components.push.pusher_executor import PusherExecutor
from penstock.components.serve.answer_comparison import largest_difference
from penstock.components.serve.infra_figures import Figures
from penstock.components.serve.infra_specs import ServingSpec, ValidationSpec
from penstock.components.serve.infra_validator import InfraValidator
from penstock.components.serve.infra_validator_executor import InfraValidatorExecutor
from penstock.utils.errors import GateError, ParameterError, WiringError

REQUESTS = {"num_examples": 30, "num_latency_requests": 30}


@pytest.fixture
def examples(tmp_path: Path) -> Examples:
    """Forty records of what the models take, with a label that they do not."""
    folder = tmp_path / "examples" / "Split-eval"
    folder.mkdir(parents=True)
    table = pa.table(
        {
            "amount": pa.array([float(i) for i in range(40)]),
            "count": pa.array([None if i % 7 == 0 else i % 9 for i in range(40)], pa.int64()),
            "label": pa.array([i % 2 for i in range(40)]),
        }
    )
    pq.write_table(table, folder / "data_parquet-00000-of-00001.parquet")
    found = Examples(str(tmp_path / "examples"))
    found.splits = ["eval"]
    return found


def validate(
    tmp_path: Path,
    model: Path,
    examples: Examples | None,
    *,
    schema: str = "",
    **parameters: Any,
) -> tuple[InfraBlessing, Mapping[str, Any]]:
    """Runs the executor on the model folder; gives the blessing and the properties."""
    blessing = tmp_path / f"blessing{len(list(tmp_path.glob('blessing*')))}"
    blessing.mkdir()
    inputs: dict[str, Any] = {"model": [Model(str(model))]}
    if examples is not None:
        inputs["examples"] = [examples]
    if schema:
        (tmp_path / "schema").mkdir()
        (tmp_path / "schema" / "schema.pbtxt").write_text(schema)
        inputs["schema"] = [Schema(str(tmp_path / "schema"))]
    node = InfraValidator(model=Channel(Model), **parameters)
    task = Task(
        inputs=inputs,
        outputs={"blessing": [InfraBlessing(str(blessing))]},
        parameters=node.parameters,
        node_id="InfraValidator",
    )
    properties = InfraValidatorExecutor().execute(task)
    return task.output("blessing", InfraBlessing), properties


def test_a_good_model_is_blessed_and_measured(tmp_path: Path, examples: Examples) -> None:
    """If it fails, good models do not get out, or nobody knows what serving them costs."""
    model = save_constant(tmp_path / "model" / "Format-Serving", 2.5).parent
    blessing, figures = validate(
        tmp_path,
        model,
        examples,
        schema=SCHEMA,
        request_spec=REQUESTS,
        validation_spec={
            "max_size_on_disk_mib": 1.0,
            "max_memory_mib": 4000.0,
            "max_p50_latency_ms": 5_000.0,
            "max_p99_latency_ms": 10_000.0,
            "max_model_load_seconds": 200.0,
        },
    )
    assert os.listdir(blessing.uri) == ["INFRA_BLESSED"]
    assert blessing.custom_properties["blessed"] == 1
    assert (figures["blessed"], figures["flavor"]) == (1, "xgboost")
    assert (figures["compared_records"], figures["latency_requests"]) == (30, 30)
    assert figures["max_difference"] == 0.0
    assert 0 < figures["latency_p50_ms"] <= figures["latency_p99_ms"]
    assert figures["load_seconds"] > figures["model_load_seconds"] > 0
    assert figures["memory_bytes"] > 20 * 2**20
    files = (model / "Format-Serving").iterdir()
    assert figures["size_on_disk_bytes"] == sum(path.stat().st_size for path in files)


def test_limits_that_are_missed_are_told_with_how_much(tmp_path: Path, examples: Examples) -> None:
    """If it fails, a model that is too large, hungry or slow goes out."""
    model = save_constant(tmp_path / "model", 1.0)
    limits = {
        "max_size_on_disk_mib": 0.0001,
        "max_memory_mib": 10.0,
        "max_p99_latency_ms": 0.01,
        "max_model_load_seconds": 0.0001,
    }
    with pytest.raises(GateError, match="cannot be served as it must be") as failure:
        validate(
            tmp_path, model, examples,
            request_spec={"num_examples": 5, "num_latency_requests": 5}, validation_spec=limits,
        )  # fmt: skip
    text = str(failure.value)
    for part in [
        r"size on disk: must be at most 0.0001 MiB, is",
        r"memory: must be at most 10 MiB, is",
        r"p99 latency: must be at most 0.01 ms, is",
        r"time to load the model: must be at most 0.0001 s",
        "too much",
        "times the limit",
        "measured: xgboost model in KServe's Python server",
    ]:
        assert part in text


@pytest.mark.parametrize("content", ["{", ""])
def test_a_model_that_cannot_be_loaded_is_refused(
    tmp_path: Path, examples: Examples, content: str
) -> None:
    """If it fails, a model goes out that no server can load."""
    (tmp_path / "model").mkdir()
    name = "model.json" if content else "model.pkl"
    (tmp_path / "model" / name).write_text(content)
    blessing, properties = validate(
        tmp_path, tmp_path / "model", examples, on_refusal="not_blessed"
    )
    assert os.listdir(blessing.uri) == ["INFRA_NOT_BLESSED"]
    assert blessing.custom_properties["blessed"] == 0
    assert ("cannot" in properties["reason"]) or ("pickle" in properties["reason"])
    pushed = tmp_path / "pushed"
    pushed.mkdir()
    task = Task(
        inputs={"model": [Model(str(tmp_path / "model"))], "infra_blessing": [blessing]},
        outputs={"pushed_model": [PushedModel(str(pushed))]},
        parameters={
            "push_destination": {"filesystem": {"base_directory": str(tmp_path / "serving")}}
        },
    )
    assert (PusherExecutor().execute(task) or {})["pushed"] == 0
    assert not (tmp_path / "serving").exists()


def test_records_that_the_server_refuses_are_told(tmp_path: Path, examples: Examples) -> None:
    """If it fails, a model is blessed whose server refuses real requests."""
    model = save_constant(tmp_path / "model", 1.0)
    schema = SCHEMA.replace("max: 1000", "max: 20")
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always", ResourceWarning)
        with pytest.raises(GateError, match="record 21: the feature 'amount' must be at most 20"):
            validate(tmp_path, model, examples, schema=schema, request_spec=REQUESTS)
        gc.collect()
    # The connection to the server ends with the server.
    assert not [str(each.message) for each in seen if "unclosed" in str(each.message)]


def test_without_examples_the_model_is_only_loaded(tmp_path: Path) -> None:
    """If it fails, a limit that was not measured counts as kept."""
    model = save_constant(tmp_path / "model", 1.0)
    blessing, properties = validate(
        tmp_path, model, None, on_refusal="not_blessed", validation_spec={"max_p99_latency_ms": 9}
    )
    assert blessing.custom_properties["blessed"] == 0
    assert "could not be measured" in properties["reason"]


def test_parameters_that_do_not_go_together_are_told(tmp_path: Path, examples: Examples) -> None:
    """If it fails, a setting is silently without effect."""
    model = save_constant(tmp_path / "model", 1.0)
    with pytest.raises(ParameterError, match="make_warmup goes with a SavedModel only"):
        validate(tmp_path, model, examples, request_spec={"make_warmup": True})
    docker = {"tensorflow_serving": {"tags": ["2.16.1"]}, "local_docker": {}}
    with pytest.raises(ParameterError, match="goes with a SavedModel only"):
        validate(tmp_path, model, examples, serving_spec=docker)
    for wrong in [
        {"tensorflow_serving": {}},
        {"local_docker": {}},
        {"kserve": {}, "tensorflow_serving": {}, "local_docker": {}},
    ]:
        with pytest.raises(ValidationError):
            ServingSpec.model_validate(wrong)
    with pytest.raises((ParameterError, WiringError), match="max_p99_latency_ms"):
        InfraValidator(model=Channel(Model), validation_spec={"max_p99_latency": 5})


@pytest.mark.parametrize(
    ("answered", "expected", "size"),
    [
        ([1.0, 2.0], [1.0, 2.0], 0.0),
        ([1.0, 2.5], [1.0, 2.0], 0.25),
        ([1001.0], [1000.0], 0.001),
        ([[0.5]], [0.5], 0.0),
        ([{"output": [[1.0, 2.0]]}], [[1.0, 2.5]], 0.2),
        ([{"a": 1, "b": "x"}], [{"a": 1, "b": "y"}], float("inf")),
        ([[1.0, 2.0]], [[1.0]], float("inf")),
        ([None], [float("nan")], 0.0),
        ([None], [1.0], float("inf")),
        ([1.0], [1.0, 2.0], float("inf")),
    ],
)
def test_the_largest_difference(answered: list[Any], expected: list[Any], size: float) -> None:
    """If it fails, answers that differ count as equal, or equal ones as different."""
    assert largest_difference(answered, expected).size == pytest.approx(size)


def test_percentiles_are_of_nearest_rank() -> None:
    """If it fails, a limit of latency is compared with another figure than its name says."""
    figures = Figures(latencies_ms=[float(i) for i in range(1, 101)])
    assert (figures.latency_ms(0.5), figures.latency_ms(0.99)) == (50.0, 99.0)
    assert Figures(latencies_ms=[7.0]).latency_ms(0.99) == 7.0
    (miss,) = figures.misses(ValidationSpec(max_p99_latency_ms=49.5), complete=False)
    assert "is 99 ms (49.5 ms too much, 2.0 times the limit)" in str(miss)


@pytest.fixture(scope="module")
def saved_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """SavedModels: `good` adds, `random` adds and throws dice, `slow` takes its time."""
    import tensorflow as tf

    class Adds(tf.Module):  # type: ignore[misc]
        def __init__(self, rounds: int, noise: float) -> None:
            super().__init__()
            self.rounds, self.noise = tf.constant(rounds), tf.constant(noise)

        @tf.function(  # type: ignore[untyped-decorator]
            input_signature=[
                tf.TensorSpec([None], tf.float32, "amount"),
                tf.TensorSpec([None], tf.int64, "label"),
            ]
        )
        def serve(self, amount: Any, label: Any) -> dict[str, Any]:
            total = tf.cast(label, tf.float32)
            for _ in tf.range(self.rounds):
                total += amount / tf.cast(self.rounds, tf.float32)
            return {"total": total + self.noise * tf.random.uniform(tf.shape(total))}

    base = tmp_path_factory.mktemp("saved")
    for name, rounds, noise in [("good", 1, 0.0), ("random", 1, 0.01), ("slow", 150_000, 0.0)]:
        module = Adds(rounds, noise)
        tf.saved_model.save(module, str(base / name), signatures={"serving_default": module.serve})
    return base


@pytest.mark.heavy
@pytest.mark.slow
def test_a_good_savedmodel_gets_its_warm_up_requests(
    tmp_path: Path, saved_models: Path, examples: Examples
) -> None:
    """If it fails, the first users of each new version wait, or the model is spoilt."""
    import tensorflow as tf
    from tensorflow_serving.apis import prediction_log_pb2

    blessing, figures = validate(
        tmp_path,
        saved_models / "good",
        examples,
        request_spec={**REQUESTS, "make_warmup": True},
        validation_spec={"max_p99_latency_ms": 100.0},
    )
    assert (figures["flavor"], blessing.custom_properties["has_model"]) == ("tensorflow", 1)
    stamped = Path(blessing.uri) / "stamped_model"
    path = stamped / "assets.extra" / "tf_serving_warmup_requests"
    model = tf.saved_model.load(str(stamped))
    seen = 0
    for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
        log = prediction_log_pb2.PredictionLog.FromString(record)
        request = log.predict_log.request
        assert request.model_spec.signature_name == "serving_default"
        tensors = {name: tf.constant(tf.make_ndarray(t)) for name, t in request.inputs.items()}
        total = model.signatures["serving_default"](**tensors)["total"].numpy()
        assert total.tolist() == pytest.approx([seen + seen % 2])
        seen += 1
    assert seen == 30


@pytest.mark.heavy
@pytest.mark.slow
def test_a_model_that_answers_otherwise_in_the_server_is_refused(
    tmp_path: Path, saved_models: Path, examples: Examples
) -> None:
    """If it fails, users get other predictions than the evaluation judged."""
    with pytest.raises(GateError, match=r"difference between[\s\S]*record \d+: the server says"):
        validate(tmp_path, saved_models / "random", examples, request_spec=REQUESTS)


@pytest.mark.heavy
@pytest.mark.slow
def test_a_model_that_is_far_slower_is_refused(
    tmp_path: Path, saved_models: Path, examples: Examples
) -> None:
    """If it fails, a model goes out that users wait for."""
    with pytest.raises(GateError, match=r"p99 latency: must be at most 100 ms, is \d+") as failure:
        validate(
            tmp_path,
            saved_models / "slow",
            examples,
            request_spec={"num_examples": 2, "num_latency_requests": 3},
            validation_spec={"max_p99_latency_ms": 100.0},
        )
    assert "difference" not in (failure.value.got or "").split("measured")[0]


def test_the_model_folder_is_left_as_it_was(tmp_path: Path) -> None:
    """If it fails, validating changes the artifact, and with it every cache key after it."""
    model = save_constant(tmp_path / "model", 1.0)
    before = {path.name: path.read_bytes() for path in model.iterdir()}
    validate(tmp_path, model, None)
    assert {path.name: path.read_bytes() for path in model.iterdir()} == before
    shutil.rmtree(model)
