# SPDX-License-Identifier: Apache-2.0
"""What of TFX has no equal in Penstock, or was gone from TFX itself, and what to do instead.

Sources: the API pages of TFX 1.16 and its release notes (names removed since 0.21).
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class NameRule:
    """Names that cannot be moved as they are.

    Attributes:
        pattern: A regular expression for the whole dotted name.
        what: What it is.
        instead: What to do.
        always: Whether it holds even where the face has the name, so as to refuse it politely.
    """

    pattern: re.Pattern[str]
    what: str
    instead: str
    always: bool = False


def _rule(pattern: str, what: str, instead: str, *, always: bool = False) -> NameRule:
    return NameRule(re.compile(pattern), what, instead, always)


_NATIVE_KUBEFLOW = (
    "compile for Kubeflow Pipelines 2: `penstock compile --runner kubeflow`, see docs/kubeflow.md"
)

#: The first rule that fits a name counts.
NAME_RULES: tuple[NameRule, ...] = (
    _rule(
        r"tfx\.extensions\.google_cloud_big_query\..*Pusher.*",
        "pushing a model into BigQuery ML",
        "push to a folder or bucket, and import the model in BigQuery from there",
        always=True,
    ),
    _rule(
        r"tfx\.extensions\.google_cloud_big_query(\..*)?",
        "reading from BigQuery by its own component",
        "SqlExampleGen(connection='bigquery://…', query=…) with the package sqlalchemy-bigquery, "
        "or export to Parquet and use ParquetExampleGen",
        always=True,
    ),
    _rule(
        r"tfx\.extensions\.google_cloud_ai_platform\..*(Trainer|TRAINING|JOB_ID|LABELS).*",
        "training on AI Platform or Vertex AI",
        "Trainer with a distribution: its processes run as a Kubernetes job, see docs/training.md",
        always=True,
    ),
    _rule(
        r"tfx\.extensions\.google_cloud_ai_platform\..*Tuner.*",
        "tuning on AI Platform or Vertex AI",
        "Tuner, whose trials run side by side, or `penstock tune`, see docs/tuning.md",
        always=True,
    ),
    _rule(
        r"tfx\.extensions\.google_cloud_ai_platform(\..*)?",
        "serving by AI Platform or Vertex AI",
        "Pusher to a bucket, to KServe, or to a webhook that deploys, see docs/push.md",
        always=True,
    ),
    _rule(
        r"tfx\.extensions\.experimental(\..*)?",
        "an experimental extension",
        "call the service from a function component",
        always=True,
    ),
    _rule(
        r"tfx\.orchestration\.kubeflow\.(kubeflow_dag_runner|container_entrypoint|proto)(\..*)?",
        "Kubeflow Pipelines 1, which TFX itself left with 1.16",
        _NATIVE_KUBEFLOW,
    ),
    _rule(
        r"tfx\.orchestration\.(experimental\.)?(kubernetes|docker_component_launcher|config"
        r"|launcher|KubernetesDagRunner|get_default_kubeflow_metadata_config|sample_scheduler"
        r"|experimental\.core)(\.\w+)*",
        "a launcher or runner of its own for each engine",
        f"one launcher serves all engines; {_NATIVE_KUBEFLOW}",
    ),
    _rule(
        r"(tfx\..*\.)?(GetComponentConfig|get_default_pipeline_operator_funcs|onprem)"
        r"|kfp\.(onprem|gcp)(\..*)?",
        "functions that Kubeflow Pipelines 1 applied to operators",
        "settings of the Kubeflow runner: volumes, secrets and resources, see docs/kubeflow.md",
        always=True,
    ),
    _rule(
        r"tfx\.components\.(trainer\.)?rewriting(\..*)?",
        "rewriting of models for TFLite or TFJS",
        "convert the model in run_fn, and save the result beside it",
        always=True,
    ),
    _rule(
        r"tfx\.components\.trainer\.executor\.Executor",
        "the Trainer's executor for Estimators",
        "write run_fn(fn_args) in the module file, and drop custom_executor_spec",
        always=True,
    ),
    _rule(
        r"tfx\.(components\.)?(ModelValidator|model_validator)(\..*)?",
        "ModelValidator, removed from TFX in 0.30",
        "Evaluator with thresholds and a baseline_model",
    ),
    _rule(
        r"tfx\..*(ImporterNode|importer_node)(\..*)?",
        "ImporterNode, removed from TFX in 1.0",
        "tfx.dsl.Importer(...).with_id(...)",
    ),
    _rule(
        r"tfx\..*(ResolverNode|resolver_node|latest_blessed_model_resolver"
        r"|latest_artifacts_resolver)(\..*)?",
        "an old name of a resolver or of its strategy",
        "tfx.dsl.Resolver(strategy_class=tfx.dsl.experimental.LatestBlessedModelStrategy, …)",
    ),
    _rule(
        r"tfx\.utils\.dsl_utils(\..*)?|tfx\..*\.(csv_input|external_input|tfrecord_input"
        r"|parquet_input)",
        "csv_input and external_input, removed from TFX in 0.30",
        "pass the folder itself: CsvExampleGen(input_base=folder)",
    ),
    _rule(
        r"tfx\.orchestration\.(portable|data_types_utils|node_proto_view)(\..*)?",
        "the inside of TFX's orchestration",
        "penstock.MetadataStore for what was recorded; its launcher does the rest",
    ),
    _rule(
        r"tfx\.orchestration\.beam\.beam_runner(\..*)?",
        "the name that BeamDagRunner had before TFX 0.21",
        "tfx.orchestration.beam.beam_dag_runner.BeamDagRunner",
    ),
    _rule(
        r"tfx\..*\b(test_case_utils|test_utils|base_test_case|e2e_tests)(\..*)?",
        "a part of TFX's own tests",
        "a test's own means, such as pytest's tmp_path; executors can be called directly",
    ),
    _rule(
        r"tfx\.(examples|experimental\.templates)(\..*)?",
        "an example or a template of TFX as a package",
        "copy the file into the project and import it from there",
    ),
    _rule(
        r"tfx\.(benchmarks|tools|scripts|experimental)(\..*)?",
        "a tool of TFX itself",
        "the command line `penstock` (penstock --help)",
    ),
    _rule(
        r"tensorflow\.(compat\.v1\.)?estimator(\..*)?|tensorflow_estimator(\..*)?"
        r"|tensorflow_model_analysis\.export(\..*)?",
        "Estimators, which left TensorFlow with 2.16",
        "a Keras model: run_fn builds, trains and saves it",
        always=True,
    ),
)

#: Functions of module files that belonged to Estimators.
FUNCTION_RULES: dict[str, tuple[str, str]] = {
    "trainer_fn": (
        "trainer_fn, which built an Estimator",
        "write run_fn(fn_args): build, train and save a model, see docs/training.md",
    ),
    "eval_input_receiver_fn": (
        "an input receiver for the evaluation of Estimators",
        "not needed: the Evaluator calls the model's own signature",
    ),
}

_WITH_ID = "removed from TFX in 0.30: name the component with .with_id(...)"

#: Arguments of any component that are gone, with what to do.
ARGUMENTS: dict[str, str] = {
    "instance_name": _WITH_ID,
    "infer_feature_shapes": "it is called infer_feature_shape",
}

#: Arguments of one class, by the end of its name.
CLASS_ARGUMENTS: dict[str, dict[str, str]] = {
    "ExampleGen": {"input": "removed from TFX in 0.30: pass input_base=folder"},
    "StatisticsGen": {"input_data": "it is called examples"},
    "SchemaGen": {"stats": "it is called statistics"},
    "ExampleValidator": {"stats": "it is called statistics"},
    "Transform": {"input_data": "it is called examples"},
    "Evaluator": {
        "model_exports": "it is called model",
        "feature_slicing_spec": "for Estimators: write eval_config with slicing_specs",
    },
    "Pusher": {
        "model_export": "it is called model",
    },
    "Trainer": {
        "executor_class": "run_fn in the module file",
        "trainer_fn": "write run_fn(fn_args), see docs/training.md",
    },
    "Pipeline": {
        "additional_pipeline_args": "beam_pipeline_args is an argument of its own",
        "log_root": "each node has a log: penstock runs logs",
    },
}


def name_rule(name: str) -> NameRule | None:
    """The rule for a dotted name, or None where nothing stands against it."""
    return next((rule for rule in NAME_RULES if rule.pattern.fullmatch(name)), None)


def argument_advice(name: str, argument: str) -> str:
    """What to do about an argument of a call; empty where nothing stands against it."""
    last = name.rpartition(".")[2]
    for end, arguments in CLASS_ARGUMENTS.items():
        if last.endswith(end) and argument in arguments:
            return arguments[argument]
    # Only classes have components' arguments.
    return ARGUMENTS.get(argument, "") if last[:1].isupper() else ""
