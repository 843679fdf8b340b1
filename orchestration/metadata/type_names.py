# SPDX-License-Identifier: Apache-2.0
"""The names that TFX 1.16 writes to ML Metadata, and the few that Penstock adds.

Sources: `tfx/dsl/compiler/constants.py` and `node_contexts_compiler.py` (contexts),
`tfx/orchestration/portable/mlmd/` (executions, events, cache), `tfx/types/artifact.py` and
`standard_artifacts.py` (artifacts), `tfx/types/standard_component_specs.py` (system types),
and https://www.tensorflow.org/tfx/guide/mlmd.
"""

from __future__ import annotations

from collections.abc import Mapping

# Types of contexts. Executions and their artifacts belong to one of each of the first
# three, and the successful ones to the context of their cache key.
PIPELINE = "pipeline"
PIPELINE_RUN = "pipeline_run"
NODE = "node"
EXECUTION_CACHE = "execution_cache"
#: Penstock's own: what somebody decided about what an Approval was shown, by its cache key.
APPROVAL = "approval"
#: Penstock's own: a model that was pushed, and what happened to it since; see `models`.
REGISTERED_MODEL = "registered_model"
MODEL_EVENT = "model_event"
#: Penstock's own: how far the watcher of a pipeline is, and who that is; see `watch_records`.
WATCH = "watch"
WATCH_LEASE = "watch_lease"

#: The version of TFX whose payload layouts (`Split-train/`, `Format-Serving/`) we write.
#: Readers look at this custom property of an artifact to know where its files are.
TFX_VERSION = "1.16.0"
TFX_VERSION_PROPERTY = "tfx_version"

# Other custom properties of artifacts that TFX calls "system properties".
NAME_PROPERTY = "name"
PIPELINE_NAME_PROPERTY = "pipeline_name"
PRODUCER_COMPONENT_PROPERTY = "producer_component"
SYSTEM_PROPERTIES = frozenset(
    {TFX_VERSION_PROPERTY, NAME_PROPERTY, PIPELINE_NAME_PROPERTY, PRODUCER_COMPONENT_PROPERTY}
)

# Custom properties of executions. TFX treats what begins with two underscores as internal.
EXECUTION_RESULT_PROPERTY = "__execution_result__"
SCHEMA_PROPERTY = "__schema__{}__"

#: Penstock's own: where an execution belongs and how it went, as JSON.
PENSTOCK_PROPERTY = "__penstock__"

#: Penstock's own: values that ML Metadata cannot hold exactly, as JSON; see `codec`.
EXACT_PROPERTY = "__exact__"

# What an Evaluator writes on a ModelBlessing.
MODEL = "Model"
MODEL_BLESSING = "ModelBlessing"
BLESSED_PROPERTY = "blessed"
CURRENT_MODEL_ID_PROPERTY = "current_model_id"

#: ML Metadata's system type of an artifact type, by name; other types have none.
ARTIFACT_BASE_TYPES: Mapping[str, str] = {
    "Examples": "DATASET",
    "ExampleStatistics": "STATISTICS",
    "Model": "MODEL",
    "PushedModel": "MODEL",
}

#: Execution type of importers, whose artifacts, used again, are outputs of their own.
IMPORTER = "tfx.dsl.components.common.importer.Importer"

_COMPONENTS = "tfx.components."

#: ML Metadata's system type of an execution type, by name; other types have none.
EXECUTION_BASE_TYPES: Mapping[str, str] = {
    _COMPONENTS + "statistics_gen.component.StatisticsGen": "PROCESS",
    _COMPONENTS + "schema_gen.component.SchemaGen": "PROCESS",
    _COMPONENTS + "distribution_validator.component.DistributionValidator": "PROCESS",
    _COMPONENTS + "example_diff.component.ExampleDiff": "PROCESS",
    _COMPONENTS + "transform.component.Transform": "TRANSFORM",
    _COMPONENTS + "trainer.component.Trainer": "TRAIN",
    _COMPONENTS + "evaluator.component.Evaluator": "EVALUATE",
    _COMPONENTS + "pusher.component.Pusher": "DEPLOY",
}


def node_context_name(pipeline: str, node_id: str) -> str:
    """Name of the context of a node, across runs."""
    return f"{pipeline}.{node_id}"
