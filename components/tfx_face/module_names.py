# SPDX-License-Identifier: Apache-2.0
"""Names of TFX's inner modules, which older pipelines and custom components import.

In the form of `public_names`. Where TFX has a module of that name in `tfx.v1` as well, the
names of both are in it.
"""

from __future__ import annotations

from .component_keys import KEYS
from .message_fields import FILES

_FACE = "components.tfx_face."
_RUNNERS = "orchestration.runners.tfx_runners"
_STORE = "orchestration.runners.tfx_store"


def _from(module: str, *names: str) -> dict[str, str]:
    return {name: f"{module}:{name}" for name in names}


def _class(module: str, name: str) -> dict[str, str]:
    return {name: f"{_FACE}{module}:{name}"}


def _file_messages(file: str) -> dict[str, str]:
    described = FILES[file]
    names = [name for name in described.messages if "." not in name]
    for enum, values in described.enums.items():
        names += [enum, *values] if "." not in enum else []
    return {name: f"{_FACE}messages:{file}.{name}" for name in names}


_ARTIFACT_UTILS = (
    "decode_split_names",
    "encode_split_names",
    "get_single_instance",
    "get_single_uri",
    "get_split_uri",
    "get_split_uris",
    "replicate_artifacts",
)
_PLACEHOLDERS = (
    "ConcatPlaceholder",
    "InputUriPlaceholder",
    "InputValuePlaceholder",
    "OutputUriPlaceholder",
)

#: Objects by module and name.
MODULES: dict[str, dict[str, str]] = {
    "components": _from(_FACE + "example_gens", "FileBasedExampleGen", "QueryBasedExampleGen"),
    "components.base.base_component": _class("class_component", "BaseComponent"),
    "components.base.base_executor": _from(_FACE + "executor_bases", "BaseExecutor"),
    "components.base.executor_spec": _from(
        _FACE + "executor_spec", "ExecutorClassSpec", "ExecutorContainerSpec"
    ),
    "components.bulk_inferrer.component": _class("model_components", "BulkInferrer"),
    "components.distribution_validator.component": _class(
        "data_components", "DistributionValidator"
    ),
    "components.evaluator.component": _class("model_components", "Evaluator"),
    "components.example_diff.component": _class("data_components", "ExampleDiff"),
    "components.example_gen.base_example_gen_executor": _class(
        "custom_example_gen", "BaseExampleGenExecutor"
    ),
    "components.example_gen.component": _from(
        _FACE + "example_gens", "FileBasedExampleGen", "QueryBasedExampleGen"
    ),
    "components.example_gen.csv_example_gen.component": _class("example_gens", "CsvExampleGen"),
    "components.example_gen.csv_example_gen.executor": {
        "Executor": f"{_FACE}format_executors:CsvExecutor"
    },
    "components.example_gen.custom_executors.avro_executor": {
        "Executor": f"{_FACE}format_executors:AvroExecutor"
    },
    "components.example_gen.custom_executors.parquet_executor": {
        "Executor": f"{_FACE}format_executors:ParquetExecutor"
    },
    "components.example_gen.import_example_gen.component": _class(
        "example_gens", "ImportExampleGen"
    ),
    "components.example_gen.import_example_gen.executor": {
        "Executor": f"{_FACE}format_executors:ImportExecutor"
    },
    "components.example_gen.utils": _from(
        _FACE + "io_utils",
        "date_to_span_number",
        "dict_to_example",
        "make_default_input_config",
        "make_default_output_config",
        "span_number_to_date",
    ),
    "components.example_validator.component": _class("data_components", "ExampleValidator"),
    "components.infra_validator.component": _class("model_components", "InfraValidator"),
    "components.pusher.component": _class("model_components", "Pusher"),
    "components.schema_gen.component": _class("data_components", "SchemaGen"),
    "components.schema_gen.import_schema_gen.component": _class(
        "data_components", "ImportSchemaGen"
    ),
    "components.statistics_gen.component": _class("data_components", "StatisticsGen"),
    "components.trainer.component": _class("model_components", "Trainer"),
    "components.trainer.executor": {
        "GenericExecutor": f"{_FACE}format_executors:GenericExecutor",
        "TrainerFnArgs": "components.train.fn_args:FnArgs",
    },
    "components.trainer.fn_args_utils": _from("components.train.fn_args", "DataAccessor", "FnArgs"),
    "components.transform.component": _class("data_components", "Transform"),
    "components.transform.stats_options_util": _class("stats_options", "StatsType"),
    "components.tuner.component": {
        **_class("model_components", "Tuner"),
        **_from("components.train.tuner_args", "TunerFnResult"),
    },
    "components.util.model_utils": _from(
        _FACE + "artifacts", "is_infra_validated", "is_model_blessed"
    ),
    "dsl.component.experimental.annotations": _from(
        _FACE + "function_components",
        "AsyncOutputArtifact",
        "BeamComponentParameter",
        "InputArtifact",
        "OutputArtifact",
        "OutputDict",
        "Parameter",
    ),
    "dsl.component.experimental.container_component": _class(
        "container_components", "create_container_component"
    ),
    "dsl.component.experimental.decorators": _class("function_components", "component"),
    "dsl.component.experimental.executor_specs": {
        "TemplatedExecutorContainerSpec": f"{_FACE}executor_spec:ExecutorContainerSpec"
    },
    "dsl.component.experimental.placeholders": _from(
        _FACE + "container_components", *_PLACEHOLDERS
    ),
    # Under these names the guide has them.
    "dsl.components": _class("container_components", "create_container_component"),
    "dsl.placeholders": _from(_FACE + "container_components", *_PLACEHOLDERS),
    "dsl.components.base.base_beam_component": _class("class_component", "BaseBeamComponent"),
    "dsl.components.base.base_beam_executor": _class("executor_bases", "BaseBeamExecutor"),
    "dsl.components.base.base_component": _class("class_component", "BaseComponent"),
    "dsl.components.base.base_executor": _from(
        _FACE + "executor_bases", "BaseExecutor", "EmptyExecutor"
    ),
    "dsl.components.base.base_node": _class("class_component", "BaseNode"),
    "dsl.components.base.executor_spec": _from(
        _FACE + "executor_spec",
        "BeamExecutorSpec",
        "ExecutorClassSpec",
        "ExecutorContainerSpec",
        "ExecutorSpec",
    ),
    "dsl.components.common.importer": _class("control_nodes", "Importer"),
    "dsl.components.common.resolver": _from(
        _FACE + "control_nodes", "Resolver", "ResolverStrategy"
    ),
    "dsl.experimental.conditionals.conditional": _from("components.control.condition", "Cond"),
    "dsl.experimental.latest_artifacts_resolver": {
        "LatestArtifactsResolver": "components.control.strategies:LatestArtifactStrategy"
    },
    "dsl.experimental.latest_blessed_model_resolver": {
        "LatestBlessedModelResolver": "components.control.strategies:LatestBlessedModelStrategy"
    },
    "dsl.experimental.spans_resolver": {
        "SpansResolver": "components.control.strategies:SpanRangeStrategy"
    },
    "dsl.input_resolution.strategies.latest_artifact_strategy": _from(
        "components.control.strategies", "LatestArtifactStrategy"
    ),
    "dsl.input_resolution.strategies.latest_blessed_model_strategy": _from(
        "components.control.strategies", "LatestBlessedModelStrategy"
    ),
    "dsl.input_resolution.strategies.span_range_strategy": _from(
        "components.control.strategies", "SpanRangeStrategy"
    ),
    "dsl.placeholder.placeholder": _from(
        _FACE + "placeholders", "exec_property", "execution_invocation", "input", "output"
    ),
    "orchestration.airflow.airflow_dag_runner": _from(
        _RUNNERS, "AirflowDagRunner", "AirflowPipelineConfig"
    ),
    "orchestration.beam.beam_dag_runner": _from(_RUNNERS, "BeamDagRunner"),
    "orchestration.config.pipeline_config": _from(_RUNNERS, "PipelineConfig"),
    "orchestration.data_types": _class("control_nodes", "RuntimeParameter"),
    "orchestration.experimental.interactive.interactive_context": _from(
        _RUNNERS, "InteractiveContext"
    ),
    # IPython asks an extension for its file.
    "orchestration.experimental.interactive.notebook_extensions.skip": _from(
        "orchestration.runners.notebook.skip_magic", "__file__", "load_ipython_extension"
    ),
    "orchestration.experimental.interactive.standard_visualizations": _from(
        _STORE, "register_standard_visualizations"
    ),
    "orchestration.experimental.interactive.visualizations": _from(
        _STORE, "ArtifactVisualization", "ArtifactVisualizationRegistry", "get_registry"
    ),
    "orchestration.experimental": _from(
        _RUNNERS, "AirflowDagRunner", "AirflowPipelineConfig", "BeamDagRunner"
    ),
    "orchestration.kubeflow.decorators": _from(_RUNNERS, "FinalStatusStr", "exit_handler"),
    "orchestration.kubeflow.kubeflow_dag_runner": _from(
        _RUNNERS, "KubeflowDagRunner", "KubeflowDagRunnerConfig"
    ),
    "orchestration.kubeflow.v2.kubeflow_v2_dag_runner": _from(
        _RUNNERS, "KubeflowV2DagRunner", "KubeflowV2DagRunnerConfig"
    ),
    "orchestration.local.local_dag_runner": _from(_RUNNERS, "LocalDagRunner"),
    "orchestration.metadata": _from(_STORE, "Metadata"),
    "orchestration.pipeline": _from(
        _FACE + "tfx_pipeline",
        "ExecutionMode",
        "Pipeline",
        "PipelineInputs",
        "ROOT_PARAMETER",
        "RunOptions",
    ),
    "orchestration.portable.mlmd.execution_lib": _from(
        _STORE, "get_input_artifacts", "get_output_artifacts"
    ),
    **{f"proto.{file}": _file_messages(file) for file in FILES if file != "run_state_pb2"},
    "proto.orchestration.run_state_pb2": _file_messages("run_state_pb2"),
    "types": {
        **_from(_FACE + "artifacts", "Artifact", "ValueArtifact"),
        **_from(_FACE + "channels", "Channel", "OutputChannel"),
        **_class("component_spec", "ComponentSpec"),
    },
    "types.artifact": _from(
        _FACE + "artifacts",
        "Artifact",
        "ArtifactState",
        "DEFAULT_EXAMPLE_SPLITS",
        "Property",
        "PropertyType",
    ),
    "types.artifact_utils": {
        **_from(_FACE + "artifacts", *_ARTIFACT_UTILS),
        **_from(_STORE, "deserialize_artifact", "deserialize_artifacts"),
    },
    "types.channel": _from(_FACE + "channels", "BaseChannel", "Channel", "OutputChannel", "union"),
    "types.channel_utils": _from(
        _FACE + "channels",
        "artifact_query",
        "as_channel",
        "get_individual_channels",
        "union",
        "unwrap_channel_dict",
    ),
    "types.component_spec": _from(
        _FACE + "component_spec", "ChannelParameter", "ComponentSpec", "ExecutionParameter"
    ),
    "types.experimental.simple_artifacts": _from(
        _FACE + "artifacts", "Dataset", "File", "Metrics", "Statistics"
    ),
    "types.standard_artifacts": {
        **_from("components.base.artifact_types", "ExternalArtifact"),
        **_from("components.validate.example_diff", "ExamplesDiff"),
        **_class("artifacts", "DataView"),
    },
    "types.standard_component_specs": _from(_FACE + "component_keys", *KEYS),
    "types.value_artifact": _class("artifacts", "ValueArtifact"),
    "utils.io_utils": _from(
        _FACE + "io_utils",
        "SchemaReader",
        "all_files_pattern",
        "copy_dir",
        "copy_file",
        "delete_dir",
        "ensure_local",
        "get_only_uri_in_dir",
        "load_csv_column_names",
        "parse_json_file",
        "parse_pbtxt_file",
        "read_bytes_file",
        "read_string_file",
        "write_bytes_file",
        "write_pbtxt_file",
        "write_string_file",
        "write_tfrecord_file",
    ),
    "utils.json_utils": _from(_FACE + "io_utils", "JsonableType", "dumps", "loads"),
    "utils.path_utils": _from(
        _FACE + "io_utils",
        "eval_model_dir",
        "eval_model_path",
        "is_old_model_artifact",
        "serving_model_dir",
        "serving_model_path",
        "stamped_model_path",
        "warmup_file_path",
    ),
    "utils.proto_utils": _from(
        _FACE + "io_utils", "dict_to_proto", "json_to_proto", "proto_to_dict", "proto_to_json"
    ),
    "version": _class("tfx_version", "__version__"),
}
