# SPDX-License-Identifier: Apache-2.0
"""The fields of TFX's messages, with the numbers that they have on the wire.

One entry for each `…_pb2` module: messages by name, with dots where one lies inside another.
A field is `number type name`; before the type may stand `repeated`, or `map` for a map from
text to text; `oneof:…` puts it into a group of which one is set. Types are scalars, or names
of messages and enums of the same file, or of the files in `imports`.
See the API documentation of `tfx.v1.proto`
(https://www.tensorflow.org/tfx/api_docs/python/tfx/v1/proto).
"""

from __future__ import annotations

from typing import NamedTuple


class FileFields(NamedTuple):
    """One file of messages.

    Attributes:
        messages: Lines of fields by message name; an outer message before its inner ones.
        enums: Values by name, of each enum.
        imports: Python modules whose messages its fields have.
    """

    messages: dict[str, tuple[str, ...]]
    enums: dict[str, dict[str, int]] = {}
    imports: tuple[str, ...] = ()


_STEPS = ("1 repeated string splits", "2 int32 num_steps")

FILES: dict[str, FileFields] = {
    "bulk_inferrer_pb2": FileFields(
        {
            "ModelSpec": ("2 repeated string model_signature_name", "5 repeated string tag"),
            "DataSpec": ("2 repeated string example_splits",),
            "OutputExampleSpec": ("3 repeated OutputColumnsSpec output_columns_spec",),
            "OutputColumnsSpec": (
                "1 string signature_name",
                "2 oneof:output_type ClassifyOutput classify_output",
                "3 oneof:output_type RegressOutput regress_output",
                "4 oneof:output_type PredictOutput predict_output",
            ),
            "ClassifyOutput": ("1 string label_column", "2 string score_column"),
            "RegressOutput": ("1 string value_column",),
            "PredictOutput": ("1 repeated PredictOutputCol output_columns",),
            "PredictOutputCol": ("1 string output_key", "2 string output_column"),
        }
    ),
    "distribution_validator_pb2": FileFields(
        {
            "FeatureComparator": (
                "1 tensorflow.metadata.v0.Path path",
                "2 tensorflow.metadata.v0.FeatureComparator distribution_comparator",
            ),
            "DistributionValidatorConfig": (
                "1 DistributionValidatorConfig.DatasetConfig default_slice_config",
            ),
            "DistributionValidatorConfig.DatasetConfig": (
                "1 repeated FeatureComparator feature",
                "2 tensorflow.metadata.v0.NumericValueComparator num_examples_comparator",
            ),
        },
        imports=(
            "tensorflow_metadata.proto.v0.path_pb2",
            "tensorflow_metadata.proto.v0.schema_pb2",
        ),
    ),
    "evaluator_pb2": FileFields(
        {
            "SingleSlicingSpec": ("1 repeated string column_for_slicing",),
            "FeatureSlicingSpec": ("1 repeated SingleSlicingSpec specs",),
        }
    ),
    "example_diff_pb2": FileFields(
        {
            "PairedExampleSkew": (
                "1 repeated string identifier_features",
                "2 uint32 skew_sample_size",
                "3 repeated string ignore_features",
                "4 uint32 float_round_ndigits",
                "5 bool allow_duplicate_identifiers",
                "6 repeated PairedExampleSkew.ConfusionConfig confusion_config",
            ),
            "PairedExampleSkew.ConfusionConfig": ("1 string feature_name",),
            "ExampleDiffConfig": ("1 PairedExampleSkew paired_example_skew",),
        }
    ),
    "example_gen_pb2": FileFields(
        {
            "Input": ("1 repeated Input.Split splits",),
            "Input.Split": ("1 string name", "2 string pattern"),
            "CustomConfig": ("1 google.protobuf.Any custom_config",),
            "Output": ("3 SplitConfig split_config",),
            "SplitConfig": (
                "1 repeated SplitConfig.Split splits",
                "2 oneof:splitting_method_config string partition_feature_name",
            ),
            "SplitConfig.Split": ("1 string name", "2 uint32 hash_buckets"),
        },
        enums={
            "PayloadFormat": {
                "FORMAT_UNSPECIFIED": 0,
                "FORMAT_TF_EXAMPLE": 6,
                "FORMAT_TF_SEQUENCE_EXAMPLE": 7,
                "FORMAT_PROTO": 11,
                "FORMAT_PARQUET": 15,
            },
            "FileFormat": {
                "FILE_FORMAT_UNSPECIFIED": 0,
                "FORMAT_TFRECORDS_GZIP": 5,
                "FILE_FORMAT_PARQUET": 16,
            },
        },
        imports=("google.protobuf.any_pb2",),
    ),
    "infra_validator_pb2": FileFields(
        {
            "ServingSpec": (
                "1 oneof:serving_binary TensorFlowServing tensorflow_serving",
                "2 oneof:serving_platform LocalDockerConfig local_docker",
                "3 oneof:serving_platform KubernetesConfig kubernetes",
                "4 string model_name",
            ),
            "TensorFlowServing": (
                "3 string image_name",
                "1 repeated string tags",
                "2 repeated string digests",
            ),
            "LocalDockerConfig": (
                "1 string client_base_url",
                "2 string client_api_version",
                "3 int32 client_timeout_seconds",
                "4 string host_ip_address",
            ),
            "KubernetesConfig": (
                "1 string service_account_name",
                "2 int32 active_deadline_seconds",
                "3 PodOverrides serving_pod_overrides",
            ),
            "PodOverrides": (
                "1 map annotations",
                "2 repeated EnvVar env",
                "3 Resources resources",
            ),
            "EnvVar": ("1 string name", "2 string value", "3 EnvVarSource value_from"),
            "EnvVarSource": ("4 SecretKeySelector secret_key_ref",),
            "SecretKeySelector": ("1 string name", "2 string key"),
            "Resources": ("1 map requests", "2 map limits", "3 map claims"),
            "ValidationSpec": ("1 int32 max_loading_time_seconds", "2 int32 num_tries"),
            "RequestSpec": (
                "1 oneof:kind TensorFlowServingRequestSpec tensorflow_serving",
                "2 string split_name",
                "3 int32 num_examples",
                "4 bool make_warmup",
            ),
            "TensorFlowServingRequestSpec": (
                "1 repeated string tag_set",
                "2 repeated string signature_names",
            ),
        }
    ),
    "pusher_pb2": FileFields(
        {
            "PushDestination": ("3 oneof:destination PushDestination.Filesystem filesystem",),
            "PushDestination.Filesystem": ("1 string base_directory", "6 Versioning versioning"),
        },
        enums={"Versioning": {"AUTO": 0, "UNIX_TIMESTAMP": 1}},
    ),
    "range_config_pb2": FileFields(
        {
            "StaticRange": ("1 int32 start_span_number", "2 int32 end_span_number"),
            "RollingRange": ("1 int32 start_span_number", "2 int32 num_spans"),
            "RangeConfig": (
                "1 oneof:range StaticRange static_range",
                "2 oneof:range RollingRange rolling_range",
            ),
        }
    ),
    "run_state_pb2": FileFields(
        {
            "RunState": (
                "1 RunState.State state",
                "3 RunState.StatusCodeValue status_code",
                "2 string status_msg",
                "4 int64 update_time",
            ),
            "RunState.StatusCodeValue": ("1 int32 value",),
        },
        enums={
            "RunState.State": {
                "UNKNOWN": 0,
                "READY": 1,
                "RUNNING": 2,
                "COMPLETE": 3,
                "SKIPPED": 4,
                "SKIPPED_PARTIAL_RUN": 8,
                "STOPPED": 6,
                "FAILED": 7,
            }
        },
    ),
    "trainer_pb2": FileFields({"TrainArgs": _STEPS, "EvalArgs": _STEPS}),
    "transform_pb2": FileFields(
        {"SplitsConfig": ("1 repeated string analyze", "2 repeated string transform")}
    ),
    "tuner_pb2": FileFields({"TuneArgs": ("1 int32 num_parallel_trials",)}),
}
