# SPDX-License-Identifier: Apache-2.0
"""Every documented constructor argument, through to the compiled pipeline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import penstock
from penstock import tfx
from penstock.tfx.components.trainer.executor import GenericExecutor
from penstock.tfx.dsl.components.base import executor_spec
from penstock.tfx.types import standard_artifacts
from penstock.utils.errors import PenstockError


def _source(kind: type, node_id: str) -> Any:
    return tfx.dsl.Importer(source_uri="/x", artifact_type=kind).with_id(node_id)


class Sources:
    """A channel of each type, and the nodes behind them."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []

    def __getattr__(self, kind: str) -> Any:
        node = _source(getattr(standard_artifacts, kind), f"{kind}_{len(self.nodes)}")
        self.nodes.append(node)
        return node.outputs["result"]


@pytest.fixture
def sources() -> Sources:
    """Channels to connect."""
    return Sources()


def _compiled(sources: Sources, *nodes: Any) -> Any:
    pipeline = tfx.dsl.Pipeline(
        pipeline_name="arguments", pipeline_root="/tmp/root", components=[*sources.nodes, *nodes]
    )
    return pipeline.compile().node(nodes[-1].id)


def test_csv_example_gen(sources: Sources) -> None:
    """If it fails, an argument of CsvExampleGen is lost."""
    node = tfx.components.CsvExampleGen(
        input_base="/data",
        input_config=tfx.proto.Input(splits=[{"name": "all", "pattern": "{SPAN}/*"}]),
        output_config=tfx.proto.Output(
            split_config=tfx.proto.SplitConfig(
                splits=[
                    tfx.proto.SplitConfig.Split(name="train", hash_buckets=4),
                    tfx.proto.SplitConfig.Split(name="eval", hash_buckets=1),
                ],
                partition_feature_name="id",
            )
        ),
        range_config=tfx.proto.RangeConfig(
            static_range=tfx.proto.StaticRange(start_span_number=2, end_span_number=3)
        ),
    )
    found = _compiled(sources, node).parameters
    assert found["input_base"] == "/data"
    assert found["input_config"]["splits"] == [{"name": "all", "pattern": "{SPAN}/*"}]
    config = found["output_config"]["split_config"]
    assert [split["hash_buckets"] for split in config["splits"]] == [4, 1]
    assert config["partition_feature_name"] == "id"
    assert found["range_config"]["static_range"]["end_span_number"] == 3
    assert found["payload_format"] == "tfrecord_gzip"


def test_empty_configurations_mean_the_defaults(sources: Sources) -> None:
    """If it fails, an empty message is refused, which TFX takes as nothing said."""
    node = tfx.components.CsvExampleGen(
        "/data", tfx.proto.Input(), tfx.proto.Output(split_config={}), tfx.proto.RangeConfig()
    )
    found = _compiled(sources, node).parameters
    assert found["input_config"] is found["output_config"] is found["range_config"] is None


def test_import_example_gen(sources: Sources) -> None:
    """If it fails, an argument of ImportExampleGen is lost, or a format is read wrongly."""
    from penstock.tfx.proto import example_gen_pb2

    node = tfx.components.ImportExampleGen(
        input_base="/data",
        input_config=tfx.proto.Input(splits=[{"name": "a", "pattern": "*"}]),
        range_config=tfx.proto.RangeConfig(rolling_range={"num_spans": 2}),
        payload_format=example_gen_pb2.FORMAT_TF_EXAMPLE,
    )
    assert _compiled(sources, node).parameters["range_config"]["rolling_range"]["num_spans"] == 2
    with pytest.raises(PenstockError, match="FORMAT_PROTO"):
        tfx.components.ImportExampleGen("/data", payload_format=example_gen_pb2.FORMAT_PROTO)


def test_components_that_look_at_data(sources: Sources) -> None:
    """If it fails, an argument of one of them is lost."""
    statistics = tfx.components.StatisticsGen(
        examples=sources.Examples,
        schema=sources.Schema,
        stats_options=penstock.StatsOptions(num_top_values=7),
        exclude_splits=["eval"],
    )
    found = _compiled(sources, statistics)
    assert found.parameters["stats_options"]["num_top_values"] == 7
    assert found.parameters["exclude_splits"] == ["eval"] and set(found.inputs) == {
        "examples",
        "schema",
    }
    schema = tfx.components.SchemaGen(
        statistics=sources.ExampleStatistics, infer_feature_shape=False, exclude_splits=["eval"]
    )
    assert _compiled(sources, schema).parameters["infer_feature_shape"] is False
    given = tfx.components.ImportSchemaGen(schema_file="/schema.pbtxt")
    assert _compiled(sources, given).parameters["schema_file"] == "/schema.pbtxt"
    condition = {"sql_expression": "feature.x > 1", "description": "d"}
    custom = {"feature_validations": [{"feature_path": "a", "validations": [condition]}]}
    validator = tfx.components.ExampleValidator(
        statistics=sources.ExampleStatistics,
        schema=sources.Schema,
        exclude_splits=["eval"],
        custom_validation_config=custom,
    )
    kept = _compiled(sources, validator).parameters["custom_validation_config"]
    assert kept["feature_validations"][0]["feature_path"] == {"step": ["a"]}


def test_comparing_components(sources: Sources) -> None:
    """If it fails, an argument of DistributionValidator or ExampleDiff is lost."""
    config = tfx.proto.DistributionValidatorConfig(
        default_slice_config={
            "feature": [
                {
                    "path": {"step": ["fare"]},
                    "distribution_comparator": {"infinity_norm": {"threshold": 0.1}},
                }
            ]
        }
    )
    validator = tfx.components.DistributionValidator(
        statistics=sources.ExampleStatistics,
        baseline_statistics=sources.ExampleStatistics,
        config=config,
        include_split_pairs=[("train", "eval")],
        custom_validation_config=None,
    )
    found = _compiled(sources, validator).parameters
    assert found["include_split_pairs"] == [["train", "eval"]]
    assert found["config"]["default_slice_config"]["feature"][0]["path"] == {"step": ["fare"]}
    skew = {"identifier_features": ["id"], "confusion_config": [{"feature_name": "home"}]}
    diff = tfx.components.ExampleDiff(
        examples_test=sources.Examples,
        examples_base=sources.Examples,
        config=tfx.proto.ExampleDiffConfig(paired_example_skew=skew),
        include_split_pairs=[("train", "train")],
    )
    found = _compiled(sources, diff)
    assert skew.items() <= found.parameters["config"]["paired_example_skew"].items()
    assert set(found.inputs) == {"examples", "baseline_examples"}


def test_transform(sources: Sources, module_file: str) -> None:
    """If it fails, an argument or output of Transform is lost."""
    node = tfx.components.Transform(
        examples=sources.Examples,
        schema=sources.Schema,
        module_file=module_file,
        splits_config=tfx.proto.SplitsConfig(analyze=["train"], transform=["train", "eval"]),
        analyzer_cache=sources.TransformCache,
        materialize=True,
        disable_analyzer_cache=False,
        force_tf_compat_v1=True,
        custom_config={"a": 1},
        disable_statistics=False,
    )
    found = _compiled(sources, node)
    assert found.parameters["splits_config"]["transform"] == ["train", "eval"]
    assert found.parameters["custom_config"] == {"a": 1}
    assert found.parameters["force_tf_compat_v1"] is True
    assert set(found.code) == {"preprocessing_fn", "stats_options_updater_fn"}
    assert set(found.outputs) == {
        "transform_graph",
        "transformed_examples",
        "updated_analyzer_cache",
        "pre_transform_schema",
        "pre_transform_stats",
        "post_transform_schema",
        "post_transform_stats",
        "post_transform_anomalies",
    }
    bare = tfx.components.Transform(
        sources.Examples, sources.Schema, module_file, materialize=False,
        disable_analyzer_cache=True,
    ).with_id("bare")  # fmt: skip
    assert set(_compiled(sources, bare).outputs) == {"transform_graph"}
    with pytest.raises(PenstockError, match="exactly one of module_file and preprocessing_fn"):
        tfx.components.Transform(sources.Examples, sources.Schema)


def test_trainer(sources: Sources, module_file: str) -> None:
    """If it fails, an argument of Trainer is lost."""
    node = tfx.components.Trainer(
        examples=sources.Examples,
        transform_graph=sources.TransformGraph,
        schema=sources.Schema,
        base_model=sources.Model,
        hyperparameters=sources.HyperParameters,
        module_file=module_file,
        train_args=tfx.proto.TrainArgs(splits=["train"], num_steps=3),
        eval_args=tfx.proto.EvalArgs(num_steps=2),
        custom_config={"epochs": 2},
        custom_executor_spec=executor_spec.ExecutorClassSpec(GenericExecutor),
    )
    found = _compiled(sources, node)
    assert found.parameters["train_args"] == {"splits": ["train"], "num_steps": 3}
    assert found.parameters["eval_args"] == {"splits": ["eval"], "num_steps": 2}
    assert found.parameters["custom_config"] == {"epochs": 2}
    assert set(found.inputs) == {
        "examples", "transform_graph", "schema", "base_model", "hyperparameters"
    }  # fmt: skip
    older = tfx.components.Trainer(
        transformed_examples=sources.Examples, module_file=module_file, train_args={"num_steps": 1}
    )
    assert set(_compiled(sources, older).inputs) == {"examples"}
    with pytest.raises(PenstockError, match="module_file and run_fn"):
        tfx.components.Trainer(sources.Examples)


def test_a_module_file_of_the_time_of_estimators_is_explained(
    sources: Sources, tmp_path: Path
) -> None:
    """If it fails, users of trainer_fn are told only that run_fn is missing."""
    file = tmp_path / "old_code.py"
    file.write_text("def trainer_fn(trainer_fn_args, schema): ...\n")
    with pytest.raises(PenstockError, match="Estimator") as raised:
        tfx.components.Trainer(examples=sources.Examples, module_file=str(file))
    assert "write run_fn" in str(raised.value)


def test_tuner(sources: Sources, module_file: str) -> None:
    """If it fails, an argument of Tuner is lost."""
    node = tfx.components.Tuner(
        examples=sources.Examples,
        schema=sources.Schema,
        transform_graph=sources.TransformGraph,
        base_model=sources.Model,
        module_file=module_file,
        train_args=tfx.proto.TrainArgs(num_steps=3),
        eval_args=tfx.proto.EvalArgs(num_steps=2),
        tune_args=tfx.proto.TuneArgs(num_parallel_trials=2),
        custom_config={"a": 1},
    )
    found = _compiled(sources, node)
    assert found.parameters["tune_args"]["num_parallel_trials"] == 2
    assert found.parameters["train_args"]["num_steps"] == 3
    assert set(found.outputs) == {"best_hyperparameters", "tuner_results"}


def test_evaluator(sources: Sources) -> None:
    """If it fails, an argument of Evaluator is lost."""
    node = tfx.components.Evaluator(
        examples=sources.Examples,
        model=sources.Model,
        baseline_model=sources.Model,
        fairness_indicator_thresholds=[0.5],
        example_splits=["eval"],
        eval_config={"model_specs": [{"label_key": "tip"}]},
        schema=sources.Schema,
    )
    found = _compiled(sources, node)
    assert found.parameters["fairness_indicator_thresholds"] == [0.5]
    assert found.parameters["example_splits"] == ["eval"]
    assert set(found.inputs) == {"examples", "model", "baseline_model", "schema"}
    with pytest.raises(PenstockError, match="slicing_specs"):
        tfx.components.Evaluator(
            examples=sources.Examples, feature_slicing_spec=tfx.proto.FeatureSlicingSpec()
        )


def test_infra_validator_and_pusher(sources: Sources) -> None:
    """If it fails, an argument of one of them is lost."""
    validator = tfx.components.InfraValidator(
        model=sources.Model,
        serving_spec=tfx.proto.ServingSpec(
            tensorflow_serving=tfx.proto.TensorFlowServing(tags=["2.16.1"], image_name="t/s"),
            local_docker=tfx.proto.LocalDockerConfig(
                client_timeout_seconds=9, host_ip_address="localhost"
            ),
            model_name="m",
        ),
        examples=sources.Examples,
        request_spec=tfx.proto.RequestSpec(
            tensorflow_serving=tfx.proto.TensorFlowServingRequestSpec(signature_names=["s"]),
            split_name="eval", num_examples=2, make_warmup=True,
        ),
        validation_spec=tfx.proto.ValidationSpec(max_loading_time_seconds=8, num_tries=2),
    )  # fmt: skip
    found = _compiled(sources, validator).parameters
    assert found["serving_spec"]["tensorflow_serving"]["tags"] == ["2.16.1"]
    assert found["serving_spec"]["local_docker"]["client_timeout_seconds"] == 9
    assert found["request_spec"]["make_warmup"] is True and found["on_refusal"] == "not_blessed"
    assert found["validation_spec"]["num_tries"] == 2
    pusher = tfx.components.Pusher(
        model_blessing=sources.ModelBlessing,
        infra_blessing=validator.outputs["blessing"],
        push_destination=tfx.proto.PushDestination(
            filesystem=tfx.proto.PushDestination.Filesystem(base_directory="/models")
        ),
        custom_config={},
    )
    compiled = _compiled(sources, validator, pusher)
    assert compiled.parameters["push_destination"]["filesystem"]["base_directory"] == "/models"
    assert set(compiled.inputs) == {"model", "model_blessing", "infra_blessing"}


def test_serving_on_kubernetes(sources: Sources) -> None:
    """If it fails, settings of a pod that serves are refused."""
    spec = tfx.proto.ServingSpec(
        tensorflow_serving={"tags": ["latest"]},
        kubernetes=tfx.proto.KubernetesConfig(
            service_account_name="sa", active_deadline_seconds=60,
            serving_pod_overrides=tfx.proto.PodOverrides(
                annotations={"a": "b"}, env=[tfx.proto.EnvVar(name="N", value="V")]
            ),
        ),
    )  # fmt: skip
    node = tfx.components.InfraValidator(sources.Model, spec)
    found = _compiled(sources, node).parameters["serving_spec"]["kubernetes"]
    assert found["service_account_name"] == "sa"
    assert found["serving_pod_overrides"]["annotations"] == {"a": "b"}


def test_bulk_inferrer(sources: Sources) -> None:
    """If it fails, an argument or output of BulkInferrer is lost."""
    node = tfx.components.BulkInferrer(
        examples=sources.Examples,
        model=sources.Model,
        model_blessing=sources.ModelBlessing,
        data_spec=tfx.proto.DataSpec(example_splits=["eval"]),
        model_spec=tfx.proto.ModelSpec(model_signature_name=["serving_default"], tag=["serve"]),
        output_example_spec=tfx.proto.OutputExampleSpec(
            output_columns_spec=[
                tfx.proto.OutputColumnsSpec(
                    predict_output=tfx.proto.PredictOutput(
                        output_columns=[{"output_key": "outputs", "output_column": "p"}]
                    )
                )
            ]
        ),
    )
    found = _compiled(sources, node)
    assert found.parameters["data_spec"] == {"example_splits": ["eval"]}
    assert found.parameters["model_spec"]["tag"] == ["serve"]
    assert set(found.outputs) == {"output_examples"}
    bare = tfx.components.BulkInferrer(sources.Examples, sources.Model, data_spec=None)
    assert set(_compiled(sources, bare.with_id("bare")).outputs) == {"inference_result"}


def test_runtime_parameters_and_later_values_as_arguments(sources: Sources) -> None:
    """If it fails, a value that is known only at run time is refused."""
    later = tfx.dsl.experimental.RuntimeParameter(name="root", default="/data")
    node = tfx.components.CsvExampleGen(
        input_base=later, range_config=_source(standard_artifacts.String, "spans")
        .outputs["result"].future()[0].value,
    )  # fmt: skip
    assert node.exec_properties["input_base"] is later
    assert later.ptype is str and later.default == "/data"


def test_importer_and_resolvers(sources: Sources) -> None:
    """If it fails, an argument of Importer or Resolver is lost."""
    importer = tfx.dsl.Importer(
        source_uri="/schema", artifact_type=standard_artifacts.Examples, reimport=True,
        properties={"span": 3}, custom_properties={"a": "b"}, output_key="data",
    )  # fmt: skip
    found = _compiled(sources, importer)
    assert found.parameters["properties"] == {"span": 3} and set(found.outputs) == {"data"}
    resolver = tfx.dsl.Resolver(
        strategy_class=tfx.dsl.experimental.SpanRangeStrategy,
        config={"range_config": tfx.proto.RangeConfig(rolling_range={"num_spans": 2})},
        examples=tfx.dsl.Channel(
            type=standard_artifacts.Examples, producer_component_id="CsvExampleGen"
        ),
    ).with_id("spans")
    config = _compiled(sources, resolver).parameters["config"]
    assert config == {
        "range_config": {"rolling_range": {"num_spans": 2}},
        "node_id": "CsvExampleGen",
    }


def test_a_baseline_is_never_the_candidate(sources: Sources, module_file: str) -> None:
    """If it fails, the second run of a pipeline evaluates once more, for nothing."""

    def nodes(warm: bool) -> tuple[Any, ...]:
        resolver = tfx.dsl.Resolver(
            strategy_class=tfx.dsl.experimental.LatestBlessedModelStrategy,
            model=tfx.dsl.Channel(type=standard_artifacts.Model),
            model_blessing=tfx.dsl.Channel(type=standard_artifacts.ModelBlessing),
        ).with_id(f"latest_{warm}")
        trainer = tfx.components.Trainer(
            examples=sources.Examples, module_file=module_file,
            base_model=resolver.outputs["model"] if warm else None,
        ).with_id(f"trainer_{warm}")  # fmt: skip
        evaluator = tfx.components.Evaluator(
            examples=sources.Examples, model=trainer.outputs["model"],
            baseline_model=resolver.outputs["model"], eval_config={},
        ).with_id(f"evaluator_{warm}")  # fmt: skip
        return trainer, evaluator, resolver

    assert "excluding" in _compiled(sources, *nodes(False)).inputs
    # Training starts from the baseline, which then cannot wait for what is trained.
    assert "excluding" not in _compiled(sources, *nodes(True)).inputs


def test_pipeline_arguments(tmp_path: Path, sources: Sources) -> None:
    """If it fails, an argument of Pipeline is lost."""
    path = tmp_path / "store" / "metadata.db"
    schema = tfx.components.ImportSchemaGen("/schema.pbtxt").with_beam_pipeline_args(["--b=2"])
    pipeline = tfx.dsl.Pipeline(
        pipeline_name="all-arguments",
        pipeline_root=str(tmp_path),
        metadata_connection_config=tfx.orchestration.metadata.sqlite_metadata_connection_config(
            str(path)
        ),
        components=[schema, schema],
        enable_cache=True,
        beam_pipeline_args=["--direct_num_workers=0", "--runner=FlinkRunner"],
        execution_mode=tfx.dsl.ExecutionMode.SYNC,
    )
    assert pipeline.metadata == str(path) and path.parent.is_dir()
    ir = pipeline.compile()
    assert ir.beam_pipeline_args == ["--runner=FlinkRunner", "--b=2"]
    assert ir.nodes[0].policy.cache == "on" and len(ir.nodes) == 1
    assert tfx.dsl.Pipeline("p", "r", components=[schema]).compile().nodes[0].policy.cache == "off"
    with pytest.raises(PenstockError, match=r"ExecutionMode\.SYNC"):
        tfx.dsl.Pipeline("p", "r", execution_mode=tfx.dsl.ExecutionMode.ASYNC)


def test_mysql_passwords_are_not_written_down(monkeypatch: pytest.MonkeyPatch) -> None:
    """If it fails, a password stands in the pipeline's setting."""
    monkeypatch.delenv("PENSTOCK_METADATA_PASSWORD", raising=False)
    config = tfx.orchestration.metadata.mysql_metadata_connection_config(
        host="db", port=3307, database="mlmd", username="me", password="secret"
    )
    pipeline = tfx.dsl.Pipeline("p", "r", metadata_connection_config=config)
    assert pipeline.metadata == "mysql://me@db:3307/mlmd"


def test_conditions_and_order(sources: Sources) -> None:
    """If it fails, conditional nodes always run, or nodes do not wait for each other."""
    blessing = sources.ModelBlessing
    with tfx.dsl.Cond(blessing.future()[0].custom_property("blessed") == 1):
        inside = tfx.components.ImportSchemaGen("/s").with_id("inside")
    before = tfx.components.ImportSchemaGen("/s").with_id("before")
    before.add_downstream_node(inside)
    inside.add_upstream_nodes([])
    found = _compiled(sources, before, inside)
    assert found.conditions and found.upstream == ["before"]


@pytest.mark.parametrize(("format", "kind"), [("avro", "Avro"), ("parquet", "Parquet")])
def test_generators_for_single_formats(sources: Sources, format: str, kind: str) -> None:
    """If it fails, Avro and Parquet files are not read as TFX's guide says."""
    from importlib import import_module

    from penstock.tfx.components import FileBasedExampleGen

    executors = import_module(
        f"penstock.tfx.components.example_gen.custom_executors.{format}_executor"
    )
    node = FileBasedExampleGen(
        input_base="/data",
        input_config=tfx.proto.Input(splits=[{"name": "a", "pattern": "*"}]),
        custom_executor_spec=executor_spec.BeamExecutorSpec(executors.Executor),
    )
    found = _compiled(sources, node)
    assert kind in found.type_name and found.parameters["payload_format"] == "tfrecord_gzip"
    assert found.parameters["input_config"]["splits"][0]["pattern"] == "*"


def test_an_executor_of_ones_own_in_a_standard_component(
    sources: Sources, module_file: str
) -> None:
    """If it fails, a Trainer with its own executor trains by run_fn after all."""
    from penstock.tfx.dsl.components.base import base_executor

    node = tfx.components.Trainer(
        examples=sources.Examples,
        custom_executor_spec=executor_spec.ExecutorClassSpec(base_executor.EmptyExecutor),
    )
    assert _compiled(sources, node).executor.path.endswith("executor_bases:EmptyExecutor")
