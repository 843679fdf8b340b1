# SPDX-License-Identifier: Apache-2.0
"""TFX's public names (`tfx.v1.…`), and the native or translated object behind each.

A namespace's names by their homes: `module:attribute`, with the module below `penstock`; a
module alone means the module. Nothing is imported to read this table.
See https://www.tensorflow.org/tfx/api_docs/python/tfx/v1.
"""

from __future__ import annotations

from .message_fields import FILES

_FACE = "components.tfx_face."
_RUNNERS = "orchestration.runners.tfx_runners:"
_TYPES = "components.base.artifact_types:"


def _from(module: str, *names: str) -> dict[str, str]:
    return {name: f"{module}:{name}" for name in names}


def _messages(file: str, *names: str) -> dict[str, str]:
    return {name: f"{_FACE}messages:{file}.{name}" for name in names}


#: Objects by namespace and name.
PUBLIC: dict[str, dict[str, str]] = {
    "": {"__version__": "components.tfx_face.tfx_version:__version__"},
    "components": {
        **_from(_FACE + "example_gens", "CsvExampleGen", "ImportExampleGen"),
        **_from(
            _FACE + "data_components",
            "StatisticsGen",
            "SchemaGen",
            "ImportSchemaGen",
            "ExampleValidator",
            "DistributionValidator",
            "ExampleDiff",
            "Transform",
        ),
        **_from(
            _FACE + "model_components",
            "Trainer",
            "Tuner",
            "Evaluator",
            "InfraValidator",
            "Pusher",
            "BulkInferrer",
        ),
        **_from("components.train.fn_args", "DataAccessor", "FnArgs"),
        **_from("components.train.tuner_args", "TunerFnResult"),
    },
    "dsl": {
        **_from(_FACE + "artifacts", "Artifact"),
        **_from(_FACE + "channels", "Channel"),
        **_from("components.control.condition", "Cond"),
        **_from(_FACE + "tfx_pipeline", "ExecutionMode", "Pipeline", "PipelineInputs"),
        **_from(_FACE + "control_nodes", "Importer", "Resolver"),
    },
    "dsl.components": _from(
        _FACE + "function_components",
        "AsyncOutputArtifact",
        "BeamComponentParameter",
        "InputArtifact",
        "OutputArtifact",
        "OutputDict",
        "Parameter",
        "component",
    ),
    "dsl.experimental": {
        **_from(_FACE + "control_nodes", "ResolverStrategy", "RuntimeParameter"),
        **_from(_FACE + "container_components", "create_container_component"),
        **_from(
            "components.control.strategies",
            "LatestArtifactStrategy",
            "LatestBlessedModelStrategy",
            "SpanRangeStrategy",
        ),
    },
    "dsl.io": {},
    "dsl.io.fileio": _from(
        _FACE + "file_io",
        "NotFoundError",
        "PathType",
        "copy",
        "exists",
        "glob",
        "isdir",
        "listdir",
        "makedirs",
        "mkdir",
        "open",
        "remove",
        "rename",
        "rmtree",
        "stat",
        "walk",
    ),
    "dsl.placeholders": _from(
        _FACE + "placeholders", "exec_property", "execution_invocation", "input", "output"
    ),
    "dsl.standard_annotations": _from(
        _FACE + "annotations",
        "Dataset",
        "Deploy",
        "Evaluate",
        "Metrics",
        "Model",
        "Process",
        "Statistics",
        "Train",
        "Transform",
    ),
    "orchestration": _from(_RUNNERS[:-1], "LocalDagRunner"),
    "orchestration.experimental": _from(
        _RUNNERS[:-1],
        "FinalStatusStr",
        "KubeflowDagRunner",
        "KubeflowDagRunnerConfig",
        "KubeflowV2DagRunner",
        "KubeflowV2DagRunnerConfig",
        "exit_handler",
    ),
    "orchestration.metadata": {
        "ConnectionConfigType": "components.tfx_face.io_utils:JsonableType",
        **_from(
            _FACE + "tfx_pipeline",
            "mysql_metadata_connection_config",
            "sqlite_metadata_connection_config",
        ),
    },
    "proto": {
        **_messages("bulk_inferrer_pb2", *FILES["bulk_inferrer_pb2"].messages),
        **_messages(
            "distribution_validator_pb2", "DistributionValidatorConfig", "FeatureComparator"
        ),
        **_messages("evaluator_pb2", *FILES["evaluator_pb2"].messages),
        **_messages("example_diff_pb2", "ExampleDiffConfig", "PairedExampleSkew"),
        **_messages(
            "example_gen_pb2", "CustomConfig", "Input", "Output", "PayloadFormat", "SplitConfig"
        ),
        **_messages("infra_validator_pb2", *FILES["infra_validator_pb2"].messages),
        **_messages("pusher_pb2", "PushDestination", "Versioning"),
        **_messages("range_config_pb2", *FILES["range_config_pb2"].messages),
        **_messages("trainer_pb2", *FILES["trainer_pb2"].messages),
        **_messages("transform_pb2", *FILES["transform_pb2"].messages),
        **_messages("tuner_pb2", *FILES["tuner_pb2"].messages),
    },
    "proto.orchestration": _messages("run_state_pb2", "RunState"),
    "testing": _from(_FACE + "channels", "Channel"),
    "types": {
        **_from(_FACE + "channels", "BaseChannel"),
        **_from(_FACE + "class_component", "BaseBeamComponent", "BaseComponent", "BaseNode"),
        "BaseFunctionalComponent": f"{_FACE}function_components:TfxFunctionNode",
        "BaseFunctionalComponentFactory": f"{_FACE}function_components:TfxFunctionComponent",
    },
    "types.standard_artifacts": {
        **_from(
            _TYPES[:-1],
            "Boolean",
            "Bytes",
            "ExampleAnomalies",
            "ExampleStatistics",
            "Examples",
            "Float",
            "HyperParameters",
            "InferenceResult",
            "InfraBlessing",
            "Integer",
            "JsonValue",
            "Model",
            "ModelBlessing",
            "ModelEvaluation",
            "ModelRun",
            "PushedModel",
            "Schema",
            "String",
            "TransformCache",
            "TransformGraph",
            "TunerResults",
        ),
    },
    "utils": _from(_FACE + "io_utils", "JsonableType", "parse_pbtxt_file"),
}
