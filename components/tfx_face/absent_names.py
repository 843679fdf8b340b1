# SPDX-License-Identifier: Apache-2.0
"""TFX's names that have no counterpart: why, and what to do instead."""

from __future__ import annotations

_CLOUD = (
    "Vertex AI and AI Platform are not called from pipelines here",
    "run the pipeline on Kubeflow (see docs/kubeflow.md), and push to a bucket, KServe or a "
    "webhook",
)
_BIG_QUERY = (
    "BigQuery is not read by a component of its own",
    "use penstock.SqlExampleGen with a SQLAlchemy URL, or export to Parquet and use "
    "penstock.ParquetExampleGen",
)
_DATA_VIEW = (
    "data views need struct2tensor, which TensorFlow's current releases do not load",
    "write tf.Examples with an example generator of your own",
)
_COPY = (
    "the examples and templates of TFX are no part of Penstock",
    "copy the file into the project, and import it from there",
)

#: (Reason, way out) by the beginning of a dotted name below `tfx`.
ABSENT: dict[str, tuple[str, str]] = {
    "extensions.google_cloud_ai_platform": _CLOUD,
    "extensions.google_cloud_big_query": _BIG_QUERY,
    "extensions": _CLOUD,
    "examples": _COPY,
    "experimental.templates": _COPY,
    "components.experimental.data_view": _DATA_VIEW,
    "components.ModelValidator": (
        "ModelValidator was replaced by the Evaluator",
        "use tfx.components.Evaluator with thresholds in eval_config",
    ),
    "components.model_validator": (
        "ModelValidator was replaced by the Evaluator",
        "use tfx.components.Evaluator with thresholds in eval_config",
    ),
    "components.trainer.rewriting": (
        "models are not rewritten for TFLite or TFJS here",
        "convert the model in run_fn, and save the result beside it",
    ),
    "orchestration.experimental.get_default_kubeflow_metadata_config": (
        "Kubeflow's own metadata service is not used",
        "give the pipeline a metadata_connection_config that the pods can reach",
    ),
    "orchestration.kubeflow.kubeflow_dag_runner.get_default_pipeline_operator_funcs": (
        "pods are set up by settings, not by functions over KFP 1 operators",
        "see PodSettings in docs/kubeflow.md",
    ),
    "utils.dsl_utils": (
        "csv_input and its kin are gone, in TFX too",
        "pass the folder: CsvExampleGen(input_base='…')",
    ),
    "components.util.udf_utils": (
        "user code is not packed into wheels",
        "pass module_file: the file and the modules it imports travel with the pipeline",
    ),
}


def absence(name: str) -> tuple[str, str] | None:
    """(Why a name is absent, what to do instead), for a dotted name below `tfx`; or None."""
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        found = ABSENT.get(".".join(parts[:end]))
        if found is not None:
            return found
    return None
